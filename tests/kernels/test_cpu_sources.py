"""The cpu backend's house: its folders, the order of imports, the kernels' names, its cache of machine code."""

from __future__ import annotations

import ast
import importlib
import inspect
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

import tinyseg_kernels
from tinyseg_kernels import cpu, spec
from tinyseg_kernels.cpu.runtime import compiler

PACKAGE = Path(cpu.__file__).parent
FOLDERS = sorted({path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")})

# From the ground up; the stems stand above all.
ORDER = ("runtime", "vector", "patterns", "conv", "stems")


def name_of(path: Path) -> str:
    """The module's name within the backend; empty for the backend itself."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in sorted(PACKAGE.rglob("*.py"))}
STEMS = [name for name in MODULES if name and "." not in name and MODULES[name].stem != "__init__"]


def imports_of(name: str) -> Iterator[str]:
    """The backend's modules that a module imports, in functions and for type checkers, too."""
    path = MODULES[name]
    package = ["tinyseg_kernels", "cpu", *(name.split(".") if name else [])]
    if path.stem != "__init__":
        package = package[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        found: list[str] = []
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            found = [f"{stem}.{alias.name}" for alias in node.names]
        for dotted in found:
            inner = dotted.removeprefix("tinyseg_kernels.cpu.")
            if inner != dotted:
                module = inner if inner in MODULES else inner.rpartition(".")[0]
                assert module in MODULES, f"{path} imports {dotted}"
                yield module


def layer_of(name: str) -> int:
    folder = name.split(".")[0]
    return ORDER.index(folder if folder in ORDER else "stems")


# --- Folders


def test_no_folder_is_a_heap() -> None:
    counts = {folder: len(list((PACKAGE / folder).glob("*.py"))) for folder in FOLDERS}
    assert max(counts.values()) <= 24, counts


def test_every_folder_is_a_package_that_says_what_is_in_it() -> None:
    """Without an ``__init__.py`` it would be missing from the wheel."""
    for folder in FOLDERS:
        source = PACKAGE / folder / "__init__.py"
        assert source.exists(), folder
        assert ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))), folder


def test_the_top_folder_holds_the_stems_only() -> None:
    assert set(spec.STEMS) <= set(STEMS) <= {*spec.STEMS, "device"}


# --- Imports


def test_imports_go_down_in_the_order_of_the_folders() -> None:
    arrows = 0
    for name in MODULES:
        for other in imports_of(name) if name else ():
            arrows += 1
            assert layer_of(other) <= layer_of(name), f"{name} must not import {other}"
    assert arrows > 150, "are imports still found?"
    order = " -> ".join(reversed(ORDER))
    assert order in (cpu.__doc__ or "")


def test_imports_have_no_circle() -> None:
    graph = {name: set(imports_of(name)) - {name} for name in MODULES}
    while leaves := {name for name, others in graph.items() if not others}:
        graph = {name: others - leaves for name, others in graph.items() if name not in leaves}
    assert graph == {}


# --- Names


def test_each_stem_exports_exactly_its_kernels() -> None:
    kernels = defaultdict(set)
    for kernel in spec.KERNELS.values():
        kernels[kernel.stem].add(kernel.name)
    for stem, names in kernels.items():
        assert set(importlib.import_module(f"{cpu.__name__}.{stem}").__all__) == names
    source = (PACKAGE / "__init__.py").read_text(encoding="utf-8")
    assert "globals" not in source
    assert all(f"from .{stem} import *" in source for stem in STEMS)


def test_kernels_say_who_they_are() -> None:
    """Also those that are made from a formula: signature, name, module, docstring and source are the kernel's."""
    tinyseg_kernels.load("cpu")
    elementwise = [k for k in spec.KERNELS.values() if k.stem in ("elementwise", "activation", "loss")]
    below = {"assign": "patterns.copying"}  # what lower files need, too
    for kernel in elementwise:
        function = getattr(cpu, kernel.name)
        assert tuple(inspect.signature(function).parameters) == kernel.arguments
        assert (function.__name__, function.__qualname__) == (kernel.name, kernel.name)
        assert function.__module__ == f"{cpu.__name__}.{below.get(kernel.name, kernel.stem)}"
        assert function.__doc__
        assert f"def {kernel.name}(" in inspect.getsource(function)


def test_element_wise_functions_do_not_differ_in_a_loop_only() -> None:
    """Three that are equal but for the loops they run should be made from a formula by a decorator they share."""
    for stem in ("elementwise", "activation", "loss"):
        seen = defaultdict(list)
        for node in ast.parse(MODULES[stem].read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and not node.decorator_list and not node.name.startswith("_"):
                body = "".join(ast.unparse(statement) for statement in node.body[1:])
                loops = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and n.id.startswith("_")}
                for loop in sorted(loops, key=len, reverse=True):
                    body = body.replace(loop, "_")
                seen[f"{ast.unparse(node.args)}: {body}"].append(node.name)
        assert all(len(names) < 3 for names in seen.values()), seen


# --- The cache of machine code

_FOLDER = "from tinyseg_kernels.cpu.runtime import compiler; print(compiler.cache_folder().name)"


def cache_folder_of(root: Path, cache: Path) -> str:
    """The name of the cache folder of a copy of the package, found by a process that imports the copy."""
    found = subprocess.run(
        [sys.executable, "-c", _FOLDER],
        env={"PYTHONPATH": str(root), "TINYSEG_CACHE_DIR": str(cache), "SYSTEMROOT": "C:\\Windows"},
        capture_output=True,
        text=True,
        check=True,
    )
    return found.stdout.strip()


def copy_to(folder: Path) -> Path:
    """A copy of the kernels' package, in a folder that can be a process's first one to import from."""
    ignored = shutil.ignore_patterns("__pycache__", "cuda")
    return Path(shutil.copytree(PACKAGE.parent, folder / "tinyseg_kernels", ignore=ignored))


def test_another_cache_folder_where_a_deep_file_changes(tmp_path: Path) -> None:
    copy = copy_to(tmp_path / "copy")
    before = cache_folder_of(copy.parent, tmp_path / "cache")
    changed = max((copy / "cpu").rglob("*.py"), key=lambda path: len(path.parts))
    changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert cache_folder_of(copy.parent, tmp_path / "cache") != before


@pytest.mark.parametrize("folder", FOLDERS)
def test_the_digest_knows_every_folder(folder: str, tmp_path: Path) -> None:
    root = copy_to(tmp_path) / "cpu"
    digests = [compiler.sources_digest(root)]
    assert digests[0] == compiler.sources_digest(PACKAGE)
    changed = max((root / folder).glob("*.py"))
    changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    digests.append(compiler.sources_digest(root))
    (root / folder / "added.py").touch()
    digests.append(compiler.sources_digest(root))
    (root / folder / "added.py").rename(root / folder / "renamed.py")
    digests.append(compiler.sources_digest(root))
    assert len(set(digests)) == 4


def test_nothing_outside_of_the_digest_is_compiled() -> None:
    """Kernels, and all that they call, stand in the backend's own folder, or come with Numba and NumPy."""
    pending = list(compiler._kernels)
    seen = set(pending)
    while pending:
        function = pending.pop()
        module = function.__module__
        assert module.startswith(f"{cpu.__name__}."), f"{module}.{function.__qualname__}"
        for name in function.__code__.co_names:
            called = getattr(function.__globals__.get(name), "py_func", None)
            if called is not None and called not in seen:
                seen.add(called)
                pending.append(called)
    assert len(seen) > 150
