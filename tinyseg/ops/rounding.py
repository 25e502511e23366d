"""Steps: sign, floor, ceil and round. Between their jumps they are level, so their gradient is 0."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral
from typing import Any

from ..autograd import Op
from ..tensor_base import Tensor, bool_
from .common import filled, need_tensor, new_like
from .copying import clone
from .elementwise import divide, multiply, unary

__all__ = ["ceil", "floor", "round", "sign"]


class Step(Op):
    """Level almost everywhere."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, kernel: Callable[..., None], x: Tensor) -> Tensor:
        """``kernel`` is the backend's sign, floor, ceil or rint."""
        return unary(kernel, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """0, also at the jumps."""
        return None, filled(new_like(grad), 0)


def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1, of input's type; NaN of NaN. The gradient is 0.

    >>> import tinyseg
    >>> sign(tinyseg.tensor([-0.5, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    x = need_tensor("sign", "input", input, floating=False)
    return clone(x) if x.dtype == bool_ else Step.apply(x.backend.sign, x)


def _number(who: str, x: Tensor) -> Tensor:
    if need_tensor(who, "input", x, floating=False).dtype == bool_:
        raise TypeError(f"{who}: input must be a number, got bool; .long() converts it")
    return x


def _whole(kernel: Callable[..., None], x: Tensor) -> Tensor:
    """Integers are whole already."""
    result: Tensor = Step.apply(kernel, x) if x.is_floating_point else clone(x)
    return result


def floor(input: Tensor) -> Tensor:
    """The largest whole number that is not above input. The gradient is 0; integers are copied.

    >>> import tinyseg
    >>> floor(tinyseg.tensor([-1.5, 2.7]))
    tensor([-2.,  2.])
    """
    x = _number("floor", input)
    return _whole(x.backend.floor, x)


def ceil(input: Tensor) -> Tensor:
    """The smallest whole number that is not below input. The gradient is 0; integers are copied.

    >>> import tinyseg
    >>> ceil(tinyseg.tensor([-1.5, 2.2]))
    tensor([-1.,  3.])
    """
    x = _number("ceil", input)
    return _whole(x.backend.ceil, x)


def round(input: Tensor, *, decimals: int = 0) -> Tensor:
    """The nearest whole number, of two equally near ones the even one; or the nearest multiple of 10 ** -decimals.

    The gradient is 0; integers are copied. Raises ``TypeError`` for bools, and for integers with ``decimals``.

    >>> import tinyseg
    >>> round(tinyseg.tensor([0.5, 1.5, -2.6]))
    tensor([ 0.,  2., -3.])
    """
    if not isinstance(decimals, Integral) or isinstance(decimals, bool):
        raise TypeError(f"round: decimals must be an int, got {decimals!r}")
    if not decimals:
        x = _number("round", input)
        return _whole(x.backend.rint, x)
    x, scale = need_tensor("round", "input", input), 10.0 ** abs(decimals)
    if decimals > 0:
        return divide(Step.apply(x.backend.rint, multiply(x, scale)), scale)
    return multiply(Step.apply(x.backend.rint, divide(x, scale)), scale)
