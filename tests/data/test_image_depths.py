"""Images of 8 and of 16 bits: what is noted where they meet, and noise that fits their spread."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from tinyseg import engine
from tinyseg.cli import app
from tinyseg.data import Sample, read_image
from tinyseg.data.formats.images import read_raw_mask
from tinyseg.data.transforms import RandomNoise, augmentations


def cells(root: Path, *dtypes: str) -> Path:
    """Ten dim images, bright where the mask is 1, as numbers of 0 to 180 of each of these types in turn."""
    (root / "images").mkdir(parents=True)
    (root / "masks").mkdir()
    for number in range(10):
        mask = np.zeros((32, 32), np.uint8)
        mask[8:20, 4 + number : 16 + number] = 1
        values = np.random.default_rng(number).integers(0, 60, mask.shape) + mask * 120
        stored = values.astype(dtypes[number % len(dtypes)])
        Image.fromarray(stored).save(root / "images" / f"{number}.png")
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return root


FLAGS = ("--num-classes", "2", "--model", "unet", "--width", "2", "--depth", "1", "--epochs", "1", "--quiet")


def options(root: Path, **more: str) -> engine.TrainOptions:
    return engine.TrainOptions(data="folder", root=str(root), num_classes=2, model="unet", **more)  # type: ignore[arg-type]


def test_depths_in_one_data_set_are_noted(tmp_path: Path) -> None:
    both = cells(tmp_path / "both", "uint8", "uint16")
    (note,) = [one for one in engine.check("folder", both, num_classes=2).notes if one.kind == "depth"]
    assert note.text == "images of 8 bits (5) and of 16 bits (5): white is 255 in some and 65535 in others"
    assert any(text.startswith("WARNING: images of 8 bits") for text in engine.prepare(options(both)).notes)
    one = cells(tmp_path / "one", "uint16")
    assert not [note for note in engine.check("folder", one, num_classes=2).notes if note.kind == "depth"]


def test_images_of_another_depth_than_the_runs_are_noted(tmp_path: Path) -> None:
    eight, low = cells(tmp_path / "eight", "uint8"), cells(tmp_path / "low", "uint16")
    run = tmp_path / "run"
    done = CliRunner().invoke(app, ["train", "--data", "folder", "--root", str(eight), "--out", str(run), *FLAGS])
    assert done.exit_code == 0, done.output
    assert engine.open_run(run).config.data.depths == (8,)

    def noted(root: Path) -> tuple[list[str], list[str]]:
        predicted: list[str] = []
        evaluated: list[str] = []
        engine.predict(run, [root / "images"], tmp_path / f"out-{root.name}", note=predicted.append)
        engine.evaluate(run, root=root, note=evaluated.append)
        return predicted, evaluated

    assert noted(eight) == ([], [])
    predicted, evaluated = noted(low)
    assert predicted[0].startswith(
        "WARNING: the run was trained on images of 8 bits, and 10 images of these (as 0.png)"
    )
    assert len(evaluated) == 1
    # What is to be looked at is not black: the image is stretched to its own range.
    mask = read_raw_mask(tmp_path / "out-low" / "0.png")
    picture = read_image(tmp_path / "out-low" / "0_overlay.png").astype(int)
    values = read_raw_mask(low / "images" / "0.png")
    brightest = np.unravel_index(values.argmax(), values.shape)
    class_color = np.array(engine.open_run(run).config.data.classes.palette)[mask[brightest]]
    np.testing.assert_array_equal(picture[brightest], np.rint((255 + class_color) / 2))
    shown = CliRunner().invoke(app, ["predict", str(run), str(low / "images"), "--out", str(tmp_path / "shown")])
    assert "trained on images of 8 bits" in " ".join(shown.stdout.split())


@pytest.mark.parametrize("dtype", ["uint8", "uint16"])
def test_noise_is_relative_to_the_spread_of_the_images(tmp_path: Path, dtype: str) -> None:
    root = cells(tmp_path / "data", dtype)
    plan = engine.prepare(options(root, augment="noise=0.05"))
    white = np.iinfo(dtype).max
    values = np.stack([plan.train_set[index].image[:, :, 0] for index in range(len(plan.train_set))]).astype(float)
    expected = values.std() / (255 if dtype == "uint8" else 1)
    assert plan.config.data.spread == pytest.approx(expected, rel=1e-3)
    assert plan.config.data.spread < 60 / white
    (noise,) = augmentations(plan.config.data.augment, None, plan.config.data.spread)
    assert isinstance(noise, RandomNoise)
    assert engine.prepare(options(root, augment="flip")).config.data.spread is None


def test_noise_of_dim_images_is_dim() -> None:
    dim = Sample(np.full((64, 64, 1), 0.001, np.float32), np.zeros((64, 64), np.uint8), "dim")
    changed = [RandomNoise(0.05, 0.0005)(dim, np.random.default_rng(seed)).image for seed in range(20)]
    # Twenty standard deviations of 0 to 0.05 * 4 * 0.0005.
    deviations = [float(image.std()) for image in changed]
    assert 0.5e-4 < max(deviations) <= 1.02e-4
    with pytest.raises(ValueError, match="spread must be more than 0 and at most 1, got 0"):
        RandomNoise(0.05, 0)
