"""The sources of both packages as trees: files, names of modules, what they import and define."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

import tinyseg
import tinyseg_kernels

PACKAGE = Path(tinyseg.__file__).parent
KERNELS = Path(tinyseg_kernels.__file__).parent
PACKAGES = (PACKAGE, KERNELS)
FOLDERS = [str(root.parent) for root in PACKAGES]
"""To import from."""
ROOT = Path(__file__).parents[2]
"""The checkout that these tests stand in."""


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources(root: Path) -> list[Path]:
    return sorted(root.rglob("*.py"))


def name_of(path: Path, root: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of both packages, and its file."""
    return {name_of(path, root): path for root in PACKAGES for path in sources(root)}


def imported(path: Path, root: Path, *, for_types: bool = True) -> Iterator[tuple[str, int]]:
    """Absolute names of all that a file imports, and the lines: also in functions, and what type checkers alone read,
    but for ``for_types=False``.
    """
    package = name_of(path, root).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    pending: list[ast.AST] = [parse(path)]
    while pending:
        node = pending.pop()
        if not for_types and isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{stem}.{alias.name}", node.lineno) for alias in node.names)


def imported_modules(path: Path, root: Path) -> Iterator[tuple[str, int]]:
    """The modules of both packages among them, also by a member: ``from .layout import Layout``."""
    for name, line in imported(path, root):
        module = name if name in modules() else name.rpartition(".")[0]
        if module in modules():
            yield module, line


def functions(path: Path) -> list[ast.FunctionDef]:
    """Those that a file defines at its top."""
    return [node for node in parse(path).body if isinstance(node, ast.FunctionDef)]
