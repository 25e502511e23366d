"""Photographs that EXIF turns, with masks drawn on what is shown or on what is stored."""

from __future__ import annotations

from pathlib import Path

import layouts
import numpy as np
import pytest
from layouts import TINY
from PIL import Image
from tiffs import Page, write_tiff
from typer.testing import CliRunner

from tinyseg import engine
from tinyseg.cli import app
from tinyseg.data import Folder, open_dataset, read_image
from tinyseg.data.formats.images import read_header, read_raw_mask
from tinyseg.errors import DataError, InputError

ORIENTATION = 0x0112

SHOWN = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a.transpose(1, 0), 2),
    8: lambda a: np.rot90(a, 1),
}
"""From stored pixels to what is to be seen, as EXIF 2.3 has it: what row 0 and column 0 are on the picture."""


def exif(orientation: int) -> Image.Exif:
    data = Image.Exif()
    data[ORIENTATION] = orientation
    return data


def photos(root: Path, orientation: int, size: tuple[int, int] = (48, 64), as_stored: bool = True) -> Path:
    """Bright objects on dark; masks of 1 on them, drawn on the stored pixels or on the picture that is shown."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for number in range(5):
        mask = np.zeros(size, np.uint8)
        mask[5 : 15 + number, 5:20] = 1
        image = Image.fromarray(mask * 180 + 30).convert("RGB")
        image.save(root / "images" / f"{number}.png", exif=exif(orientation))
        drawn = mask if as_stored else np.ascontiguousarray(SHOWN[orientation](mask))
        Image.fromarray(drawn).save(root / "masks" / f"{number}.png")
    return root


def options(root: Path) -> engine.TrainOptions:
    return engine.TrainOptions(data="folder", root=str(root), num_classes=2, model="unet", batch_size=1)


def brightness(root: Path, as_stored: bool) -> float:
    """The mean of the images under their masks: 210 if these lie on the objects."""
    dataset = open_dataset("folder", "train", root=root, num_classes=2, as_stored=as_stored)
    return float(np.mean([dataset[index].image[dataset[index].mask == 1].mean() for index in range(len(dataset))]))


@pytest.mark.parametrize("orientation", SHOWN)
@pytest.mark.parametrize("kind", ["png", "tif", "packed.tif"])
def test_every_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    stored = np.arange(35, dtype=np.uint8).reshape(5, 7)
    path = tmp_path / f"file.{kind}"
    if kind == "png":
        Image.fromarray(stored).save(path, exif=exif(orientation))
    else:
        write_tiff(path, Page(stored, orientation=orientation, packed="packed" in kind))
    expected = SHOWN[orientation](stored)
    np.testing.assert_array_equal(read_image(path)[:, :, 0], expected)
    np.testing.assert_array_equal(read_image(path, as_stored=True)[:, :, 0], stored)
    np.testing.assert_array_equal(read_raw_mask(path), expected)
    np.testing.assert_array_equal(read_raw_mask(path, as_stored=True), stored)
    header = read_header(path)
    assert (header.size, header.stored_size, header.orientation) == (expected.shape, (5, 7), orientation)


def test_orientation_behind_the_pixels_of_a_png(tmp_path: Path) -> None:
    path = tmp_path / "late.png"
    Image.fromarray(np.arange(35, dtype=np.uint8).reshape(5, 7)).save(path, exif=exif(6))
    content = path.read_bytes()
    begin = content.index(b"eXIf") - 4
    end = begin + 12 + int.from_bytes(content[begin : begin + 4], "big")
    chunk, rest = content[begin:end], content[:begin] + content[end:]
    last = rest.index(b"IEND") - 4
    path.write_bytes(rest[:last] + chunk + rest[last:])
    assert read_header(path).size == (7, 5) == read_image(path).shape[:2]


@pytest.mark.parametrize(("orientation", "size"), [(3, (48, 64)), (2, (48, 64)), (6, (48, 48))])
def test_masks_on_stored_pixels_that_no_size_tells(tmp_path: Path, orientation: int, size: tuple[int, int]) -> None:
    root = photos(tmp_path / "data", orientation, size)
    assert brightness(root, as_stored=True) == 210
    report = engine.check("folder", root, num_classes=2)
    (note,) = [one for one in report.notes if one.kind == "orientation"]
    assert note.text.startswith(
        "5 images carry an EXIF orientation and are turned when read; their masks carry none."
    )
    assert "--as-stored" in note.text
    assert len(note.files) == 5
    plan = engine.prepare(
        engine.TrainOptions(data="folder", root=str(root), num_classes=2, model="unet", batch_size=1)
    )
    assert any(text.startswith("WARNING: 5 images carry an EXIF orientation") for text in plan.notes)
    assert not [
        one for one in engine.check("folder", root, num_classes=2, as_stored=True).notes if one.kind == note.kind
    ]


def test_masks_on_what_is_shown_stay_right(tmp_path: Path) -> None:
    root = photos(tmp_path / "half", 3, as_stored=False)
    assert brightness(root, as_stored=False) == 210
    root = photos(tmp_path / "quarter", 6, as_stored=False)
    assert brightness(root, as_stored=False) == 210
    plan = engine.prepare(
        engine.TrainOptions(data="folder", root=str(root), num_classes=2, model="unet", batch_size=1)
    )
    (note,) = [text for text in plan.notes if "EXIF" in text]
    assert note.endswith("their masks carry none, and have the turned size")
    assert engine.check("folder", root, num_classes=2).problems == ()
    with pytest.raises(DataError, match=r"they are once it is turned as its EXIF .*: leave out --as-stored"):
        Folder(root, num_classes=2, as_stored=True)


def test_sizes_that_turning_would_make_equal(tmp_path: Path) -> None:
    root = photos(tmp_path / "data", 6)
    with pytest.raises(
        DataError, match=r"the mask is 48x64 but .* is 64x48 .*they are before it is turned .*--as-stored"
    ):
        Folder(root, num_classes=2)
    report = engine.check("folder", root, num_classes=2)
    (problem,) = report.problems
    assert problem.kind == "sizes"
    assert "--as-stored leaves images as they are stored" in problem.text
    assert brightness(root, as_stored=True) == 210
    assert engine.check("folder", root, num_classes=2, as_stored=True).problems == ()


def test_masks_that_are_turned_themselves_are_no_matter(tmp_path: Path) -> None:
    root = photos(tmp_path / "data", 6)
    for path in (root / "masks").iterdir():
        with Image.open(path) as image:
            image.save(path, exif=exif(6))
    for as_stored in (False, True):
        assert brightness(root, as_stored) == 210
        report = engine.check("folder", root, num_classes=2, as_stored=as_stored)
        assert not [note for note in report.notes if note.kind == "orientation"]


def test_a_run_predicts_as_it_was_trained(tmp_path: Path) -> None:
    """The mask of a photograph that is turned by a quarter has its stored size, or the shown one."""
    root = photos(tmp_path / "data", 6)
    flags = ["--num-classes", "2", "--model", "unet", "--width", "2", "--depth", "1", "--epochs", "1", "--quiet"]
    run, out = tmp_path / "run", tmp_path / "out"
    done = CliRunner().invoke(
        app, ["train", "--data", "folder", "--root", str(root), "--as-stored", "--out", str(run), *flags]
    )
    assert done.exit_code == 0, done.output
    assert engine.open_run(run).config.data.as_stored
    (prediction,) = engine.predict(run, [root / "images" / "0.png"], out)
    assert prediction.size == (48, 64) == read_raw_mask(prediction.mask).shape
    _, result = engine.evaluate(run)
    assert result.images == 1
    assert engine.options_of(engine.open_run(run).config).as_stored


LAYOUTS = {name: tiny[0] for name, tiny in TINY.items() if name != "isbi2012"}  # slices of one stack
LAYOUTS["coco-instances"] = layouts.coco_instances


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_can_leave_images_as_stored(tmp_path: Path, name: str) -> None:
    root = LAYOUTS[name](tmp_path / "data")
    path = open_dataset(name, "train", root=root).pairs[0][0]  # type: ignore[attr-defined]
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif(6))
    stored = open_dataset(name, "train", root=root, as_stored=True)
    assert stored[0].image.shape[:2] == stored.size(0) == stored[0].mask.shape == layouts.SIZE
    with pytest.raises(DataError, match=r"equal; they are before it is turned .* --as-stored"):
        _ = open_dataset(name, "train", root=root)[0]


def test_sizes_in_a_list_tell_how_masks_lie(tmp_path: Path) -> None:
    """Outlines are drawn at the size that the JSON gives, which is the stored one: check said nothing of it."""
    root = layouts.coco_instances(tmp_path)
    path = root / "train2017" / "a.jpg"
    with Image.open(path) as image:
        image.load()
    image.save(path, exif=exif(6))
    report = engine.check("coco-instances", root)
    assert [note.text for note in report.notes if note.kind == "orientation"] == [
        "1 image carries an EXIF orientation and is turned when read; its mask carries none; 1 fit only before that: "
        "--as-stored leaves images as stored"
    ]
    assert "--as-stored leaves images as they are stored" in report.problems[0].text
    assert engine.check("coco-instances", root, as_stored=True).problems == ()


def test_drawn_images_are_never_turned() -> None:
    with pytest.raises(InputError, match="'shapes' takes no --as-stored"):
        open_dataset("shapes", "train", as_stored=True)
