"""What a run's last checkpoint must say for the run to go on: the type and the range of each field.

The file is complete when it can be read, but its JSON may have been written by another program, or by hand. A field
that is not what it should be would be found where it is used, epochs later, or never.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any

from ...data import EXTRA_TARGETS
from .history import EpochRow, column

Check = Callable[[Any, str], None]


def check_progress(state: Mapping[str, Any]) -> None:
    """``ValueError``, which names the field, for an epoch, a history or a best epoch that cannot be; ``KeyError``
    where one is missing.

    >>> check_progress({"epoch": -1, "images": [1, 1], "names": ["a", "b"], "history": [], "best": None})
    Traceback (most recent call last):
    ValueError: epoch must be a whole number of at least 0, got -1
    """
    _sequence(state["history"], "history")
    _whole(0)(state["epoch"], "epoch")
    _pair(_whole(1))(state["images"], "images")
    _pair(_text)(state["names"], "names")
    for number, row in enumerate(state["history"], start=1):
        _check_row(row, f"history[{number - 1}]")
        if row["epoch"] != number:
            raise ValueError(f"history[{number - 1}].epoch must be {number}, got {row['epoch']}")
    if state["best"] is not None:
        _check_best(state["best"], len(state["history"]))
    if state.get("trained") is not None:
        _check_trained(state["trained"], len(state["history"]) + 1)


def check_state(state: Mapping[str, Any], classes: int) -> None:
    """The same for all that training goes on from, but for what the optimiser and its schedule check themselves."""
    check_progress(state)
    for number, row in enumerate(state["history"]):
        if len(row["iu"]) != classes:
            raise ValueError(f"history[{number}].iu has {len(row['iu'])} entries for {classes} classes")
    if state["best"] is not None and len(state["best"]["matrix"]) != classes:
        raise ValueError(f"best.matrix is for {len(state['best']['matrix'])} classes, the run has {classes}")
    _pair(_whole(0, 2**64 - 1))(state["random"], "random")
    for name in ("optimizer", "schedule"):
        _table(state[name], name)
    epochs = [*state["history"], state["trained"]] if state.get("trained") else state["history"]
    learnt = any(epoch["train_loss"] is not None for epoch in epochs)
    if learnt and not state["optimizer"]["state"]:
        raise ValueError(f"optimizer.state is empty after {len(epochs)} epochs")


def _check_row(row: Any, name: str) -> None:
    """A row of the history, as ``dataclasses.asdict`` makes it."""
    _table(row, name)
    needed = {item.name: item.default is MISSING for item in fields(EpochRow) if item.name != "extra_accuracies"}
    needed |= {column(target): False for target in EXTRA_TARGETS}
    if unknown := sorted(row.keys() - needed.keys(), key=str):
        raise ValueError(f"{name} has the unknown field {unknown[0]!r:.40}")
    for field, is_needed in needed.items():
        if field in row or is_needed:
            _ROW.get(field, _or_none(_number(0, 1)))(row[field], f"{name}.{field}")


def _check_best(best: Any, epochs: int) -> None:
    _table(best, "best")
    if unknown := sorted(best.keys() - {"epoch", "mean_iu", "matrix"}, key=str):
        raise ValueError(f"best has the unknown field {unknown[0]!r:.40}")
    _whole(1, epochs)(best["epoch"], "best.epoch")
    _or_none(_number(0, 1))(best["mean_iu"], "best.mean_iu")
    _sequence(best["matrix"], "best.matrix")
    for number, row in enumerate(best["matrix"]):
        _list_of(_whole(0))(row, f"best.matrix[{number}]")
        if len(row) != len(best["matrix"]):
            raise ValueError(f"best.matrix[{number}] has {len(row)} entries, expected {len(best['matrix'])}")


def _check_trained(trained: Any, epoch: int) -> None:
    """An epoch that is not validated yet."""
    _table(trained, "trained")
    if unknown := sorted(trained.keys() - _TRAINED.keys(), key=str):
        raise ValueError(f"trained has the unknown field {unknown[0]!r:.40}")
    for field, check in _TRAINED.items():
        check(trained[field], f"trained.{field}")
    if trained["epoch"] != epoch:
        raise ValueError(f"trained.epoch must be {epoch}, got {trained['epoch']}")


def _whole(least: int, most: int | None = None) -> Check:
    """A whole number from ``least`` to ``most``."""
    wanted = f"at least {least}" if most is None else f"{least} to {most}"

    def check(value: Any, name: str) -> None:
        if type(value) is not int or value < least or (most is not None and value > most):
            raise ValueError(f"{name} must be a whole number of {wanted}, got {_shown(value)}")

    return check


def _number(least: float, most: float = math.inf) -> Check:
    """A finite number from ``least`` to ``most``."""

    def check(value: Any, name: str) -> None:
        if type(value) not in (int, float) or not least <= value <= most or abs(value) == math.inf:
            bounds = "" if (least, most) == (-math.inf, math.inf) else f" of {least:g} to {most:g}"
            raise ValueError(f"{name} must be a finite number{bounds}, got {_shown(value)}")

    return check


def _or_none(check: Check) -> Check:
    return lambda value, name: None if value is None else check(value, name)


def _list_of(check: Check) -> Check:
    def each(value: Any, name: str) -> None:
        _sequence(value, name)
        for number, part in enumerate(value):
            check(part, f"{name}[{number}]")

    return each


def _pair(check: Check) -> Check:
    def both(value: Any, name: str) -> None:
        _list_of(check)(value, name)
        if len(value) != 2:
            raise ValueError(f"{name} must have 2 entries, got {len(value)}")

    return both


def _text(value: Any, name: str) -> None:
    if not isinstance(value, str):
        raise ValueError(f"{name} must be a text, got {_shown(value)}")


def _table(value: Any, name: str) -> None:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} must be a table, got {_shown(value)}")


def _sequence(value: Any, name: str) -> None:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError(f"{name} must be a list, got {_shown(value)}")


def _shown(value: Any) -> str:
    """A plain value, or what kind of one it is."""
    plain = value is None or isinstance(value, (bool, float, str)) or (type(value) is int and abs(value) < 2**64)
    return f"{value!r:.40}" if plain else f"a {type(value).__name__}"


_ANY = _number(-math.inf)
_ROW: Mapping[str, Check] = {
    "epoch": _whole(1),
    "lr": _number(0),
    "train_loss": _or_none(_ANY),
    "val_loss": _or_none(_ANY),
    "iu": _list_of(_or_none(_number(0, 1))),
    "skipped_batches": _whole(0),
    "seconds": _number(0),
    "waited": _number(0),
}
"""Of the fields of a row; those that are not here are scores."""

_TRAINED: Mapping[str, Check] = {
    "epoch": _whole(1),
    "lr": _number(0),
    "train_loss": _or_none(_ANY),
    "skipped": _whole(0),
    "seconds": _number(0),
    "waited": _number(0),
}
