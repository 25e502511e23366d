"""Every operator's gradient against differences."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ...errors import InputError
from ...gradcheck import ATOL, RTOL, compare
from ...op_calls import CALLS


@dataclass(frozen=True)
class GradientCheck:
    """How an operator did: the largest error of its calls' gradients, relative to the largest slope if that is
    above 1, and whether every element is within ``gradcheck``'s tolerance.
    """

    operator: str
    error: float
    passed: bool


def check_gradients(operators: Sequence[str] = ()) -> Iterator[GradientCheck]:
    """Compare the gradients of operators (all, if none is named) with central differences in float64, on the default
    device: their calls are those of ``op_calls``.

    Raises ``InputError`` for an operator that is not there.

    >>> [check] = check_gradients(["tanh"])
    >>> check.operator, check.error < 1e-8, check.passed
    ('tanh', True, True)
    """
    for name in operators:
        if name not in CALLS:
            near = difflib.get_close_matches(name, CALLS) or sorted(CALLS)
            raise InputError(f"no operator {name!r} has a gradient to check; there are {', '.join(near)}")
    for name in operators or CALLS:
        found = [part for call in CALLS[name] for part in compare(call, call.inputs())]
        passed = not any(part.wrong(ATOL, RTOL).any() for part in found)
        yield GradientCheck(name, max(part.error for part in found), passed)
