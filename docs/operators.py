"""Writes ``operators.md``, the list of all public operators and layers: ``python docs/operators.py``."""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import tinyseg
from tinyseg import linear_maps, nn
from tinyseg.nn import functional

PAGE = Path(__file__).with_suffix(".md")
HEAD = """# Operators

Written by `python docs/operators.py` from the docstrings; a test compares. Names, arguments, defaults and meaning are
PyTorch's; docstrings have formulas, shapes, errors, sources and examples (`help(tinyseg.nn.functional.conv2d)`).
`tinyseg gradcheck` compares every gradient with differences.
"""


def _signature(call: Callable[..., Any], method: bool) -> str:
    """Names and defaults, without types; of a method without the object."""
    given = inspect.signature(call)
    plain = [p.replace(annotation=p.empty) for p in given.parameters.values()][int(method) :]
    return str(given.replace(parameters=plain, return_annotation=given.empty))


def _summary(thing: Any) -> str:
    """The first sentence of a docstring, on one line."""
    first = (inspect.getdoc(thing) or "").split("\n\n")[0]
    text = " ".join(first.split()).replace("``", "`").replace("|", "\\|")
    return re.split(r"(?<!\.)\. (?=[A-Z`(])", text)[0].rstrip(".").removesuffix(":")


def _table(prefix: str, things: Iterable[tuple[str, Any]], methods: bool = False) -> str:
    rows = [f"| `{prefix}{name}{_signature(thing, methods)}` | {_summary(thing)} |" for name, thing in things]
    return "\n".join(["| call | what it is |", "|---|---|", *rows, ""])


def _families(package: Any) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
    """The public names of a package by the module that defines them, under the first line of its docstring."""
    exported = [(name, getattr(package, name)) for name in package.__all__]
    defined = [(name, thing) for name, thing in exported if inspect.isfunction(thing) or inspect.isclass(thing)]
    for module in sorted({thing.__module__ for _, thing in defined}):
        members = [(name, thing) for name, thing in defined if thing.__module__ == module]
        yield module, sorted(members, key=lambda member: member[0].lower())


def page() -> str:
    """The text of operators.md."""
    parts = [HEAD]
    parts.append("## Functions of networks: `import tinyseg.nn.functional as F`\n")
    for module, members in _families(functional):
        parts.append(f"### {_summary(sys.modules[module])}\n\n{_table('F.', members)}")
    parts.append("## Layers: `from tinyseg import nn`\n")
    for module, members in _families(nn):
        parts.append(f"### {_summary(sys.modules[module])}\n\n{_table('nn.', members)}")
    parts.append("## Functions of tensors: `import tinyseg`\n")
    for module, members in _families(tinyseg):
        if module.startswith(("tinyseg.ops.", "tinyseg.creation")):
            parts.append(f"### {_summary(sys.modules[module])}\n\n{_table('tinyseg.', members)}")
    methods = [
        (name, method)
        for name, method in vars(tinyseg.Tensor).items()
        if inspect.isfunction(method) and not name.startswith("_")
    ]
    parts.append(f"## Methods of a tensor\n\n{_table('x.', sorted(methods), methods=True)}")
    parts.append("## Operators as matrices: `from tinyseg import linear_maps`\n")
    matrices = [member for _, members in _families(linear_maps) for member in members]
    parts.append(_table("linear_maps.", sorted(matrices, key=lambda member: member[0].lower())))
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
