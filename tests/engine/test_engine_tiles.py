"""Overlap tiles, views that are averaged, bands of rows: images of any size, in bounded memory."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_runs import make_folder, options, visible, without_pictures, write

import tinyseg
from tinyseg import engine
from tinyseg.data import read_image
from tinyseg.engine.prediction import segmenter as module
from tinyseg.engine.prediction.predict import pixel_limit
from tinyseg.engine.prediction.segmenter import Segmenter, Views, parse_views
from tinyseg.engine.prediction.tiles import Grid, blended, mirrored
from tinyseg.errors import DataError, InputError
from tinyseg.models import SegmentationModel

Array = np.ndarray[Any, Any]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> engine.TrainingResult:
    """An epoch of a tiny U-Net on images that keep their size."""
    folder = tmp_path_factory.mktemp("tiles")
    with pytest.MonkeyPatch.context() as patch:
        without_pictures(patch)
        return engine.train(
            engine.prepare(options(make_folder(folder / "data"), epochs=1)), folder / "run", workers=1
        )


@pytest.fixture
def segmenter(run: engine.TrainingResult) -> Segmenter:
    model, _ = engine.load_model(engine.open_run(run.folder))
    return Segmenter(model, run.config)


def noise(*size: int) -> Array:
    return np.random.default_rng(size).integers(0, 256, (*size, 3), np.uint8)


def whole(segmenter: Segmenter, image: Array) -> Array:
    return np.concatenate(list(segmenter.probabilities(image)))


# Grids

GRIDS = st.builds(
    lambda step, margin, blend, stride: Grid(
        (step + max(0, blend - step) + 2 * margin + blend) * stride, margin * stride, blend * stride
    ),
    *(st.integers(1, 5), st.integers(0, 3), st.integers(0, 3), st.sampled_from([1, 2, 4])),
)


@given(GRIDS, st.integers(1, 60))
def test_every_pixel_is_given_once_in_all(grid: Grid, length: int) -> None:
    total = np.zeros(length + 2 * grid.tile)
    for number in range(grid.count(length)):
        total[number * grid.step :][: grid.kept] += grid.ramp(number, length)
    np.testing.assert_allclose(total[:length], 1, rtol=1e-6)


@given(GRIDS, st.integers(1, 60))
def test_a_tile_sees_what_numpy_s_reflection_gives(grid: Grid, length: int) -> None:
    around = grid.tile * 2
    reflected = np.pad(np.arange(length), around, mode="reflect")
    for number in range(grid.count(length)):
        start = around + number * grid.step - grid.margin
        if start + grid.tile <= len(reflected):
            assert grid.entering(number, length).tolist() == reflected[start : start + grid.tile].tolist()


def test_one_pixel_is_mirrored_into_itself() -> None:
    assert mirrored(np.arange(-3, 4), 1).tolist() == [0] * 7


@given(GRIDS, st.integers(1, 40), st.integers(1, 40))
def test_the_identity_comes_out_as_it_went_in(grid: Grid, height: int, width: int) -> None:
    image = np.random.default_rng(0).random((height, width, 2)).astype(np.float32)
    told: list[tuple[int, int]] = []
    bands = list(blended(image, grid, lambda tile: tile, lambda *numbers: told.append(numbers)))
    # A band is valid until the next is asked for only: here they are views of one buffer.
    bands = [band.copy() for band in blended(image, grid, lambda tile: tile, lambda *numbers: told.append(numbers))]
    np.testing.assert_allclose(np.concatenate(bands), image, atol=1e-6)
    assert told[-1][0] == told[-1][1]


def test_tiles_that_cannot_be_are_refused() -> None:
    with pytest.raises(InputError, match="--overlap 64 leaves nothing of a --tile of 64"):
        Grid.fitting(64, 64, 16)
    with pytest.raises(InputError, match="--tile must be 1 or more and --overlap 0 or more, got 8 and -1"):
        Grid.fitting(8, -1, 1)


# A network


def test_tiles_give_what_the_whole_image_gives(segmenter: Segmenter) -> None:
    """Away from the image's border, where margins are as wide as the network sees to one side."""
    field = max(engine.describe("unet", size=(64, 64), width=4, depth=2).output_field)
    grid = replace(segmenter, tile=80, overlap=64).grid
    assert grid.margin >= field / 2
    assert grid.blend > 0
    image = noise(96, 128)
    expected = whole(segmenter, image)
    found = whole(replace(segmenter, tile=80, overlap=64), image)
    edge = int(np.ceil(field / 2))
    inside = (slice(edge, -edge), slice(edge, -edge))
    np.testing.assert_allclose(found[inside], expected[inside], atol=1e-5)
    assert np.abs(found - expected).max() > 1e-4, "mirrored borders are not the network's padding"


def test_large_images_are_cut_up_by_themselves(segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WHOLE_PIXELS", 63 * 64)
    monkeypatch.setattr(module, "TILE", 48)
    seen: list[tuple[int, ...]] = []
    segmenter.model.register_forward_hook(lambda module, inputs, outputs: seen.append(inputs[0].shape[2:]))
    small = replace(segmenter, overlap=16)
    whole(small, noise(63, 64))
    whole(small, noise(64, 64))
    whole(replace(small, tile=0), noise(64, 64))
    assert (seen[0], seen[-1]) == ((63, 64), (64, 64))
    assert set(seen[1:-1]) == {(48, 48)}


def test_memory_does_not_grow_with_the_height() -> None:
    """What is allocated beside the image: a band of tiles, whatever the number of bands."""
    grid = Grid.fitting(48, 16, 4)

    def peak(height: int) -> int:
        image = np.zeros((height, 400, 1), np.uint8)
        tracemalloc.start()
        try:
            for _ in blended(image, grid, lambda tile: tile.astype(np.float32), lambda done, total: None):
                pass
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(4000) < 1.1 * peak(400)


# Views


def test_views_are_averaged(segmenter: Segmenter) -> None:
    image = noise(40, 48)
    steps = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    turned_back = [whole(segmenter, image[::down, ::along])[::down, ::along] for down, along in steps]
    found = whole(replace(segmenter, views=Views(flip=True)), image)
    np.testing.assert_allclose(found, np.mean(turned_back[:2], 0), atol=1e-6)
    found = whole(replace(segmenter, views=Views(flip=True, vflip=True)), image)
    np.testing.assert_allclose(found, np.mean(turned_back, 0), atol=1e-6)


def test_scales_are_averaged(segmenter: Segmenter) -> None:
    sizes: list[tuple[int, ...]] = []
    segmenter.model.register_forward_hook(lambda module, inputs, outputs: sizes.append(inputs[0].shape[2:]))
    found = whole(replace(segmenter, views=Views((0.5, 1.0, 1.5))), noise(40, 48))
    assert sizes == [(20, 24), (40, 48), (60, 72)]
    assert found.shape == (40, 48, 2)
    np.testing.assert_allclose(found.sum(2), 1, rtol=1e-5)


class Pixelwise(SegmentationModel):
    """Logits that are a pixel's own colour: what comes out lies where it went in, or something is shifted."""

    def __init__(self) -> None:
        super().__init__("pixelwise", num_classes=2, in_channels=3, stride=4)

    def logits(self, input: tinyseg.Tensor) -> tinyseg.Tensor:
        return input[:, :2] * 1.0


def test_views_lie_upon_each_other(segmenter: Segmenter) -> None:
    """A ramp of grey, steep enough for half a pixel to be seen."""
    image = np.zeros((40, 64, 3), np.uint8)
    image[:, :, 0] = np.arange(0, 256, 4)
    model = Segmenter(Pixelwise().eval(), segmenter.config)
    views = Views((0.5, 0.75, 1.0, 2.0), flip=True, vflip=True)
    one, many = whole(model, image), whole(replace(model, views=views), image)
    step = np.abs(np.diff(one[20, :, 0])).max()
    np.testing.assert_allclose(many[4:-4, 4:-4], one[4:-4, 4:-4], atol=step / 20)


@pytest.mark.parametrize(
    ("text", "views"),
    [
        (None, Views()),
        ("flip", Views(flip=True)),
        ("scale=0.75,1,1.25,vflip", Views((0.75, 1, 1.25), vflip=True)),
        (" flip , scale=2 ", Views((2,), flip=True)),
    ],
)
def test_views_by_name(text: str | None, views: Views) -> None:
    assert parse_views(text) == views


@pytest.mark.parametrize("text", ["flop", "1", "scale=", "scale=0", "scale=a", "scale=1,flip,2", "scale=nan"])
def test_other_views_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="--tta: expected flip, vflip"):
        parse_views(text)


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_bands_of_rows_are_the_upsampled_image(
    segmenter: Segmenter, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    """A run that resizes: logits are brought to the image's size some rows at a time."""
    from tinyseg.nn import functional as F

    data = replace(segmenter.config.data, size=(24, 32))
    resized = Segmenter(segmenter.model, replace(segmenter.config, data=data))
    monkeypatch.setattr(module, "_BAND_BYTES", rows * 4 * 50 * 2)
    image = noise(37, 50)
    bands = list(resized.probabilities(image))
    assert {len(band) for band in bands[:-1]} <= {rows}
    (logits,) = resized._views(resized._normalised(module.resize_image(image, (24, 32))))
    expected = F.softmax(F.interpolate(logits, size=(37, 50), mode="bilinear", align_corners=False), 1)
    np.testing.assert_allclose(np.concatenate(bands), expected[0].permute(1, 2, 0).numpy(), atol=1e-5)
    with pytest.raises(InputError, match=r"resizes all images to 24x32: .* leave --tile away"):
        replace(resized, tile=64)


# Files


def test_probabilities_are_written(run: engine.TrainingResult, segmenter: Segmenter, tmp_path: Path) -> None:
    image = noise(40, 56)
    write(tmp_path / "a.png", image)
    expected = whole(segmenter, image)
    given = engine.PredictOptions(probabilities="npy", overlay=False)
    (found,) = engine.predict(run.folder, [tmp_path / "a.png"], tmp_path / "npy", options=given)
    assert visible(tmp_path / "npy") == ["a.png", "a_probabilities.npy"]
    assert found.overlay is None
    values = np.load(found.probabilities[0])
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, atol=1e-5)
    given = engine.PredictOptions(probabilities="png")
    (found,) = engine.predict(run.folder, [tmp_path / "a.png"], tmp_path / "png", options=given)
    assert [path.name for path in found.probabilities] == ["a_probability_ground.png", "a_probability_thing.png"]
    for index, path in enumerate(found.probabilities):
        np.testing.assert_allclose(np.asarray(Image.open(path)) / 255, expected[:, :, index], atol=0.6 / 255)


def test_an_error_leaves_no_half_written_probabilities(run: engine.TrainingResult, tmp_path: Path) -> None:
    write(tmp_path / "a.png", noise(2, 2))
    for kind in ("npy", "png"):
        with pytest.raises(DataError, match="too small"):
            engine.predict(
                run.folder,
                [tmp_path / "a.png"],
                tmp_path / "out",
                options=engine.PredictOptions(probabilities=kind),
            )
        assert not list((tmp_path / "out").iterdir())


def test_folders_and_lists(run: engine.TrainingResult, tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for name in ("b.png", "a.JPG", "notes.md", "c.tif"):
        write(folder / name, noise(16, 16)) if name != "notes.md" else (folder / name).write_text("")
    (folder / "list.txt").write_text("# two of them\nc.tif\n\nb.png\n", encoding="utf-8")
    found = engine.predict(run.folder, [folder], tmp_path / "all")
    assert [prediction.image.name for prediction in found] == ["a.JPG", "b.png", "c.tif"]
    listed = folder / "list.txt"
    listed.write_text("\ufeff" + listed.read_text(encoding="utf-8"), encoding="utf-8")  # as Windows' editors save it
    found = engine.predict(run.folder, [listed], tmp_path / "two")
    assert [prediction.image.name for prediction in found] == ["c.tif", "b.png"]
    assert all(prediction.seconds > 0 for prediction in found)


def test_folders_and_lists_of_nothing_are_refused(run: engine.TrainingResult, tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    (tmp_path / "empty.txt").write_text("# nothing\n")
    (tmp_path / "gone.txt").write_text("gone.png\n")
    (tmp_path / "bytes.txt").write_bytes(b"\xff\xfe\xff")
    for name, message in (
        ("none", "no images in this folder"),
        ("empty.txt", "names no image"),
        ("gone.txt", r"gone\.png: no such file"),
        ("bytes.txt", "is no list of files"),
        ("other.txt", r"other\.txt: no such file"),
    ):
        with pytest.raises(InputError, match=message):
            engine.predict(run.folder, [tmp_path / name], tmp_path / "out")
    with pytest.raises(InputError, match="unknown --probabilities 'csv'; there are npy, png"):
        engine.predict(
            run.folder, [tmp_path / "a.png"], tmp_path / "out", options=engine.PredictOptions(probabilities="csv")
        )
    assert not (tmp_path / "out").exists()


def test_the_limit_of_pixels_is_raised_and_put_back(run: engine.TrainingResult, tmp_path: Path) -> None:
    write(tmp_path / "a.png", noise(30, 40))
    before = Image.MAX_IMAGE_PIXELS
    for limit in (1199, 500):
        with pytest.raises(DataError, match=rf"a\.png: images of more than {limit:,} pixels are not decoded"):
            engine.predict(
                run.folder, [tmp_path / "a.png"], tmp_path / "out", options=engine.PredictOptions(max_pixels=limit)
            )
        assert before == Image.MAX_IMAGE_PIXELS
    allowed = engine.PredictOptions(max_pixels=1200)
    assert len(engine.predict(run.folder, [tmp_path / "a.png"], tmp_path / "out", options=allowed)) == 1
    with pixel_limit(None):
        assert before == Image.MAX_IMAGE_PIXELS
        assert read_image(tmp_path / "a.png").shape == (30, 40, 3)
    with pytest.raises(InputError, match="--max-pixels must be 1 or more, got 0"), pixel_limit(0):
        pass


def test_nothing_is_recorded(segmenter: Segmenter) -> None:
    bands = replace(segmenter, tile=48, overlap=16).probabilities(noise(96, 96))
    next(bands)
    assert tinyseg.is_grad_enabled()
    bands.close()
    assert tinyseg.is_grad_enabled()
