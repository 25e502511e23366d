"""A run's folder: its files, and how a model comes out of it.

::

    config.toml          what the run is
    best.safetensors     the weights with the best mean IU on the validation images
    last.safetensors     the weights after the last epoch, and all that --resume needs
    weights.txt          what became of each weight that the run began with, if it did with any
    metrics.csv          a row for each epoch
    metrics.jsonl        the same, a JSON object in each line
    curves.png           the same as curves
    predictions.png      validation images, their labels, and what the best weights make of them
    pictures/            the same after each epoch, if that was asked for
    tensorboard/         event files, if that was asked for
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ...checkpoint import Checkpoint, load, load_weights
from ...errors import CheckpointError, InputError
from ...files import LOCK, PathLike, is_half_written, locked, naming, remove_half_written
from ...models import SegmentationModel
from ...nn.init import skip
from ..config.config import Config, is_written, read_config
from ..parts.pipeline import create_model

CONFIG, BEST, LAST = "config.toml", "best.safetensors", "last.safetensors"
METRICS, METRICS_LINES, CURVES, PREDICTIONS = "metrics.csv", "metrics.jsonl", "curves.png", "predictions.png"
WEIGHTS, PICTURES, TENSORBOARD = "weights.txt", "pictures", "tensorboard"

# Names of half-written files in earlier versions.
_ONCE_HALF_WRITTEN = {".config.partial.toml", ".weights.partial.txt", ".last.partial.safetensors"}


@dataclass(frozen=True)
class Run:
    """A run on disk: its folder, its configuration, and the checkpoint that is meant."""

    folder: Path
    config: Config
    checkpoint: Path


def open_run(path: PathLike) -> Run:
    """The run in a folder, with its best weights; or, where ``path`` is a checkpoint in it, with those.

    Raises ``InputError`` when there is no such folder or its configuration cannot be read, ``CheckpointError`` when
    it has no weights, or its best ones are missing. Before the first validation there are only the last ones.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        if not path.is_file():
            raise CheckpointError(f"{path}: no such checkpoint")
        return Run(path.parent, read_config(path.parent / CONFIG), path)
    config = read_folder(path)
    best, last = path / BEST, path / LAST
    if best.is_file():
        return Run(path, config, best)
    if not last.is_file():
        raise CheckpointError(f"{path}: holds neither {BEST} nor {LAST}")
    if load(last).state.get("best") is not None:
        raise CheckpointError(f"{path}: {BEST} is missing; give {last} itself to use the weights of the last epoch")
    return Run(path, config, last)


def read_folder(folder: Path) -> Config:
    """The configuration of the run in ``folder``; raises ``InputError`` where there is none, or no more than one that
    was stopped before its first checkpoint has.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    if any(folder.iterdir()) and not not_of_a_beginning(folder):
        options = f" --config {folder / CONFIG}" if (folder / CONFIG).is_file() else ""
        raise InputError(
            f"{folder}: the run was stopped before its first checkpoint, so there is nothing to go on with; begin it "
            f"again: tinyseg train{options} --out {folder}"
        )
    return read_config(folder / CONFIG)


def epoch_picture(folder: Path, epoch: int) -> Path:
    """Where the picture of an epoch is, if pictures are asked for."""
    return folder / PICTURES / f"epoch-{epoch:03}.png"


def is_drawn(folder: Path, config: Config, epochs: int) -> bool:
    """Whether a run that is over, after so many epochs, has its reports and pictures: a kill may come before them."""
    last = [epoch_picture(folder, epochs)] if config.training.pictures else []
    names = (METRICS, METRICS_LINES, CURVES, PREDICTIONS)
    return all(path.is_file() for path in (*(folder / name for name in names), *last))


def not_of_a_beginning(folder: Path) -> list[str]:
    """The names in ``folder`` of what is not left by a run that was killed before its first checkpoint: where there
    are none, a run may begin. A ``config.toml`` that a user has written is none of a run's.
    """
    own = {LOCK, *_ONCE_HALF_WRITTEN}
    if is_written(folder / CONFIG):  # which a run writes first
        own |= {CONFIG, WEIGHTS}
    return sorted(p.name for p in folder.iterdir() if p.name not in own and not is_half_written(p.name))


@contextmanager
def beginning(folder: Path) -> Iterator[None]:
    """Make ``folder``, and hold its lock in the block. If it is new and empty at the end, it is removed."""
    with naming(folder):
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
    try:
        with locked(folder):
            yield
    finally:
        if is_new:
            with suppress(OSError):  # something is in it
                folder.rmdir()


def remove_beginning(folder: Path) -> None:
    """Delete what a run writes before it has learnt anything; only for the one that has ``folder`` locked, and where
    there was nothing else before: ``not_of_a_beginning``.
    """
    remove_half_written(folder)
    shutil.rmtree(folder / TENSORBOARD, ignore_errors=True)
    for name in (LAST, *_ONCE_HALF_WRITTEN):
        with suppress(OSError):
            (folder / name).unlink(missing_ok=True)
    if is_written(folder / CONFIG):
        for name in (WEIGHTS, CONFIG):  # the last one says whose the others are
            with suppress(OSError):
                (folder / name).unlink(missing_ok=True)


def load_model(run: Run) -> tuple[SegmentationModel, Checkpoint]:
    """The run's model with its weights, ready to predict, and the checkpoint they came from."""
    with skip():
        model = create_model(run.config)
    checkpoint = load_weights(run.checkpoint, model)
    model.eval()
    return model, checkpoint


def next_free_folder(parent: Path, stem: str) -> Path:
    """``parent/stem-N`` with N one more than the largest there is, so that a run never gets an older one's name.

    >>> import tempfile
    >>> parent = Path(tempfile.mkdtemp())
    >>> (parent / "shapes-fcn8s-4").mkdir()
    >>> next_free_folder(parent, "shapes-fcn8s").name
    'shapes-fcn8s-5'
    """
    numbers = [entry.name.removeprefix(f"{stem}-") for entry in parent.glob(f"{stem}-*")]
    return parent / f"{stem}-{max((int(n) for n in numbers if n.isdecimal()), default=0) + 1}"
