"""Files are written whole or not at all, whoever writes them, and whatever happens meanwhile."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import full_disk
import numpy as np
import pytest
from processes import age, environment
from sources import PACKAGE, parse, sources

import tinyseg
from tinyseg import viz
from tinyseg.checkpoint import Checkpoint, save
from tinyseg.data import Classes, write_mapping, write_palette_png
from tinyseg.engine import EpochRow
from tinyseg.engine.storage.history import write_json_lines, write_metrics
from tinyseg.errors import InUseError, WriteError
from tinyseg.files import (
    LOCK,
    append_line,
    is_half_written,
    locked,
    remove_half_written,
    write_bytes,
    write_text,
    writing,
)

TWO = Classes.named(["ground", "thing"])
ROW = EpochRow(1, 0.1, 1.0, 1.0, 0.5, 0.5, 0.5, 0.5, 0.5, (0.5, 0.5), 0, 1.0)
MASK = np.zeros((40, 40), np.uint8)
PHOTO = np.arange(4800, dtype=np.uint8).reshape(40, 40, 3)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Whole or not at all

WRITERS: dict[str, Callable[[Path], None]] = {
    "a.safetensors": lambda path: save(path, Checkpoint({"x": tinyseg.zeros(100)})),
    "metrics.csv": lambda path: write_metrics(path, [ROW] * 9, TWO.names),
    "metrics.jsonl": lambda path: write_json_lines(path, [ROW] * 9, TWO.names),
    "mask.png": lambda path: write_palette_png(path, MASK, TWO),
    "mapping.toml": lambda path: write_mapping(path, {0: 0, 255: 1}),
    "curves.png": lambda path: viz.save_curves(path, [{"epoch": 1, "train_loss": 2.0, "val_loss": 1.0}]),
    "rates.svg": lambda path: viz.save_rates(path, [0.1, 1.0], [2.0, 1.0]),
    "shares.pdf": lambda path: viz.save_class_shares(path, {"train": [0.5, 0.5]}, TWO),
    "confusion.png": lambda path: viz.save_confusion(path, [[8, 2], [1, 9]], TWO),
    "predictions.png": lambda path: viz.save_predictions(path, [(PHOTO, MASK, MASK)], TWO),
    "bytes": lambda path: write_bytes(path, bytes(1000)),
}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("room", [0, 60])
def test_a_full_disk_leaves_nothing_new_and_all_that_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, room: int
) -> None:
    path = tmp_path / "new" / name
    with monkeypatch.context() as patch:
        full_disk.fill(patch, room)
        with pytest.raises(WriteError) as caught:
            WRITERS[name](path)
        assert str(caught.value) == f"{path}: cannot be written (No space left on device)"
        assert caught.value.is_disk_full
        assert names(path.parent) == []
        path.write_bytes(b"good")
        with pytest.raises(WriteError, match=r"No space left on device\); the last good one is kept"):
            WRITERS[name](path)
    assert path.read_bytes() == b"good"
    assert names(path.parent) == [name]
    WRITERS[name](path)
    assert path.stat().st_size > 60
    assert names(path.parent) == [name]


@pytest.mark.parametrize("when", ["flushing", "renaming"])
def test_what_fails_at_the_end_leaves_the_last_good_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "good")

    def fail(*arguments: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync" if when == "flushing" else "replace", fail)
    with pytest.raises(
        WriteError, match=r"a\.txt: cannot be written \(Input/output error\); the last good"
    ) as caught:
        write_text(path, "new")
    assert not caught.value.is_disk_full
    assert (path.read_text(), names(tmp_path)) == ("good", ["a.txt"])


def test_an_interrupt_while_writing_leaves_the_last_good_one(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "good")

    def write() -> None:
        with writing(path) as file:
            file.write(b"ha")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write()
    assert (path.read_text(), names(tmp_path)) == ("good", ["a.txt"])


def test_two_at_one_file_share_nothing(tmp_path: Path) -> None:
    """The one that ends last stands, whole; each has a name of its own meanwhile."""
    path = tmp_path / "a.txt"
    with writing(path) as one:
        one.write(b"one, which is longer")
        with writing(path) as other:
            other.write(b"other")
            assert len([name for name in names(tmp_path) if is_half_written(name)]) == 2
        assert path.read_text() == "other"
    assert (path.read_text(), names(tmp_path)) == ("one, which is longer", ["a.txt"])


def test_every_name_that_the_disk_takes_can_be_written(tmp_path: Path) -> None:
    for name in ("b" * 251 + ".png", ".hidden", "no suffix"):
        write_bytes(tmp_path / name, b"x")
        assert (tmp_path / name).read_bytes() == b"x"
    with pytest.raises(WriteError, match=r"cccc: cannot be written \(File name too long\)"):
        write_bytes(tmp_path / ("c" * 300), b"x")
    assert len(names(tmp_path)) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="there are no permissions of this kind")
def test_files_have_the_usual_permissions(tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    write_bytes(tmp_path / "ours", b"")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_leftovers_of_a_kill_are_known_and_removed(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom tinyseg.files import writing\n"
        "with writing(sys.argv[1]) as file:\n    file.write(b'half'); file.flush(); os._exit(9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.txt")], check=False, env=environment())
    (tmp_path / ".a.partial").write_text("another program's")
    left = names(tmp_path)
    assert [is_half_written(name) for name in left] == [False, True]
    remove_half_written(tmp_path)
    assert names(tmp_path) == left, "another process might go on with it"
    for name in left:
        age(tmp_path / name, seconds=3700)
    remove_half_written(tmp_path)
    assert names(tmp_path) == [".a.partial"]


def test_a_half_written_file_of_one_s_own_is_never_removed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with writing(path) as file:
        file.write(b"slow")
        file.flush()
        age(tmp_path / names(tmp_path)[0], seconds=10**6)
        remove_half_written(tmp_path)
    assert path.read_bytes() == b"slow"


def test_lines_are_added(tmp_path: Path) -> None:
    for text in ("a", "b"):
        append_line(tmp_path / "list", text)
    assert (tmp_path / "list").read_bytes() == b"a\nb\n"
    with pytest.raises(WriteError, match="list: cannot be written"):
        append_line(tmp_path / "none" / "list", "a")


def test_a_line_that_is_cut_stays_one_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "list").write_bytes(b"a\nb, which a ki")
    append_line(tmp_path / "list", "c")
    append_line(tmp_path / "list", "d")
    assert (tmp_path / "list").read_bytes() == b"a\nb, which a ki\nc\nd\n"


# What is no file, or no name, or no text


def test_only_a_file_that_is_there_is_said_to_be_kept(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "busy" / LOCK).mkdir(parents=True)
    (tmp_path / "list").mkdir()
    for write in (
        lambda: write_bytes(tmp_path / "folder", b"x"),
        lambda: append_line(tmp_path / "list", "x"),
        lambda: locked(tmp_path / "busy").__enter__(),
    ):
        with pytest.raises(WriteError, match="cannot be written") as caught:
            write()
        assert "kept" not in str(caught.value)
    assert names(tmp_path) == ["busy", "folder", "list"]


@pytest.mark.parametrize("name", ["a\0b", "a\udc00\ud800"])
def test_what_can_be_no_name_is_no_file(tmp_path: Path, name: str) -> None:
    if sys.platform == "win32" and "\0" not in name:
        pytest.skip("Windows takes such a name")
    for write in (write_text, append_line):
        with pytest.raises(WriteError, match="cannot be written"):
            write(tmp_path / name, "x")
    with pytest.raises(WriteError, match="cannot be written"), locked(tmp_path / name):
        pass
    assert names(tmp_path) == []


def test_what_utf_8_lacks_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for write in (write_text, append_line):
        path.write_text("good\n")
        with pytest.raises(WriteError, match=r"a\.txt: cannot be written \(UTF-8 has no '.udc80', which is at 2\)"):
            write(path, "ab\udc80")
        assert (path.read_text(), names(tmp_path)) == ("good\n", ["a.txt"])


def test_a_link_stays_and_what_it_points_at_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    try:
        (tmp_path / "link").symlink_to(Path("there") / "file")
        (tmp_path / "circle").symlink_to("circle")
    except OSError:
        pytest.skip("no symbolic links can be made here")
    for text in ("first", "second"):
        write_text(tmp_path / "link", text)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there" / "file").read_text() == text
    assert names(tmp_path / "there") == ["file"]
    with pytest.raises(WriteError, match="circle: cannot be written"):
        write_text(tmp_path / "circle", "x")
    assert (tmp_path / "circle").is_symlink()


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such files")
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("pipe", "null"):
        with pytest.raises(WriteError, match=rf"{name}: cannot be written \(there is something that is no file\)$"):
            write_text(tmp_path / name, "x")
    assert (tmp_path / "pipe").is_fifo()
    assert Path("/dev/null").is_char_device()
    assert names(tmp_path) == ["null", "pipe"]


# Nobody else writes

WRITES = {
    "write_text",
    "write_bytes",
    "savefig",
    "tofile",
    "save_file",
    "savez",
    "savez_compressed",
    "touch",
    "symlink_to",
}
CALLS = {
    "os.replace",
    "os.rename",
    "os.open",
    "os.fdopen",
    "shutil.copy",
    "shutil.copyfile",
    "tempfile.mkstemp",
    "np.save",
}
CALLS |= {"tempfile.NamedTemporaryFile", "tempfile.TemporaryFile", "tempfile.mkdtemp", "Path.rename", "np.savetxt"}
# Into memory; the lock, which has no content; what is opened to be read.
ALLOWED = {
    ("viz/figures.py", "figure.savefig"),
    ("viz/inline.py", "figure.savefig"),
    ("files/lock.py", "os.open"),
    ("files/reading.py", "os.open"),
}


def writers_in(tree: ast.Module) -> Iterator[str]:
    """Calls that open a file for writing, or write one by its name."""
    imported = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module == "files"
        for alias in node.names
    }
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        last = called.rpartition(".")[2]
        texts = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        texts += [
            key.value.value for key in node.keywords if key.arg == "mode" and isinstance(key.value, ast.Constant)
        ]
        opens = last == "open" and any(set(text) <= set("rwxabt+") and set(text) & set("wxa+") for text in texts)
        if opens or called in CALLS or (last in WRITES and called not in imported):
            yield called


def test_nobody_else_opens_a_file_for_writing() -> None:
    found = {
        (path.relative_to(PACKAGE).as_posix(), call) for path in sources(PACKAGE) for call in writers_in(parse(path))
    }
    ours = {"open", "os.replace", "tempfile.TemporaryFile", "write_bytes"}
    assert {call for path, call in found if path == "files/atomic.py"} == ours
    assert {entry for entry in found if entry[0] != "files/atomic.py"} == ALLOWED


def test_that_test_sees_writers() -> None:
    for code in (
        "open(path, 'w')",
        "path.open('ab')",
        "path.open(mode='r+b')",
        "Path(path).write_text(text)",
        "np.save(path, x)",
        "os.replace(a, b)",
    ):
        assert list(writers_in(ast.parse(code))), code
    for code in (
        "open(path)",
        "path.open('rb')",
        "Image.open(path)",
        "from ..files import write_text\nwrite_text(path, text)",
    ):
        assert not list(writers_in(ast.parse(code))), code


# One at a time

HOLDER = """
import sys, time
from tinyseg.files import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_held_by_one_process_and_goes_with_it(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=environment()
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        message = "in use by another tinyseg; wait until that is done, or stop it"
        with pytest.raises(InUseError, match=message), locked(tmp_path):
            pass
    finally:
        process.kill()
        process.communicate(timeout=60)
    assert names(tmp_path) == [LOCK]  # which a killed process leaves, and which means nothing
    with locked(tmp_path):
        pass
    assert names(tmp_path) == []


def test_a_lock_is_held_once_in_a_process(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(InUseError), locked(tmp_path):
            pass
        with pytest.raises(InUseError), locked(tmp_path):  # nor has the refused one let go of it
            pass
    with locked(tmp_path):
        pass


@pytest.mark.skipif(sys.platform == "win32", reason="Windows deletes no open file")
def test_a_lock_of_a_deleted_file_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its holder deletes the file just when another one has opened it: that one must not think it has the lock."""
    from tinyseg.files import lock

    real, first = lock._take, []

    def take(descriptor: int) -> None:
        if not first:
            first.append(descriptor)
            (tmp_path / LOCK).unlink()
        real(descriptor)

    monkeypatch.setattr(lock, "_take", take)
    with locked(tmp_path), pytest.raises(InUseError), locked(tmp_path):
        pass


def test_a_disk_that_has_no_locks_is_worked_on_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tinyseg.files import lock

    def take(descriptor: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(lock, "_take", take)
    with locked(tmp_path):
        pass


def test_a_folder_that_is_not_there_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="none"), locked(tmp_path / "none"):
        pass
