"""The cpu backend's folders: what its cache of machine code depends on, and the order of imports."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinyseg_kernels import cpu

PACKAGE = Path(cpu.__file__).parent
FOLDERS = sorted({path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")})


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


@pytest.mark.parametrize("folder", FOLDERS)
def test_a_change_in_any_folder_leads_to_another_cache(folder: str, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "tinyseg_kernels"
    ignored = shutil.ignore_patterns("__pycache__", "cuda")
    shutil.copytree(PACKAGE.parent, copy, ignore=ignored)
    names = [cache_folder_of(copy.parent, tmp_path / "cache")]
    changed = max((copy / "cpu" / folder).glob("*.py"))
    changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    names.append(cache_folder_of(copy.parent, tmp_path / "cache"))
    (copy / "cpu" / folder / "added.py").touch()
    names.append(cache_folder_of(copy.parent, tmp_path / "cache"))
    (copy / "cpu" / folder / "added.py").rename(copy / "cpu" / folder / "renamed.py")
    names.append(cache_folder_of(copy.parent, tmp_path / "cache"))
    assert len(set(names)) == 4
