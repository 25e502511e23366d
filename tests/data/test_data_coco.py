"""COCO's files: identifiers that are background's or void's number, too; crowds, names, wrong records."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from layouts import photo, save

from tinyseg import engine
from tinyseg.data import CocoInstances, WithInstances, open_dataset, parse_table
from tinyseg.engine import TrainOptions, prepare
from tinyseg.errors import DataError, InputError

SIZE = (8, 10)
EXPECTED = np.zeros(SIZE, np.uint8)
EXPECTED[1:4, 1:4], EXPECTED[5:8, 5:9] = 1, 2
"""An object of each of two categories; the rest is background."""


def box(top: int, bottom: int, left: int, right: int, category: Any, **more: Any) -> dict[str, Any]:
    corners = [left, top, right, top, right, bottom, left, bottom]
    return {"category_id": category, "segmentation": [corners], "iscrowd": 0, **more}


def two(first: Any, second: Any) -> list[dict[str, Any]]:
    """The objects of ``EXPECTED``, in these categories."""
    return [box(1, 4, 1, 4, first), box(5, 8, 5, 9, second)]


def brush(category: Any) -> dict[str, Any]:
    """The first object of ``EXPECTED`` as CVAT writes a brush stroke: run lengths down the columns, and a crowd."""
    counts = [9, 3, 5, 3, 5, 3, 52]
    assert sum(counts) == SIZE[0] * SIZE[1]
    return {"category_id": category, "iscrowd": 1, "segmentation": {"size": list(SIZE), "counts": counts}}


def write(
    root: Path,
    objects: list[dict[str, Any]],
    categories: list[Any],
    names: list[str] | None = None,
    edit: Callable[[dict[str, Any]], object] | None = None,
    **encoding: Any,
) -> Path:
    """Images of one's own with the same objects in each, and ``annotations.json``."""
    names = names or [f"{number}.png" for number in range(4)]
    images = [
        {"id": number, "file_name": name, "height": SIZE[0], "width": SIZE[1]} for number, name in enumerate(names)
    ]
    for number, name in enumerate(names):
        save(root / name, photo(number, size=SIZE))
    annotations = [{**one, "image_id": number} for number in range(len(names)) for one in objects]
    content = {"images": images, "categories": categories, "annotations": annotations}
    if edit is not None:
        edit(content)
    text = json.dumps(content, ensure_ascii=encoding.get("ascii", True))
    (root / "annotations.json").write_text(text, encoding=encoding.get("encoding", "utf-8"))
    return root


def categories(first: Any, second: Any) -> list[dict[str, Any]]:
    return [{"id": first, "name": "vein"}, {"id": second, "name": "leaf"}]


def masks(root: Path, **options: Any) -> list[Any]:
    return [
        sample.mask
        for split in ("train", "val")
        for sample in open_dataset("coco-instances", split, root=root, **options)  # type: ignore[attr-defined]
    ]


# Identifiers


@pytest.mark.parametrize("pair", [(0, 1), (-1, 0), (-1, 7), (255, 256), (10**30, 10**31), ("a", "b"), (2.0, 3)])
def test_a_category_may_have_any_number(tmp_path: Path, pair: tuple[Any, Any]) -> None:
    """0 is background's in masks and 255 void's, -1 was that of crowds: none of them is a category's."""
    found = masks(write(tmp_path, two(*pair), categories(*pair)))
    assert len(found) == 4
    for mask in found:
        np.testing.assert_array_equal(mask, EXPECTED)


def test_a_category_that_stands_for_background_is_drawn_as_background(tmp_path: Path) -> None:
    """Roboflow and others list background, with objects or without, under any number."""
    listed = [{"id": 0, "name": "leaf"}, {"id": 3, "name": "background"}]
    root = write(tmp_path, [box(0, 8, 0, 10, 0), box(1, 4, 1, 4, 3)], listed)
    dataset = open_dataset("coco-instances", "val", root=root)
    assert dataset.classes.names == ("background", "leaf")
    expected = np.ones(SIZE, np.uint8)
    expected[1:4, 1:4] = 0
    np.testing.assert_array_equal(dataset.mask(0), expected)


def test_a_mapping_is_from_categories(tmp_path: Path) -> None:
    root = write(tmp_path, two(0, 9), categories(0, 9))
    for mask in masks(root, mapping=parse_table({"0": 2}, "map")):
        np.testing.assert_array_equal(mask, np.where(EXPECTED, 2, 0))
    with pytest.raises(InputError, match=r"--mapping: 1 is no category of .*annotations.json, which has 0, 9"):
        open_dataset("coco-instances", "train", root=root, mapping={1: 2})


def panoptic(root: Path, ids: Any, segments: list[dict[str, Any]], listed: list[dict[str, Any]]) -> Path:
    """A train and a val image whose pixels are these segments."""
    numbers = np.asarray(ids)
    for split in ("train", "val"):
        save(root / f"{split}2017" / "a.jpg", photo(size=numbers.shape))  # type: ignore[arg-type]
        pixels = np.stack([numbers & 255, numbers >> 8 & 255, numbers >> 16], axis=2).astype(np.uint8)
        save(root / "annotations" / f"panoptic_{split}2017" / "a.png", pixels)
        annotations = [{"image_id": 0, "file_name": "a.png", "segments_info": segments}]
        content = {"annotations": annotations, "categories": listed}
        (root / "annotations" / f"panoptic_{split}2017.json").write_text(json.dumps(content))
    return root


def test_panoptic_categories_from_0_leave_void_alone(tmp_path: Path) -> None:
    segments = [{"id": 7, "category_id": 0}, {"id": 300, "category_id": 1}]
    listed = [{"id": 0, "name": "sky", "isthing": 0}, {"id": 1, "name": "car", "isthing": 1}]
    train = open_dataset("coco-panoptic", "train", root=panoptic(tmp_path, [[0, 7], [300, 0]], segments, listed))
    assert train.mask(0).tolist() == [[255, 0], [1, 255]]
    instances = train.instances(0)
    assert instances is not None
    assert instances.tolist() == [[0, 0], [1, 0]]


def test_a_panoptic_segment_0_that_is_listed_is_no_void(tmp_path: Path) -> None:
    segments = [{"id": 0, "category_id": 5}, {"id": 1, "category_id": 5}]
    listed = [{"id": 5, "name": "car"}]
    train = open_dataset("coco-panoptic", "train", root=panoptic(tmp_path, [[0, 0], [1, 1]], segments, listed))
    assert train.mask(0).tolist() == [[0, 0], [0, 0]]
    instances = train.instances(0)
    assert instances is not None
    assert instances.tolist() == [[1, 1], [2, 2]]


@pytest.mark.parametrize(
    ("segments", "message"),
    [
        ([{"id": 1, "category_id": 9}], "the record of a.png has a segment of category 9, which is not listed"),
        ([{"id": 1, "category_id": 5}, {"id": 1, "category_id": 5}], "lists the segment 1 twice"),
        ([{"id": "1", "category_id": 5}], "has the segment '1', expected a whole number"),
        ([7], "is 7, expected an object"),
        (None, "segments_info that are no list"),
    ],
)
def test_panoptic_records_that_cannot_be_meant(tmp_path: Path, segments: Any, message: str) -> None:
    root = panoptic(tmp_path, [[1, 1]], segments, [{"id": 5, "name": "car"}])
    with pytest.raises(DataError, match=message):
        open_dataset("coco-panoptic", "train", root=root).mask(0)


@pytest.mark.parametrize(
    ("listed", "message"),
    [
        ([{"id": 1, "name": "a"}, {"id": 1, "name": "b"}], r"categories\[1\] has the id 1 of the category 'a'"),
        ([{"id": 1, "name": None}], r"categories\[0\] has the name None, expected a text"),
        ([{"id": 1, "name": "a", "color": [1, 2, 999]}], r"has the color \[1, 2, 999\], expected three"),
        ([{"id": number, "name": str(number)} for number in range(256)], "256 categories; masks hold 255"),
    ],
)
def test_panoptic_categories_that_cannot_be_meant(tmp_path: Path, listed: Any, message: str) -> None:
    root = panoptic(tmp_path, [[1]], [{"id": 1, "category_id": 1}], listed)
    with pytest.raises(DataError, match=message):
        open_dataset("coco-panoptic", "train", root=root)


def change(array: str, place: int, **fields: Any) -> Callable[[dict[str, Any]], object]:
    return lambda content: content[array][place].update(fields)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (change("images", 1, id=0), r"images\[1\] has the id 0 of 0.png; an image needs its own"),
        (change("images", 1, file_name="0.png"), r"images\[1\] is 0.png, which is listed before with the id 0"),
        (change("images", 1, id=True), r"images\[1\] has the id True, expected a whole number or a text"),
        (change("images", 1, id=None), r"images\[1\] has the id None"),
        (change("images", 1, file_name=7), r"images\[1\] has the file_name 7, expected a text"),
        (
            change("images", 1, file_name="\ud800.png"),
            r"images\[1\] has the file_name '\\ud800.png', which is no text",
        ),
        (change("images", 1, width=0), r"images\[1\] has the width 0, expected a whole number from 1 on"),
        (change("images", 1, width="10"), r"images\[1\] has the width '10'"),
        (change("images", 1, width=float("nan")), r"images\[1\] has the width nan"),
        (change("images", 1, height=10**30), r"images\[1\] has the size 10+x10 .* are not read"),
        (change("categories", 1, id=1), r"categories\[1\] has the id 1 of the category 'vein'"),
        (change("categories", 1, name=5), r"categories\[1\] has the name 5, expected a text that is not empty"),
        (change("categories", 1, name=None), r"categories\[1\] has the name None"),
        (change("categories", 1, name=" "), r"categories\[1\] has the name ' '"),
        (lambda content: content["categories"][1].pop("name"), r"categories\[1\] has no 'name'"),
        (lambda content: content["categories"].append("dog"), r"categories\[2\] is 'dog', expected an object"),
        (change("annotations", 2, image_id=77), "has objects of image 77, which is not listed"),
        (change("annotations", 2, category_id=77), "has objects of category 77, which is not listed"),
        (change("annotations", 2, category_id="1"), "has objects of category '1', which is not listed"),
        (change("annotations", 2, category_id=[1]), r"annotations\[2\] has the category_id \[1\]"),
        (change("annotations", 2, iscrowd="0"), r"annotations\[2\] has the iscrowd '0', expected 0 or 1"),
        (
            lambda content: content["categories"].extend({"id": n, "name": str(n)} for n in range(3, 300)),
            "lists 299 categories; masks hold 254 and background at most",
        ),
    ],
)
def test_records_that_cannot_be_meant(tmp_path: Path, edit: Any, message: str) -> None:
    root = write(tmp_path, two(1, 2), categories(1, 2), edit=edit)
    with pytest.raises(DataError, match=f"annotations.json: .*{message}"):
        open_dataset("coco-instances", "train", root=root)


@pytest.mark.parametrize(
    ("outline", "message"),
    [
        ([1, 1, 4, 1, 4, 4], "a polygon is a list of numbers x1, y1, x2, y2, ..., got 1"),
        ([[1, 1, 4, 1, 4, float("nan")]], "a polygon has the coordinate nan"),
        ([[1, 1, 4, 1, 4, float("inf")]], "a polygon has the coordinate inf"),
        ([[1, 1, 4, 1, 4, 1e300]], r"a polygon has the coordinate 1e\+300"),
        ([[1, 1, 4, 1, 4, 10**40]], "a polygon is a list of numbers"),
        ([[1, 1, 4, 1, 4, "4"]], "a polygon is a list of numbers"),
        ("polygon", "a segmentation is polygons or run lengths, got 'polygon'"),
        ({"size": [8, 10]}, "run lengths have no 'counts'"),
        ({"size": [8, 10], "counts": [79.5, 0.5]}, "got a fraction"),
        ({"size": [8, 10], "counts": [80, float("nan")]}, "got a fraction or no number"),
        ({"size": [8, 10], "counts": [80, 10**30]}, "run lengths are a list of whole numbers"),
        # The sum is 80 in 64 bits, and would have taken all memory.
        ({"size": [8, 10], "counts": [2**62, 2**62, 2**62, 2**62, 80]}, "run lengths add up to 18446744073709551"),
        ({"size": [8, 10], "counts": "o" * 100_000}, "a number that is longer than an image"),
    ],
)
def test_outlines_that_cannot_be_drawn(tmp_path: Path, outline: Any, message: str) -> None:
    root = write(tmp_path, [box(1, 4, 1, 4, 1, segmentation=outline)], categories(1, 2))
    with pytest.raises(DataError, match=rf"annotations.json: an object of .* cannot be drawn \(.*{message}"):
        open_dataset("coco-instances", "train", root=root).mask(0)


def test_sizes_are_compared_before_anything_is_drawn(tmp_path: Path) -> None:
    root = write(tmp_path, two(1, 2), categories(1, 2), edit=change("images", 0, height=5000))
    message = r"annotations.json: 0.png is listed as 5000x10 but the image is 8x10 \(height x width\)"
    with pytest.raises(DataError, match=message):
        masks(root)


# Names


def test_categories_of_one_name_are_told_apart_everywhere(tmp_path: Path) -> None:
    """As Roboflow writes them, with the project's name as a category; a column of the metrics was lost."""
    listed = [{"id": 1, "name": "vein"}, {"id": 2, "name": "midrib"}, {"id": 3, "name": "vein"}]
    root = write(tmp_path / "data", [box(1, 4, 1, 4, 3), box(5, 8, 5, 9, 2)], listed)
    dataset = open_dataset("coco-instances", "train", root=root)
    assert dataset.classes.names == ("background", "1-vein", "midrib", "3-vein")
    options = TrainOptions(
        data="coco-instances", root=str(root), model="unet", model_options={"width": 4, "depth": 2}, epochs=1
    )
    engine.train(prepare(options), tmp_path / "run")
    heading = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[0].split(",")
    expected = ["iu_background", "iu_1-vein", "iu_midrib", "iu_3-vein"]
    assert [name for name in heading if name.startswith("iu_")] == expected
    first = json.loads((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()[0])
    assert set(expected) <= set(first)


NAMES = ["straße 1.png", "größe.png", "图.png", "a b.png"]


@pytest.mark.parametrize("encoding", [{"ascii": False}, {"ascii": True}, {"ascii": False, "encoding": "utf-8-sig"}])
def test_names_are_utf8(tmp_path: Path, encoding: dict[str, Any]) -> None:
    listed = [{"id": 1, "name": "猫"}, {"id": 2, "name": "Straße"}]
    root = write(tmp_path, two(1, 2), listed, names=NAMES, **encoding)
    dataset = CocoInstances(root)
    assert dataset.classes.names == ("background", "猫", "Straße")
    for mask in masks(root):
        np.testing.assert_array_equal(mask, EXPECTED)


@pytest.mark.parametrize(("in_json", "on_disk"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_accent_may_be_a_character_of_its_own(tmp_path: Path, in_json: Any, on_disk: Any) -> None:
    """Files from a Mac have it so, and most programs not."""
    names = [unicodedata.normalize(on_disk, f"é{number}.png") for number in range(4)]

    def edit(content: dict[str, Any]) -> None:
        for image in content["images"]:
            image["file_name"] = unicodedata.normalize(in_json, image["file_name"])

    for mask in masks(write(tmp_path, two(1, 2), categories(1, 2), names=names, edit=edit, ascii=False)):
        np.testing.assert_array_equal(mask, EXPECTED)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"images": [{"id": 1, "file_name": "é"}]}'.encode("latin-1"), r"is not UTF-8 \(the byte 0xe9\)"),
        ('{"images": []}'.encode("utf-16"), "it is UTF-16 or UTF-32; save it as UTF-8"),
        (b'{"images": []}{"images": []}', "something follows the end of the object at byte 14"),
        (b'{"images": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
        (b'{"images": [{"id": ' + b"9" * 5000 + b"}]}", "has a whole number of thousands of digits"),
    ],
    ids=["latin-1", "utf-16", "two", "deep", "long"],
)
def test_files_that_are_no_such_json(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "annotations.json").write_bytes(content)
    with pytest.raises(DataError, match=f"annotations.json: .*{message}"):
        open_dataset("coco-instances", "train", root=tmp_path)


# Crowds, and objects without an outline


def test_where_all_objects_are_crowds_it_is_said_and_they_can_be_taken(tmp_path: Path) -> None:
    root = write(tmp_path, [brush(1)], [{"id": 1, "name": "cut"}])
    report = engine.check("coco-instances", root)
    assert [problem.kind for problem in report.problems] == ["crowds"]
    cause = "all 4 objects are crowds (iscrowd 1), which are ignored; CVAT marks brush strokes so: --crowds objects"
    assert report.problems[0].text.startswith(cause)
    assert report.mapping == {}, "no mapping makes objects of crowds"
    with pytest.raises(DataError, match="nothing to learn: all 4 objects are crowds"):
        prepare(TrainOptions(data="coco-instances", root=str(root), model="unet", model_options={"depth": 2}))
    assert engine.check("coco-instances", root, crowds="objects").problems == ()
    for mask in masks(root, crowds="objects"):
        np.testing.assert_array_equal(mask, np.where(EXPECTED == 1, 1, 0))
    drawn = open_dataset("coco-instances", "val", root=root, crowds="objects")
    assert WithInstances(drawn)[0].instances.max() == 1  # type: ignore[union-attr]
    with pytest.raises(InputError, match="unknown --crowds 'none'; there are ignore, objects"):
        open_dataset("coco-instances", "val", root=root, crowds="none")
    with pytest.raises(InputError, match="the data set 'camvid' takes no --crowds"):
        open_dataset("camvid", "val", root=root, crowds="objects")


def test_where_all_of_a_class_are_crowds_it_is_said(tmp_path: Path) -> None:
    root = write(tmp_path, [brush(1), box(5, 8, 5, 9, 2)], categories(1, 2))
    report = engine.check("coco-instances", root)
    assert report.problems == ()
    (note,) = [note for note in report.notes if note.kind == "crowds"]
    assert note.text.startswith("all 4 objects of 'vein' are crowds (iscrowd 1), which are ignored")
    plan = prepare(TrainOptions(data="coco-instances", root=str(root), model="unet", model_options={"depth": 2}))
    assert note.text in plan.notes
    assert not [
        note for note in engine.check("coco-instances", root, crowds="objects").notes if note.kind == "crowds"
    ]


def test_a_run_keeps_what_becomes_of_crowds(tmp_path: Path) -> None:
    root = write(tmp_path / "data", [brush(1)], [{"id": 1, "name": "cut"}])
    options = TrainOptions(
        data="coco-instances", root=str(root), crowds="objects", model="unet", epochs=1,
        model_options={"width": 4, "depth": 2},
    )  # fmt: skip
    engine.train(prepare(options), tmp_path / "run")
    config, found = engine.evaluate(tmp_path / "run")
    assert config.data.crowds == "objects"
    assert found.scores.true_pixels[1] == 9 * found.images, "the stroke has 3 x 3 pixels"


def test_objects_without_an_outline_are_told_of(tmp_path: Path) -> None:
    """Exports for detection: boxes, and an empty list of polygons."""
    bare = box(1, 4, 1, 4, 1, segmentation=[], bbox=[1, 1, 3, 3])
    report = engine.check("coco-instances", write(tmp_path / "all", [bare], categories(1, 2)))
    (problem,) = report.problems
    assert problem.text == "4 of 4 objects have no outline (no segmentation), and are not in the masks"
    report = engine.check("coco-instances", write(tmp_path / "some", [bare, *two(1, 2)], categories(1, 2)))
    assert report.problems == ()
    assert "4 of 12 objects have no outline" in next(note.text for note in report.notes if note.kind == "outlines")


def test_layouts_of_the_published_data_are_as_before(tmp_path: Path) -> None:
    """A cat of 4x3 pixels, a dog of 2x2 on its corner, a crowd in the first two columns: by hand."""
    root = layouts.coco_instances(tmp_path)
    train = open_dataset("coco-instances", "train", root=root, mapping={7: 1})
    assert train.mask(0)[2:4].tolist() == [[1, 1, 1, 1, 1, 0, 0, 0], [255, 255, 0, 1, 1, 0, 0, 0]]


def test_annotations_of_ones_own_are_not_compared_with_cocos(tmp_path: Path) -> None:
    report = engine.check("coco-instances", write(tmp_path, two(1, 2), categories(1, 2)))
    assert not [note for note in report.notes if note.kind == "count"]
    assert {part.published for part in report.splits} == {None}
