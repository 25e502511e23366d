"""Functions of one number beside those of ``elementwise.py``: sine, logarithm of 1 + x, reciprocals."""

from __future__ import annotations

from typing import Any

from ..autograd import Op
from ..tensor_base import Tensor
from .elementwise import add, as_floating, divide, multiply, negative, sqrt, unary

__all__ = ["cos", "expm1", "log1p", "reciprocal", "rsqrt", "sin"]


class Sin(Op):
    """d(sin x) = cos(x) dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Sine."""
        ctx.save_for_backward(x)
        return unary(x.backend.sin, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """grad * cos(x)."""
        (x,) = ctx.saved_tensors
        return multiply(grad, unary(x.backend.cos, x))


class Cos(Op):
    """d(cos x) = -sin(x) dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Cosine."""
        ctx.save_for_backward(x)
        return unary(x.backend.cos, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """-grad * sin(x)."""
        (x,) = ctx.saved_tensors
        return negative(multiply(grad, unary(x.backend.sin, x)))


class Log1p(Op):
    """d(log(1 + x)) = dx / (1 + x)."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """log(1 + x)."""
        ctx.save_for_backward(x)
        return unary(x.backend.log1p, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """grad / (1 + x)."""
        (x,) = ctx.saved_tensors
        return divide(grad, add(x, 1.0))


class Expm1(Op):
    """d(e^x - 1) = e^x dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """e ** x - 1."""
        out = unary(x.backend.expm1, x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """grad * (y + 1)."""
        (y,) = ctx.saved_tensors
        return multiply(grad, add(y, 1.0))


def sin(input: Tensor) -> Tensor:
    """Sine of an angle in radians; NaN of infinity. Integers become float32.

    >>> import tinyseg
    >>> sin(tinyseg.tensor([0.0, 0.5]))
    tensor([0.        , 0.47942555])
    """
    return Sin.apply(as_floating("sin", input))


def cos(input: Tensor) -> Tensor:
    """Cosine of an angle in radians; NaN of infinity. Integers become float32.

    >>> import tinyseg
    >>> cos(tinyseg.tensor([0.0, 0.5]))
    tensor([1.        , 0.87758255])
    """
    return Cos.apply(as_floating("cos", input))


def log1p(input: Tensor) -> Tensor:
    """log(1 + input), with all its digits also where input is small; -inf of -1 and NaN below.

    >>> import tinyseg
    >>> log1p(tinyseg.tensor([0.0, 1e-10]))
    tensor([0.e+00, 1.e-10])
    """
    return Log1p.apply(as_floating("log1p", input))


def expm1(input: Tensor) -> Tensor:
    """e ** input - 1, with all its digits also where input is small.

    >>> import tinyseg
    >>> expm1(tinyseg.tensor([0.0, 1e-10]))
    tensor([0.e+00, 1.e-10])
    """
    return Expm1.apply(as_floating("expm1", input))


def reciprocal(input: Tensor) -> Tensor:
    """1 / input; infinity of 0. Integers become float32.

    >>> import tinyseg
    >>> reciprocal(tinyseg.tensor([2.0, 0.0]))
    tensor([0.5, inf])
    """
    return divide(1.0, as_floating("reciprocal", input))


def rsqrt(input: Tensor) -> Tensor:
    """1 / sqrt(input); infinity of 0 and NaN below. Integers become float32.

    >>> import tinyseg
    >>> rsqrt(tinyseg.tensor([4.0, 0.25]))
    tensor([0.5, 2. ])
    """
    return divide(1.0, sqrt(as_floating("rsqrt", input)))
