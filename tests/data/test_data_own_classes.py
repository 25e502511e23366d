"""Images of one's own in the layouts of Pascal VOC and CamVid: whose classes they are, and how lists name files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from layouts import SIZE, photo, save, stripes, write

from tinyseg import engine
from tinyseg.data import VOC, Folder, open_dataset, read_classes
from tinyseg.engine import TrainOptions, prepare
from tinyseg.errors import DataError, InputError

TRUTH = stripes(0, 1, 2)
COLORS = np.array([[0, 0, 0], [250, 50, 83], [51, 221, 255]], np.uint8)
LISTS = {
    "classes.txt": ("background 0 0 0", "weld 250 50 83", "crack 51 221 255"),
    "class_names.txt": ("_background_", "weld", "crack"),
    "labels.txt": ("__ignore__", "_background_", "weld", "crack"),
    "labelmap.txt": (
        "# label:color_rgb:parts:actions", "background:0,0,0::", "weld:250,50,83::", "crack:51,221,255::",
        "ignored:9,9,9::",
    ),
    "label_colors.txt": ("0 0 0 background", "250 50 83 weld", "51 221 255 crack"),
}  # fmt: skip
"""The same classes, as each program writes them."""


def own_voc(root: Path, mask: Any = TRUTH, suffix: str = "jpg", **lists: tuple[str, ...]) -> Path:
    """Six images in VOC's layout, and these lists of images."""
    for number in range(6):
        save(root / "JPEGImages" / f"{number}.{suffix}", photo(number))
        save(root / "SegmentationClass" / f"{number}.png", mask)
    for name, lines in lists.items():
        write(root / "ImageSets" / "Segmentation" / f"{name}.txt", *lines)
    return root


SPLITS = {"train": ("0", "1", "2", "3"), "val": ("4", "5")}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("in_colors", [False, True])
def test_the_list_next_to_the_masks_says_what_they_hold(tmp_path: Path, name: str, in_colors: bool) -> None:
    """1 was called aeroplane and 2 bicycle, and 21 scores were learnt for 3 classes."""
    names_alone = name in ("class_names.txt", "labels.txt")
    root = own_voc(tmp_path, COLORS[TRUTH] if in_colors else TRUTH, **SPLITS)
    write(root / name, *LISTS[name])
    if in_colors and names_alone:
        write(root / "labelmap.txt", *LISTS["labelmap.txt"])
    train = open_dataset("voc2012", "train", root=root, num_classes=3)
    assert train.classes.names == ("background", "weld", "crack")
    np.testing.assert_array_equal(train.mask(0), TRUTH)
    assert not names_alone or in_colors or train.classes.colors[1] == (128, 0, 0)
    assert engine.check("voc2012", root).problems == ()
    assert engine.check("voc2012", root).mapping == {}


def test_the_same_for_camvid(tmp_path: Path) -> None:
    """Names with spaces, too; without a list, the images are told to be none of CamVid's."""
    for split, names in (("train", ("a 1", "b")), ("val", ("c",))):
        for name in names:
            save(tmp_path / split / f"{name}.png", photo(ord(name[0])))
            save(tmp_path / f"{split}annot" / f"{name}.png", COLORS[TRUTH])
        write(tmp_path / f"{split}.txt", *(f"/x/{split}/{name}.png /x/{split}annot/{name}.png" for name in names))
    assert "images are not named as those of CamVid, but its classes are taken (1 is Building)" in " ".join(
        note.text for note in engine.check("camvid", tmp_path).notes
    )
    write(tmp_path / "label_colors.txt", *LISTS["label_colors.txt"])
    train = open_dataset("camvid", "train", root=tmp_path)
    assert train.classes.names == ("background", "weld", "crack")
    assert [train.sample_name(index) for index in range(2)] == ["a 1", "b"]
    np.testing.assert_array_equal(train.mask(0), TRUTH)
    # CamVid's own list of 32 is not about the masks of 11.
    (tmp_path / "label_colors.txt").unlink()
    write(tmp_path / "label_colors.txt", "64 128 64\tAnimal", "192 0 128\tArchway", "0 128 192\tBicyclist")
    assert open_dataset("camvid", "train", root=tmp_path).classes.names[0] == "Sky"


def test_own_data_are_not_compared_with_what_was_published(tmp_path: Path) -> None:
    root = own_voc(tmp_path / "voc", **SPLITS)
    report = engine.check("voc2012", root)
    assert [note.text for note in report.notes if note.kind == "count"] == [
        "train has 4 images, 1464 were published",
        "val has 2 images, 1449 were published",
    ]
    write(root / "class_names.txt", *LISTS["class_names.txt"])
    report = engine.check("voc2012", root)
    assert not [note for note in report.notes if note.kind == "count"]
    assert [part.published for part in report.splits] == [None, None]
    for split in SPLITS:
        save(tmp_path / "streets" / split / "a.png", photo(len(split)))
        save(tmp_path / "streets" / f"{split}annot" / "a.png", TRUTH)
        write(tmp_path / "streets" / f"{split}.txt", f"/x/{split}/a.png /x/{split}annot/a.png")
    write(tmp_path / "streets" / "class_names.txt", *LISTS["class_names.txt"])
    assert not [note for note in engine.check("camvid", tmp_path / "streets").notes if note.kind == "count"]


def test_pascal_vocs_classes_are_not_taken_in_silence(tmp_path: Path) -> None:
    root = own_voc(tmp_path, **SPLITS)
    said = "images are not named as those of Pascal VOC, but its classes are taken (1 is aeroplane)"
    assert said in " ".join(note.text for note in engine.check("voc2012", root).notes)
    plan = prepare(TrainOptions(data="voc2012", root=str(root), model="unet", model_options={"depth": 2}))
    assert said in " ".join(plan.notes)
    for folder, suffix in (("JPEGImages", "jpg"), ("SegmentationClass", "png")):
        for number in range(6):
            (root / folder / f"{number}.{suffix}").rename(root / folder / f"2007_00000{number}.{suffix}")
    for split, names in SPLITS.items():
        write(root / "ImageSets" / "Segmentation" / f"{split}.txt", *(f"2007_00000{name}" for name in names))
    assert VOC(root).remarks == ()


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"class_names.txt": ("a", "b"), "labelmap.txt": ("a:0,0,0::", "c:1,1,1::")}, "names other classes than"),
        ({"labelmap.txt": ("a:0,0,0::", ":1,1,1::")}, "line 2: expected 'name:R,G,B:parts:actions', got"),
        ({"labelmap.txt": ("a:0,0,256::",)}, "line 1: expected a colour R, G, B of whole numbers from 0 to 255"),
        ({"label_colors.txt": ("0 0 name",)}, "line 1: expected 'R G B name', got '0 0 name'"),
        ({"class_names.txt": ("a", "a")}, "the class 'a' is listed twice"),
        ({"labelmap.txt": ("a:1,2,3::", "b:1,2,3::")}, "'a' and 'b' have one colour, 1 2 3"),
        ({"labels.txt": ("_background_", "ignore", "cat")}, "'ignore' is listed in front of classes"),
        ({"labels.txt": ("__ignore__", "_background_", "ignore", "cat")}, "'ignore' is listed in front of classes"),
        ({"labelmap.txt": ("ignore:9,9,9::", "a:0,0,0::")}, "'ignore' is listed in front of classes"),
        ({"class_names.txt": ()}, "expected 1 to 255 classes, one a line, found 0"),
    ],
)
def test_lists_that_cannot_be_meant(tmp_path: Path, lists: dict[str, tuple[str, ...]], message: str) -> None:
    root = own_voc(tmp_path, **SPLITS)
    for name, lines in lists.items():
        write(root / name, *lines)
    with pytest.raises(DataError, match=rf"(label|class)\w*\.txt: {message}"):
        VOC(root)


def test_a_colour_that_is_given_is_no_other_classes(tmp_path: Path) -> None:
    """Class 0 has no colour and is shown black; black in masks is class 1, which it was given to."""
    for number in range(4):
        save(tmp_path / "images" / f"{number}.png", photo(number))
        save(tmp_path / "masks" / f"{number}.png", np.zeros((*SIZE, 3), np.uint8))
    write(tmp_path / "classes.txt", "vessel", "background 0 0 0")
    assert (Folder(tmp_path).mask(0) == 1).all()
    write(tmp_path / "classes.txt", "vessel 0 0 0", "background 0 0 0")
    with pytest.raises(DataError, match=r"classes.txt: 'vessel' and 'background' have one colour, 0 0 0"):
        read_classes(tmp_path / "classes.txt")


# How lists name files


@pytest.mark.parametrize("form", ["frame.{:04}", "a_jpg.rf.h{}", "photo {}", "v1.0 no. {}", "é{}"])
@pytest.mark.parametrize("line", ["{}", "{}.jpg", "JPEGImages/{}.jpg"])
def test_names_have_dots_and_spaces(tmp_path: Path, form: str, line: str) -> None:
    """What follows the last dot was taken for an ending, and the first word for the name."""
    names = [form.format(number) for number in range(3)]
    for number, name in enumerate(names):
        save(tmp_path / "JPEGImages" / f"{name}.jpg", photo(number))
        save(tmp_path / "SegmentationClass" / f"{name}.png", TRUTH)
    write(tmp_path / "class_names.txt", *LISTS["class_names.txt"])
    for split, listed in (("train", names[:2]), ("val", names[2:])):
        write(tmp_path / "ImageSets" / "Segmentation" / f"{split}.txt", *(line.format(name) for name in listed))
    train = VOC(tmp_path)
    assert [train.sample_name(index) for index in range(2)] == names[:2]
    assert engine.check("voc2012", tmp_path).problems == ()


def test_a_missing_file_is_named_as_it_is_listed(tmp_path: Path) -> None:
    root = own_voc(tmp_path, train=("frame.0001", "no photo"), val=("4",))
    (problem,) = engine.check("voc2012", root).problems
    files = sorted(Path(file).name for file in problem.files)
    assert files == ["frame.0001.jpg", "frame.0001.png", "no photo.jpg", "no photo.png"]


@pytest.mark.parametrize("lists", [{"default": tuple("012345")}, {}])
def test_one_list_that_is_no_split_is_divided(tmp_path: Path, lists: dict[str, tuple[str, ...]]) -> None:
    """CVAT's default.txt, with PNG images; or labelme2voc's folders, without lists."""
    root = own_voc(tmp_path, COLORS[TRUTH], suffix="png", **lists)
    write(root / "labelmap.txt", *LISTS["labelmap.txt"])
    train, val = (open_dataset("voc2012", split, root=root, val_fraction=0.4) for split in ("train", "val"))
    names = [part.sample_name(index) for part in (train, val) for index in range(len(part))]
    assert sorted(names) == list("012345")
    np.testing.assert_array_equal(train[0].mask, TRUTH)
    report = engine.check("voc2012", root)
    assert report.problems == ()
    assert "a share of its images validates" in next(note.text for note in report.notes if note.kind == "split")


def test_a_share_is_for_data_that_is_not_divided(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"has the lists train, val; leave --val-fraction out"):
        open_dataset("voc2012", "train", root=own_voc(tmp_path, **SPLITS), val_fraction=0.5)


def test_objects_in_colours_and_in_wide_files(tmp_path: Path) -> None:
    """CVAT writes a colour for each object; a file of 16 bits has an object 255 as any other."""
    root = own_voc(tmp_path, **SPLITS)
    write(root / "class_names.txt", *LISTS["class_names.txt"])
    colors = np.array([[0, 0, 0], [250, 0, 0], [0, 250, 0]], np.uint8)[TRUTH]
    save(root / "SegmentationObject" / "0.png", colors)
    save(root / "SegmentationObject" / "1.png", stripes(0, 255, 300, dtype=np.uint16))
    save(root / "SegmentationObject" / "2.png", stripes(0, 255, 3))
    train = open_dataset("voc2012", "train", root=root)
    # Colours are numbered in the order of their codes: green before red.
    assert [train.instances(index)[:3, 0].tolist() for index in range(3)] == [  # type: ignore[index]
        [0, 2, 1],
        [0, 255, 300],
        [0, 0, 3],
    ]
