"""Batch normalisation (Ioffe and Szegedy 2015)."""

from __future__ import annotations

from typing import Any

from ...autograd import Op, no_grad
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import array_or_none, need_same_type, need_tensor, new, new_like, with_relu
from ..copying import clone
from ..elementwise import add, divide, multiply, sqrt
from ..inplace import lerp_
from ..shape import reshape
from .images import as_images

__all__ = ["batch_norm"]


class BatchNorm(Op):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, channel by channel, and ReLU if asked for."""

    multiplies_little = True

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        mean: Tensor,
        rstd: Tensor,
        own: bool,
        relu: bool,
    ) -> Tensor:
        """``own``: mean and rstd are the batch's, and move with x; else they are constants."""
        out = new_like(x)
        ctx.own, ctx.relu = own, relu
        ctx.save_for_backward(x, mean, rstd, weight, bias if relu else None)
        factors = (mean.array, rstd.array, array_or_none(weight), array_or_none(bias))
        x.backend.batch_norm(x.array, *factors, out.array, relu)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The sums that are the gradients of weight and bias are what x's gradient is made of, too."""
        x, *factors = ctx.saved_tensors
        given = (grad.array, x.array, *(array_or_none(v) for v in factors))
        by_x = by_weight = by_bias = None
        if ctx.own or any(ctx.needs_input_grad[1:3]):
            by_weight, by_bias = new(x, x.shape[1:2]), new(x, x.shape[1:2])
            x.backend.batch_norm_sums(*given, by_weight.array, by_bias.array, ctx.relu)
        if ctx.needs_input_grad[0]:
            by_x = new_like(x)
            sums = (array_or_none(by_weight), array_or_none(by_bias)) if ctx.own else (None, None)
            x.backend.batch_norm_backward(*given, *sums, by_x.array, ctx.relu)
        return by_x, by_weight, by_bias, None, None, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """In evaluation mean and variance are constants. That in training every pixel moves them is not counted, as
        it is not in papers.
        """
        return inputs.unit_by_unit()


def check(who: str, x: Tensor, least: int = 2, **channels: Tensor | None) -> None:
    """Raises ``TypeError`` or ``ValueError`` unless ``input`` is N,C and so on, of ``least`` dimensions or more, and
    the others have one number for each channel.
    """
    if need_tensor(who, "input", x).ndim < least:
        raise ValueError(
            f"{who}: input must be {'N,C,L'[: 2 * least - 1]} or of more dimensions, got shape {x.shape}"
        )
    need_same_type(who, input=x, **channels)
    for name, v in channels.items():
        if v is not None and v.shape != x.shape[1:2]:
            raise ValueError(
                f"{who}: {name} must have shape ({x.shape[1]},), one for each channel of input, got {v.shape}"
            )
    if (channels.get("running_mean") is None) != (channels.get("running_var") is None):
        raise ValueError(f"{who}: give both running_mean and running_var, or neither")


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    activation: str | None = None,
) -> Tensor:
    """Batch normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, channel by channel.

    In training mean and (biased) variance are the batch's over N and all pixels, gradients flow through them, and the
    running statistics move towards them in place: running = (1 - momentum) running + momentum batch, the variance
    unbiased. In evaluation the running statistics are used.

    Args:
        input: float (N, C, H, W), or (N, C), (N, C, L) and so on.
        running_mean, running_var: (C,), or both None in training.
        weight, bias: (C,) or None.
        training: whose statistics are used.
        momentum: see above.
        eps: added to the variance.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two, forwards and backwards.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit; training with a single value for each channel.

    Source: Ioffe and Szegedy 2015, algorithms 1 and 2.

    >>> import tinyseg
    >>> x = tinyseg.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    >>> batch_norm(x, None, None, training=True, eps=0.0).flatten()
    tensor([-1.,  1.])
    """
    relu = with_relu("batch_norm", activation)
    check("batch_norm", input, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: evaluation (training=False) needs running_mean and running_var")
    x = as_images(input)
    count = x.shape[0] * x.shape[2] * x.shape[3]
    if training and count < 2:
        raise ValueError(
            f"batch_norm: training needs more than one value for each channel, got input of shape {input.shape}"
        )
    with no_grad():
        if training:
            mean, var = new(x, x.shape[1:2]), new(x, x.shape[1:2])
            x.backend.batch_norm_statistics(x.array, mean.array, var.array)
            if running_mean is not None and running_var is not None:
                lerp_(running_mean, mean, momentum)
                lerp_(running_var, multiply(var, count / (count - 1)), momentum)
        else:
            # Clones: a later training step changes the running statistics in place, and that is no error.
            mean, var = clone(running_mean), running_var  # type: ignore[type-var, assignment]
        rstd = divide(1.0, sqrt(add(var, eps)))
    y: Tensor = BatchNorm.apply(x, weight, bias, mean, rstd, training, relu)
    return y if input.ndim == 4 else reshape(y, input.shape)
