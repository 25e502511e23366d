"""MATLAB files: the same values as SciPy reads, and an error of our own for whatever is wrong with one."""

from __future__ import annotations

import io
import re
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
import scipy.sparse

from tinyseg.data.formats import mat_file
from tinyseg.data.formats.mat_file import Unread, read_mask_variable, read_variable
from tinyseg.errors import DataError

CELLS = np.empty((1, 3), object)
CELLS[0] = ["/SUNRGBD/kv2/room", "é", np.arange(6).reshape(2, 3)]

NUMBERS: dict[str, Any] = {
    "bytes": np.arange(12, dtype=np.uint8).reshape(3, 4),
    "signed": np.array([[-1, 2], [3, -4]], np.int16),
    "doubles": np.array([[0.5, 1e300]]),
    "singles": np.array([[0.25], [3]], np.float32),
    "long": np.array([[2**63, 1]], np.uint64),
    "logical": np.array([[True, False]]),
    "cube": np.arange(24).reshape(2, 3, 4),
    "none": np.zeros((0, 3)),
}
OTHERS: dict[str, Any] = {
    "cells": CELLS,
    "GTcls": {"Boundaries": np.array([scipy.sparse.eye(3), 1], object), "Segmentation": NUMBERS["bytes"]},
    "text": "grün",
    "words": np.array(["ab", "cd"]),
    "structs": np.array([{"a": 1}, {"a": 2}], object),
    "complex": np.array([[1 + 2j]]),
}


def saved(path: Path, compressed: bool = False, **variables: Any) -> Path:
    scipy.io.savemat(path, variables, do_compression=compressed)
    return path


@pytest.mark.parametrize("compressed", [False, True])
def test_values_are_scipys(tmp_path: Path, compressed: bool) -> None:
    path = saved(tmp_path / "all.mat", compressed, **NUMBERS, **OTHERS)
    expected = scipy.io.loadmat(path)
    for name in NUMBERS:
        found = read_variable(path, name)
        np.testing.assert_array_equal(found, expected[name])
        assert found.dtype == expected[name].dtype
    cells = read_variable(path, "cells")
    assert cells[0, :2].tolist() == ["/SUNRGBD/kv2/room", "é"]
    np.testing.assert_array_equal(cells[0, 2], CELLS[0, 2])
    struct_ = read_variable(path, "GTcls")
    np.testing.assert_array_equal(struct_["Segmentation"], NUMBERS["bytes"])
    assert struct_["Boundaries"][0, 0] == Unread("a sparse matrix")
    assert read_variable(path, "text") == "grün"
    assert read_variable(path, "words").tolist() == ["ab", "cd"]
    assert [one["a"].item() for one in read_variable(path, "structs").flat] == [1, 2]
    assert read_variable(path, "complex") == Unread("a matrix of complex numbers")


def test_big_endian_files(tmp_path: Path) -> None:
    """A file of one variable, written out by hand."""

    def element(kind: int, data: bytes) -> bytes:
        return struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8)

    inside = (
        element(6, struct.pack(">II", 10, 0))  # class int16
        + element(5, struct.pack(">ii", 2, 2))
        + struct.pack(">HH4s", 1, 1, b"S")
        + element(3, struct.pack(">4h", 1, -2, 3, 4))
    )
    path = tmp_path / "big.mat"
    path.write_bytes(bytes(124) + b"\x01\x00MI" + element(14, inside))
    assert read_variable(path, "S").tolist() == [[1, 3], [-2, 4]]


@pytest.mark.parametrize("compressed", [False, True])
def test_no_damaged_byte_raises_anything_else(tmp_path: Path, compressed: bool) -> None:
    """SciPy's reader ends the process for some of these."""
    path = saved(tmp_path / "m.mat", compressed, segmentation=NUMBERS["bytes"], x=np.array([1, "a"], object))
    whole = path.read_bytes()
    messages = []
    for place in range(128, len(whole)):
        path.write_bytes(whole[:place] + bytes([140 if place % 2 else 255]) + whole[place + 1 :])
        for name in ("segmentation", "x"):
            try:
                read_variable(path, name)
            except DataError as error:
                messages.append(str(error))
    assert len(messages) > 100
    assert all(message.startswith(f"{path}: ") for message in messages)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"m.mat: (cannot be read|has no variable)"):
            read_variable(path, "x")


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(kind: int, shape: tuple[int, ...], name: str, content: bytes) -> bytes:
    """A matrix element of class ``kind``."""
    flags, dimensions = element(6, struct.pack("<II", kind, 0)), element(5, struct.pack(f"<{len(shape)}i", *shape))
    return element(14, flags + dimensions + element(1, name.encode()) + content)


NO_FIELDS = element(5, struct.pack("<i", 1)) + element(1, b"a")


def with_header(content: bytes) -> bytes:
    return bytes(124) + b"\x00\x01IM" + content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (matrix(6, (2**31 - 1, 2**31 - 1), "S", element(9, bytes(8))), "1 numbers for a matrix of"),
        (matrix(1, (2**31 - 1, 2**31 - 1), "S", b""), r"more than 1,000,000 cells"),
        (matrix(1, (900, 1000), "S", b""), r"0 bytes for 900,000 cells"),
        *(
            (matrix(kind, (0, *[2**31 - 1] * 4), "S", content), "a matrix without content of 0x2147483647x")
            for kind, content in ((6, element(9, b"")), (4, element(16, b"")), (1, b""), (2, NO_FIELDS))
        ),
        (matrix(4, (10**8, 0), "S", element(16, b"")), "a matrix without content of 100000000x0"),
        (
            matrix(1, (1, 3), "S", matrix(4, (400_000, 0), "", element(16, b"")) * 3),
            "more than 1,000,000 cells, fields and lines of texts",
        ),
        (matrix(6, (-1, 2), "S", b""), r"dimensions \(-1, 2\)"),
        (matrix(99, (1, 1), "S", b""), "a matrix of class 99"),
        (element(14, b"")[:4] + b"\xff\xff\xff\xff", "cut short"),
        (element(15, zlib.compress(b"short")), "cut short"),
        (element(15, b"no stream"), "incorrect header check"),
        (element(9, bytes(8)), "type 9 where a variable should be"),
    ],
)
def test_lengths_are_not_believed(tmp_path: Path, content: bytes, words: str) -> None:
    path = tmp_path / "odd.mat"
    path.write_bytes(with_header(content))
    with pytest.raises(DataError, match=rf"odd.mat: cannot be read as a MATLAB file \(.*{words}"):
        read_variable(path, "S")


def test_small_files_that_unpack_to_large_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "bomb.mat", True, S=np.zeros((1000, 1000)))
    assert path.stat().st_size < 50_000
    monkeypatch.setattr(mat_file, "MAX_BYTES", 1_000_000)
    with pytest.raises(DataError, match=r"bomb.mat: .*a variable of 8,000,\d\d\d bytes; at most 1,000,000 are read"):
        read_variable(path, "S")


def test_cells_in_cells_end(tmp_path: Path) -> None:
    inside = matrix(6, (1, 1), "", element(9, bytes(8)))
    for _ in range(40):
        inside = matrix(1, (1, 1), "", inside)
    path = tmp_path / "deep.mat"
    path.write_bytes(with_header(matrix(1, (1, 1), "S", inside)))
    with pytest.raises(DataError, match=r"deep.mat: .*cells in cells, more than 16 deep"):
        read_variable(path, "S")


def test_other_files_are_named_for_what_they_are(tmp_path: Path) -> None:
    path = tmp_path / "m.mat"
    for content, words in (
        (b"", "does not begin as one of version 5 to 7"),
        (bytes(124) + b"\x00\x02IM", "version 7.3, which is HDF5; save it by -v7"),
        (with_header(b""), "has no variable 'S'; it has none"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=re.escape(words)):
            read_variable(path, "S")
    stream = io.BytesIO()
    scipy.io.savemat(stream, {"S": np.eye(2)}, format="4")
    path.write_bytes(stream.getvalue() + bytes(200))
    with pytest.raises(DataError, match=r"does not begin as one of version 5 to 7"):
        read_variable(path, "S")
    with pytest.raises(DataError, match=r"nowhere.mat: no such file"):
        read_variable(tmp_path / "nowhere.mat", "S")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.array([[0.5]]), "no whole numbers"),
        (np.array([[np.nan]]), "no whole numbers"),
        (np.array([[1e300]]), "no whole numbers"),
        (np.zeros((2, 2, 2)), r"float64 \(2, 2, 2\), expected a mask"),
        ("text", r"is str, expected a mask \(H, W\)"),
        (CELLS, "object"),
    ],
)
def test_what_is_no_mask(tmp_path: Path, value: Any, words: str) -> None:
    with pytest.raises(DataError, match=rf"m.mat: S .*{words}"):
        read_mask_variable(saved(tmp_path / "m.mat", S=value), "S")
    assert read_mask_variable(saved(tmp_path / "m.mat", S=np.array([[3.0]])), "S").tolist() == [[3]]
