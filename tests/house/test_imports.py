"""``tinyseg.data`` and ``tinyseg.files``, read off the sources: folders, what imports what, and what repeats."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import tinyseg

PACKAGE = Path(tinyseg.__file__).parent
MOST_FILES = 24


def module_name(path: Path) -> str:
    parts = ("tinyseg", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """All that a file imports of tinyseg, also inside functions and for type checkers alone."""
    parts = module_name(path).split(".")
    package = parts if path.name == "__init__.py" else parts[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{stem}.{alias.name}", node.lineno) for alias in node.names)


def rows() -> dict[str, int]:
    """The part of ``tinyseg.data`` -> its row, from the ground up, as the package's docstring says."""
    text = ast.get_docstring(ast.parse((PACKAGE / "data" / "__init__.py").read_text(encoding="utf-8"))) or ""
    _, found, block = text.partition("imports only those in rows below its own::\n")
    assert found, "the docstring of tinyseg.data says the order of its parts"
    lines = [line.split() for line in block.splitlines() if line.startswith("    ")]
    return {name: row for row, names in enumerate(reversed(lines)) for name in names}


def folders(root: Path) -> list[Path]:
    return sorted({path.parent for path in root.rglob("*.py")})


@pytest.mark.parametrize("name", ["data", "files"])
def test_folders_are_small_and_say_what_is_in_them(name: str) -> None:
    for folder in folders(PACKAGE / name):
        files = list(folder.glob("*.py"))
        assert len(files) <= MOST_FILES, f"{folder}: {len(files)} files"
        start = folder / "__init__.py"
        assert start.is_file(), f"{folder}: without an __init__.py it is missing from the wheel"
        assert ast.get_docstring(ast.parse(start.read_text(encoding="utf-8"))), f"{start}: has no docstring"


def test_each_part_of_data_has_its_row() -> None:
    parts = {path.stem for path in (PACKAGE / "data").iterdir() if not path.name.startswith("__")}
    assert parts == set(rows())


def test_imports_between_the_parts_of_data_go_down_only() -> None:
    order, arrows = rows(), 0
    for path in sorted((PACKAGE / "data").rglob("*.py")):
        if path == PACKAGE / "data" / "__init__.py":
            continue
        here = module_name(path).split(".")[2]
        for name, line in imports(path):
            if name.startswith("tinyseg.data.") and (there := name.split(".")[2]) != here:
                arrows += 1
                assert there in order, f"{path}:{line}: imports {name} by way of the package"
                assert order[there] < order[here], f"{path}:{line}: {here} must not import {there}"
    assert arrows > 40, "are imports still found?"


@pytest.mark.parametrize("name", ["data", "files"])
def test_modules_import_each_other_in_no_circle(name: str) -> None:
    paths = {module_name(path): path for path in (PACKAGE / name).rglob("*.py")}
    arrows: dict[str, set[str]] = {}
    for module, path in paths.items():
        named = {imported for imported, _ in imports(path)}
        # ``from .layout import Layout`` names a module's member, ``from . import layout`` the module.
        arrows[module] = {one if one in paths else one.rpartition(".")[0] for one in named} & set(paths)
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        pytest.fail(f"a circle: {' -> '.join(error.args[1])}")


def test_no_two_data_sets_repeat_a_constructor() -> None:
    found: dict[tuple[str, ...], list[str]] = {}
    for path in sorted((PACKAGE / "data").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            for function in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                    names = tuple(arg.arg for arg in (*function.args.args, *function.args.kwonlyargs))
                    if "split" in names:
                        found.setdefault(names, []).append(node.name)
    assert sorted(owner for owners in found.values() for owner in owners) == [
        "CocoInstances",
        "Folder",
        "Generated",
        "Layout",
        "SplitByName",
        "SplitInOrder",
    ]
    assert len(found) == 6, f"constructors with the same arguments: {found}"
