"""Pictures: colours by hand; figures open, have a sane size, and stay small and free of global state."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tinyseg.data import Classes, Shapes
from tinyseg.viz import colorize, overlay, save_curves, save_predictions, voc_palette

TWO = Classes(("ground", "thing"), ((0, 0, 0), (200, 100, 0)), void_color=(9, 9, 9))


def test_colorize() -> None:
    assert colorize(np.array([[0, 1, 255]]), TWO).tolist() == [[[0, 0, 0], [200, 100, 0], [9, 9, 9]]]
    with pytest.raises(ValueError, match="none of 2 classes"):
        colorize(np.array([[2]]), TWO)
    with pytest.raises(ValueError, match=r"integer mask \(H, W\), got float64"):
        colorize(np.zeros((2, 2)), TWO)


def test_overlay_mixes_colours_and_leaves_ignored_pixels() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    mask = np.array([[0, 1, 255]])
    assert overlay(image, mask, TWO, alpha=0.25).tolist() == [[[75] * 3, [125, 100, 75], [100] * 3]]
    np.testing.assert_array_equal(overlay(image, mask, TWO, alpha=0), image)
    as_float = np.full((1, 3, 1), 100 / 255, np.float32)
    np.testing.assert_array_equal(overlay(as_float, mask, TWO), overlay(image, mask, TWO))
    with pytest.raises(ValueError, match="alpha must be 0 to 1"):
        overlay(image, mask, TWO, alpha=2)
    with pytest.raises(ValueError, match=r"the image is \(1, 3\) but the mask \(3, 1\)"):
        overlay(image, mask.T, TWO)


def test_the_palette_is_here_too() -> None:
    assert voc_palette(3).tolist() == [[0, 0, 0], [128, 0, 0], [0, 128, 0]]


def test_predictions_of_six_shapes_make_a_small_file(tmp_path: Path) -> None:
    shapes = Shapes("val")
    samples = []
    for index in range(6):
        image, mask = shapes[index][:2]
        truth = mask.copy()
        truth[:9, :9] = 255
        samples.append((image, truth, mask))
    path = tmp_path / "predictions.png"
    save_predictions(path, samples, shapes.classes)
    assert path.stat().st_size < 300_000
    with Image.open(path) as picture:
        shown = np.asarray(picture.convert("RGB")).reshape(-1, 3)
        assert picture.height > picture.width > 400
    for color in shapes.classes.colors[1:]:
        assert np.abs(shown.astype(int) - color).sum(1).min() < 20, "the class's colour is in the picture"
    with pytest.raises(ValueError, match="no samples"):
        save_predictions(path, [], shapes.classes)


def test_predictions_of_wide_grey_images_of_different_sizes(tmp_path: Path) -> None:
    samples = []
    for size in ((20, 40), (30, 30)):
        mask = np.zeros(size, np.int64)
        samples.append((np.full((*size, 1), 0.5, np.float32), mask, mask))
    save_predictions(tmp_path / "grey.png", samples, TWO)
    assert (tmp_path / "grey.png").stat().st_size > 1000


def test_curves_from_texts_and_gaps(tmp_path: Path) -> None:
    rows = [
        {"epoch": "1", "train_loss": "1.5", "val_loss": "1.7", "mean_iu": "0.2", "pixel_accuracy": "0.5"},
        {"epoch": "2", "train_loss": "0.9", "val_loss": "", "mean_iu": "", "pixel_accuracy": None},
        {"epoch": 3, "train_loss": 0.7, "val_loss": 0.8, "mean_iu": 0.6},
    ]
    for count in (1, 3):
        path = tmp_path / f"{count}.png"
        save_curves(path, rows[:count])
        with Image.open(path) as picture:
            assert picture.width > 2 * picture.height
    save_curves(tmp_path / "no_scores.png", [{"epoch": 1, "train_loss": 2.0}])
    with pytest.raises(ValueError, match="no epochs"):
        save_curves(tmp_path / "none.png", [])


def test_matplotlib_is_imported_only_to_draw_and_pyplot_never(tmp_path: Path) -> None:
    program = (
        "import sys, tinyseg.viz as viz\n"
        "early = 'matplotlib' in sys.modules\n"
        "viz.save_curves(sys.argv[1], [{'epoch': 1, 'train_loss': 1.0}])\n"
        "print(early, 'matplotlib.pyplot' in sys.modules)"
    )
    command = [sys.executable, "-c", program, str(tmp_path / "curves.png")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
