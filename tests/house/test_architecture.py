"""The house rules, read off the sources: imports go down only, and importing compiles nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from processes import printed
from sources import KERNELS, PACKAGE, PACKAGES, ROOT, imported, name_of, parse, sources

# From the ground up; what stands in one row does not import each other, but for the arrows listed below.
LAYERS = (
    ("errors", "files", "finite", "geometry", "random", "version"),
    ("backend",),
    ("compilation", "late_checks"),
    ("tensor_base", "cuda"),
    ("autograd",),
    ("ops",),
    ("tensor",),
    ("creation", "gradcheck"),
    ("nn",),
    ("models", "data", "optim", "metrics", "checkpoint", "interop", "viz", "linear_maps", "op_calls"),
    ("options",),
    ("engine",),
    ("cli", "console", "__main__"),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
BESIDE = {
    ("finite", "errors"),
    ("files", "errors"),
    ("checkpoint", "models"),
    ("viz", "data"),
    ("viz", "metrics"),
    ("interop", "checkpoint"),
    ("interop", "models"),
    ("cli", "console"),
    ("__main__", "cli"),
}


def part(name: str) -> str | None:
    """Which part of tinyseg a name belongs to; None for the package's own few names (its version)."""
    pieces = name.split(".")
    return pieces[1] if pieces[0] == "tinyseg" and len(pieces) > 1 and pieces[1] in LEVEL else None


# Arrows


def test_every_part_has_its_layer() -> None:
    parts = {path.stem if path.is_file() else path.name for path in PACKAGE.iterdir()}
    assert parts - {"__init__", "__pycache__", "py"} == set(LEVEL)


def test_imports_go_down_only() -> None:
    arrows = 0
    for path in sources(PACKAGE):
        here = part(name_of(path, PACKAGE))
        if here is None:
            continue  # tinyseg/__init__.py stands above all
        for name, line in imported(path, PACKAGE):
            there = part(name)
            if there is not None and there != here:
                arrows += 1
                down = LEVEL[there] < LEVEL[here] or (here, there) in BESIDE
                assert down, f"{path}:{line}: {here} must not import {there}"
    assert arrows > 60, "are imports still found?"


def test_only_two_files_import_the_kernels() -> None:
    """The devices, and for the command line the compiler and its cache."""
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in sources(PACKAGE)
        if any(name.split(".")[0] == "tinyseg_kernels" for name, _ in imported(path, PACKAGE, for_types=False))
    }
    assert users == {"backend.py", "compilation.py"}


def test_kernels_know_nothing_of_tensors() -> None:
    for path in sources(KERNELS):
        for name, line in imported(path, KERNELS):
            assert name.split(".")[0] != "tinyseg", f"{path}:{line}: imports {name}"


def test_the_reference_is_plain_numpy() -> None:
    for path in sources(KERNELS / "reference"):
        for name, line in imported(path, KERNELS):
            top = name.split(".")
            allowed = top[0] in ("numpy", "__future__", "typing", "collections", "math") or top[1] in (
                "reference",
                "spec",
            )
            assert allowed, f"{path}:{line}: imports {name}"


def test_operators_leave_a_tensor_s_data_to_the_backend() -> None:
    """No NumPy function is called on an ``array`` in ops, nn and optim: a backend's array may be no NumPy array."""
    looked = 0
    for folder in ("ops", "nn", "optim", "models"):
        for path in sources(PACKAGE / folder):
            for node in ast.walk(parse(path)):
                if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("np."):
                    looked += 1
                    arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
                    touched = [a for arg in arguments for a in ast.walk(arg) if isinstance(a, ast.Attribute)]
                    assert all(a.attr != "array" for a in touched), f"{path}:{node.lineno}: {ast.unparse(node)}"
    assert looked > 5


def test_nothing_imports_tests_examples_or_benchmarks() -> None:
    others = {"tests", "examples", "benchmarks", *(path.stem for path in (ROOT / "tests" / "support").iterdir())}
    for root in PACKAGES:
        for path in sources(root):
            for name, line in imported(path, root):
                assert name.split(".")[0] not in others, f"{path}:{line}: imports {name}"


@pytest.mark.parametrize("root", PACKAGES, ids=["tinyseg", "kernels"])
def test_nothing_is_checked_by_assert(root: Path) -> None:
    """python -O would not check it."""
    for path in sources(root):
        for node in ast.walk(parse(path)):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}"


# What importing does


def test_importing_tinyseg_is_light() -> None:
    """What is slow to import, or not needed by everybody, is imported where it is used."""
    heavy = ("numba", "llvmlite", "scipy", "matplotlib", "typer", "rich", "torch", "PIL", "tinyseg_kernels")
    assert printed(f"import sys, tinyseg; print([m for m in {heavy} if m in sys.modules])") == "[]"


def test_every_module_can_be_imported_and_compiles_nothing() -> None:
    names = [name_of(path, root) for root in PACKAGES for path in sources(root) if path.stem != "__main__"]
    # Without numba-cuda, and with the simulator in its place, the GPU's are imported by a test below.
    names = [name for name in names if not name.startswith("tinyseg_kernels.cuda")]
    assert len(names) > 80
    code = f"""
import importlib
from numba.core import event
compiled = []
class Listener(event.Listener):
    def on_start(self, event): compiled.append(event.data["dispatcher"].py_func.__qualname__)
    def on_end(self, event): pass
event.register("numba:compile", Listener())
for name in {names!r}:
    importlib.import_module(name)
print(compiled)
import numba
function = numba.njit(lambda x: x + 1)
function(1)
print(compiled)
"""
    before, after = printed(code).splitlines()
    assert before == "[]"
    assert after == "['<lambda>']", "is the listener still told?"


def test_the_cpu_backend_is_loaded_at_the_first_tensor_only() -> None:
    code = "import sys, tinyseg; tinyseg.zeros(1, device='reference'); print('numba' in sys.modules); "
    code += "tinyseg.zeros(1); print('numba' in sys.modules)"
    assert printed(code).split() == ["False", "True"]
