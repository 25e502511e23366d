"""The house rules, read off the sources: imports go down only, importing compiles nothing, backends are complete."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

import tinyseg
import tinyseg_kernels
from tinyseg_kernels import spec

PACKAGE = Path(tinyseg.__file__).parent
KERNELS = Path(tinyseg_kernels.__file__).parent

# From the ground up; what stands in one row does not import each other, but for the arrows listed below.
LAYERS = (
    ("errors", "files", "finite", "geometry", "random"),
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


@functools.cache
def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def sources(root: Path) -> list[Path]:
    return sorted(path for path in root.rglob("*.py"))


def name_of(path: Path, root: Path) -> str:
    """The module's dotted name."""
    parts = path.relative_to(root.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, root: Path) -> Iterator[tuple[str, int]]:
    """Absolute names of all that a file imports, also inside functions, but not for type checkers alone."""
    package = name_of(path, root).split(".")
    if path.name != "__init__.py":
        package = package[:-1]
    pending: list[ast.AST] = [parse(path)]
    while pending:
        node = pending.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        pending.extend(ast.iter_child_nodes(node))
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            stem = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((f"{stem}.{alias.name}", node.lineno) for alias in node.names)


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
        if any(name.split(".")[0] == "tinyseg_kernels" for name, _ in imported(path, PACKAGE))
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
    for root in (PACKAGE, KERNELS):
        for path in sources(root):
            for name, line in imported(path, root):
                assert name.split(".")[0] not in ("tests", "examples", "benchmarks", "op_cases"), f"{path}:{line}"


@pytest.mark.parametrize("root", [PACKAGE, KERNELS], ids=["tinyseg", "kernels"])
def test_nothing_is_checked_by_assert(root: Path) -> None:
    """python -O would not check it."""
    for path in sources(root):
        for node in ast.walk(parse(path)):
            assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}"


# What importing does


def run(code: str, **environment: str) -> str:
    """The output of a fresh interpreter, which knows of no simulated GPU but if it is told."""
    inherited = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_tinyseg_is_light() -> None:
    """What is slow to import, or not needed by everybody, is imported where it is used."""
    heavy = ("numba", "llvmlite", "scipy", "matplotlib", "typer", "rich", "torch", "PIL", "tinyseg_kernels")
    assert run(f"import sys, tinyseg; print([m for m in {heavy} if m in sys.modules])") == "[]"


def test_every_module_can_be_imported_and_compiles_nothing() -> None:
    names = [name_of(path, root) for root in (PACKAGE, KERNELS) for path in sources(root) if path.stem != "__main__"]
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
    before, after = run(code).splitlines()
    assert before == "[]"
    assert after == "['<lambda>']", "is the listener still told?"


def test_the_cpu_backend_is_loaded_at_the_first_tensor_only() -> None:
    code = "import sys, tinyseg; tinyseg.zeros(1, device='reference'); print('numba' in sys.modules); "
    code += "tinyseg.zeros(1); print('numba' in sys.modules)"
    assert run(code).split() == ["False", "True"]


# The contract


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_backend_has_every_kernel_in_the_file_of_its_stem(backend: str) -> None:
    has_every_kernel(backend)


def test_the_gpus_backend_has_every_kernel_too() -> None:
    """Simulated, which needs no numba-cuda; in a process of its own, as this choice is made once in each."""
    folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import test_architecture as t; "
    code += "t.has_every_kernel('cuda'); print(1)"
    assert run(code, NUMBA_ENABLE_CUDASIM="1") == "1"


def has_every_kernel(backend: str) -> None:
    module = tinyseg_kernels.load(backend)
    for kernel in spec.KERNELS.values():
        function = getattr(module, kernel.name)
        assert tuple(inspect.signature(function).parameters) == kernel.arguments
        assert function is getattr(importlib.import_module(f"{module.__name__}.{kernel.stem}"), kernel.name)


def _copy(**changes: object) -> ModuleType:
    """A backend like the reference, but for some names."""
    module = ModuleType("own")
    own = {name: getattr(tinyseg_kernels.load("reference"), name) for name in spec.KERNELS} | changes
    for name, value in own.items():
        if value is not None:
            setattr(module, name, value)
    return module


def test_the_contract_accepts_what_keeps_it() -> None:
    spec.check(_copy())


def test_the_contract_names_each_kernel_that_is_missing_or_different() -> None:
    broken = _copy(relu=None, conv2d=lambda x, weight, out: None, exp=lambda out, x: None)
    with pytest.raises(TypeError, match=r"backend own breaks the contract of spec.py") as caught:
        spec.check(broken)
    message = str(caught.value)
    assert "relu is missing" in message
    assert "conv2d takes ('x', 'weight', 'out'), expected ('x', 'weight', 'bias', 'out'" in message
    assert "exp takes ('out', 'x'), expected ('x', 'out')" in message
    assert message.count(";") == 2


def test_unknown_backends_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown backend 'gpu'; there are reference, cpu, cuda"):
        tinyseg_kernels.load("gpu")
