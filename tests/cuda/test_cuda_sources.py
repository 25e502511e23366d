"""The GPU's kernels, read off their sources: what their cache hashes, names, what is said once, the device."""

from __future__ import annotations

import ast
import importlib
import inspect
import shutil
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from kernel_checks import ends_in_the_file_of_its_stem, has_every_kernel

import tinyseg_kernels

FOLDER = Path(tinyseg_kernels.__file__).parent / "cuda"
DEVICE = {
    "empty_report": ["shape", "dtype"],
    "is_asynchronous": [],
    "send": ["array"],
    "set_float32_matmul_precision": ["precision"],
    "synchronize": [],
    "unavailable": [],
}


@pytest.fixture
def compiler() -> ModuleType:
    return pytest.importorskip("tinyseg_kernels.cuda.runtime.compiler", reason="numba-cuda is not installed")


# The cache of machine code


def test_a_change_of_any_source_gives_the_cache_another_name(compiler: ModuleType, tmp_path: Path) -> None:
    """In every folder of the package; else machine code of older sources would run."""
    copied = tmp_path / "cuda"
    shutil.copytree(FOLDER, copied, ignore=shutil.ignore_patterns("__pycache__"))
    unchanged = compiler.sources_digest(copied, "1")
    assert unchanged == compiler.sources_digest(FOLDER, "1")
    sources = sorted(copied.rglob("*.py"))
    assert len(sources) > 40
    for source in sources:
        before = source.read_bytes()
        source.write_bytes(before + b"\n")
        assert compiler.sources_digest(copied, "1") != unchanged, source
        source.write_bytes(before)
    assert compiler.sources_digest(copied, "2") != unchanged
    (copied / "deeper").mkdir()
    (copied / "deeper" / "new.py").write_text("")
    assert compiler.sources_digest(copied, "1") != unchanged


def test_the_cache_hashes_this_package(compiler: ModuleType) -> None:
    assert compiler._PACKAGE.resolve() == FOLDER.resolve()


def test_no_two_kernels_share_a_name(compiler: ModuleType) -> None:
    """Entries of the cache go by the name and the types of arguments."""
    entries = [(kernel.name, codes) for kernel in compiler.KERNELS for codes in kernel.variants]
    assert len(set(entries)) == len(entries) > 200


# Kernels by name


@pytest.mark.usefixtures("compiler")
def test_a_kernels_name_leads_to_its_definition() -> None:
    """Not only where a GPU is simulated."""
    has_every_kernel("cuda")
    ends_in_the_file_of_its_stem("cuda")


@pytest.mark.usefixtures("cuda")
def test_element_wise_kernels_take_arguments_by_name() -> None:
    backend = importlib.import_module("tinyseg_kernels.cuda")
    x, out = backend.from_numpy(np.array([1.0, -2.0])), backend.empty((2,), np.float64)
    backend.leaky_relu(slope=0.5, x=x, out=out)
    assert backend.to_numpy(out).tolist() == [1.0, -1.0]
    backend.add(x, out=out, b=3)
    assert backend.to_numpy(out).tolist() == [4.0, 1.0]


# Element by element: what more than four dimensions and strides below 0 make of each other.


@pytest.mark.usefixtures("cuda")
@pytest.mark.parametrize("steps", [(1, 1, 1, 1, 1, 1), (-1, 1, 1, 1, 1, 1), (1, -1, 1, -1, 1, 1), (-1,) * 6])
def test_six_dimensions_with_any_strides(steps: tuple[int, ...]) -> None:
    backend = importlib.import_module("tinyseg_kernels.cuda")
    values = np.arange(2.0 * 3 * 2 * 3 * 2 * 2).reshape(2, 3, 2, 3, 2, 2)
    order, index = (4, 1, 5, 0, 3, 2), tuple(slice(None, None, step) for step in steps)
    x = backend.slice_view(backend.transpose(backend.from_numpy(values), order), index)
    expected = values.transpose(order)[index]
    row = np.arange(float(expected.shape[-1]))
    target = backend.slice_view(backend.empty(expected.shape, np.float64), (slice(None, None, -1),))
    backend.subtract(x, backend.from_numpy(row), target)
    np.testing.assert_array_equal(backend.to_numpy(target), expected - row)


# Said once


def test_element_wise_kernels_are_not_wrapped_one_by_one() -> None:
    """Functions that do nothing but apply an operation: where one of two is chosen, and to copy."""
    wrappers = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef) and len(node.body) == 2 and isinstance(node.body[1], ast.Expr):
                call = node.body[1].value
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "apply":
                    wrappers.add(node.name)
    assert wrappers == {"assign", "gelu", "gelu_backward", "where"}


def test_shifted_moments_are_summed_in_one_place() -> None:
    """For batch, group and layer norm: squares of what is left when an element is taken off."""
    users = [path for path in FOLDER.rglob("*.py") if "squares += d * d" in path.read_text(encoding="utf-8")]
    assert [path.relative_to(FOLDER).as_posix() for path in users] == ["patterns/moments.py"]


# The device


@pytest.mark.usefixtures("cuda")
def test_the_device_stem(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = importlib.import_module("tinyseg_kernels.cuda")
    device = importlib.import_module("tinyseg_kernels.cuda.device")
    for name, arguments in DEVICE.items():
        assert getattr(backend, name) is getattr(device, name)
        assert list(inspect.signature(getattr(device, name)).parameters) == arguments
    assert device.is_asynchronous() is True
    assert device.unavailable() is None

    def gpu() -> None:
        raise RuntimeError("the NVIDIA driver finds no GPU")

    monkeypatch.setattr(device, "gpu", gpu)
    assert device.unavailable() == "the NVIDIA driver finds no GPU"
    arrived = device.send(np.arange(6.0).reshape(2, 3))
    assert backend.to_numpy(arrived()).tolist() == [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]]
    report = device.empty_report((2,), np.int64)
    backend.fill(report, 3)
    assert backend.to_numpy(report).tolist() == [3, 3]
