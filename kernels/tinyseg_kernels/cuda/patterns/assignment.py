"""Elements copied from array to array, with any strides and types, and one value put everywhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..runtime.compiler import NUMBERS
from .loops import Operation, Strided, apply

_casts = [f"{source}* {target}*" for source in NUMBERS for target in NUMBERS]
_assign = Operation("assign", lambda x: x, *_casts, kinds=("",))
_truth = Operation("truth", lambda x: x != 0, *(f"{source}* u1*" for source in NUMBERS), kinds=("",))
_fill = Operation("fill", lambda x: x, "T T*", kinds=NUMBERS)


def assign(x: Any, out: Strided) -> None:
    """x, broadcast and cast."""
    apply(_truth if out.dtype.kind == "b" else _assign, out, x)


def deliver(values: Strided, out: Strided) -> None:
    """``out`` = values, unless these are ``out`` itself (see ``row_major_like``)."""
    if values is not out:
        assign(values, out)


def fill(out: Strided, value: float) -> None:
    """One value everywhere."""
    stored = np.dtype(np.uint8) if out.dtype.kind == "b" else out.dtype
    with np.errstate(all="ignore"):
        cast = np.asarray(value).astype(out.dtype).astype(stored)
    apply(_fill, out, cast[()])
