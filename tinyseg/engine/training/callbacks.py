"""What a workflow tells while it works. The engine prints nothing itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...data import DataLoader, Dataset
from ...interop import Report
from ...models import SegmentationModel
from ..config.config import Config
from ..storage.history import EpochRow
from ..storage.progress import Best, TrainingResult
from .learner import Learner


class TrainerView(Protocol):
    """A run in progress, as callbacks see it: a ``Trainer``, which has more."""

    @property
    def config(self) -> Config:
        """What the run is."""

    @property
    def folder(self) -> Path:
        """Where it is written."""

    @property
    def train_set(self) -> Dataset:
        """The images that are trained on."""

    @property
    def val_set(self) -> Dataset:
        """The images that it is validated on."""

    @property
    def loader(self) -> DataLoader:
        """Gives the batches of an epoch."""

    @property
    def model(self) -> SegmentationModel:
        """The network that is trained."""

    @property
    def learner(self) -> Learner:
        """Makes the steps."""

    @property
    def history(self) -> Sequence[EpochRow]:
        """A row for each epoch that is done."""

    @property
    def best(self) -> Best | None:
        """The best of them."""

    @property
    def epochs_trained(self) -> int:
        """How many epochs' steps are done."""


@dataclass(frozen=True)
class BatchReport:
    """One training step. ``batch`` counts from 1; ``loss`` is None for a batch that was skipped."""

    epoch: int
    batch: int
    batches: int
    images: int
    loss: float | None


class Callbacks:
    """Override what is of interest; each method does nothing by default."""

    def loaded(self, report: Report) -> None:
        """The run begins with weights from a file or another run; the report says what became of each."""

    def started(self, trainer: TrainerView) -> None:
        """All is checked and ready; the first epoch comes next."""

    def epoch_started(self, epoch: int, batches: int) -> None:
        """Epoch 1, 2, ... with so many batches."""

    def batch_done(self, report: BatchReport) -> None:
        """One training step was made, or skipped."""

    def validating(self, images: int, total: int) -> None:
        """So many of ``total`` validation images are done."""

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """An epoch was validated and saved."""

    def warning(self, text: str) -> None:
        """Something that a user should know, but that stops nothing."""

    def finished(self, result: TrainingResult) -> None:
        """The run is complete, pictures included."""


class Together(Callbacks):
    """Tells each of several what goes on, in their order."""

    def __init__(self, *parts: Callbacks) -> None:
        self.parts = parts

    def loaded(self, report: Report) -> None:
        """Tell all."""
        for part in self.parts:
            part.loaded(report)

    def started(self, trainer: TrainerView) -> None:
        """Tell all."""
        for part in self.parts:
            part.started(trainer)

    def epoch_started(self, epoch: int, batches: int) -> None:
        """Tell all."""
        for part in self.parts:
            part.epoch_started(epoch, batches)

    def batch_done(self, report: BatchReport) -> None:
        """Tell all."""
        for part in self.parts:
            part.batch_done(report)

    def validating(self, images: int, total: int) -> None:
        """Tell all."""
        for part in self.parts:
            part.validating(images, total)

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """Tell all."""
        for part in self.parts:
            part.epoch_done(row, is_best)

    def warning(self, text: str) -> None:
        """Tell all."""
        for part in self.parts:
            part.warning(text)

    def finished(self, result: TrainingResult) -> None:
        """Tell all."""
        for part in self.parts:
            part.finished(result)
