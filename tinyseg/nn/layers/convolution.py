"""Convolutions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...creation import zeros
from ...geometry import transposed_size
from ...ops.common import ints
from ...ops.network.conv2d import check_named_padding, same_padding
from ...ops.network.pad import MODES
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module, Parameter

__all__ = ["Conv1d", "Conv2d", "ConvTranspose1d", "ConvTranspose2d"]


class _ConvNd(Module):
    """What convolution and transposed convolution share: weight, bias and their initialisation."""

    dims: int  # of space

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels < 1 or groups < 1 or channels % groups:
                raise ValueError(f"{who}: {name}={channels} must be a positive multiple of groups={groups}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = ints(who, "kernel_size", kernel_size, self.dims, 1)
        self.stride = ints(who, "stride", stride, self.dims, 1, one_for_all=True)
        self.dilation = ints(who, "dilation", dilation, self.dims, 1, one_for_all=True)
        self.padding: Any = padding
        self.output_padding = (0,) * self.dims

    def _add_parameters(self, shape: tuple[int, ...], bias: bool) -> None:
        """PyTorch's default: uniform in +-1 / sqrt(fan in), for weight and bias."""
        self.weight = Parameter(zeros(shape))
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        init.uniform_(self.weight, -bound, bound)
        self.register_parameter("bias", Parameter(zeros(self.out_channels)) if bias else None)
        if bias:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Channels and window."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += "" if self.padding == (0,) * self.dims else f", padding={self.padding}"
        text += "" if self.dilation == (1,) * self.dims else f", dilation={self.dilation}"
        text += "" if not any(self.output_padding) else f", output_padding={self.output_padding}"
        text += "" if self.groups == 1 else f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")


class _Conv(_ConvNd):
    """What convolutions over lines and images share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        who = type(self).__name__
        if isinstance(padding, str):
            check_named_padding(who, padding, self.stride)
        else:
            self.padding = ints(who, "padding", padding, self.dims, one_for_all=True)
        if padding_mode not in ("zeros", *MODES[1:]):
            modes = ", ".join(map(repr, ("zeros", *MODES[1:])))
            raise ValueError(f"{who}: padding_mode must be one of {modes}, got {padding_mode!r}")
        self.padding_mode = padding_mode
        self._add_parameters((out_channels, in_channels // groups, *self.kernel_size), bias)

    def _padded(self, input: Tensor) -> tuple[Tensor, Any]:
        """The input with the borders that are not of zeros, and the padding that is left to the convolution."""
        if self.padding_mode == "zeros" or self.padding == "valid":
            return input, self.padding
        before = after = list(self.padding)
        if self.padding == "same":
            before, after = same_padding(self.kernel_size, self.dilation)
        borders = [n for ends in zip(reversed(before), reversed(after), strict=True) for n in ends]
        return (F.pad(input, borders, self.padding_mode) if any(borders) else input), 0

    def extra_repr(self) -> str:
        """Channels, window and border."""
        mode = "" if self.padding_mode == "zeros" else f", padding_mode={self.padding_mode}"
        return super().extra_repr() + mode


class Conv1d(_Conv):
    """Convolution over a line, see ``functional.conv1d``. ``weight``: (out, in / groups, k); ``bias``: (out,).
    ``padding_mode``: see ``Conv2d``.

    >>> import tinyseg
    >>> Conv1d(3, 8, 3, padding=1)(tinyseg.zeros(1, 3, 32)).shape
    (1, 8, 32)
    """

    dims = 1

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, in, L) -> (N, out, L'), also without N; ``activation``: see ``functional.conv1d``."""
        input, padding = self._padded(input)
        window = (self.stride, padding, self.dilation, self.groups)
        return F.conv1d(input, self.weight, self.bias, *window, activation)


class Conv2d(_Conv):
    """Convolution, see ``functional.conv2d``. ``weight``: (out, in / groups, kh, kw); ``bias``: (out,).

    ``padding_mode``: what the border that ``padding`` asks for is made of: 'zeros', or as ``functional.pad`` makes
    it, 'reflect', 'replicate' or 'circular'; those cost a copy of the input.

    >>> import tinyseg
    >>> Conv2d(3, 8, 3, padding=1)(tinyseg.zeros(1, 3, 32, 32)).shape
    (1, 8, 32, 32)
    """

    dims = 2

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W'), also without N; ``activation``: see ``functional.conv2d``."""
        input, padding = self._padded(input)
        window = (self.stride, padding, self.dilation, self.groups)
        return F.conv2d(input, self.weight, self.bias, *window, activation)


class _ConvTranspose(_ConvNd):
    """What transposed convolutions over lines and images share."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        who = type(self).__name__
        if padding_mode != "zeros":
            raise ValueError(f"{who}: padding_mode must be 'zeros', got {padding_mode!r}: padding is cut off here")
        self.padding = ints(who, "padding", padding, self.dims, one_for_all=True)
        self.output_padding = ints(who, "output_padding", output_padding, self.dims, one_for_all=True)
        self._add_parameters((in_channels, out_channels // groups, *self.kernel_size), bias)

    def _window(self, input: Tensor, output_size: Sequence[int] | None) -> tuple[Any, Any, Any, int, Any]:
        """The arguments behind the bias; ``output_size`` says what ``output_padding`` has to be."""
        extra = self.output_padding
        if output_size is not None:
            who, wanted = type(self).__name__, tuple(output_size)
            if len(wanted) not in (self.dims, input.ndim):
                raise ValueError(
                    f"{who}: output_size must have {self.dims} or {input.ndim} numbers for input of shape "
                    f"{input.shape}, got {wanted}"
                )
            wanted = wanted[-self.dims :]
            given = zip(
                input.shape[-self.dims :], self.kernel_size, self.stride, self.padding, self.dilation, strict=True
            )
            least = tuple(transposed_size(n, k, s, p, dilation=d) for n, k, s, p, d in given)
            extra = tuple(size - low for size, low in zip(wanted, least, strict=True))
            if any(not 0 <= more < step for more, step in zip(extra, self.stride, strict=True)):
                most = tuple(low + step - 1 for low, step in zip(least, self.stride, strict=True))
                raise ValueError(
                    f"{who}: output_size {wanted} must be within {least} and {most} for input of shape {input.shape}"
                )
        return self.stride, self.padding, extra, self.groups, self.dilation


class ConvTranspose1d(_ConvTranspose):
    """Transposed convolution over a line, see ``functional.conv_transpose1d``. ``weight``: (in, out / groups, k).

    >>> import tinyseg
    >>> ConvTranspose1d(8, 4, 2, stride=2)(tinyseg.zeros(1, 8, 16)).shape
    (1, 4, 32)
    """

    dims = 1

    def forward(
        self, input: Tensor, output_size: Sequence[int] | None = None, activation: str | None = None
    ) -> Tensor:
        """(N, in, L) -> (N, out, L'), also without N. See ``ConvTranspose2d``."""
        window = self._window(input, output_size)
        return F.conv_transpose1d(input, self.weight, self.bias, *window, activation)


class ConvTranspose2d(_ConvTranspose):
    """Transposed convolution, see ``functional.conv_transpose2d``. ``weight``: (in, out / groups, kh, kw).

    ``nn.init.bilinear_`` makes it a bilinear upsampling that can learn.

    >>> import tinyseg
    >>> ConvTranspose2d(8, 4, 2, stride=2)(tinyseg.zeros(1, 8, 16, 16)).shape
    (1, 4, 32, 32)
    """

    dims = 2

    def forward(
        self, input: Tensor, output_size: Sequence[int] | None = None, activation: str | None = None
    ) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W'), also without N. ``output_size``: (H', W'), the one wanted of those that
        a convolution of this stride turns into (H, W), instead of ``output_padding``; ``activation``: see
        ``functional.conv_transpose2d``. Raises ``ValueError`` for a size that is none of those.
        """
        window = self._window(input, output_size)
        return F.conv_transpose2d(input, self.weight, self.bias, *window, activation)
