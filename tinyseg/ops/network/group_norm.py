"""Group normalisation (Wu and He 2018), and instance normalisation (Ulyanov, Vedaldi and Lempitsky 2016), whose
groups are single channels.
"""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ...autograd import Op, no_grad
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import array_or_none, filled, new, new_like
from ..elementwise import add, divide, multiply, sqrt
from ..inplace import lerp_
from ..reduce import mean as average
from ..shape import reshape
from .batch_norm import batch_norm, check
from .images import as_images

__all__ = ["group_norm", "instance_norm"]


class GroupNorm(Op):
    """y = (x - mean) / sqrt(var + eps) * weight + bias, mean and variance those of a group of an image."""

    multiplies_little = True

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor | None, bias: Tensor | None, mean: Tensor, rstd: Tensor
    ) -> Tensor:
        """``mean`` and ``rstd`` (N, groups) are x's own, and move with it."""
        out = new_like(x)
        ctx.save_for_backward(x, mean, rstd, weight)
        if x.numel():
            factors = (mean.array, rstd.array, array_or_none(weight), array_or_none(bias))
            x.backend.group_norm(x.array, *factors, out.array)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The sums that are the gradients of weight and bias come on the way."""
        x, mean, rstd, weight = ctx.saved_tensors
        by_x, by_weight, by_bias = new_like(x), new(x, x.shape[1:2]), new(x, x.shape[1:2])
        if not x.numel():  # sums of nothing
            return by_x, by_weight.zero_(), by_bias.zero_(), None, None
        given = (grad.array, x.array, mean.array, rstd.array, array_or_none(weight))
        x.backend.group_norm_backward(*given, by_weight.array, by_bias.array, by_x.array)
        return by_x, by_weight, by_bias, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """That every pixel moves the mean and the variance is not counted, as it is not in papers."""
        return inputs.unit_by_unit()


def _statistics(x: Tensor, groups: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance (N, groups); 0 where there is nothing to normalise."""
    mean, var = new(x, (x.shape[0], groups)), new(x, (x.shape[0], groups))
    if not x.numel():
        return filled(mean, 0), filled(var, 0)
    x.backend.group_norm_statistics(x.array, mean.array, var.array)
    return mean, var


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Group normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, mean and (biased) variance those of the
    pixels and the C / num_groups channels of a group, in each image.

    Args:
        input: float (N, C, H, W), or (N, C), (N, C, L) and so on.
        num_groups: neighbouring channels share C / num_groups a mean and a variance.
        weight, bias: (C,) or None.
        eps: added to the variance.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit; ``num_groups`` does not divide C.

    Source: Wu and He 2018.

    >>> import tinyseg
    >>> group_norm(tinyseg.tensor([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    who = "group_norm"
    check(who, input, weight=weight, bias=bias)
    if not isinstance(num_groups, Integral) or num_groups < 1 or input.shape[1] % num_groups:
        raise ValueError(
            f"{who}: num_groups must be a positive int that divides the {input.shape[1]} channels of input, "
            f"got {num_groups!r}"
        )
    x = as_images(input)
    if x.numel() == num_groups:
        raise ValueError(f"{who}: a group needs more than one value, got input of shape {input.shape}")
    with no_grad():
        mean, var = _statistics(x, num_groups)
        rstd = divide(1.0, sqrt(add(var, eps)))
    y: Tensor = GroupNorm.apply(x, weight, bias, mean, rstd)
    return y if input.ndim == 4 else reshape(y, input.shape)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Instance normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, mean and (biased) variance those of
    one channel of one image.

    Running statistics, if given, move towards the mean of those of the images, as in ``batch_norm``, and are what
    is used instead with ``use_input_stats=False``.

    Args:
        input: float (N, C, H, W), or (N, C, L) and so on.
        running_mean, running_var: (C,), or both None.
        weight, bias: (C,) or None.
        use_input_stats: whose statistics are used.
        momentum: see ``batch_norm``.
        eps: added to the variance.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit; an image has a single pixel.

    Source: Ulyanov, Vedaldi and Lempitsky 2016.

    >>> import tinyseg
    >>> instance_norm(tinyseg.tensor([[[1.0, 3.0], [4.0, 8.0]]]), eps=0.0)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    who = "instance_norm"
    check(who, input, 3, running_mean=running_mean, running_var=running_var, weight=weight, bias=bias)
    if not use_input_stats:
        if running_mean is None:
            raise ValueError(f"{who}: use_input_stats=False needs running_mean and running_var")
        return batch_norm(input, running_mean, running_var, weight, bias, eps=eps)
    x = as_images(input)
    count = x.shape[2] * x.shape[3]
    if count == 1:
        raise ValueError(f"{who}: an image needs more than one pixel, got input of shape {input.shape}")
    with no_grad():
        mean, var = _statistics(x, x.shape[1])
        if running_mean is not None and running_var is not None and x.numel():
            lerp_(running_mean, average(mean, 0), momentum)
            lerp_(running_var, multiply(average(var, 0), count / (count - 1)), momentum)
        rstd = divide(1.0, sqrt(add(var, eps)))
    y: Tensor = GroupNorm.apply(x, weight, bias, mean, rstd)
    return y if input.ndim == 4 else reshape(y, input.shape)
