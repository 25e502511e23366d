"""Which module imports which: none in a circle, and inside packages from part to part in one direction."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import pytest
from sources import KERNELS, PACKAGE, PACKAGES, imported_modules, modules, name_of, parse, sources

import tinyseg_kernels.cpu
from tinyseg_kernels import spec

Arrow = tuple[str, str, str]
"""The module that imports, the one that is imported, and where that stands."""


def arrows() -> Iterator[Arrow]:
    """All imports of a module of both packages by another, also in functions and for type checkers alone."""
    for root in PACKAGES:
        for path in sources(root):
            here = name_of(path, root)
            for there, line in imported_modules(path, root):
                if there != here:
                    yield here, there, f"{path}:{line}"


# Circles


def circles(graph: Mapping[str, set[str]]) -> list[set[str]]:
    """Sets of modules that import each other, directly or by way of others."""
    reach: dict[str, set[str]] = {}
    for start in graph:
        seen, pending = set(), [start]
        while pending:
            for other in graph[pending.pop()] - seen:
                seen.add(other)
                pending.append(other)
        reach[start] = seen
    together = {frozenset(b for b in reach[a] if a in reach[b]) for a in graph if a in reach[a]}
    return [set(circle) for circle in together]


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": set()}) == [{"b", "c"}]


def test_no_modules_import_each_other() -> None:
    graph: dict[str, set[str]] = {name: set() for name in modules()}
    for here, there, _ in arrows():
        graph[here].add(there)
    assert circles(graph) == []
    assert len(graph) > 300


def test_kernels_import_each_other_relatively() -> None:
    for path in sources(KERNELS):
        for node in ast.walk(parse(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            assert all(name.split(".")[0] != KERNELS.name for name in names), f"{path}: {names}"


# Parts of a package


class Order(NamedTuple):
    """The parts of a package in rows, from the ground up, and how many imports there are between them at least.

    ``together``: the parts that may import each other.
    """

    rows: tuple[tuple[str, ...], ...]
    least: int
    together: frozenset[str] = frozenset()


KERNEL_FOLDERS = (("runtime",), ("vector",), ("patterns",), ("conv",), (*spec.STEMS,))


def rows_of_data() -> tuple[tuple[str, ...], ...]:
    """The parts of ``tinyseg.data``, as the package's docstring says."""
    text = ast.get_docstring(parse(PACKAGE / "data" / "__init__.py")) or ""
    _, found, block = text.partition("imports only those in rows below its own::\n")
    assert found, "the docstring of tinyseg.data says the order of its parts"
    return tuple(tuple(line.split()) for line in reversed(block.splitlines()) if line.startswith("    "))


ORDERS = {
    "tinyseg_kernels.cpu": Order(KERNEL_FOLDERS, 150, frozenset(spec.STEMS)),
    "tinyseg_kernels.cuda": Order(KERNEL_FOLDERS, 150, frozenset(spec.STEMS)),
    "tinyseg.data": Order(rows_of_data(), 40),
    "tinyseg.engine": Order(
        (
            ("config",), ("parts",), ("storage",), ("prediction",), ("inspection",), ("training",),
            ("checking", "comparison"),
        ),
        30,
    ),
}  # fmt: skip


@pytest.mark.parametrize("package", ORDERS)
def test_each_part_of_a_package_has_its_row(package: str) -> None:
    folder = modules()[package].parent
    parts = {path.stem for path in folder.iterdir() if not path.name.startswith("__")}
    assert parts == {part for row in ORDERS[package].rows for part in row}


@pytest.mark.parametrize("package", ORDERS)
def test_imports_inside_a_package_go_down_only(package: str) -> None:
    """None between parts of a row, unless they are ``together``, and none by way of the package: it is above all."""
    rows, least, together = ORDERS[package]
    level = {part: number for number, row in enumerate(rows) for part in row}
    found = 0
    for here, there, where in arrows():
        if here.startswith(f"{package}."):
            assert there != package, f"{where}: imports by way of the package"
            if there.startswith(f"{package}."):
                above, below = (name.removeprefix(f"{package}.").split(".")[0] for name in (here, there))
                found += above != below
                allowed = above == below or {above, below} <= together or level[below] < level[above]
                assert allowed, f"{where}: {above} must not import {below}"
    assert found > least, "are imports still found?"


def test_the_cpu_s_docstring_says_the_order() -> None:
    order = ["stems", *(row[0] for row in reversed(KERNEL_FOLDERS[:-1]))]
    assert " -> ".join(order) in (tinyseg_kernels.cpu.__doc__ or "")
