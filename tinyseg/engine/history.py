"""What became of each epoch: the rows of ``metrics.csv``.

The rows are kept in the checkpoint, and the file is written anew from them each time: a run that was killed between
the checkpoint and the file has, once resumed, every epoch in it once.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..checkpoint import replacing


@dataclass(frozen=True)
class EpochRow:
    """One epoch, counted from 1. Losses and scores are None where nothing counted; ``lr`` is its first rate.

    ``seconds`` is what the epoch took, validation included; ``waited`` is how many of them training stood still
    because no batch was ready.
    """

    epoch: int
    lr: float
    train_loss: float | None
    val_loss: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    mean_iu: float | None
    mean_dice: float | None
    frequency_weighted_iu: float | None
    iu: tuple[float | None, ...]
    skipped_batches: int
    seconds: float
    waited: float = 0.0

    def cells(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The row by columns; the IU of each class has a column of its own, ``seconds`` is the last."""
        cells = asdict(self)
        seconds, waited, iu = cells.pop("seconds"), cells.pop("waited"), cells.pop("iu")
        cells |= {f"iu_{name}": value for name, value in zip(class_names, iu, strict=True)}
        return cells | {"waited": round(waited, 2), "seconds": round(seconds, 2)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> EpochRow:
        """The inverse of ``dataclasses.asdict`` and JSON."""
        return cls(**{**state, "iu": tuple(state["iu"])})


def write_metrics(path: Path, rows: Sequence[EpochRow], class_names: Sequence[str]) -> None:
    """Write all rows; a value that is None is an empty cell."""
    table = [row.cells(class_names) for row in rows]
    with replacing(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table[0].keys())
        writer.writeheader()
        writer.writerows(table)
