"""The house rules of the GPU's kernels: what their cache hashes, which folder imports which, what a stem exports."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import ModuleType

import pytest

import tinyseg_kernels

FOLDER = Path(tinyseg_kernels.__file__).parent / "cuda"


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
