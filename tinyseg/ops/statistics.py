"""Variance, standard deviation and the Euclidean norm."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Dims, Number, Tensor
from .common import dimensions, need_tensor
from .elementwise import abs, divide, equal, multiply, sqrt, subtract, where
from .reduce import amax, reduced, sum, without

__all__ = ["norm", "std", "var"]


class Variance(Op):
    """v = sum (x - m)^2 / f has slope 2 (x - m) / f: through the mean m nothing flows, since the x - m add up to 0.
    Its root s has slope (x - m) / (f s), and 0 where all elements are equal.
    """

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: tuple[int, ...], freedom: Number, root: bool) -> Tensor:
        """``freedom``: what is divided by; dimensions are kept with size 1."""
        count = math.prod(x.shape[i] for i in axes)
        apart = subtract(x, multiply(reduced(x.backend.sum, x, axes), 1.0 / max(count, 1)))
        out = divide(reduced(x.backend.sum, multiply(apart, apart), axes), freedom)
        out = sqrt(out) if root else out
        ctx.freedom, ctx.root = freedom, root
        ctx.save_for_backward(apart, out if root else None)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """See the class."""
        apart, deviation = ctx.saved_tensors
        if ctx.root:
            slope = where(equal(deviation, 0.0), 0.0, divide(grad, multiply(deviation, ctx.freedom)))
        else:
            slope = divide(multiply(grad, 2.0), ctx.freedom)
        return multiply(apart, slope), None, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image along a dimension that is reduced."""
        return inputs.unit_by_unit()


class Norm(Op):
    """sqrt(sum x^2) has slope x / norm; 0 at the origin, where it has none, as PyTorch's."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, axes: tuple[int, ...]) -> Tensor:
        """Dimensions are kept with size 1."""
        out = sqrt(reduced(x.backend.sum, multiply(x, x), axes))
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """See the class."""
        x, out = ctx.saved_tensors
        return multiply(x, where(equal(out, 0.0), 0.0, divide(grad, out))), None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image along a dimension that is reduced."""
        return inputs.unit_by_unit()


def _spread(
    who: str, x: Tensor, dim: Any, unbiased: bool | None, keepdim: bool, correction: Number | None, root: bool
) -> Tensor:
    need_tensor(who, "input", x)
    if isinstance(dim, bool):  # PyTorch's var(unbiased)
        dim, unbiased = None, dim
    if unbiased is not None and correction is not None:
        raise TypeError(f"{who}: give unbiased or correction, not both; unbiased=True is correction=1")
    if correction is None:
        correction = 0 if unbiased is False else 1
    if isinstance(correction, bool) or not isinstance(correction, (int, float)):
        raise TypeError(f"{who}: correction must be a number, got {correction!r}")
    axes = dimensions(who, dim, x.ndim)
    freedom = max(0.0, math.prod(x.shape[i] for i in axes) - correction)
    return without(Variance.apply(x, axes, freedom, root), axes, keepdim)


def var(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """Variance over ``dim`` (an int, several, or all): sum (x - mean)^2 / max(0, n - correction).

    ``correction`` is 1 (Bessel's) by default; ``unbiased=False`` makes it 0. NaN or infinite where n is not larger
    than it. Raises ``TypeError`` for integers.

    >>> import tinyseg
    >>> var(tinyseg.tensor([1.0, 3.0]))
    tensor(2.)
    >>> var(tinyseg.tensor([1.0, 3.0]), correction=0)
    tensor(1.)
    """
    return _spread("var", input, dim, unbiased, keepdim, correction, root=False)


def std(
    input: Tensor,
    dim: Dims | bool = None,
    unbiased: bool | None = None,
    keepdim: bool = False,
    *,
    correction: Number | None = None,
) -> Tensor:
    """Standard deviation over ``dim``: the square root of ``var``, which see. Its gradient is 0 where it is 0.

    >>> import tinyseg
    >>> std(tinyseg.tensor([[1.0, 3.0], [5.0, 5.0]]), 1, correction=0)
    tensor([1., 0.])
    """
    return _spread("std", input, dim, unbiased, keepdim, correction, root=True)


def norm(input: Tensor, p: Number | str = "fro", dim: Dims = None, keepdim: bool = False) -> Tensor:
    """Length over ``dim`` (an int, several, or all): ``(sum |x|^p)^(1/p)`` for ``p`` of 1, 2 (or "fro") or infinity.

    At the origin the gradient is 0. Raises ``ValueError`` for another ``p`` and ``TypeError`` for integers.

    >>> import tinyseg
    >>> norm(tinyseg.tensor([3.0, -4.0]))
    tensor(5.)
    """
    x = need_tensor("norm", "input", input)
    axes = dimensions("norm", dim, x.ndim)
    if p in (2, "fro"):
        return without(Norm.apply(x, axes), axes, keepdim)
    if p == 1:
        return sum(abs(x), axes, keepdim)
    if p == math.inf:
        return amax(abs(x), axes, keepdim)
    raise ValueError(f"norm: p must be 1, 2, 'fro' or inf, got {p!r}; others are x.abs().pow(p).sum().pow(1 / p)")
