"""What readers and editors can follow in the kernels: the contract, its kernels, devices and the smallest calls."""

from __future__ import annotations

import ast
import importlib.util
import inspect
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyseg
import tinyseg_kernels
from tinyseg_kernels import calls, spec

PACKAGE = Path(tinyseg.__file__).parent
KERNELS = Path(tinyseg_kernels.__file__).parent
ROOT = Path(__file__).parents[1]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


# The contract


def test_the_backend_s_protocol_has_every_stem() -> None:
    assert [base for base in spec.Backend.__bases__ if base.__name__.endswith("Kernels")] == list(
        spec._PROTOCOLS.values()
    )
    declared = [name for protocol in spec._PROTOCOLS.values() for name in vars(protocol) if name in spec.KERNELS]
    assert declared == list(spec.KERNELS)
    assert all(kernel.meaning and kernel.types.count("") == 0 for kernel in spec.KERNELS.values())


def test_an_argument_that_may_be_none_says_so() -> None:
    batch_norm = spec.KERNELS["batch_norm"]
    assert dict(zip(batch_norm.arguments, batch_norm.types, strict=True)) == {
        **dict.fromkeys(("x", "mean", "rstd", "out"), "Array"),
        **dict.fromkeys(("weight", "bias"), "Array | None"),
        "relu": "bool",
    }


def test_no_backend_gathers_its_kernels_by_name() -> None:
    for path in sorted(KERNELS.rglob("*.py")):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "globals", f"{path}:{node.lineno}"


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_go_to_definition_ends_in_the_file_of_the_stem(backend: str) -> None:
    ends_in_the_file_of_its_stem(backend)


def test_go_to_definition_ends_in_the_file_of_the_stem_on_a_gpu() -> None:
    """Simulated, in a process of its own, as this choice is made once in each."""
    folder = str(Path(__file__).parent)
    code = f"import sys; sys.path.insert(0, {folder!r}); import test_house_spec as t; "
    code += "t.ends_in_the_file_of_its_stem('cuda')"
    environment = {**os.environ, "NUMBA_ENABLE_CUDASIM": "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def ends_in_the_file_of_its_stem(name: str) -> None:
    """There the kernel is defined, or imported by its name from a file below."""
    backend = tinyseg_kernels.load(name)
    for kernel in spec.KERNELS.values():
        path = KERNELS / name / f"{kernel.stem}.py"
        imports = (node for node in parse(path).body if isinstance(node, ast.ImportFrom))
        from_below = {alias.name for node in imports for alias in node.names}
        found = Path(inspect.getsourcefile(inspect.unwrap(getattr(backend, kernel.name))) or "")
        assert found == path or kernel.name in from_below, f"{kernel.name}: {found}"


@pytest.mark.parametrize("backend", ["reference", "cpu", "cuda"])
def test_the_file_of_a_stem_exports_its_kernels_and_nothing_else(backend: str) -> None:
    for stem in spec.STEMS:
        (exported,) = (
            ast.literal_eval(node.value)
            for node in parse(KERNELS / backend / f"{stem}.py").body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        )
        assert set(exported) == {kernel.name for kernel in spec.KERNELS.values() if kernel.stem == stem}, stem


def test_a_convolution_s_arguments_are_listed_once_in_each_backend() -> None:
    wanted = spec.KERNELS["conv2d"].arguments
    listed = [
        path.relative_to(KERNELS).as_posix()
        for path in sorted(KERNELS.rglob("*.py"))
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef) and node.name == "conv2d"
        if len(node.args.args) >= len(wanted)
    ]
    assert listed == ["cpu/conv2d.py", "cuda/conv2d.py", "reference/conv2d.py", "spec.py"]


_TYPES = """
import math
import tinyseg_kernels.reference
from tinyseg import Tensor
from tinyseg.backend import kernels
from tinyseg_kernels.spec import Backend

def use(x: Tensor) -> None:
    reveal_type(kernels("cpu").conv2d)
    reveal_type(x.backend.conv2d)
    reference: Backend = tinyseg_kernels.reference
    math_is_none: Backend = math
    x.backend.exp(x.array)
    x.backend.exponential(x.array, x.array)
"""


@pytest.mark.skipif(importlib.util.find_spec("mypy") is None, reason="mypy is not installed")
def test_mypy_knows_the_kernels(tmp_path: Path) -> None:
    """A call of a kernel has the contract's types, and a module that keeps the contract is a ``Backend``."""
    script = tmp_path / "script.py"
    script.write_text(_TYPES, "utf-8")
    command = [sys.executable, "-m", "mypy", "--no-error-summary", "--config-file", str(ROOT / "pyproject.toml")]
    command += ["--cache-dir", str(tmp_path / "cache"), str(script)]
    environment = {**os.environ, "MYPYPATH": os.pathsep.join((str(PACKAGE.parent), str(KERNELS.parent)))}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=ROOT)
    said = [line.split(": ", 1)[1] for line in done.stdout.splitlines() if line.startswith(str(script))]
    assert len(said) == 5, done.stdout + done.stderr
    convolution = said[0]
    assert convolution.startswith("note: Revealed type")
    for argument in ("x: Any", "bias: Any | None", "stride: tuple[int, int]", "groups: int", "relu: bool"):
        assert argument in convolution, done.stdout
    assert said.count(convolution) == 2
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    assert len(errors) == 3, done.stdout
    assert errors[0].startswith("Incompatible types in assignment (expression has type Module")
    assert errors[1].startswith('Missing positional argument "out" in call to "exp"')
    assert errors[2].startswith('"Backend" has no attribute "exponential"')


# Devices


def test_only_the_table_of_devices_names_the_gpu() -> None:
    tree = parse(PACKAGE / "backend.py")
    (table,) = (n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "DEVICES")

    def names(root: ast.AST) -> int:
        return sum(isinstance(node, ast.Constant) and node.value == "cuda" for node in ast.walk(root))

    assert names(table) == names(tree) > 0


def test_nothing_compares_a_device_with_the_gpu_s_name() -> None:
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Compare):
                parts = (part for operand in (node.left, *node.comparators) for part in ast.walk(operand))
                values = [part.value for part in parts if isinstance(part, ast.Constant)]
                assert "cuda" not in values, f"{path}:{node.lineno}"


# The smallest calls


def test_an_elementwise_kernel_needs_no_call_of_its_own() -> None:
    reference = tinyseg_kernels.load("reference")
    own = {name for name in calls._CALLS if spec.KERNELS[name].stem == "activation"}
    assert own == {"leaky_relu", "leaky_relu_backward"}  # their slope may be an array or a number
    assert [numbers for *_, numbers in calls.calls(reference, "gelu", "float32")] == [False, True]
    for x, out, *_ in calls.calls(reference, "softplus", "float64"):
        assert (x.shape, x.dtype, out.shape) == ((4, 5), np.float64, (4, 5))
