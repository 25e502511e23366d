"""The house rules of the GPU's kernels: what their cache hashes, which folder imports which, what a stem exports."""

from __future__ import annotations

import ast
import graphlib
import importlib
import inspect
import shutil
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import tinyseg_kernels
from tinyseg_kernels import spec

FOLDER = Path(tinyseg_kernels.__file__).parent / "cuda"
ORDER = ("runtime", "vector", "patterns", "conv", "")  # "": the stems
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


# Folders


def module_names() -> dict[str, Path]:
    """Files by their dotted name inside the package: ``conv.tiles``, ``relu``, and ``conv`` for its ``__init__``."""
    found = {}
    for path in FOLDER.rglob("*.py"):
        parts = path.relative_to(FOLDER).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: set[str]) -> Iterator[str]:
    """Modules of the package that a file names in an import, wherever that stands."""
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    package = ["cuda", *(part for part in package if part)]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert all(not alias.name.startswith("tinyseg_kernels") for alias in node.names), f"{path}: absolute"
        if not isinstance(node, ast.ImportFrom):
            continue
        assert not (node.module or "").startswith("tinyseg_kernels"), f"{path}: absolute"
        if not node.level or node.level > len(package):
            continue  # from elsewhere
        base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")][1:]
        for alias in node.names:
            for parts in ([*base, alias.name], base):
                there = ".".join(part for part in parts if part)
                if there in known:
                    yield there
                    break


def graph() -> dict[str, set[str]]:
    """What each module imports; the package's own ``__init__``, which imports all stems, is left out."""
    names = {name: path for name, path in module_names().items() if name}
    return {name: set(imports(name, path, set(names))) for name, path in names.items()}


def folder_of(name: str) -> str:
    return name.partition(".")[0] if name.partition(".")[0] in ORDER else ""


def test_imports_go_down_from_folder_to_folder() -> None:
    arrows = [(here, there) for here, found in graph().items() for there in found]
    assert len(arrows) > 150, "are imports still found?"
    up = [
        f"{here} imports {there}"
        for here, there in arrows
        if ORDER.index(folder_of(there)) > ORDER.index(folder_of(here))
    ]
    assert up == []


def test_no_import_goes_round_in_a_circle() -> None:
    """Also none inside a function, or for type checkers alone."""
    order = list(graphlib.TopologicalSorter(graph()).static_order())
    assert len(order) > 40


def test_folders_are_small_and_say_what_is_in_them() -> None:
    folders = {path.parent for path in FOLDER.rglob("*.py")}
    assert {folder.relative_to(FOLDER).as_posix() for folder in folders} == {".", *ORDER[:-1]}
    for folder in folders:
        assert len(list(folder.glob("*.py"))) <= 24, folder
        assert len(ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))) or "") > 100


def test_the_package_has_the_stems_and_nothing_else() -> None:
    assert {path.stem for path in FOLDER.glob("*.py")} == {"__init__", "device", *spec.STEMS}


# Stems


def exported(stem: str) -> list[str]:
    """A stem's ``__all__``."""
    for node in ast.parse((FOLDER / f"{stem}.py").read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            return list(ast.literal_eval(node.value))
    return []


@pytest.mark.parametrize("stem", sorted({*spec.STEMS, "device"}))
def test_a_stem_exports_its_kernels_and_nothing_else(stem: str) -> None:
    names = {kernel.name for kernel in spec.KERNELS.values() if kernel.stem == stem} or set(DEVICE)
    assert exported(stem) == sorted(names)


def test_the_package_names_each_stem_in_an_import() -> None:
    """So that an editor finds a kernel from ``cuda.relu``."""
    tree = ast.parse((FOLDER / "__init__.py").read_text(encoding="utf-8"))
    stars = {node.module for node in tree.body if isinstance(node, ast.ImportFrom) and node.names[0].name == "*"}
    assert stars == {"device", *spec.STEMS}
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Call)], "names are made by a call"


@pytest.mark.usefixtures("compiler")
def test_a_kernels_name_leads_to_its_definition() -> None:
    """Its signature is the contract's, and its source its stem's file, unless lower files use it, too."""
    backend = importlib.import_module("tinyseg_kernels.cuda")
    below = {"assign", "fill", "empty", "from_numpy", "to_numpy", "transpose", "send"}
    below |= {"synchronize", "set_float32_matmul_precision"}
    for kernel in spec.KERNELS.values():
        function = getattr(backend, kernel.name)
        assert tuple(inspect.signature(function).parameters) == kernel.arguments
        source = Path(inspect.getsourcefile(inspect.unwrap(function)) or "").resolve()
        if kernel.name in below:
            assert source.parent in ((FOLDER / "patterns").resolve(), (FOLDER / "runtime").resolve())
            continue
        assert source == (FOLDER / f"{kernel.stem}.py").resolve(), kernel.name
        assert function.__module__ == f"tinyseg_kernels.cuda.{kernel.stem}"
        assert function.__doc__


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
