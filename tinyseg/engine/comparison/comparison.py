"""What several runs on the same images are worth beside each other: scores, speed of convergence, what differs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from ... import models
from ...errors import flag
from ...metrics import ConfusionMatrix
from ..config.config import Config, options_of
from ..storage.history import EpochRow
from ..storage.progress import Best


@dataclass(frozen=True)
class Reached:
    """The epoch after which a score was reached, and the seconds of training, validations included, up to there."""

    epoch: int
    seconds: float


@dataclass(frozen=True)
class Contender:
    """A finished run among those that are compared. ``best``: its epoch with the best mean IU, with its scores."""

    name: str
    folder: Path
    config: Config
    history: tuple[EpochRow, ...]
    best: Best
    parameters: int
    trainable_parameters: int

    @property
    def scores(self) -> ConfusionMatrix:
        """Of the best epoch."""
        return self.best.scores(self.config)

    @property
    def elapsed(self) -> list[float]:
        """Seconds from the beginning to the end of each epoch."""
        return list(accumulate(row.seconds for row in self.history))

    @property
    def seconds(self) -> float:
        """Of all its epochs."""
        return self.elapsed[-1]

    def reached(self, mean_iu: float) -> Reached | None:
        """When its mean IU was first so good; None if it never was."""
        for row, seconds in zip(self.history, self.elapsed, strict=True):
            if row.mean_iu is not None and row.mean_iu >= mean_iu:
                return Reached(row.epoch, seconds)
        return None

    def area(self, epochs: int) -> float:
        """The area under the curve of its mean IU over the first ``epochs``, as a share of 1 in each: their mean."""
        return sum(row.mean_iu or 0.0 for row in self.history[:epochs]) / epochs

    def settings(self) -> dict[str, str]:
        """Its options as flags of ``tinyseg train``, those of the model among them, and their values as texts."""
        given = vars(options_of(self.config))
        of_model = {**models.options(self.config.model.name), **given.pop("model_options")}
        return {flag(name): _text(name, value) for name, value in {**given, **of_model}.items()}


def _text(name: str, value: Any) -> str:
    """A value as it is typed on the command line, or nearly."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (tuple, list)):
        return ("x" if name in ("size", "crop") else ",").join(str(part) for part in value) or "none"
    if isinstance(value, dict):
        return ",".join(f"{key}={part}" for key, part in value.items()) or "none"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. ``share``: of a best mean IU, for the time until which it is asked."""

    contenders: tuple[Contender, ...]
    share: float
    train_images: int
    val_images: int

    @property
    def config(self) -> Config:
        """Of the first; what it says of images and classes holds for all."""
        return self.contenders[0].config

    @property
    def best_mean_iu(self) -> float:
        """The best of all."""
        return max(contender.best.mean_iu or 0.0 for contender in self.contenders)

    @property
    def common_epochs(self) -> int:
        """How many epochs all have."""
        return min(len(contender.history) for contender in self.contenders)

    def reached_own(self, contender: Contender) -> Reached | None:
        """When ``contender`` reached the share of its own best mean IU."""
        return contender.reached(self.share * (contender.best.mean_iu or 0.0))

    def reached_best(self, contender: Contender) -> Reached | None:
        """When ``contender`` reached the share of the best mean IU of all."""
        return contender.reached(self.share * self.best_mean_iu)

    def area(self, contender: Contender) -> float:
        """The mean of its mean IU over the epochs that all have."""
        return contender.area(self.common_epochs)

    def differences(self) -> dict[str, list[str]]:
        """The options that are not the same for all, each with its value for each; "-" where a model has none."""
        settings = [contender.settings() for contender in self.contenders]
        rows = {name: [one.get(name, "-") for one in settings] for name in _in_order(settings)}
        return {name: values for name, values in rows.items() if len(set(values)) > 1}

    def alike(self) -> dict[str, str]:
        """The options that are the same for all."""
        different = self.differences()
        return {name: value for name, value in self.contenders[0].settings().items() if name not in different}

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers, texts and lists, for JSON."""
        data = self.config.data
        return {
            "data": data.name,
            "classes": list(data.class_names),
            "train_images": self.train_images,
            "val_images": self.val_images,
            "share": self.share,
            "common_epochs": self.common_epochs,
            "contenders": [self._entry(contender) for contender in self.contenders],
            "differences": self.differences(),
        }

    def _entry(self, contender: Contender) -> dict[str, Any]:
        own, best = self.reached_own(contender), self.reached_best(contender)
        return {
            "name": contender.name,
            "folder": str(contender.folder),
            "model": contender.config.model.name,
            "parameters": contender.parameters,
            "trainable_parameters": contender.trainable_parameters,
            "epochs": len(contender.history),
            "seconds": contender.seconds,
            "best_epoch": contender.best.epoch,
            "scores": contender.scores.as_dict(),
            "share_of_own_best": None if own is None else vars(own),
            "share_of_best": None if best is None else vars(best),
            "area": self.area(contender),
            "settings": contender.settings(),
            "history": [row.cells(self.config.data.class_names) for row in contender.history],
        }


def _in_order(tables: Iterable[dict[str, str]]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table))
