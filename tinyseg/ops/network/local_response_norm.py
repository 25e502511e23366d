"""Local response normalisation over neighbouring channels (Krizhevsky, Sutskever and Hinton 2012)."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import new_like
from ..shape import reshape
from .batch_norm import check
from .images import as_images

__all__ = ["local_response_norm"]


class LocalResponseNorm(Op):
    """y = x / (k + alpha / size * the sum of squares over a window of channels) ** beta."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: int, alpha: float, beta: float, k: float) -> Tensor:
        """The denominator is not kept: it costs less to compute it again."""
        out = new_like(x)
        ctx.numbers = size, alpha, beta, k
        ctx.save_for_backward(x)
        x.backend.local_response_norm(x.array, out.array, *ctx.numbers)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Through the numerator and all denominators that a channel is in."""
        (x,) = ctx.saved_tensors
        out = new_like(x)
        x.backend.local_response_norm_backward(grad.array, x.array, out.array, *ctx.numbers)
        return out, None, None, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Windows lie along the channels."""
        return inputs.unit_by_unit()


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Local response normalisation: y_c = x_c / (k + alpha / size * sum_{c'} x_c'^2)^beta, the sum over ``size``
    channels c' = c - size // 2, ..., c + (size - 1) // 2, as far as there are.

    AlexNet has size 5, alpha 5e-4 (its sum is not divided by size: 1e-4 there), beta 0.75 and k 2; GoogLeNet
    size 5, alpha 1e-4, beta 0.75 and k 1.

    Args:
        input: float (N, C, H, W), or (N, C, L) and so on.
        size: how many channels.
        alpha, beta, k: see above.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3.

    >>> import tinyseg
    >>> local_response_norm(tinyseg.tensor([[[2.0], [0.0], [1.0]]]), 2, alpha=2.0, beta=1.0)
    tensor([[[0.4],
             [0. ],
             [0.5]]])
    """
    who = "local_response_norm"
    check(who, input, 3)
    if not isinstance(size, Integral) or size < 1:
        raise ValueError(f"{who}: size must be an int of at least 1, got {size!r}")
    y: Tensor = LocalResponseNorm.apply(as_images(input), int(size), float(alpha), float(beta), float(k))
    return y if input.ndim == 4 else reshape(y, input.shape)
