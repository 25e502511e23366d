"""What rows of the table are."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tinyseg
from tinyseg.op_calls import CALLS
from tinyseg.op_calls.table import Array

NO_TORCH = "PyTorch has no such operator"


@dataclass(frozen=True, eq=False)
class Case:
    """A row of the table.

    ``inputs``: float64 arrays are given in each of ``dtypes`` in turn and, if ``gradient``, require a gradient;
    others stay as they are. ``expected(*inputs)`` gives an array or a tuple. ``tolerance``: of float32, relative to
    the largest element. ``batch``: the inputs whose first dimension counts images and may be 0. ``torch``: why
    PyTorch is not to be compared with, if it is not.
    """

    name: str
    function: Callable[..., Any]
    inputs: tuple[Array, ...]
    expected: Callable[..., Any]
    gradient: bool = True
    tolerance: float = 1e-5
    batch: tuple[int, ...] = ()
    dtypes: tuple[str, ...] = ("float32", "float64")
    torch: str = ""

    def __str__(self) -> str:
        return self.name

    def arrays(self, dtype: str) -> list[Array]:
        """The inputs in a floating type."""
        return [x.astype(dtype) if x.dtype.kind == "f" else x.copy() for x in self.inputs]

    @functools.cache  # noqa: B019 - rows live as long as the program
    def wanted(self, dtype: str) -> list[Array]:
        """What is expected of ``arrays(dtype)``, computed in float64."""
        result = self.expected(*(x.astype(np.float64) if x.dtype.kind == "f" else x for x in self.arrays(dtype)))
        return [np.asarray(y) for y in (result if isinstance(result, tuple) else (result,))]


CASES: list[Case] = []


def case(name: str, function: Callable[..., Any], *inputs: Any, expected: Any, **options: Any) -> None:
    """Add a row; an ``expected`` that is no function is the value itself."""
    answer = expected if callable(expected) else lambda *_: np.asarray(expected)
    CASES.append(Case(name, function, tuple(np.asarray(x) for x in inputs), answer, **options))


_CALLS = {call.name: call for calls in CALLS.values() for call in calls}


def expect(name: str, expected: Any, **options: Any) -> None:
    """Add a row of the call of that name in ``tinyseg.op_calls``, which has its function and inputs."""
    if name not in _CALLS:
        raise LookupError(f"expect({name!r}): no call of that name; add one to tinyseg/op_calls first")
    call = _CALLS[name]
    case(name, call.function, *call.arrays, expected=expected, **options)


def of_two(operate: Callable[[Any, Any], Any]) -> Callable[..., Any]:
    """A row's function from one of two operands."""
    return lambda t, a, b: operate(a, b)


def named(name: str) -> Callable[..., Any]:
    """A row's function: the API's function of that name."""
    return lambda t, *inputs: getattr(t, name)(*inputs)


@dataclass(frozen=True)
class BadCall:
    """A call, the type of the error, and a piece of its message: what came, or what to do about it."""

    name: str
    call: Callable[[], Any]
    error: type[Exception]
    message: str

    def __str__(self) -> str:
        return self.name


BAD_CALLS: list[BadCall] = []


def bad(name: str, call: Callable[[], Any], error: type[Exception], message: str) -> None:
    """Add a call that must be refused."""
    BAD_CALLS.append(BadCall(name, call, error, message))


def zeros(*shape: int, dtype: str = "float32") -> Any:
    """Tensors of the default device, made when the call is."""
    return tinyseg.zeros(shape, dtype=dtype)


def both(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)
