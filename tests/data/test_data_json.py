"""COCO's files: records found in JSON without holding it, and shapes as masks."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from tinyseg.data.formats import json_records
from tinyseg.data.formats.json_records import JsonRecords
from tinyseg.data.layouts.coco_shapes import decode_counts, polygon_mask, run_length_mask, shape_mask
from tinyseg.errors import DataError

CONTENT = {
    "info": {"of": ["nothing", 1.5, None, ']}\\"']},
    "images": [{"id": 1, "name": "Köln, \u4e2d"}, {"id": 22, "deep": [[1, 2], {"a": [{}]}]}],
    "version": 12345678,
    "empty": [],
    "annotations": [{"id": number, "text": "x" * (number % 7)} for number in range(50)],
}


@pytest.mark.parametrize("chunk", [1, 2, 7, 100, 2**22])
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ascii_only", [True, False])
def test_records_are_found_wherever_the_window_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int, indent: int | None, ascii_only: bool
) -> None:
    monkeypatch.setattr(json_records, "CHUNK", chunk)
    path = tmp_path / "data.json"
    path.write_text(json.dumps(CONTENT, indent=indent, ensure_ascii=ascii_only), encoding="utf-8")
    found: dict[str, list[tuple[int, int]]] = {}
    records = JsonRecords(
        path, lambda name, record, start, length: found.setdefault(name, []).append((start, length))
    )
    assert list(found) == ["images", "annotations"]
    for name, places in found.items():
        assert list(records.read(places)) == CONTENT[name]
    assert list(records.read(found["annotations"][40:42])) == CONTENT["annotations"][40:42]  # type: ignore[index]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": [1, 2}', '{"a": [1 2]}', '{"a": 1 "b": 2}', '{"a": [1,'])
def test_broken_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "data.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"data.json: cannot be read as JSON"):
        JsonRecords(path, lambda *record: None)
    with pytest.raises(DataError, match="no such file"):
        JsonRecords(tmp_path / "nowhere.json", lambda *record: None)


@pytest.mark.parametrize("chunk", [1, 3, 2**22])
def test_texts_are_utf8_wherever_the_window_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    """Places are counted in bytes, with the byte order mark of Windows or without."""
    monkeypatch.setattr(json_records, "CHUNK", chunk)
    path = tmp_path / "data.json"
    for encoding in ("utf-8", "utf-8-sig"):
        path.write_text(json.dumps({"Größe": [{"a": "猫"}, "é", "e"]}, ensure_ascii=False), encoding=encoding)
        seen: list[tuple[str, object]] = []
        places: list[tuple[int, int]] = []

        def visit(name: str, record: object, start: int, length: int) -> None:
            seen.append((name, record))  # noqa: B023
            places.append((start, length))  # noqa: B023

        records = JsonRecords(path, visit)
        assert seen == [("Größe", {"a": "猫"}), ("Größe", "é"), ("Größe", "e")]
        assert list(records.read(places)) == [{"a": "猫"}, "é", "e"]


def test_values_without_an_end_are_not_read_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_records, "CHUNK", 64)
    monkeypatch.setattr(json_records, "MAX_RECORD", 1000)
    path = tmp_path / "data.json"
    path.write_text('{"a": ["' + "x" * 100_000 + '"]}')
    with pytest.raises(DataError, match=r"data.json: .*a value of more than 1,000 bytes at byte 7"):
        JsonRecords(path, lambda *record: None)


def test_a_file_that_changed_is_told_of(tmp_path: Path) -> None:
    path = tmp_path / "data.json"
    path.write_text('{"a": [{"b": 1}]}')
    records = JsonRecords(path, lambda *record: None)
    path.write_text('{"a": [{"b": ]}')
    with pytest.raises(DataError, match=r"data\.json: cannot be read as JSON"):
        list(records.read([(7, 8)]))


# Shapes


def test_run_lengths_go_down_the_columns() -> None:
    assert run_length_mask([1, 3, 2], (2, 3)).astype(int).tolist() == [[0, 1, 0], [1, 1, 0]]
    assert run_length_mask([0, 4], (2, 2)).all()
    for counts in ([3], [-1, 5], [2, 3]):
        with pytest.raises(ValueError, match="run lengths add up to"):
            run_length_mask(counts, (2, 2))


def test_compressed_counts_by_hand() -> None:
    """6 bits a character from 48 on: 5 of value, 1 for more; the fourth number on as differences."""
    # 33 = 1 + 32 * 1: groups 00001 with "more" (32 + 1 = 33 -> 'Q') and 00001 ('1')
    assert decode_counts("Q1") == [33]
    # 16 would look negative in one group: 10000 with more (48 -> '`'), 00000 ('0')
    assert decode_counts("`0") == [16]
    # -1 is 11111 without more: 31 -> 'O'; as the fourth number it is 2 + (-1) = 1
    assert decode_counts("523O") == [5, 2, 3, 1]
    with pytest.raises(ValueError, match="in the middle of a number"):
        decode_counts("Q")


def compressed(counts: list[int]) -> str:
    """The inverse of ``decode_counts``, written from the format's description."""
    text = ""
    for place, count in enumerate(counts):
        value = count - counts[place - 2] if place > 2 else count
        while True:
            group, value = value & 31, value >> 5
            done = value == (-1 if group & 16 else 0)
            text += chr(48 + group + (0 if done else 32))
            if done:
                break
    return text


@given(st.lists(st.integers(0, 10**6), max_size=20))
def test_compressed_counts_come_back(counts: list[int]) -> None:
    assert decode_counts(compressed(counts)) == counts


# Beyond the borders of the image, too.
@given(st.lists(st.tuples(st.integers(-20, 60), st.integers(-20, 50)), min_size=3, max_size=8))
def test_polygons_enclose_the_centres_that_a_ray_test_finds(corners: list[tuple[int, int]]) -> None:
    """The textbook's crossing test, pixel by pixel."""
    height, width = 24, 32
    drawn = polygon_mask([float(value) for corner in corners for value in corner], (height, width))
    for row in range(0, height, 5):
        for column in range(0, width, 3):
            x, y, inside = column + 0.5, row + 0.5, False
            for (x0, y0), (x1, y1) in zip(corners, corners[1:] + corners[:1], strict=True):
                if (y0 <= y) != (y1 <= y) and x >= x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                    inside = not inside
            assert drawn[row, column] == inside


def test_polygons_of_many_edges_take_little_memory() -> None:
    """40,000 edges from top to bottom of 200 rows: 8 million crossings, which took 500 MB when computed at once."""
    x = np.linspace(0, 100, 40_000)
    corners = np.stack([x, np.arange(40_000) % 2 * 200.0], axis=1).ravel().tolist()
    tracemalloc.start()
    drawn = polygon_mask(corners, (200, 100))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert drawn.shape == (200, 100)
    assert peak < 60e6
    with pytest.raises(ValueError, match=r"the edges of a polygon cross 80,\d+,\d+ rows, more than 67,108,864"):
        polygon_mask([float(value) for value in ([0, 0, 1, 4000] * 10_000)], (4000, 8))


def test_polygons_are_near_to_what_pillow_draws() -> None:
    corners = [3.2, 5.1, 50.7, 9.9, 60.3, 40.2, 30.0, 20.5, 8.8, 44.4]
    image = Image.new("1", (64, 48))
    ImageDraw.Draw(image).polygon(corners, fill=1)
    drawn = polygon_mask(corners, (48, 64))
    differs = drawn != np.asarray(image)
    assert differs.sum() < 0.06 * drawn.sum(), "Pillow draws the outline, too"
    # The area by the shoelace formula.
    x, y = np.array(corners).reshape(-1, 2).T
    area = abs(float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())) / 2
    assert drawn.sum() == pytest.approx(area, rel=0.02)


def test_shapes_of_all_kinds() -> None:
    square = [1, 1, 3, 1, 3, 3, 1, 3]
    expected = np.zeros((4, 5), bool)
    expected[1:3, 1:3] = True
    np.testing.assert_array_equal(shape_mask([square], (4, 5)), expected)
    counts = [5, 2, 2, 2, 9]
    np.testing.assert_array_equal(shape_mask({"size": [4, 5], "counts": counts}, (4, 5)), expected)
    text = compressed(counts)
    np.testing.assert_array_equal(shape_mask({"size": [4, 5], "counts": text}, (4, 5)), expected)
    expected[3, 4] = True
    np.testing.assert_array_equal(shape_mask([square, [4, 3, 5, 3, 5, 4, 4, 4]], (4, 5)), expected)
