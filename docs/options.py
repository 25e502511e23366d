"""Writes ``options.md``, the tables of all options of ``tinyseg train``: ``python docs/options.py``."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tinyseg import models
from tinyseg.errors import flag
from tinyseg.options import RUN_OPTIONS, TRAIN_OPTIONS, Option
from tinyseg.options.training import GROUPS

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Options of training

Written by `python docs/options.py` from the declarations of the options (`tinyseg/options/`); a test compares.
[Training](training.md) explains what they do. In a file of options the key is the flag without its dashes in front,
with dashes or underscores; those marked with * cannot be in a file.
"""


KINDS = {str: "TEXT", int: "N", float: "X"}


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _flag(option: Option) -> str:
    """As it is typed, with what stands for the value."""
    value = "" if option.kind is bool else f" {option.metavar or KINDS[option.kind]}"
    no = f", `{flag(f'no_{option.name}')}`" if option.negatable else ""
    return f"`{flag(option.name)}{_cell(value)}`{no}{'' if option.in_files else ' *'}"


def _values(option: Option) -> str:
    if option.choices:
        return ", ".join(f"`{choice}`" for choice in option.choices)
    words = "" if option.within is None else option.within.words
    return words.replace("must not be", "must be not").partition("must be ")[2]


def _table(options: Iterable[Option]) -> str:
    rows = [
        f"| {_flag(option)} | {_cell(option.help)} | {_values(option)} | {option.default_text} |"
        for option in options
    ]
    return "\n".join(["| option | meaning | values | default |", "|---|---|---|---|", *rows, ""])


def _of_models() -> str:
    rows = []
    for name, option in models.all_options().items():
        meaning, _, default = option.help.removeprefix("Of a model: ").partition(". [default: ")
        kind = "" if option.kind is bool else f" {KINDS[option.kind]}"
        rows.append(f"| `{flag(name)}{kind}` | {meaning} | {default.removesuffix(']')} |")
    return "\n".join(["| option | meaning | default |", "|---|---|---|", *rows, ""])


def page() -> str:
    """The text of options.md."""
    parts = [HEAD]
    for group in GROUPS:
        parts.append(f"## {group}\n\n{_table(o for o in TRAIN_OPTIONS.values() if o.group == group)}")
    parts.append(f"## The run\n\n{_table(RUN_OPTIONS.values())}")
    parts.append(f"## Of the models\n\n{_of_models()}")
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
