"""Links between pages, to files and to pictures, which a code host and the site follow alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sources import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
CODE = re.compile(r"^```.*?^```$|^    .*?$", re.DOTALL | re.MULTILINE)
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """What a code host calls the headings: small letters, without punctuation, dashes for spaces."""
    text = page.read_text(encoding="utf-8")
    if included := re.match(r"```\{include\} (\S+)", text):
        return anchors(page.parent / included[1])
    headings = re.findall(r"^#+ (.*)$", CODE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    """Links whose file, or whose heading, is not there."""
    dead = []
    for link in LINK.findall(CODE.sub("", page.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+://", link):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            dead.append(link)
    return dead


@pytest.mark.parametrize("page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES])
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_dead_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "there.md").write_text("# A heading, here\n\n## Which?\n", encoding="utf-8")
    page = tmp_path / "page.md"
    page.write_text(
        "[a](there.md) [b](there.md#a-heading-here) [c](there.md#which) [d](#page) [x](https://nowhere)\n"
        "[e](gone.md) ![f](gone.png) [g](there.md#gone)\n# Page\n\n```python\nx[0](1)\n```\n",
        encoding="utf-8",
    )
    assert dead_links(page) == ["gone.md", "gone.png", "there.md#gone"]


def test_every_script_has_a_page_of_the_tour_and_the_other_way_round() -> None:
    scripts = {path.stem for path in (ROOT / "examples").glob("*.py") if "# %%" in path.read_text(encoding="utf-8")}
    assert {path.stem for path in (ROOT / "docs" / "tour").glob("*.md")} == scripts | {"index"}


def test_every_picture_of_the_tour_is_shown() -> None:
    for page in (ROOT / "docs" / "tour").glob("*.md"):
        shown = set(re.findall(rf"\({page.stem}/([^)]+)\)", page.read_text(encoding="utf-8")))
        assert {path.name for path in (page.with_suffix("")).glob("*")} == shown, page.name
