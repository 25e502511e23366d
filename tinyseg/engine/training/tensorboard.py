"""Event files for TensorBoard, written by TensorBoard's own writer: extra ``tensorboard``."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ...errors import InputError, how_to_install
from ..storage.run import TENSORBOARD, epoch_picture
from .callbacks import BatchReport, Callbacks, TrainerView

if TYPE_CHECKING:
    from ..storage.history import EpochRow
    from ..storage.progress import TrainingResult


class TensorBoard(Callbacks):
    """Writes the loss of each batch, by its number in the run, and the columns of ``metrics.csv``, by the epoch, to
    ``tensorboard/`` in the run's folder; and the pictures, if there are any.

    A run that is resumed writes a further file there; TensorBoard shows both as one. Raises ``InputError`` where
    TensorBoard is not installed.
    """

    def __init__(self) -> None:
        try:
            from tensorboard.compat.proto import event_pb2, summary_pb2
            from tensorboard.summary.writer import event_file_writer
        except ImportError as error:
            raise InputError(f"--tensorboard needs TensorBoard: {how_to_install('tensorboard')}") from error
        self._event, self._summary = event_pb2.Event, summary_pb2.Summary
        self._open = event_file_writer.EventFileWriter
        self._writer: Any = None
        self._trainer: TrainerView | None = None

    def started(self, trainer: TrainerView) -> None:
        """Open the file."""
        self._trainer = trainer
        self._writer = self._open(str(trainer.folder / TENSORBOARD))

    def batch_done(self, report: BatchReport) -> None:
        """The loss of a batch."""
        if report.loss is not None:
            self._write((report.epoch - 1) * report.batches + report.batch, {"batch/loss": report.loss})

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """The columns of an epoch, and its picture."""
        if self._trainer is None:
            return
        cells = row.cells(self._trainer.config.data.class_names)
        scores = {f"epoch/{name}": value for name, value in cells.items() if name != "epoch" and value is not None}
        self._write(row.epoch, scores)
        picture = epoch_picture(self._trainer.folder, row.epoch)
        if picture.is_file():
            image = self._summary.Image(encoded_image_string=picture.read_bytes())
            self._add(row.epoch, self._summary.Value(tag="predictions", image=image))
        self._writer.flush()

    def finished(self, result: TrainingResult) -> None:
        """Close the file."""
        self._writer.close()

    def _write(self, step: int, values: dict[str, float]) -> None:
        self._add(step, *(self._summary.Value(tag=tag, simple_value=value) for tag, value in values.items()))

    def _add(self, step: int, *values: Any) -> None:
        summary = self._summary(value=list(values))
        self._writer.add_event(self._event(wall_time=time.time(), step=step, summary=summary))
