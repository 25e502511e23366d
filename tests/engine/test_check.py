"""Checking data: what is found in good data sets, and in ones that were spoilt in each way there is."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import layouts
import numpy as np
import pytest
from layouts import TINY, photo, save, stripes
from PIL import Image
from tiny_runs import make_folder
from typer.testing import CliRunner, Result

from tinyseg import engine
from tinyseg.cli import app
from tinyseg.data import Classes, Folder, parse_table, read_mapping, write_mapping
from tinyseg.data.labels.mapping import color_table, identity_table
from tinyseg.data.labels.proposal import propose_mapping
from tinyseg.engine import TrainOptions, prepare
from tinyseg.errors import InputError


def call(*arguments: Any) -> Result:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def flat(root: Path, count: int = 10, *values: int) -> Path:
    """A folder without classes.txt, whose masks have these values."""
    for number in range(count):
        save(root / "images" / f"{number}.png", photo(number))
        save(root / "masks" / f"{number}.png", stripes(*values))
    return root


def kinds(findings: tuple[engine.Finding, ...]) -> list[str]:
    return [finding.kind for finding in findings]


@pytest.mark.parametrize("name", TINY)
def test_good_data_has_no_problems(name: str, tmp_path: Path) -> None:
    root = TINY[name][0](tmp_path / "data")
    seen: list[tuple[int, int]] = []
    report = engine.check(name, root, progress=lambda done, total: seen.append((done, total)))
    assert report.problems == ()
    assert report.mapping == {}
    total = sum(part.images for part in report.splits)
    assert seen == [(done, total) for done in range(1, total + 1)]
    train = report.splits[0]
    assert (train.split, train.images) == ("train", TINY[name][1])
    assert train.sizes == {layouts.SIZE: train.images}
    assert train.channels == {1 if name == "isbi2012" else 3: train.images}
    pixels = int(train.pixels.sum())
    assert pixels == train.images * layouts.SIZE[0] * layouts.SIZE[1]
    labels = [value for value in TINY[name][3] if value != 255]
    assert set(np.flatnonzero(train.images_with[:255])) <= {*labels, 0}
    assert sum(train.shares(len(report.classes))) == pytest.approx(1)
    json.dumps(report.as_dict())


def test_counts_of_a_folder(tmp_path: Path) -> None:
    """Rows of 0, 1, 255 in turn: a third of 48 pixels each, in two images."""
    report = engine.check("folder", layouts.folder(tmp_path))
    train = report.splits[0]
    assert train.pixels[[0, 1, 255]].tolist() == [32, 32, 32]
    assert train.images_with[:2].tolist() == [2, 2]
    assert (train.ignored, train.shares(2)) == (32, [0.5, 0.5])
    assert report.values == {0: 48, 1: 48, 255: 48}
    assert kinds(report.notes) == ["split"], "test is not there"


# One thing wrong at a time


def test_files_that_are_missing_alone_or_too_many(tmp_path: Path) -> None:
    root = layouts.folder(tmp_path)
    (root / "train" / "masks" / "a.png").unlink()
    save(root / "train" / "masks" / "lonely.png", stripes(0))
    report = engine.check("folder", root)
    (problem,) = report.problems
    assert problem.kind == "unmatched"
    assert [Path(file).name for file in problem.files] == ["a.jpg", "lonely.png"]

    root = layouts.camvid(tmp_path / "camvid")
    (root / "train" / "a.png").unlink()
    save(root / "train" / "more.png", photo(3))
    report = engine.check("camvid", root)
    assert kinds(report.problems) == ["missing"]
    assert [Path(file).name for file in report.problems[0].files] == ["a.png"]
    extra = next(note for note in report.notes if note.kind == "extra")
    assert [Path(file).name for file in extra.files] == ["more.png"]


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    root = layouts.camvid(tmp_path)
    for path in (root / "train" / "a.png", root / "valannot" / "c.png"):
        path.write_bytes(path.read_bytes()[:40])
    (problem,) = engine.check("camvid", root).problems
    assert problem.kind == "unreadable"
    assert problem.text.startswith("2 files that cannot be read")
    assert [Path(file).name for file in problem.files] == ["a.png", "c.png"]


def test_masks_of_other_sizes(tmp_path: Path) -> None:
    root = layouts.folder(tmp_path)
    save(root / "val" / "masks" / "c.png", stripes(0, 1, size=(8, 6)))
    (problem,) = engine.check("folder", root).problems
    assert problem.kind == "sizes"
    assert "the mask is 8x6 but its image is 6x8" in problem.text


def test_lossy_masks(tmp_path: Path) -> None:
    root = layouts.folder(tmp_path)
    (root / "train" / "masks" / "a.png").unlink()
    save(root / "train" / "masks" / "a.jpg", stripes(0, 1))
    (problem,) = engine.check("folder", root).problems
    assert problem.kind == "lossy"
    assert [Path(file).name for file in problem.files] == ["a.jpg"]


def test_photographs_as_masks(tmp_path: Path) -> None:
    root = layouts.folder(tmp_path)
    size = (80, 80)
    save(root / "train" / "images" / "a.jpg", photo(1, size=size))
    save(root / "train" / "masks" / "a.png", photo(2, size=size))
    assert "values" in kinds(engine.check("folder", root).problems)


def test_images_in_more_than_one_split(tmp_path: Path) -> None:
    """Found by content: under another name, and saved in another format."""
    root = layouts.folder(tmp_path)
    for split, name, suffix in (("train", "d", "png"), ("val", "e", "bmp")):
        save(root / split / "images" / f"{name}.{suffix}", photo(77))
        save(root / split / "masks" / f"{name}.png", stripes(0, 1))
    save(root / "train" / "images" / "f.png", photo(77))
    save(root / "train" / "masks" / "f.png", stripes(0, 1))
    (problem,) = engine.check("folder", root).problems
    assert (problem.kind, problem.files) == ("duplicates", ("train/d = train/f = val/e",))
    shutil.rmtree(root / "val")
    shutil.copytree(root / "train", root / "val")
    for path in (root / "val" / "images").iterdir():
        save(path, photo(200 + ord(path.stem)))
    report = engine.check("folder", root)
    assert report.problems == ()
    assert next(note for note in report.notes if note.kind == "duplicates").files == ("train/d = train/f",)


# Values and mappings


def test_black_and_white_masks_get_a_mapping(tmp_path: Path) -> None:
    """0 and 255, the most frequent mistake: 255 is ignored, so one class is left."""
    root = flat(tmp_path, 10, 0, 255)
    report = engine.check("folder", root)
    assert kinds(report.problems) == ["values"]
    assert report.mapping == {0: 0, 255: 1}
    assert engine.check("folder", root, num_classes=2).mapping == {0: 0, 255: 1}
    path = tmp_path / "fix.toml"
    write_mapping(path, report.mapping)
    fixed = engine.check("folder", root, num_classes=2, mapping=path)
    assert fixed.problems == ()
    assert fixed.splits[0].shares(2) == [0.5, 0.5]
    assert engine.check("folder", root, mapping=path).classes.names == ("class 0", "class 1")


def test_masks_of_a_folder_without_classes_say_how_many_there_are(tmp_path: Path) -> None:
    report = engine.check("folder", flat(tmp_path, 10, 0, 1, 2, 255))
    assert (len(report.classes), report.problems, report.mapping) == (3, (), {})
    report = engine.check("folder", flat(tmp_path / "grey", 10, 0, 100, 200))
    assert len(report.classes) == 3
    assert report.mapping == {0: 0, 100: 1, 200: 2}


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (stripes(0, 1, 7), "1 value in masks that is no class (33.33% of all pixels): 7"),
        (stripes(0, 7, 9), "2 values in masks that are no class (66.67% of all pixels): 7, 9"),
        (np.array([(0, 0, 0), (1, 2, 3)], np.uint8)[stripes(0, 1)],
         "1 colour in masks that is no class (50.00% of all pixels): #010203"),
    ],
)  # fmt: skip
def test_what_is_no_class_is_counted_in_words(tmp_path: Path, mask: Any, said: str) -> None:
    (problem,) = engine.check("folder", paint(tmp_path, mask), num_classes=2).problems
    assert problem.text == said


def test_colours_off_the_palette(tmp_path: Path) -> None:
    root = layouts.folder(tmp_path)
    mask = np.zeros((*layouts.SIZE, 3), np.uint8)
    mask[3:] = (0, 128, 0)
    mask[0, :2] = (3, 126, 1)
    mask[5, 0] = (250, 0, 250)
    save(root / "train" / "masks" / "a.png", mask)
    report = engine.check("folder", root)
    (problem,) = report.problems
    assert problem.text.startswith("2 colours in masks that are no class (2.08% of all pixels): #037e01, #fa00fa")
    assert report.mapping == {(3, 126, 1): 1, (250, 0, 250): 255}
    # 21 pixels of ground and 2 + 24 - 1 of tree would be with it; as it is, the unknown ones are counted as ignored.
    assert report.splits[0].pixels[[0, 1, 255]].tolist() == [16 + 22, 16 + 23, 16 + 3]


@pytest.mark.parametrize(
    ("found", "table", "classes", "expected"),
    [
        ({0: 5, 1: 5, 255: 1}, {0: 0, 1: 1, 255: 255}, 2, {}),
        ({0: 5, 7: 5}, {0: 0, 1: 1, 255: 255}, 2, {0: 0, 7: 1}),
        # A trimap: half of all pixels would be ignored, or what is unknown a class.
        ({0: 40, 128: 10, 255: 50}, {0: 0, 1: 1, 255: 255}, None, {0: 0, 128: 1, 255: 2}),
        ({0: 40, 128: 10, 255: 50}, {0: 0, 1: 1, 255: 255}, 3, {0: 0, 128: 1, 255: 2}),
        ({0: 40, 128: 10, 255: 50}, {0: 0, 1: 1, 255: 255}, 2, {}),
        ({0: 50, 128: 49, 255: 1}, {0: 0, 1: 1, 255: 255}, 2, {0: 0, 128: 1}),
        ({1: 40, 2: 10, 255: 50}, {0: 0, 1: 1, 255: 255}, None, {1: 0, 2: 1}),
        ({1: 5, 2: 5, 255: 5}, {0: 0, 1: 1, 255: 255}, 2, {1: 0, 2: 1}),
        ({0: 50, 1: 50, 3: 4, 9: 1}, {0: 0, 1: 1, 255: 255}, 2, {3: 255, 9: 255}),
        ({0: 5}, {0: 0, 1: 1, 255: 255}, 2, {}),
        ({(0, 0, 0): 60, (9, 9, 9): 40}, {}, None, {(0, 0, 0): 0, (9, 9, 9): 1}),
        ({(0, 0, 0): 9990, (200, 9, 9): 9990, (190, 5, 5): 1}, {}, None,
         {(0, 0, 0): 0, (190, 5, 5): 1, (200, 9, 9): 1}),
        # Indices that a program has saved with three channels.
        ({(k, k, k): 9 for k in range(4)} | {(255, 255, 255): 1}, {(0, 0, 0): 0}, 6,
         {(0, 0, 0): 0, (1, 1, 1): 1, (2, 2, 2): 2, (3, 3, 3): 3, (255, 255, 255): 255}),
        ({(k, k, k): 9 for k in range(3)}, {}, None, {(0, 0, 0): 0, (1, 1, 1): 1, (2, 2, 2): 2}),
        # Black and white with smoothed edges: the object is not to be thrown away.
        ({0: 500, 255: 400, **dict.fromkeys(range(20, 200, 20), 2)}, {0: 0, 1: 1, 255: 255}, 2,
         {0: 0, 255: 1, **dict.fromkeys(range(20, 200, 20), 255)}),
        # Half way between two colours nobody can say which is meant.
        ({(0, 0, 0): 50, (40, 0, 0): 50, (20, 0, 0): 1}, {(0, 0, 0): 0, (40, 0, 0): 1}, 2, {(20, 0, 0): 255}),
    ],
)  # fmt: skip
def test_proposals(found: Any, table: Any, classes: int | None, expected: Any) -> None:
    assert propose_mapping(found, table, classes) == expected


BLACK, WHITE, RED, GREEN, DARK = (0, 0, 0), (255, 255, 255), (255, 0, 0), (0, 255, 0), (128, 0, 0)
GREYS = {(value, value, value): 20 for value in range(20, 240, 20)}


def numbered(count: int) -> Any:
    """What a folder without classes.txt knows: class indices, and a palette that nobody gave."""
    return {**identity_table(count), **color_table(Classes.numbered(count))}


@pytest.mark.parametrize(
    ("found", "classes", "expected"),
    [
        ({BLACK: 700, WHITE: 300}, 2, {BLACK: 0, WHITE: 1}),
        ({BLACK: 700, RED: 200, GREEN: 100}, 3, {BLACK: 0, GREEN: 1, RED: 2}),
        ({BLACK: 700, DARK: 200, RED: 100}, 3, {BLACK: 0, DARK: 1, RED: 2}),
        ({BLACK: 600, WHITE: 400, 0: 800, 255: 200}, 2, {BLACK: 0, WHITE: 1, 0: 0, 255: 1}),
        ({BLACK: 600, WHITE: 400, **GREYS}, 2, {BLACK: 0, WHITE: 1, **dict.fromkeys(GREYS, 255)}),
        ({BLACK: 700, RED: 300}, None, {BLACK: 0, RED: 1}),
        # The palette, and strays: what training understands already stays what it is.
        ({BLACK: 700, (0, 128, 0): 300, (3, 126, 1): 1}, 3, {(3, 126, 1): 2}),
        # Blends of two classes, as smoothed edges have them, are no third one.
        ({BLACK: 700, RED: 300, (127, 0, 0): 9, (100, 0, 0): 9}, 2,
         {BLACK: 0, (100, 0, 0): 255, (127, 0, 0): 255, RED: 1}),
        # Nothing is proposed where a class would be lost.
        ({BLACK: 700, RED: 200, GREEN: 100}, 2, {}),
        ({0: 700, 1: 200, 7: 100}, 2, {}),
        ({0: 700, 128: 200, 255: 100, 3: 1}, 2, {}),
        ({-1: 700, 1: 300}, 2, {-1: 0, 1: 1}),
    ],
)  # fmt: skip
def test_proposals_are_made_of_colours_that_were_given(found: Any, classes: int | None, expected: Any) -> None:
    """The palette that classes are shown in was taken for known colours, and the others for what is ignored."""
    assert propose_mapping(found, numbered(classes or 255), classes, given={}) == expected


def paint(root: Path, *masks: Any, count: int = 8) -> Path:
    """A folder whose masks are these in turn."""
    for number in range(count):
        save(root / "images" / f"{number}.png", photo(number))
        save(root / "masks" / f"{number}.png", masks[number % len(masks)])
    return root


@pytest.mark.parametrize("named", [False, True])
def test_training_takes_what_is_proposed_and_every_class_is_there(tmp_path: Path, named: bool) -> None:
    """Black, red and green with no colour in classes.txt, or none at all: three classes, and none ignored."""
    truth = stripes(0, 1, 2)
    root = paint(tmp_path / "data", np.array([BLACK, RED, GREEN], np.uint8)[truth])
    if named:
        layouts.write(root / "classes.txt", "ground", "leaf", "rose")
    count = None if named else 3
    report = engine.check("folder", root, num_classes=count)
    assert report.mapping == {BLACK: 0, GREEN: 1, RED: 2}
    path = tmp_path / "fix.toml"
    write_mapping(path, report.mapping)
    options = TrainOptions(
        data="folder", root=str(root), num_classes=count, mapping=str(path), model="unet", model_options={"depth": 2}
    )
    train = prepare(options).train_set
    np.testing.assert_array_equal(train.mask(0), np.array([0, 2, 1], np.uint8)[truth])
    assert engine.check("folder", root, num_classes=count, mapping=path).problems == ()


def test_negative_numbers_are_written_and_read(tmp_path: Path) -> None:
    truth = stripes(0, 1)
    root = tmp_path / "data"
    for number in range(6):
        save(root / "images" / f"{number}.png", photo(number))
        save(root / "masks" / f"{number}.tif", np.where(truth == 1, 1, -1).astype(np.int32))
    report = engine.check("folder", root, num_classes=2)
    assert report.mapping == {-1: 0, 1: 1}
    write_mapping(tmp_path / "fix.toml", report.mapping)
    mapping = parse_table(read_mapping(tmp_path / "fix.toml"), "fix.toml")
    np.testing.assert_array_equal(Folder(root, num_classes=2, mapping=mapping).mask(0), truth)


def test_the_number_of_classes_is_that_of_the_proposal(tmp_path: Path) -> None:
    """Black and white with smoothed edges: it said 12 classes, and proposed two; colours, too."""
    soft = np.concatenate([np.zeros(40), np.linspace(10, 240, 12), np.full(44, 255)]).astype(np.uint8).reshape(8, 12)
    for masks, count in (
        ((soft,), 2),
        ((np.array([BLACK, RED, GREEN], np.uint8)[stripes(0, 1, 2, size=(8, 12))],), 3),
    ):
        root = tmp_path / str(count)
        for number in range(6):
            save(root / "images" / f"{number}.png", photo(number, size=(8, 12)))
            save(root / "masks" / f"{number}.png", masks[0])
        report = engine.check("folder", root)
        assert len(report.classes) == count
        assert f"the masks look like {count} classes" in next(n.text for n in report.notes if n.kind == "classes")
        assert set(report.mapping.values()) - {255} == set(range(count))


def test_colours_of_pascal_vocs_palette_need_no_mapping(tmp_path: Path) -> None:
    """Black, #800000 and #008000 are 0, 1 and 2 there: training reads them as they are."""
    colors = np.array([BLACK, DARK, (0, 128, 0)], np.uint8)[stripes(0, 1, 2)]
    report = engine.check("folder", paint(tmp_path, colors))
    assert (len(report.classes), report.mapping, report.problems) == (3, {}, ())


def test_masks_of_0_and_255_among_masks_of_0_and_1(tmp_path: Path) -> None:
    """255 is ignored in half of them, without a word; a user who has mapped 255 has said what it means."""
    root = paint(tmp_path / "data", stripes(0, 255), stripes(0, 1))
    report = engine.check("folder", root, num_classes=2)
    (problem,) = report.problems
    assert problem.text.startswith("4 masks of 0 and 255 among 4 masks of 0 and 1: if 255 is class 1 in the former")
    assert report.mapping == {0: 0, 1: 1, 255: 1}
    options = TrainOptions(data="folder", root=str(root), num_classes=2, model="unet", model_options={"depth": 2})
    assert any("masks of 0 and 255 among" in note for note in prepare(options).notes)
    for text in ("255 = 1", "255 = 255"):
        path = tmp_path / "own.toml"
        path.write_text(f"[mapping]\n{text}\n")
        assert engine.check("folder", root, num_classes=2, mapping=path).problems == ()
    both = paint(tmp_path / "both", stripes(0, 255), stripes(0, 1), stripes(0, 1, 255), count=9)
    assert engine.check("folder", both, num_classes=2).problems == (), "a border that is ignored, as in Pascal VOC"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda root: (root / "val").rename(root / "valid"), r"no split 'val': .*found train, valid"),
        (lambda root: shutil.rmtree(root / "val"), r"no split 'val': .*found train"),
    ],
    ids=["valid", "train only"],
)
def test_what_training_refuses_is_a_problem(tmp_path: Path, change: Any, message: str) -> None:
    root = layouts.folder(tmp_path)
    assert engine.check("folder", root).problems == ()
    change(root)
    (problem,) = engine.check("folder", root).problems
    assert problem.kind == "training"
    with pytest.raises(InputError, match=message) as refused:
        prepare(TrainOptions(data="folder", root=str(root), model="unet", model_options={"depth": 2}))
    assert problem.text == f"tinyseg train refuses the data: {refused.value}"


def test_numbers_of_objects_are_not_proposed_as_ignored(tmp_path: Path) -> None:
    """Twelve cells of one hundredth of the pixels each: all but the first would be lost, a ninth of the pixels."""
    root = layouts.folder(tmp_path)
    for path in root.rglob("masks/*.png"):
        mask = np.zeros((40, 40), np.uint8)
        for cell in range(12):
            row, column = 10 * (cell // 4), 10 * (cell % 4)
            mask[row : row + 4, column : column + 4] = cell + 1
        save(path, mask)
    for path in root.rglob("images/*"):
        save(path, np.zeros((40, 40, 3), np.uint8))
    report = engine.check("folder", root, num_classes=2)
    assert report.mapping == {}
    assert any("11 values in masks" in problem.text for problem in report.problems)


def test_training_masks_that_are_ignored_everywhere_are_a_problem(tmp_path: Path) -> None:
    root = layouts.folder(tmp_path)
    for path in root.glob("train/masks/*.png"):
        save(path, stripes(255))
    (problem,) = engine.check("folder", root).problems
    assert (problem.kind, problem.text) == ("ignored", "every pixel of the training masks is ignored")
    with pytest.raises(InputError, match=f"{problem.text}; there is nothing to learn"):
        prepare(TrainOptions(data="folder", root=str(root), model="unet", model_options={"depth": 2}))


def test_a_mapping_that_ignores_all_but_one_class_is_named(tmp_path: Path) -> None:
    """The advice was to let check write the mapping that had done it."""
    root = paint(tmp_path / "data", np.array([BLACK, WHITE], np.uint8)[stripes(0, 1)])
    options = TrainOptions(
        data="folder", root=str(root), num_classes=2, mapping={"#ffffff": 255}, model="unet",
        model_options={"depth": 2},
    )  # fmt: skip
    message = r"hold only class 0 and pixels that are ignored \(--mapping: #ffffff = 255\): .* Give what is a class"
    with pytest.raises(InputError, match=message):
        prepare(options)


def test_mappings_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "map.toml"
    table = {0: 1, 300: 255, -7: 0, (255, 128, 0): 2}
    write_mapping(path, table)
    assert parse_table(read_mapping(path), path) == table
    path.write_text(path.read_text(), encoding="utf-8-sig")
    assert parse_table(read_mapping(path), path) == table, "with the byte order mark of Windows' editors"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"expected a table \[mapping\]"),
        ("[mapping]\n", r"expected a table \[mapping\]"),
        ("other = 1\n[mapping]\n1 = 2\n", "and nothing else"),
        ("[mapping]\nred = 1\n", "'red' is neither a number nor a colour such as #ff8000"),
        ("[mapping]\n1 = 256\n", "1 = 256: expected a class index, or 255"),
        ("[mapping]\n1 = true\n", "1 = True: expected a class index"),
        ("[mapping]\n" + "9" * 5000 + " = 1\n", "a key has more than 200 characters"),
        ("[mapping]\n" + "9" * 30 + " = 1\n", "is neither a number nor a colour"),
        ("[mapping]\n1 = " + "9" * 5000, "not valid TOML"),
        ("x = " + "[" * 20_000, "not valid TOML"),
        ("[mapping\n", "not valid TOML"),
    ],
)
def test_impossible_mappings_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "map.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=f"map.toml: .*{message}"):
        read_mapping(path)
    with pytest.raises(InputError, match=r"nowhere.toml: cannot be read"):
        read_mapping(tmp_path / "nowhere.toml")


# The commands


def test_the_command_writes_a_mapping_that_training_takes(tmp_path: Path) -> None:
    root = make_folder(tmp_path / "data")
    for path in root.glob("*/masks/*.png"):
        with Image.open(path) as mask:
            pixels = np.asarray(mask) * np.uint8(255)
        save(path, pixels)
    fix, chart = tmp_path / "fix.toml", tmp_path / "chart.png"
    done = call("check", "folder", root, "--fix-mapping", fix, "--chart", chart)
    assert done.exit_code == 1, done.output
    assert "PROBLEM: the masks hold one class, and 255" in done.stdout
    assert f"train with --mapping {fix}" in done.stdout
    with Image.open(chart) as picture:
        assert picture.size[0] > 300
    assert call("check", "folder", root, "--mapping", fix).exit_code == 0
    flags = (
        "--model",
        "unet",
        "--width",
        4,
        "--depth",
        2,
        "--batch-size",
        4,
        "--epochs",
        1,
        "--out",
        tmp_path / "run",
    )
    trained = call("train", "--data", "folder", "--root", root, "--mapping", fix, *flags)
    assert trained.exit_code == 0, trained.output
    config = engine.read_folder(tmp_path / "run")
    assert config.data.mapping == {"0": 0, "255": 1}
    fix.unlink()
    assert call("evaluate", tmp_path / "run").exit_code == 0, "a run needs no file beside it"


def test_a_mapping_that_is_written_holds_the_one_that_was_given(tmp_path: Path) -> None:
    """It held what was to be added alone, and training by it refused the rest."""
    mask = stripes(0, 7)
    mask[0, 0] = 9
    root = paint(tmp_path / "data", mask)
    mine, fix = tmp_path / "mine.toml", tmp_path / "fix.toml"
    write_mapping(mine, {7: 1})
    done = call("check", "folder", root, "--num-classes", 2, "--mapping", mine, "--fix-mapping", fix)
    assert done.exit_code == 1, done.output
    assert parse_table(read_mapping(fix), fix) == {7: 1, 9: 255}
    assert call("check", "folder", root, "--num-classes", 2, "--mapping", fix).exit_code == 0


def test_exit_codes(tmp_path: Path) -> None:
    good = call("check", "folder", layouts.folder(tmp_path / "good"))
    streets = layouts.camvid(tmp_path / "streets")
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("[mapping]\n255 = 2\n", encoding="utf-8")
    assert (good.exit_code, good.stdout.splitlines()[-1]) == (0, "no problems")
    for arguments, message in (
        (("imagenet", tmp_path), "no data set 'imagenet'"),
        (("folder", tmp_path / "good", "--chart", tmp_path / "gone" / "a.png"), "a.png: there is no folder"),
        (("shapes", tmp_path), "is drawn: it has no files to check"),
        (("cells",), "the data set 'cells' is drawn: it has no files to check"),
        (("camvid",), "the data set 'camvid' is read from files: tinyseg check camvid FOLDER"),
        (
            ("folder", tmp_path / "good", "--mapping", wrong),
            "--mapping: 255 = 2 is no class: there are 0 .. 1, and 255",
        ),
        (("camvid", tmp_path / "nowhere"), "no such folder"),
        (("camvid", tmp_path / "good"), "is this CamVid in SegNet's layout?"),
        (("camvid", streets, "--num-classes", 4), "has 11 classes, not --num-classes 4"),
        (("folder", tmp_path / "good", "--mapping", tmp_path / "no.toml"), "cannot be read"),
        (("folder", tmp_path / "good", "--chart", tmp_path / "good" / "classes.txt"), "exists already"),
    ):
        refused = call("check", *arguments)
        assert (refused.exit_code, refused.stdout) == (2, ""), refused.output
        assert message in refused.stderr


def test_json_is_all_there_is_on_standard_output(tmp_path: Path) -> None:
    done = call("check", "folder", flat(tmp_path, 10, 0, 255), "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert report["values"] == {"0": 240, "255": 240}
    assert report["mapping"] == {"0": 0, "255": 1}
    assert report["problems"][0]["kind"] == "values"
    assert {part["split"]: part["sizes"] for part in report["splits"]}["val"].keys() == {"6x8"}


def test_data_sets_are_listed() -> None:
    listed = json.loads(call("datasets", "--json").stdout)
    assert listed["camvid"]["published"] == {"train": 367, "val": 101, "test": 233}
    assert listed["voc2012"]["published"] == {"train": 1464, "val": 1449}
    assert listed["nyudv2"]["published"] == {"train": 381, "val": 414, "test": 654}
    table = call("datasets").stdout
    assert all(name in table for name in listed)
    augmentations = json.loads(call("datasets", "--augmentations", "--json").stdout)
    assert augmentations["scale"]["numbers"] == [0.75, 1.5]
    assert "elastic=10" in call("datasets", "--augmentations").stdout


@pytest.mark.data
def test_real_camvid(data_root: Path) -> None:
    """Counts as another program measured them (the data's own description); the test split is not among the files."""
    if not (data_root / "camvid").is_dir():
        pytest.skip(f"{data_root / 'camvid'} is not there")
    report = engine.check("camvid", data_root / "camvid")
    assert report.problems == ()
    train = report.splits[0]
    assert train.images_with[:11].tolist() == [366, 365, 366, 367, 349, 319, 351, 173, 360, 317, 201]
    assert train.pixels[:3].tolist() == [10682767, 14750079, 623349]
    assert train.ignored == 2503995
    assert set(report.values) == set(range(12))


def test_counts_that_were_published(tmp_path: Path) -> None:
    """Where a share of the images of train validates, both together are what was published."""
    notes = engine.check("isbi2012", layouts.isbi2012(tmp_path / "isbi", count=30)).notes
    assert notes == ()
    notes = engine.check("isbi2012", layouts.isbi2012(tmp_path / "few", count=25)).notes
    assert [note.text for note in notes] == ["train has 25 images, 30 were published"]


def test_frames_labelled_in_part_are_named(tmp_path: Path) -> None:
    report = engine.check("cell-tracking", layouts.cell_tracking(tmp_path))
    assert report.problems == ()
    partial = next(note for note in report.notes if note.kind == "partial")
    assert [Path(file).name for file in partial.files] == ["man_seg004.tif"]
