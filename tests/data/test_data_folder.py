"""Folders of images and masks: layouts, splits, classes, and what is refused."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyseg.data import class_counts, open_dataset, read_classes
from tinyseg.data.layouts.folder import Folder
from tinyseg.errors import DataError, InputError


def fill(folder: Path, names: list[str], mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> None:
    """Images and masks (with the values 0 and 1) of these names."""
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        Image.new(mode, size, number).save(folder / "images" / f"{name}.bmp")
        Image.fromarray(np.eye(size[1], size[0], dtype=np.uint8)).save(folder / "masks" / f"{name}.png")


NAMES = [f"img{number}" for number in range(10)]


def test_one_pair_of_folders_is_divided_by_a_seed(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    train = Folder(tmp_path, "train", num_classes=2)
    val = Folder(tmp_path, "val", num_classes=2)
    names = [[pair[0].stem for pair in split.pairs] for split in (train, val)]
    assert sorted(names[0] + names[1]) == NAMES
    again = Folder(tmp_path, "val", num_classes=2)
    assert again.pairs == val.pairs
    others = {tuple(Folder(tmp_path, "val", num_classes=2, seed=seed).pairs) for seed in range(6)}
    assert len(others) > 1
    assert len(Folder(tmp_path, "val", num_classes=2, val_fraction=1e-9)) == 1
    assert len(Folder(tmp_path, "train", num_classes=2, val_fraction=1 - 1e-9)) == 1


def test_images_that_are_added_move_no_other(tmp_path: Path) -> None:
    """What was trained on never validates later, nor the other way round."""
    before: dict[str, set[str]] = {"train": set(), "val": set()}
    for count in (20, 21, 40, 60):
        fill(tmp_path, [f"photo{number * 7 % 61}" for number in range(count)])
        now = {split: {pair[0].stem for pair in Folder(tmp_path, split, num_classes=2).pairs} for split in before}
        assert all(before[split] <= now[split] for split in before)
        assert len(now["train"]) + len(now["val"]) == count
        before = now
    assert 0.05 < len(before["val"]) / 60 < 0.4


def test_folders_for_each_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", ["a", "b"])
    fill(tmp_path / "val", ["c"])
    (tmp_path / "classes.txt").write_text("ground\nthing 10, 20, 30\n")
    val = open_dataset("folder", "val", root=tmp_path)
    assert len(val) == 1
    assert val[0].name == "c"
    assert val.classes.names == ("ground", "thing")
    assert val.classes.colors[1] == (10, 20, 30)
    np.testing.assert_array_equal(val[0].mask, np.eye(6, 8))
    assert class_counts(val).pixels.tolist() == [42, 6]
    with pytest.raises(DataError, match=r"no split 'test': expected the folder .*test, found train, val"):
        open_dataset("folder", "test", root=tmp_path)
    with pytest.raises(InputError, match="has the splits train, val already; leave --val-fraction out"):
        open_dataset("folder", "val", root=tmp_path, val_fraction=0.3)


def test_grey_images_have_one_channel_unless_one_is_coloured(tmp_path: Path) -> None:
    fill(tmp_path, NAMES, mode="L")
    grey = Folder(tmp_path, num_classes=2)
    assert grey.in_channels == 1
    assert grey[0].image.shape == (6, 8, 1)
    fill(tmp_path, NAMES[:1], mode="RGB")
    mixed = Folder(tmp_path, num_classes=2)
    assert mixed.in_channels == 3
    assert {mixed[index].image.shape for index in range(len(mixed))} == {(6, 8, 3)}


def test_other_files_are_passed_by(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    (tmp_path / "images" / "Thumbs.db").write_bytes(b"")
    (tmp_path / "images" / ".hidden.png").write_bytes(b"")
    both = [Folder(tmp_path, split, num_classes=2) for split in ("train", "val")]
    assert sum(len(part) for part in both) == 10


def test_classes_txt(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text(
        "\ufeff# my classes\n\nsky 70 130 180\ntraffic light\nlane 2  # a name with a number\nignore 1,2,3\n"
    )
    classes = read_classes(path)
    assert classes.names == ("sky", "traffic light", "lane 2")
    assert classes.colors == ((70, 130, 180), (128, 0, 0), (0, 128, 0))
    assert classes.void_color == (1, 2, 3)


def test_colours_are_those_of_the_time_of_opening(tmp_path: Path) -> None:
    """The list was read for every mask, so that it could change, or go, in the middle of training."""
    fill(tmp_path, NAMES)
    path = tmp_path / "classes.txt"
    path.write_text("sky 70 130 180\nroad\n")
    folder = Folder(tmp_path)
    path.write_text("sky 1 2 3\nroad 70 130 180\n")
    assert folder.known_colors == {(70, 130, 180): 0}
    path.unlink()
    assert folder.known_colors == {(70, 130, 180): 0}
    assert folder[0].mask.shape == folder.size(0)


def test_counting_classes_decodes_no_image(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    folder = Folder(tmp_path, "train", num_classes=2)
    for image, _ in folder.pairs:
        image.write_bytes(image.read_bytes()[:60])  # the header alone: size and mode can be read, no pixel
    with pytest.raises(DataError):
        folder[0]
    counts = class_counts(Folder(tmp_path, "train", num_classes=2))
    # 6 ones on the diagonal of each mask of 6 x 8
    assert counts.pixels.tolist() == [42 * len(folder), 6 * len(folder)]
    assert (counts.ignored, counts.images) == (0, len(folder))


def test_names_of_classes_may_have_spaces_and_a_number(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_text("lane 2\ntype 1 10 20 30\n2 wheels\n7\nsoft, wet ground\nside-walk # 1 2\n")
    classes = read_classes(path)
    assert classes.names == ("lane 2", "type 1", "2 wheels", "7", "soft, wet ground", "side-walk")
    assert classes.colors[1] == (10, 20, 30)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sky\nroad 1 2 300\n", "line 2: colours run from 0 to 255, got 1 2 300"),
        ("sky\nroad 1 2\n", "line 2: expected 'name', or 'name R G B' .* from 0 to 255, got 'road 1 2'"),
        ("sky 1 2 3 4 5\n", "line 1: expected 'name', or 'name R G B'"),
        ("sky 0.1 0.2 0.3\n", "line 1: expected 'name', or 'name R G B'"),
        ("sky;1;2;3\n", "line 1: expected 'name', or 'name R G B'"),
        ("1 2 3\n", "line 1: expected 'name', or 'name R G B'"),
        ("# mine\nsky #0080ff\n", "line 2: expected 'name', or 'name R G B' .* got 'sky #0080ff'"),
        ("sky\nsky\n", "class 'sky' is listed twice"),
        ("# nothing\n", "expected 1 to 255 classes, one a line, found 0"),
    ],
)
def test_wrong_classes_txt(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "classes.txt"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_classes(path)


def test_number_of_classes(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    assert Folder(tmp_path, num_classes=3).classes.names == ("class 0", "class 1", "class 2")
    with pytest.raises(InputError, match=r"how many classes\?"):
        Folder(tmp_path)
    with pytest.raises(InputError, match="--num-classes must be 1 to 255, got 256"):
        Folder(tmp_path, num_classes=256)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    with pytest.raises(InputError, match=r"classes.txt lists 2 classes where 3 are expected"):
        Folder(tmp_path, num_classes=3)


def test_missing_counterparts_are_named(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    (tmp_path / "masks" / "img3.png").unlink()
    with pytest.raises(DataError, match=r"img3.bmp: has no mask: expected .*masks.img3\.\*$"):
        Folder(tmp_path, num_classes=2)
    (tmp_path / "masks" / "img1.png").unlink()
    with pytest.raises(DataError, match=r"img1.bmp: has no mask: .* \(and 1 more like it\)"):
        Folder(tmp_path, num_classes=2)
    fill(tmp_path, NAMES)
    (tmp_path / "images" / "img5.bmp").unlink()
    with pytest.raises(DataError, match=r"img5.png: has no image: expected"):
        Folder(tmp_path, num_classes=2)


def test_sizes_must_agree(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    name = Folder(tmp_path, num_classes=2).pairs[0][0].stem
    Image.new("L", (5, 6)).save(tmp_path / "masks" / f"{name}.png")
    with pytest.raises(DataError, match=rf"{name}.png: the mask is 6x5 but its image {name}.bmp is 6x8"):
        Folder(tmp_path, num_classes=2)


def test_folders_that_are_not_there_or_empty(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere: no such folder"):
        Folder(tmp_path / "nowhere", num_classes=2)
    with pytest.raises(DataError, match=r"images: no such folder; expected images/ and masks/"):
        Folder(tmp_path, num_classes=2)
    fill(tmp_path, [])
    with pytest.raises(DataError, match=r"images: no images in it"):
        Folder(tmp_path, num_classes=2)
    fill(tmp_path, ["only"])
    with pytest.raises(DataError, match="1 image cannot be divided"):
        Folder(tmp_path, num_classes=2)


def test_ambiguous_names(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    Image.new("RGB", (8, 6)).save(tmp_path / "images" / "img0.png")
    with pytest.raises(DataError, match=r"images: img0.bmp and img0.png have one name"):
        Folder(tmp_path, num_classes=2)


def test_values_outside_the_classes_surface_with_the_sample(tmp_path: Path) -> None:
    fill(tmp_path, NAMES)
    folder = Folder(tmp_path, num_classes=1)
    with pytest.raises(DataError, match=r"masks.img\d.png: values 1 are no class: with 1 classes"):
        folder[0]


@pytest.mark.parametrize(
    ("name", "split", "options", "message"),
    [
        ("imagenet", "train", {}, "no data set 'imagenet'; there are shapes, cells, folder, camvid"),
        ("folder", "train", {"num_classes": 2}, "'folder' needs its folder: give --root"),
        ("folder", "train", {"root": ".", "count": 3}, "'folder' takes no count"),
        ("camvid", "train", {}, "'camvid' needs its folder"),
        ("sbd", "train", {"root": ".", "num_classes": 12}, "'sbd' has 21 classes, not --num-classes 12"),
        ("folder", "dev", {"root": ".", "num_classes": 2}, "no split 'dev'"),
    ],
)
def test_options_of_open_dataset(name: str, split: str, options: dict, message: str) -> None:
    with pytest.raises(InputError, match=message):
        open_dataset(name, split, **options)


@pytest.mark.parametrize("fraction", [0.0, 1.0, -0.5])
def test_impossible_val_fraction(tmp_path: Path, fraction: float) -> None:
    fill(tmp_path, NAMES)
    with pytest.raises(InputError, match="--val-fraction must lie between 0 and 1"):
        Folder(tmp_path, num_classes=2, val_fraction=fraction)
