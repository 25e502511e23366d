"""Batch normalisation (Ioffe and Szegedy 2015)."""

from __future__ import annotations

from typing import Any

from ..autograd import Op, no_grad
from ..tensor import Tensor
from .common import array_or_none, need_same_type, need_tensor, new, new_like


class BatchNorm(Op):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, channel by channel."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, rstd: Tensor, own: bool
    ) -> Tensor:
        """``own``: mean and rstd are the batch's, and move with x; else they are constants."""
        out = new_like(x)
        ctx.own = own
        ctx.save_for_backward(x, weight, mean, rstd)
        x.backend.batch_norm(x.array, mean.array, rstd.array, array_or_none(weight), array_or_none(bias), out.array)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The sums that are the gradients of weight and bias are what x's gradient is made of, too."""
        x, weight, mean, rstd = ctx.saved_tensors
        backend = x.backend
        by_weight, by_bias = new(x, x.shape[1:2]), new(x, x.shape[1:2])
        backend.batch_norm_sums(grad.array, x.array, mean.array, rstd.array, by_weight.array, by_bias.array)
        by_x = None
        if ctx.needs_input_grad[0]:
            by_x = new_like(x)
            if ctx.own:
                sums = (by_weight.array, by_bias.array)
                backend.batch_norm_backward(
                    grad.array, x.array, mean.array, rstd.array, array_or_none(weight), *sums, by_x.array
                )
            else:
                slope = rstd if weight is None else rstd * weight
                backend.multiply(grad.array, slope.reshape(-1, 1, 1).array, by_x.array)
        return by_x, by_weight, by_bias, None, None, None


def _check(x: Tensor, **channels: Tensor | None) -> None:
    if need_tensor("batch_norm", "input", x).ndim != 4:
        raise ValueError(f"batch_norm: input must be N,C,H,W, got shape {x.shape}")
    need_same_type("batch_norm", input=x, **channels)
    for name, v in channels.items():
        if v is not None and v.shape != x.shape[1:2]:
            raise ValueError(
                f"batch_norm: {name} must have shape ({x.shape[1]},), one for each channel of input, got {v.shape}"
            )


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """See ``nn.functional.batch_norm``."""
    x = input
    _check(x, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not training and (running_mean is None or running_var is None):
        raise ValueError("batch_norm: evaluation (training=False) needs running_mean and running_var")
    count = x.shape[0] * x.shape[2] * x.shape[3]
    if training and count < 2:
        raise ValueError(
            f"batch_norm: training needs more than one value for each channel, got input of shape {x.shape}"
        )
    with no_grad():
        if training:
            mean, var = new(x, x.shape[1:2]), new(x, x.shape[1:2])
            x.backend.batch_norm_statistics(x.array, mean.array, var.array)
            if running_mean is not None and running_var is not None:
                running_mean.lerp_(mean, momentum)
                running_var.lerp_(var * (count / (count - 1)), momentum)
        else:
            # Clones: a later training step changes the running statistics in place, and that is no error.
            mean, var = running_mean.clone(), running_var  # type: ignore[union-attr, assignment]
        rstd = 1.0 / (var + eps).sqrt()
    return BatchNorm.apply(x, weight, bias, mean, rstd, training)
