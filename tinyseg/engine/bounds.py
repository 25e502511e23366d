"""What the numbers of a run may be, whether they are options or stand in its ``config.toml``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError

_WHOLE = ("epochs", "batch_size", "accumulate", "step_epochs", "patience", "plateau_patience")
_COUNTS = ("recalibrate", "pictures")
_POSITIVE = ("lr", "clip_norm", "clip_value", "power", "bias_lr")
_NOT_NEGATIVE = ("weight_decay", "warmup")
_SHARES = ("momentum", "ema")
_SEEDS = ("seed", "data_seed")


def check_numbers(values: Mapping[str, Any], spell: Callable[[str], str]) -> None:
    """``InputError`` for a number that training cannot work with; ``spell`` says what its name is where it stands.

    ``values`` are fields of ``TrainOptions`` or ``TrainingConfig``; None stands for one that is not given.

    >>> check_numbers({"lr": 0.0}, "training.{}".format)
    Traceback (most recent call last):
    tinyseg.errors.InputError: training.lr must be positive, got 0.0
    """
    given = {name: value for name, value in values.items() if value is not None}

    def among(names: tuple[str, ...]) -> list[tuple[str, Any]]:
        return [(spell(name), given[name]) for name in names if name in given]

    for names, least in ((_WHOLE, 1), (_COUNTS, 0)):
        for name, value in among(names):
            if value < least:
                raise InputError(f"{name} must be at least {least}, got {value}")
    for name, value in among(_POSITIVE):
        if not 0 < value < math.inf:
            raise InputError(f"{name} must be positive, got {value}")
    for name, value in among(_NOT_NEGATIVE):
        if not 0 <= value < math.inf:
            raise InputError(f"{name} must not be negative, got {value}")
    for prefix, times in given.get("rate_of", {}).items():
        if not 0 < times < math.inf:
            raise InputError(
                f"{spell('rate_of')} {prefix}: the rate must be multiplied with a positive number, got {times}"
            )
    for name, value in among(_SHARES):
        if not 0 <= value < 1:
            raise InputError(f"{name} must be at least 0 and less than 1, got {value}")
    for name, value in among(("gamma",)):
        if not 0 < value <= 1:
            raise InputError(f"{name} must be more than 0 and at most 1, got {value}")
    for name, value in among(_SEEDS):
        if not 0 <= value < 2**63:
            raise InputError(f"{name} must be 0 to 2**63 - 1, got {value}")
