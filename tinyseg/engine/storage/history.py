"""What became of each epoch: the rows of ``metrics.csv``, and the lines of ``metrics.jsonl``.

The rows are kept in the checkpoint, and the files are written anew from them each time: a run that was killed between
the checkpoint and a file has, once resumed, every epoch in it once.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ...data import EXTRA_TARGETS
from ...files import write_text

_ACCURACY = "_accuracy"


@dataclass(frozen=True)
class EpochRow:
    """One epoch, counted from 1. Losses and scores are None where nothing counted; ``lr`` is its first rate.

    ``seconds`` is what the epoch took, validation included; ``waited`` is how many of them training stood still
    because no batch was ready. ``extra_accuracies`` are those of extra targets, by name: the column of a target
    ``x``, and its field in a checkpoint, is ``x_accuracy``.
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
    extra_accuracies: Mapping[str, float] = field(default_factory=dict)

    def cells(self, class_names: Sequence[str]) -> dict[str, Any]:
        """The row by columns; the IU of each class has a column of its own, ``seconds`` is the last."""
        cells = asdict(self)
        seconds, waited, iu = cells.pop("seconds"), cells.pop("waited"), cells.pop("iu")
        cells |= {column(target): value for target, value in cells.pop("extra_accuracies").items()}
        cells |= {f"iu_{name}": value for name, value in zip(class_names, iu, strict=True)}
        return cells | {"waited": round(waited, 2), "seconds": round(seconds, 2)}

    def as_state(self) -> dict[str, Any]:
        """The row as a checkpoint keeps it; the accuracy of an extra target that the run has not is None."""
        state = asdict(self)
        accuracies = state.pop("extra_accuracies")
        return state | {column(target): accuracies.get(target) for target in (*EXTRA_TARGETS, *accuracies)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> EpochRow:
        """The inverse of ``as_state`` and JSON."""
        values = dict(state)
        known = {item.name for item in fields(cls)}
        others = [key for key in values if key not in known and key.endswith(_ACCURACY)]
        found = {key.removesuffix(_ACCURACY): values.pop(key) for key in others}
        accuracies = {target: value for target, value in found.items() if value is not None}
        return cls(**{**values, "iu": tuple(values["iu"]), "extra_accuracies": accuracies})


def column(target: str) -> str:
    """What the accuracy of an extra target is called in tables, in JSON and in checkpoints."""
    return f"{target}{_ACCURACY}"


def write_metrics(path: Path, rows: Sequence[EpochRow], class_names: Sequence[str]) -> None:
    """Write all rows; a value that is None is an empty cell."""
    table = [row.cells(class_names) for row in rows]
    file = io.StringIO()
    writer = csv.DictWriter(file, table[0].keys())
    writer.writeheader()
    writer.writerows(table)
    write_text(path, file.getvalue())


def write_json_lines(path: Path, rows: Sequence[EpochRow], class_names: Sequence[str]) -> None:
    """Write all rows, a JSON object with the same columns in each line; a value that is None is null."""
    lines = [json.dumps(row.cells(class_names), ensure_ascii=False) for row in rows]
    write_text(path, "".join(f"{line}\n" for line in lines))
