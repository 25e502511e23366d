"""What compiles the GPU's kernels: in one file, complete, with a cache that a damaged entry does not stop."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import tinyseg_kernels

FOLDER = Path(tinyseg_kernels.__file__).parent / "cuda"
COMPILERS = ("numba", "numba_cuda", "llvmlite", "cuda")


def names_of_the_toolchain() -> list[tuple[str, str]]:
    """Module and name of all that the file takes from numba-cuda."""
    tree = ast.parse((FOLDER / "runtime" / "toolchain.py").read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("numba.cuda"):
            found += [(node.module or "", alias.name) for alias in node.names]
    return found


def test_one_file_alone_imports_the_compilers() -> None:
    users = set()
    for path in FOLDER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            modules = []
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules = [node.module or ""]
            if any(module.split(".")[0] in COMPILERS for module in modules):
                users.add(path.name)
    assert users == {"toolchain.py"}


def test_the_version_whose_private_names_are_used_is_bounded() -> None:
    """By the next one that may have other names; the one that is installed is inside."""
    project = tomllib.loads((FOLDER.parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (requirement,) = project["optional-dependencies"]["cuda"]
    bounds = re.fullmatch(r"numba-cuda\[cu12\]>=(\d+)\.(\d+)\.(\d+),<(\d+)\.(\d+)", requirement)
    assert bounds is not None
    low, high = tuple(map(int, bounds.groups()[:3])), tuple(map(int, bounds.groups()[3:]))
    assert high == (low[0], low[1] + 1)
    if importlib.util.find_spec("numba_cuda") is not None:
        version = importlib.import_module("numba_cuda").__version__
        assert low <= tuple(map(int, version.split(".")[:3])) < high


def test_a_numba_that_is_too_new_for_numba_cuda_is_told() -> None:
    """As Numba 0.68 is for numba-cuda 0.30.0, which then fails with an ``AttributeError`` while it is imported."""
    if importlib.util.find_spec("numba_cuda") is None:
        pytest.skip("numba-cuda is not installed")
    code = (
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'numba.cuda':\n"
        "            raise AttributeError('no attribute NPDatetime')\n"
        "sys.meta_path.insert(0, Finder())\n"
        "import tinyseg\n"
        "print(tinyseg.cuda.is_available(), tinyseg.cuda.unavailable_reason())\n"
    )
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert re.search(r"^False device 'cuda' needs numba-cuda: .*does not work with Numba .*NPDatetime", done.stdout)


PROBE = """
from numba_cuda_mlir import cuda, tools
from numba_cuda_mlir.numba_cuda import types

tools._cached_cc = 8, 6  # it asks the GPU of this machine, also for code for another one

def scaled(x, out, factor, count):
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        out[i] = x[i] * factor
        i += step

pointer = types.CPointer(types.float32)
ptx, _ = cuda.compile(scaled, (pointer, pointer, types.float32, types.int64), cc=(8, 6), device=False, abi="numba",
                      output="ptx", launch_bounds=256)
print(ptx)
"""


def test_the_successors_names() -> None:
    """In numba_cuda_mlir nearly all names that are used are where they were, and a kernel's parameters are the same.

    ``libdevice`` functions and pointers are, too. What it lacks is LLVM's code of ``vector/instructions.py``.
    """
    if importlib.util.find_spec("numba_cuda_mlir") is None:
        pytest.skip("numba_cuda_mlir, the successor of numba-cuda, is not installed")
    for module, name in names_of_the_toolchain():
        there = importlib.import_module(module.replace("numba.cuda", "numba_cuda_mlir.numba_cuda", 1))
        assert hasattr(there, name) or importlib.util.find_spec(f"{there.__name__}.{name}"), f"{module}.{name}"
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, timeout=300, check=True)
    head = done.stdout.split(".entry", 1)[1].split(")", 1)[0]
    assert re.findall(r"\.param \.(?:align \d+ \.)?(\w+)", head) == ["u64", "u64", "f32", "u64"]


# The cache of machine code. Its compilers are not needed here.


@pytest.fixture
def compiling(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Compiles a kernel that is no kernel, by compilers that count how often they are asked."""
    compiler = pytest.importorskip("tinyseg_kernels.cuda.runtime.compiler", reason="numba-cuda is not installed")

    class Compilers:
        VERSION, FAILURES, count = "0", (ZeroDivisionError,), 0

        def link(self, ptx: str, capability: tuple[int, int]) -> bytes:
            self.count += 1
            return b"code\nof a kernel"

    compilers = Compilers()
    monkeypatch.setattr(compiler, "toolchain", compilers, raising=False)
    monkeypatch.setattr(compiler, "_cache_folder", lambda: tmp_path)
    monkeypatch.setattr(compiler, "compile_ptx", lambda *_: ".entry name(")
    kernel = compiler.Kernel(lambda x: None, {("f4*",): {}})
    compiler.KERNELS.remove(kernel)

    def compile_it() -> int:
        assert compiler.machine_code(kernel, ("f4*",), (8, 6)) == ("name", b"code\nof a kernel")
        return compilers.count

    return compile_it


def test_machine_code_is_compiled_once(compiling: Any) -> None:
    assert [compiling(), compiling()] == [1, 1]


@pytest.mark.parametrize("damage", ["empty", "cut", "a flipped bit", "of an older form", "a folder"])
def test_a_damaged_entry_is_compiled_again(compiling: Any, damage: str, tmp_path: Path) -> None:
    compiling()
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    assert whole.endswith(b"name\ncode\nof a kernel")
    if damage == "a folder":
        path.unlink()
        path.mkdir()
    else:
        bits = bytes([*whole[:-1], whole[-1] ^ 1])
        path.write_bytes({"empty": b"", "cut": whole[:-3], "a flipped bit": bits}.get(damage, b"name\ncode\nof"))
    assert compiling() == 2
    assert compiling() == (3 if damage == "a folder" else 2)
    assert len(list(tmp_path.iterdir())) == 1, "something half written was left"


def test_compilers_that_are_not_complete_are_told(compiling: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler = importlib.import_module("tinyseg_kernels.cuda.runtime.compiler")

    def fail(*_: Any) -> str:
        raise ZeroDivisionError("libnvvm.so is not there")

    monkeypatch.setattr(compiler, "compile_ptx", fail)
    message = (
        r"numba-cuda 0 cannot compile test_cuda_toolchain\.<lambda> for a GPU of compute capability 8\.6: libnvvm"
    )
    with pytest.raises(RuntimeError, match=message):
        compiling()
