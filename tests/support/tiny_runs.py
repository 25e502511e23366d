"""Tiny data and tiny runs for the tests of the engine and of the command line."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tinyseg import viz
from tinyseg.data import Shapes
from tinyseg.engine import Callbacks, EpochRow, TrainOptions
from tinyseg.files import write_bytes

TINY_MODEL = {"model": "unet", "model_options": {"width": 4, "depth": 2}}
TINY_FLAGS = ("--model", "unet", "--width", "4", "--depth", "2", "--batch-size", "4", "--workers", "1")


def make_folder(root: Path, train: int = 8, val: int = 4, size: tuple[int, int] = (32, 32)) -> Path:
    """A folder of drawn images with two classes: ground, and anything on it."""
    for split, count in (("train", train), ("val", val)):
        shapes = Shapes(split, count=count, size=size)
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for number in range(count):
            sample = shapes[number]
            write(root / split / "images" / f"{number}.png", sample.image)
            write(root / split / "masks" / f"{number}.png", np.minimum(sample.mask, 1))
    (root / "classes.txt").write_text("ground 0 0 0\nthing 250 120 30\n", encoding="utf-8")
    return root


def visible(folder: Path) -> list[str]:
    """The names in a folder, without hidden ones."""
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def write(path: Path, pixels: Any) -> None:
    """Save an array as an image file."""
    Image.fromarray(np.asarray(pixels, np.uint8)).save(path)


def options(root: Path, /, **changes: Any) -> TrainOptions:
    """A tiny run on ``root``: two epochs of two batches."""
    given: dict[str, Any] = {"data": "folder", "root": str(root), "epochs": 2, "batch_size": 4, **TINY_MODEL}
    return TrainOptions(**{**given, **changes})


def without_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have runs write empty pictures: drawing takes far longer than all the rest of a tiny run."""

    def draw(path: Path, *what: Any) -> None:
        write_bytes(path, b"")

    monkeypatch.setattr(viz, "save_curves", draw)
    monkeypatch.setattr(viz, "save_predictions", draw)


class Log(Callbacks):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.losses: list[float | None] = []
        self.rows: list[EpochRow] = []
        self.is_finished = False

    def batch_done(self, report: Any) -> None:
        self.losses.append(report.loss)

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        self.rows.append(row)

    def finished(self, result: Any) -> None:
        self.is_finished = True
