"""What the documentation shows has to run."""

from __future__ import annotations

import re
import runpy

import pytest
from sources import ROOT

import tinyseg
from tinyseg import linear_maps

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
BLOCK = re.compile(r"^```python\n(.*?)^```$(?:\n\n^```text\n(.*?)^```$)?", re.DOTALL | re.MULTILINE)
BLOCKS = {
    path.relative_to(ROOT).as_posix(): found
    for path in PAGES
    if (found := BLOCK.findall(path.read_text(encoding="utf-8")))
}
PRINTED = {
    "CONTRIBUTING.md": lambda printed: printed.split() == ["True", "True"],  # as the comments there say
    # It has learnt the sign of a pixel; log(2) = 0.69 is where it starts.
    "docs/library.md": lambda printed: float(printed.split()[0]) < 0.3,
    "docs/data.md": lambda printed: printed.split()[0] == "cells-val-0",
}
"""What the blocks of a page print, all together, where the page does not show it."""


@pytest.mark.parametrize("page", BLOCKS)
def test_python_blocks_run_and_print_what_is_shown(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The blocks of a page run one after the other; a block of text right after one is what it prints."""
    variables: dict[str, object] = {}
    printed = ""
    for number, (code, shown) in enumerate(BLOCKS[page]):
        exec(compile(code, f"{page}, block {number}", "exec"), variables)
        out = capsys.readouterr().out
        printed += out
        if shown:
            assert out == shown, f"block {number}"
    assert page not in PRINTED or PRINTED[page](printed)


def test_the_page_about_data_has_every_data_set_and_augmentation() -> None:
    from tinyseg.data import AUGMENTATIONS, DATASETS, open_dataset

    text = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    rows = {
        cells[0].strip("`"): cells[1:4]
        for cells in re.findall(r"^\| (`[^|]+`) \| ([\d,]*) ?\| ([\d,]*) ?\| ([\d,]*) ?\|", text, re.M)
    }
    listed = [
        name for name, kind in DATASETS.items() if not kind.drawn and name not in ("folder", "cell-tracking-silver")
    ]
    assert sorted(rows) == sorted(listed)
    for name, counts in rows.items():
        published = DATASETS[name].published
        assert [published.get(split) for split in ("train", "val", "test")] == [
            int(count.replace(",", "")) if count else None for count in counts
        ]
    assert all(re.search(rf"`{name}[=`]", text) for name in AUGMENTATIONS)
    for name in ("shapes", "cells"):
        sizes = tuple(len(open_dataset(name, split)) for split in ("train", "val", "test"))
        assert "`{}` ({}, {} and {}".format(name, *sizes) in text


@pytest.mark.parametrize("page", [page.relative_to(ROOT).as_posix() for page in PAGES])
def test_every_command_of_a_page_is_known(page: str) -> None:
    import typer.main

    from tinyseg.cli import app

    text = (ROOT / page).read_text(encoding="utf-8")
    commands = typer.main.get_command(app)
    for line in re.findall(rf"\btinyseg ((?:{'|'.join(commands.commands)}) [^`\n]*)", text):  # type: ignore[attr-defined]
        name, *words = line.split()
        known = {option for parameter in commands.commands[name].params for option in parameter.opts}  # type: ignore[attr-defined]
        assert {word for word in words if word.startswith("--")} <= known, line


def test_the_list_of_operators_is_what_the_docstrings_say() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "operators.py"))["page"]()
    written = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    assert written == page, "operators.md is stale: python docs/operators.py writes it anew"


def test_the_tables_of_models_are_what_the_networks_are() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "models.py"))["page"]()
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written == page, "models.md is stale: python docs/models.py writes it anew"


def test_the_list_of_operators_has_all() -> None:
    written = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    for prefix, module in (("F", tinyseg.nn.functional), ("nn", tinyseg.nn), ("linear_maps", linear_maps)):
        for name in module.__all__:
            if callable(getattr(module, name)):
                assert re.search(rf"`{prefix}\.{name}[(`]", written), name
    rows = [line.split(" | ") for line in written.splitlines() if line.startswith("| `")]
    assert len(rows) > 100
    assert all(len(row) == 2 and len(row[1]) > 5 for row in rows), "each has a sentence"
