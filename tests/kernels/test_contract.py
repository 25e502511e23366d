"""The contract of backends, who keeps it, and what readers and editors can follow of it."""

from __future__ import annotations

import ast
import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from kernel_checks import ends_in_the_file_of_its_stem, has_every_kernel
from processes import environment, printed
from sources import FOLDERS, KERNELS, ROOT, parse, sources

import tinyseg_kernels
from tinyseg_kernels import spec

SUPPORT = ROOT / "tests" / "support"


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


# Backends


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_backend_has_every_kernel_in_the_file_of_its_stem(backend: str) -> None:
    """Where an editor's "go to definition" ends."""
    has_every_kernel(backend)
    ends_in_the_file_of_its_stem(backend)


def test_the_gpus_backend_has_every_kernel_too() -> None:
    """Simulated, which needs no numba-cuda; in a process of its own, as this choice is made once in each."""
    code = f"import sys; sys.path.insert(0, {str(SUPPORT)!r}); import kernel_checks as checks; "
    code += "checks.has_every_kernel('cuda'); checks.ends_in_the_file_of_its_stem('cuda'); print(1)"
    assert printed(code, NUMBA_ENABLE_CUDASIM="1") == "1"


@pytest.mark.parametrize("backend", ["reference", "cpu", "cuda"])
def test_the_file_of_a_stem_exports_its_kernels_and_nothing_else(backend: str) -> None:
    """In the alphabet's order; the backend gathers them with an import that names the file, and calls nothing."""
    assert {path.stem for path in (KERNELS / backend).glob("*.py")} == {"__init__", *spec.STEMS}
    for stem in spec.STEMS:
        (exported,) = (
            ast.literal_eval(node.value)
            for node in parse(KERNELS / backend / f"{stem}.py").body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        )
        assert exported == sorted(kernel.name for kernel in spec.KERNELS.values() if kernel.stem == stem), stem
    tree = parse(KERNELS / backend / "__init__.py")
    stars = {node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"}
    assert stars == set(spec.STEMS)
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call)], "names are made by a call"


def test_no_backend_gathers_its_kernels_by_name() -> None:
    for path in sources(KERNELS):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call):
                assert ast.unparse(node.func) != "globals", f"{path}:{node.lineno}"


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
    given = environment(MYPYPATH=os.pathsep.join(FOLDERS))
    done = subprocess.run(command, env=given, capture_output=True, text=True, check=False, cwd=ROOT)
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
