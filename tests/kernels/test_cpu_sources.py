"""The cpu backend, by its sources: nothing is said three times, and its cache of machine code knows all files."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
from sources import parse

from tinyseg_kernels import cpu
from tinyseg_kernels.cpu.runtime import compiler

PACKAGE = Path(cpu.__file__).parent
FOLDERS = sorted({path.parent.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py")})

# --- Said once


def test_element_wise_functions_do_not_differ_in_a_loop_only() -> None:
    """Three that are equal but for the loops they run should be made from a formula by a decorator they share."""
    for stem in ("elementwise", "activation", "loss"):
        seen = defaultdict(list)
        for node in parse(PACKAGE / f"{stem}.py").body:
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
