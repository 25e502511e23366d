"""Average pooling, over windows that slide and over windows that share the image out."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...tensor_base import Tensor
from ..common import Pair, Size, new_activation
from ..reduce import mean
from .images import as_given
from .pooling_windows import adaptive_size, need_image, output_sizes, window

__all__ = ["adaptive_avg_pool2d", "avg_pool2d"]


class AvgPool2d(Op):
    """The mean of each window; its gradient is shared out again."""

    multiplies_little = True

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        size: Pair,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> Tensor:
        """Shapes have been checked; ``size`` is the output's."""
        out = new_activation(x, (*x.shape[:2], *size))
        ctx.rules = kernel_size, stride, padding, count_include_pad, divisor_override
        ctx.shape = x.shape
        x.backend.avg_pool2d(x.array, out.array, *ctx.rules)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The adjoint."""
        out = new_activation(grad, ctx.shape)
        grad.backend.avg_pool2d_backward(grad.array, out.array, *ctx.rules)
        return out, *(None,) * 6

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each unit sees a window."""
        kernel_size, stride, padding = (pair[inputs.axis] for pair in ctx.rules[:3])
        return inputs.field.through(kernel_size, stride, padding=padding)


class AdaptiveAvgPool2d(Op):
    """The same over windows that share the image out."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, size: Pair) -> Tensor:
        """``size`` is the output's."""
        out = new_activation(x, (*x.shape[:2], *size))
        ctx.shape = x.shape
        x.backend.adaptive_avg_pool2d(x.array, out.array)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The adjoint."""
        out = new_activation(grad, ctx.shape)
        grad.backend.adaptive_avg_pool2d_backward(grad.array, out.array)
        return out, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The whole image, unless each window holds one unit."""
        return inputs.unit_by_unit()


def avg_pool2d(
    input: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """The mean of each window: y[i, j] = 1 / D sum_{r,s} x[i stride - padding + r, j stride - padding + s].

    Args:
        input: float (N, C, H, W) or (C, H, W).
        kernel_size, stride, padding, ceil_mode: as in ``max_pool2d``; the padding is 0.
        count_include_pad: D counts the padding's pixels too (never what a window has beyond the padding).
        divisor_override: D itself, instead of a number of pixels.

    Returns:
        (N, C, H', W') or (C, H', W').

    Raises:
        ValueError, TypeError: shapes or sizes do not fit.

    Source: LeCun, Bottou, Bengio and Haffner 1998.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[[1.0, 2, 6], [3, 5, 2]]])
    >>> avg_pool2d(x, 2)
    tensor([[[2.75]]])
    >>> avg_pool2d(x, 2, ceil_mode=True)
    tensor([[[2.75, 4.  ]]])
    """
    who = "avg_pool2d"
    x = need_image(who, input, 2)
    given = window(who, 2, kernel_size, stride, padding)
    sizes = output_sizes(who, input.shape, given, ceil_mode)
    if divisor_override is not None and (not isinstance(divisor_override, Integral) or not divisor_override):
        raise ValueError(f"{who}: divisor_override must be an int other than 0, got {divisor_override!r}")
    y = AvgPool2d.apply(x, sizes, *given.pairs()[:3], bool(count_include_pad), divisor_override)
    return as_given(y, input, 2)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """The mean of each of ``output_size`` windows that share the image out; 1 is the mean of the whole image.

    Window i of H' has the rows floor(i H / H') to ceil((i + 1) H / H') - 1, and columns alike: neighbours may share
    a row.

    Args:
        input: float (N, C, H, W) or (C, H, W).
        output_size: an int or a pair; None in the pair keeps the input's size.

    Returns:
        (N, C, H', W') or (C, H', W').

    Raises:
        ValueError, TypeError: shapes or sizes do not fit.

    Source: He, Zhang, Ren and Sun 2014; Zhao, Shi, Qi, Wang and Jia 2017, the pyramid pooling of PSPNet.

    >>> import tinyseg
    >>> adaptive_avg_pool2d(tinyseg.tensor([[[1.0, 2, 6], [3, 5, 2]]]), (None, 2))
    tensor([[[1.5, 4. ],
             [4. , 3.5]]])
    """
    who = "adaptive_avg_pool2d"
    x = need_image(who, input, 2)
    size = adaptive_size(who, output_size, x.shape)
    # The mean of whole images is a sum like others, which is split up further.
    y = mean(x, (2, 3), keepdim=True) if size == (1, 1) else AdaptiveAvgPool2d.apply(x, size)
    return as_given(y, input, 2)
