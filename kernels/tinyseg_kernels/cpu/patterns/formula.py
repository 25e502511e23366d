"""Element-wise kernels declared by the formula of one element.

A decorated function computes one element of ``out`` from the operands' elements::

    @unary
    def sqrt(x):
        return math.sqrt(x)

and becomes the kernel ``sqrt(x, out)``, a loop over memory (``loops.py``) that is compiled at its first call. Each
list of arguments that several kernels share has a decorator. A kernel that has variants, or a list of arguments of
its own, is a plain function that calls ``apply`` with a loop.

A formula uses the functions of ``vector/scalar.py``, and ``typed(2, x)`` for the constant 2 in the type of x: a plain
number makes float64 of float32. Functions of its own that it calls are marked ``@inlined``.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

from ..runtime.layout import Array
from .loops import compile_loop
from .operands import apply, operands

Formula = Callable[..., Any]
F = TypeVar("F", bound=Callable[..., None])


class Unary(Protocol):
    """``out`` from one array."""

    def __call__(self, x: Array, out: Array) -> None:
        """Compute ``out = formula(x)``."""


class Binary(Protocol):
    """``out`` from two operands, which are broadcast; either may be a number."""

    def __call__(self, a: Any, b: Any, out: Array) -> None:
        """Compute ``out = formula(a, b)``."""


class OutputGradient(Protocol):
    """The gradient of an activation from its output y."""

    def __call__(self, grad: Array, y: Array, out: Array) -> None:
        """Compute ``out = formula(grad, y)``."""


class Loss(Protocol):
    """Losses of single elements; the target may be a number."""

    def __call__(self, x: Array, target: Array, out: Array) -> None:
        """Compute ``out = formula(x, target)``."""


class LossGradient(Protocol):
    """The gradient of such a loss with respect to x."""

    def __call__(self, grad: Array, x: Array, target: Array, out: Array) -> None:
        """Compute ``out = formula(grad, x, target)``."""


def unary(formula: Formula) -> Unary:
    """The kernel ``out = formula(x)``."""
    loop = compile_loop(formula.__name__, formula)

    def function(x: Array, out: Array) -> None:
        apply(loop, out, *operands(out, x))

    return _named_as(formula, function)


def binary(formula: Formula) -> Binary:
    """The kernel ``out = formula(a, b)``."""
    loop = compile_loop(formula.__name__, formula)

    def function(a: Any, b: Any, out: Array) -> None:
        apply(loop, out, *operands(out, a, b))

    return _named_as(formula, function)


def output_gradient(formula: Formula) -> OutputGradient:
    """The kernel ``out = formula(grad, y)``."""
    loop = compile_loop(formula.__name__, formula)

    def function(grad: Array, y: Array, out: Array) -> None:
        apply(loop, out, *operands(out, grad, y))

    return _named_as(formula, function)


def loss(formula: Formula) -> Loss:
    """The kernel ``out = formula(x, target)``."""
    loop = compile_loop(formula.__name__, formula)

    def function(x: Array, target: Array, out: Array) -> None:
        apply(loop, out, *operands(out, x, target))

    return _named_as(formula, function)


def loss_gradient(formula: Formula) -> LossGradient:
    """The kernel ``out = formula(grad, x, target)``."""
    loop = compile_loop(formula.__name__, formula)

    def function(grad: Array, x: Array, target: Array, out: Array) -> None:
        apply(loop, out, *operands(out, grad, x, target))

    return _named_as(formula, function)


def _named_as(formula: Formula, function: F) -> F:
    """``function`` with the formula's name, module, docstring and source, but its own arguments."""
    own = inspect.signature(function)
    functools.update_wrapper(function, formula, ("__module__", "__name__", "__qualname__", "__doc__"), ())
    function.__signature__ = own  # type: ignore[attr-defined]
    return function
