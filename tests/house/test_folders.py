"""Folders are rooms and no heaps: few files in each, a sentence of what is in them, and all of them in the wheel."""

from __future__ import annotations

import ast
import tomllib
from collections import Counter
from pathlib import Path

import pytest
from sources import KERNELS, PACKAGE, PACKAGES, ROOT, parse, sources

MOST_FILES = 24


@pytest.mark.parametrize("root", [*PACKAGES, ROOT / "tests"], ids=["tinyseg", "kernels", "tests"])
def test_folders_are_rooms_and_no_heaps(root: Path) -> None:
    counts = Counter(path.parent for path in sources(root))
    assert {str(folder): count for folder, count in counts.items() if count > MOST_FILES} == {}
    assert len(counts) > 5


@pytest.mark.parametrize("root", PACKAGES, ids=["tinyseg", "kernels"])
def test_every_folder_is_a_package_that_says_what_is_in_it(root: Path) -> None:
    """One without ``__init__.py`` would be missing from the wheel."""
    for folder in {path.parent for path in sources(root)}:
        init = folder / "__init__.py"
        assert init.is_file(), folder
        least = 100 if folder.is_relative_to(KERNELS / "cuda") else 50
        assert len(ast.get_docstring(parse(init)) or "") > least, init


def test_no_folder_of_the_packages_is_ignored_by_git() -> None:
    ignored = {
        line.rstrip("/") for line in (ROOT / ".gitignore").read_text(encoding="utf-8").split() if line.endswith("/")
    }
    for root in PACKAGES:
        for path in sources(root):
            assert not ignored.intersection(path.relative_to(root).parts), path


def test_every_file_that_is_no_module_is_in_the_package_data() -> None:
    found = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]
    for package, patterns in found["package-data"].items():
        root = {"tinyseg": PACKAGE, "tinyseg_kernels": KERNELS}[package]
        others = {
            path
            for path in root.rglob("*")
            if path.is_file() and path.suffix not in (".py", ".pyc") and "__pycache__" not in path.parts
        }
        covered = {path for pattern in patterns for path in root.glob(pattern)}
        assert others == covered, package
        assert all(any(root.glob(pattern)) for pattern in patterns), "a pattern of nothing is left over"


def test_no_two_files_of_tests_share_a_name() -> None:
    """Folders of tests are no packages, so pytest could not tell two modules apart."""
    counts = Counter(path.name for path in sources(ROOT / "tests") if path.parent.name != "op_cases")
    assert [name for name, count in counts.items() if count > 1] == []
