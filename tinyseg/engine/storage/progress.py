"""How far a run has come: its epochs and the best of them, as its last checkpoint keeps them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...checkpoint import load
from ...errors import CheckpointError
from ...metrics import ConfusionMatrix
from ..config.config import Config, TrainingConfig
from .history import EpochRow
from .run import LAST
from .training_state import check_progress


@dataclass(frozen=True)
class Best:
    """The epoch with the best mean IU so far, and its confusion matrix. Where no epoch has a score it is the last."""

    epoch: int
    mean_iu: float | None
    matrix: list[list[int]]

    def is_beaten_by(self, mean_iu: float | None) -> bool:
        """Whether a later epoch with this score is the best instead. Without scores the later one is: it has learnt
        more, and nothing speaks for the earlier one.
        """
        return self.mean_iu is None or (mean_iu is not None and mean_iu > self.mean_iu)

    def scores(self, config: Config) -> ConfusionMatrix:
        """Its scores."""
        result = ConfusionMatrix(config.data.num_classes, config.data.ignore_index)
        result.matrix += np.array(self.matrix, np.int64)
        return result


@dataclass(frozen=True)
class Trained:
    """An epoch whose steps are done, and whose validation is not: what its row of the history needs of them."""

    epoch: int
    lr: float
    train_loss: float | None
    skipped: int
    seconds: float
    waited: float


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    folder: Path
    config: Config
    best: Best
    history: tuple[EpochRow, ...]


@dataclass(frozen=True)
class Progress:
    """``history`` has a row for each epoch that is done, ``best`` the best of them (None before the first).

    ``names``: the digests of the names of the training and the validation images, ``pipeline.names_digest``.
    ``trained``: the next epoch, if only its validation is left.
    """

    history: tuple[EpochRow, ...]
    best: Best | None
    names: tuple[str, ...]
    trained: Trained | None = None

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Progress:
        """What the state of a checkpoint says; raises ``KeyError`` or ``ValueError`` where it does not."""
        check_progress(state)
        rows = tuple(EpochRow.from_state(row) for row in state["history"])
        best, trained = state["best"], state.get("trained")  # which checkpoints of earlier versions have not
        return cls(
            rows,
            None if best is None else Best(**best),
            tuple(state["names"]),
            None if trained is None else Trained(**trained),
        )

    def is_over(self, training: TrainingConfig) -> bool:
        """Whether no epoch is left, or none is made any more because the run has stalled."""
        return len(self.history) >= training.epochs or has_stalled(training, self.history, self.best)


def has_stalled(training: TrainingConfig, history: Sequence[EpochRow], best: Best | None) -> bool:
    """Whether the mean IU has not become better for as many epochs as are waited for; without one, never."""
    if training.patience is None or best is None or best.mean_iu is None:
        return False
    return len(history) - best.epoch >= training.patience


def read_progress(folder: Path) -> Progress:
    """How far the run in ``folder`` has come; raises ``CheckpointError`` when its last checkpoint does not say."""
    path = folder / LAST
    state = load(path).state
    try:
        return Progress.from_state(state)
    except (KeyError, ValueError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise CheckpointError(f"{path}: is no checkpoint of a run in training: {reason}") from error
