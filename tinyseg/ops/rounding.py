"""Steps: sign, floor, ceil and round. Between their jumps they are level, so their gradient is 0."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ..autograd import Op
from ..tensor import Tensor, bool_, operator
from .common import need_tensor, new_like
from .elementwise import unary


class Step(Op):
    """Level almost everywhere."""

    @staticmethod
    def forward(ctx: Any, kernel: str, x: Tensor) -> Tensor:
        """``kernel`` is sign, floor, ceil or rint."""
        return unary(kernel, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """0, also at the jumps."""
        return None, new_like(grad).zero_()


@operator
def sign(input: Tensor) -> Tensor:
    """-1, 0 or 1, of input's type; NaN of NaN. The gradient is 0.

    >>> import tinyseg
    >>> sign(tinyseg.tensor([-0.5, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """
    x = need_tensor("sign", "input", input, floating=False)
    return x.clone() if x.dtype == bool_ else Step.apply("sign", x)


def _whole(who: str, kernel: str, x: Tensor) -> Tensor:
    if need_tensor(who, "input", x, floating=False).dtype == bool_:
        raise TypeError(f"{who}: input must be a number, got bool; .long() converts it")
    return Step.apply(kernel, x) if x.is_floating_point else x.clone()


@operator
def floor(input: Tensor) -> Tensor:
    """The largest whole number that is not above input. The gradient is 0; integers are copied.

    >>> import tinyseg
    >>> floor(tinyseg.tensor([-1.5, 2.7]))
    tensor([-2.,  2.])
    """
    return _whole("floor", "floor", input)


@operator
def ceil(input: Tensor) -> Tensor:
    """The smallest whole number that is not below input. The gradient is 0; integers are copied.

    >>> import tinyseg
    >>> ceil(tinyseg.tensor([-1.5, 2.2]))
    tensor([-1.,  3.])
    """
    return _whole("ceil", "ceil", input)


@operator
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
        return _whole("round", "rint", input)
    x, scale = need_tensor("round", "input", input), 10.0 ** abs(decimals)
    if decimals > 0:
        return Step.apply("rint", x * scale) / scale
    return Step.apply("rint", x / scale) * scale
