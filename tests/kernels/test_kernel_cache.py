"""The cache of compiled kernels: damage, full disks and other users' files change neither results nor exit codes."""

from __future__ import annotations

import errno
import os
import pickle
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from commands import call
from hypothesis import given
from hypothesis import strategies as st
from processes import python

from tinyseg import compilation
from tinyseg_kernels import cache

POSIX = pytest.mark.skipif(not hasattr(os, "geteuid"), reason="access lists, not permissions, protect folders here")
CONTENT = b"machine code " * 20


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    """An entry that is whole."""
    path = tmp_path / "kernel.nbc"
    assert cache.write(path, CONTENT)
    return path


def full_disk(*_: Any) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def foreign(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let ``path`` belong to another user."""
    if os.geteuid() == 0:
        os.chown(path, 65534, 65534)
    else:  # who is not root cannot give files away, but may be taken for another
        monkeypatch.setattr(os, "geteuid", lambda: 65534)


# --- One entry


def test_an_entry_is_read_as_it_was_written(entry: Path) -> None:
    assert cache.read(entry) == CONTENT
    assert list(entry.parent.iterdir()) == [entry]
    assert cache.write(entry, b"")
    assert cache.read(entry) == b""


@given(st.integers(0, 8 * (40 + len(CONTENT)) - 1))
def test_no_flipped_bit_goes_unnoticed(bit: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernel.nbc")
        cache.write(path, CONTENT)
        data = bytearray(path.read_bytes())
        assert len(data) == 40 + len(CONTENT)
        data[bit // 8] ^= 1 << bit % 8
        path.write_bytes(data)
        assert cache.read(path) is None


def test_what_is_cut_or_longer_or_under_another_name_is_absent(entry: Path) -> None:
    whole = entry.read_bytes()
    for damaged in (*(whole[:length] for length in (0, 1, 8, 20, 40, 150, len(whole) - 1)), whole + b"0"):
        entry.write_bytes(damaged)
        assert cache.read(entry) is None
    assert cache.write(entry, CONTENT)
    assert cache.read(entry) == CONTENT
    other = entry.with_name("other.nbc")
    entry.rename(other)
    assert cache.read(other) is None
    assert cache.read(entry) is None


def test_a_folder_in_an_entry_s_place(tmp_path: Path) -> None:
    path = tmp_path / "kernel.nbc"
    path.mkdir()
    (path / "file").touch()
    assert cache.read(path) is None
    assert not cache.write(path, CONTENT)
    assert list(tmp_path.iterdir()) == [path]


@POSIX
def test_a_pipe_in_an_entry_s_place_is_not_waited_for(tmp_path: Path) -> None:
    path = tmp_path / "kernel.nbc"
    os.mkfifo(path)
    assert cache.read(path) is None


@POSIX
def test_a_link_in_an_entry_s_place_is_not_followed(entry: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    link = tmp_path / "other" / entry.name
    link.symlink_to(entry)
    assert cache.read(link) is None
    assert cache.write(link, b"new")
    assert cache.read(entry) == CONTENT


@POSIX
def test_another_user_s_entry_is_not_read(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in (0o666, 0o660, 0o602):
        entry.chmod(mode)
        assert cache.read(entry) is None
    entry.chmod(0o644)
    assert cache.read(entry) == CONTENT
    foreign(entry, monkeypatch)
    assert cache.read(entry) is None


@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_full_disk_leaves_the_entry_as_it_was(entry: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setattr(cache, "_unwritten", [])
    monkeypatch.setattr(os, name, full_disk)
    assert not cache.write(entry, b"new")
    assert not cache.write(entry.with_name("other.nbc"), b"new")
    assert cache.unwritten() == ["No space left on device"] * 2
    assert list(entry.parent.iterdir()) == [entry]
    assert cache.read(entry) == CONTENT


def test_an_interrupt_leaves_no_partial_file(entry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        cache.write(entry, b"new")
    assert list(entry.parent.iterdir()) == [entry]
    assert cache.read(entry) == CONTENT


def test_a_folder_that_was_removed_meanwhile(tmp_path: Path) -> None:
    assert not cache.write(tmp_path / "gone" / "kernel.nbc", CONTENT)
    assert cache.read(tmp_path / "gone" / "kernel.nbc") is None


# --- The folder


@pytest.fixture
def roots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """The folder the user chose, and the one among temporary files, neither of which is there yet."""
    chosen, temporary = tmp_path / "chosen", tmp_path / "temporary"
    monkeypatch.setenv("TINYSEG_CACHE_DIR", str(chosen))
    monkeypatch.setattr(cache, "_temporary_cache", lambda: temporary)
    return chosen, temporary


@POSIX
def test_folders_are_made_for_this_user_alone(roots: tuple[Path, Path]) -> None:
    before = os.umask(0)
    try:
        folder = cache.open_folder("kernels-x")
    finally:
        os.umask(before)
    assert folder == roots[0] / "kernels-x"
    assert [stat.S_IMODE(path.stat().st_mode) for path in (roots[0], folder)] == [0o700, 0o700]


@POSIX
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o702, 0o1777])
def test_a_folder_that_others_can_write_to_is_not_used(roots: tuple[Path, Path], mode: int) -> None:
    (roots[0] / "kernels-x").mkdir(parents=True)
    (roots[0] / "kernels-x").chmod(mode)
    assert cache.open_folder("kernels-x") == roots[1] / "kernels-x"


@POSIX
def test_nor_one_below_a_folder_in_which_others_can_rename_it(roots: tuple[Path, Path]) -> None:
    (roots[0] / "kernels-x").mkdir(parents=True, mode=0o700)
    # As /tmp, a world-writable home, a home of a group.
    for mode, used in ((0o1777, True), (0o777, False), (0o775, True)):
        roots[0].chmod(mode)
        assert cache.open_folder("kernels-x") == roots[0 if used else 1] / "kernels-x"


@POSIX
def test_nor_another_user_s(roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    folder = roots[0] / "kernels-x"
    folder.mkdir(parents=True, mode=0o700)
    assert cache.is_private(folder)
    foreign(folder, monkeypatch)
    assert not cache.is_private(folder)


@POSIX
def test_nor_a_link(roots: tuple[Path, Path], tmp_path: Path) -> None:
    roots[0].mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    (roots[0] / "kernels-x").symlink_to(tmp_path / "elsewhere")
    assert cache.open_folder("kernels-x") == roots[1] / "kernels-x"


@POSIX
def test_a_link_above_is_followed_once(roots: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    roots[0].symlink_to(tmp_path / "disk")
    assert cache.open_folder("kernels-x") == tmp_path / "disk" / "kernels-x"


@POSIX
def test_none_where_both_are_refused(roots: tuple[Path, Path]) -> None:
    for root in roots:
        root.mkdir()
        root.chmod(0o777)
    assert cache.open_folder("kernels-x") is None


@POSIX
def test_the_temporary_folder_is_each_user_s_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache.tempfile, "gettempdir", lambda: str(tmp_path))
    names = []
    for user in (7, 8):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        names.append(cache._temporary_cache())
    assert names == [tmp_path / "tinyseg-cache-7", tmp_path / "tinyseg-cache-8"]


def test_without_any_folder_for_temporary_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def none() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    (tmp_path / "file").touch()
    monkeypatch.setenv("TINYSEG_CACHE_DIR", str(tmp_path / "file"))
    monkeypatch.setattr(cache.tempfile, "gettempdir", none)
    assert cache.open_folder("kernels-x") is None


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="has no XDG_CACHE_HOME")
def test_xdg_cache_home_must_be_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An empty or relative one would put code into the working folder; the specification has it ignored."""
    monkeypatch.delenv("TINYSEG_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    for value in ("", "cache"):
        monkeypatch.setenv("XDG_CACHE_HOME", value)
        assert cache._user_cache() == tmp_path / ".cache" / "tinyseg"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert cache._user_cache() == tmp_path / "x" / "tinyseg"


@POSIX
@pytest.mark.parametrize("mode", [0o755, 0o1777])
def test_nor_one_below_another_user_s(roots: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, mode: int) -> None:
    """Who owns a folder may rename what is in it, even where the sticky bit keeps others from that."""
    above = roots[0] / "shared"
    folder = above / "kernels-x"
    folder.mkdir(parents=True, mode=0o700)
    above.chmod(mode)
    assert cache.is_private(folder)
    status = Path.stat

    def of_another(path: Path, **options: Any) -> os.stat_result:
        found = status(path, **options)
        return os.stat_result((*found[:4], 65534, *found[5:])) if path == above else found

    monkeypatch.setattr(Path, "stat", of_another)
    assert not cache.is_private(folder)


# --- What is removed

OLD = "kernels-znver4-0123456789abcdef"


def outdated(path: Path) -> None:
    os.utime(path, (0, 0))


@pytest.mark.parametrize("name", [OLD, "kernels-cuda-0123456789abcdef", "kernels-cortex-a76-0123456789abcdef"])
def test_unused_machine_code_is_removed(roots: tuple[Path, Path], name: str) -> None:
    folder = cache.open_folder(name)
    assert folder is not None
    assert cache.write(folder / "a.nbc", CONTENT)
    (folder / "b.1.partial").write_bytes(b"tinys")
    outdated(folder)
    cache.open_folder("kernels-x")
    assert not folder.exists()


@pytest.mark.parametrize("name", ["kernels-of-mine", "kernels-gauss-2024", "kernels-0123456789abcdef", f"{OLD}0"])
def test_a_user_s_folder_of_a_like_name_stays(roots: tuple[Path, Path], name: str) -> None:
    folder = roots[0] / name
    folder.mkdir(parents=True, mode=0o700)
    outdated(folder)
    cache.open_folder("kernels-x")
    assert folder.exists()


@pytest.mark.parametrize("name", ["thesis.txt", "results.partial", ".hidden", "folder/a.nbc"])
def test_a_folder_that_holds_anything_else_stays_whole(roots: tuple[Path, Path], name: str) -> None:
    folder = cache.open_folder(OLD)
    assert folder is not None
    assert cache.write(folder / "a.nbc", CONTENT)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"years of work")
    outdated(folder)
    cache.open_folder("kernels-x")
    assert cache.read(folder / "a.nbc") == CONTENT
    assert (folder / name).read_bytes() == b"years of work"


@POSIX
def test_what_a_link_leads_to_stays(roots: tuple[Path, Path], tmp_path: Path) -> None:
    folder = cache.open_folder("kernels-x")
    assert folder is not None
    (tmp_path / "target").mkdir()
    assert cache.write(tmp_path / "target" / "a.nbc", CONTENT)
    link = roots[0] / OLD
    link.symlink_to(tmp_path / "target")
    os.utime(link, (0, 0), follow_symlinks=False)
    outdated(tmp_path / "target")
    cache.open_folder("kernels-x")
    assert cache.read(tmp_path / "target" / "a.nbc") == CONTENT


def test_partial_files_of_killed_processes_are_removed(roots: tuple[Path, Path]) -> None:
    folder = cache.open_folder("kernels-x")
    assert folder is not None
    young, old, used, other = (folder / name for name in ("a.1.partial", "b.2.partial", "c.nbc", "d.partial"))
    for path in (young, old, used):
        path.touch()
    other.write_bytes(b"a user's")
    for path in (old, used, other):
        outdated(path)
    cache.open_folder("kernels-x")
    assert sorted(folder.iterdir()) == [young, used, other]


# --- Kernels, each in a process of its own: two are compiled in a second

_ONE = """
import json
from tinyseg import compilation
compiled = []
compilation.on_compile(lambda name, number: compiled.append(name))
import tinyseg
values = (tinyseg.tensor([3.0, -1.0]).relu() + 1.0).tolist()
folder = compilation.kernel_cache()
print(json.dumps([values, len(compiled), folder and str(folder), compilation.unwritten()]))
"""


def damage(kind: str, path: Path) -> None:
    data = bytearray(path.read_bytes())
    if kind == "empty":
        data.clear()
    elif kind == "cut":
        del data[len(data) // 2 :]
    else:
        data[len(data) // 2] ^= 255
        data[len(data) // 3] ^= 255
    path.write_bytes(data)


def test_damaged_entries_are_compiled_and_written_again(tmp_path: Path) -> None:
    values, compiled, folder, _ = python(_ONE, TINYSEG_CACHE_DIR=str(tmp_path))
    assert (values, compiled) == ([4, 1], 2)
    for kind in ("empty", "cut", "flipped"):
        for path in Path(folder).iterdir():
            damage(kind, path)
        assert python(_ONE, TINYSEG_CACHE_DIR=str(tmp_path))[:2] == [[4, 1], 2], kind
    assert python(_ONE, TINYSEG_CACHE_DIR=str(tmp_path))[:2] == [[4, 1], 0]


def test_a_full_disk_keeps_kernels_in_memory(tmp_path: Path) -> None:
    full = "import os\ndef fsync(handle): raise OSError(28, 'No space left on device')\nos.fsync = fsync\n"
    values, compiled, folder, unwritten = python(full + _ONE, TINYSEG_CACHE_DIR=str(tmp_path))
    assert (values, compiled) == ([4, 1], 2)
    assert unwritten == ["No space left on device"] * 2
    assert list(Path(folder).iterdir()) == []


class _Code:
    """What a pickle of another user may hold: it makes a file when it is read."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return os.mkdir, (str(self.mark),)


@POSIX
def test_code_that_others_put_there_is_not_run(tmp_path: Path) -> None:
    """Entries with a right checksum, in a folder of the right name that everyone can write to."""
    _, _, folder, _ = python(_ONE, TINYSEG_CACHE_DIR=str(tmp_path))
    mark = tmp_path / "executed"
    for path in Path(folder).iterdir():
        cache.write(path, pickle.dumps(_Code(mark)))
    temporary = {name: str(tmp_path / "free") for name in ("TMPDIR", "TEMP", "TMP")}
    (tmp_path / "free").mkdir()
    Path(folder).chmod(0o777)
    values, compiled, instead, _ = python(_ONE, TINYSEG_CACHE_DIR=str(tmp_path), **temporary)
    assert (values, compiled) == ([4, 1], 2)
    assert Path(instead).parent.parent == tmp_path / "free"
    assert not mark.exists()


def test_the_command_tells_what_could_not_be_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation, "kernels_to_compile", lambda: ("relu",))
    monkeypatch.setattr(compilation, "unwritten", lambda: ["No space left on device"] * 2)
    result = call("warmup")
    assert result.exit_code == 0
    assert "2 kernels could not be written there (No space left on device)" in result.output
