"""The matrix product, and the fully connected layer made of it."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Op
from ..geometry import Field, InputField
from ..tensor_base import Tensor
from .common import broadcast_shape, need_same_type, need_tensor, new
from .elementwise import add
from .shape import expand, reshape, transpose

__all__ = ["linear", "matmul"]


def _swapped(x: Tensor) -> Tensor:
    return transpose(x, -1, -2)


def _product(a: Tensor, b: Tensor) -> Tensor:
    out = new(a, (*a.shape[:-1], b.shape[-1]))
    a.backend.matmul(a.array, b.array, out.array)
    return out


class Matmul(Op):
    """d(A B) = dA B + A dB, so the gradients are G B^T and A^T G."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor) -> Tensor:
        """Leading dimensions are equal."""
        ctx.save_for_backward(a, b)
        return _product(a, b)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """See the class."""
        a, b = ctx.saved_tensors
        return (
            _product(grad, _swapped(b)) if ctx.needs_input_grad[0] else None,
            _product(_swapped(a), grad) if ctx.needs_input_grad[1] else None,
        )

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Rows and columns are summed over."""
        return inputs.whole_image()

    @staticmethod
    def multiply_adds(ctx: Any, shape: tuple[int, ...]) -> int:
        """Each element is the product of a row and a column."""
        return math.prod(shape) * int(ctx.saved_tensors[0].shape[-1])


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product over the last two dimensions; vectors and leading dimensions are treated as PyTorch does.

    Raises ``ValueError`` if the inner sizes differ.

    >>> import tinyseg
    >>> tinyseg.matmul(tinyseg.tensor([[1.0, 2.0]]), tinyseg.tensor([3.0, 4.0]))
    tensor([11.])
    """
    a, b = need_tensor("matmul", "input", input), need_tensor("matmul", "other", other)
    need_same_type("matmul", input=a, other=b)
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: both tensors must have at least one dimension; * multiplies by a number")
    row, column = a.ndim == 1, b.ndim == 1
    a = reshape(a, 1, -1) if row else a
    b = reshape(b, -1, 1) if column else b
    if a.shape[-1] != b.shape[-2]:
        raise ValueError(
            f"matmul: input of shape {input.shape} has rows of {a.shape[-1]} elements but other of shape "
            f"{other.shape} has columns of {b.shape[-2]}"
        )
    if b.ndim == 2 and a.ndim > 2:  # one matrix for all: a single tall product
        out = Matmul.apply(reshape(a, math.prod(a.shape[:-1]), a.shape[-1]), b)
        out = reshape(out, (*a.shape[:-1], b.shape[-1]))
    else:
        leading = broadcast_shape("matmul", a.shape[:-2], b.shape[:-2])
        out = Matmul.apply(expand(a, (*leading, *a.shape[-2:])), expand(b, (*leading, *b.shape[-2:])))
    shape = out.shape
    if row or column:
        shape = (*shape[:-2], *(() if row else shape[-2:-1]), *(() if column else shape[-1:]))
    return out.reshape(shape)


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """y = x weight^T + bias.

    Args:
        input: x, float (..., features).
        weight: (outputs, features).
        bias: (outputs,) or None.

    Returns:
        (..., outputs).

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    >>> import tinyseg
    >>> linear(tinyseg.tensor([1.0, 2.0]), tinyseg.tensor([[3.0, 4.0]]), tinyseg.tensor([0.5]))
    tensor([11.5])
    """
    need_tensor("linear", "input", input)
    need_tensor("linear", "weight", weight, 2)
    need_same_type("linear", input=input, weight=weight, bias=bias)
    if input.ndim < 1 or input.shape[-1] != weight.shape[1]:
        raise ValueError(
            f"linear: input of shape {input.shape} must have {weight.shape[1]} features, as weight of shape "
            f"{weight.shape} expects"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ValueError(f"linear: bias must have shape {weight.shape[:1]}, got {bias.shape}")
    out = matmul(input, transpose(weight, -1, -2))
    return out if bias is None else add(out, bias)
