"""Values of options from texts, as they are on the command line and may be in files."""

from __future__ import annotations

import math
import re
from typing import Any

from ..errors import InputError
from .values import Size, convert


def parse_size(text: str, option: str = "size") -> Size:
    """``180x240`` as (height, width); raises ``InputError`` for other texts.

    >>> parse_size("180x240")
    (180, 240)
    """
    found = re.fullmatch("([0-9]+)x([0-9]+)", text.lower())
    if not found or not all(int(part) for part in found.groups()):
        raise InputError(f"--{option}: expected HEIGHTxWIDTH, such as 180x240, got {text!r}")
    return int(found[1]), int(found[2])


def parse_crop(text: str) -> Size:
    """The same of ``--crop``."""
    return parse_size(text, "crop")


def read_size(value: Any, name: str) -> Size:
    """``[180, 240]``, from a file, as (height, width); raises ``InputError`` for other values."""
    try:
        height, width = convert(value, tuple[int, int], name)
    except InputError as error:
        raise InputError(f'{error}, height and width: {name} = [180, 240], or "180x240"') from error
    return parse_size(f"{height}x{width}", name)


def parse_milestones(text: str) -> tuple[int, ...]:
    """``30,60`` as (30, 60); raises ``InputError`` for other texts."""
    if not re.fullmatch("[0-9]+(,[0-9]+)*", text):
        raise InputError(f"--milestones: expected epochs, such as 30,60, got {text!r}")
    return tuple(int(part) for part in text.split(","))


def parse_rates(*texts: str) -> dict[str, float]:
    """``fc8=10,up.0=0.5``, in one text or several, as a dict; raises ``InputError`` for other texts, and for a name
    that comes twice.

    >>> parse_rates("fc8=10,up.0=0.5")
    {'fc8': 10.0, 'up.0': 0.5}
    """
    found: dict[str, float] = {}
    for part in ",".join(texts).split(","):
        name, _, times = (piece.strip() for piece in part.partition("="))
        try:
            factor = float(times)
        except ValueError:
            factor = math.nan
        if not name or math.isnan(factor):
            raise InputError(f"--rate-of: expected PREFIX=TIMES, such as fc8=10, got {part!r}")
        if name in found:
            raise InputError(f"--rate-of: {name} comes twice")
        found[name] = factor
    return found


def parse_prefixes(*texts: str) -> tuple[str, ...]:
    """Each text is a prefix of names, as it is."""
    return texts


def parse_loss_options(text: str) -> dict[str, Any]:
    """``alpha=0.3,classes=present`` as a dict: numbers as numbers. Raises ``InputError`` for a part without ``=``.

    >>> parse_loss_options("alpha=0.3,classes=present")
    {'alpha': 0.3, 'classes': 'present'}
    """
    found: dict[str, Any] = {}
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise InputError(f"--loss-options: expected NAME=VALUE, separated by commas, got {part!r}")
        try:
            found[name] = float(value)
        except ValueError:
            found[name] = value
    return found


def parse_border_weights(text: str) -> tuple[float, float]:
    """``10,5`` as (10.0, 5.0), w0 and sigma; raises ``InputError`` for other texts."""
    try:
        w0, sigma = (float(part) for part in text.split(","))
    except ValueError:
        raise InputError(f"--border-weights: expected W0,SIGMA, such as 10,5, got {text!r}") from None
    return w0, sigma
