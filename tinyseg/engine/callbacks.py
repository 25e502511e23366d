"""What a workflow tells while it works. The engine prints nothing itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..interop import Report
    from .train import EpochRow, Trainer, TrainingResult


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
        """The run begins with weights from a file; the report says what became of each."""

    def started(self, trainer: Trainer) -> None:
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
