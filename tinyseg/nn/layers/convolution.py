"""Convolutions."""

from __future__ import annotations

import math
from typing import Any

from ...ops.common import pair
from ...ops.creation import zeros
from ...tensor import Tensor
from .. import functional as F
from .. import init
from ..module import Module, Parameter


class _ConvNd(Module):
    """What convolution and transposed convolution share: weight, bias and their initialisation."""

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
        self.kernel_size = pair(who, "kernel_size", kernel_size, 1)
        self.stride, self.dilation = pair(who, "stride", stride, 1), pair(who, "dilation", dilation, 1)
        self.padding: Any = padding if isinstance(padding, str) else pair(who, "padding", padding)

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
        text += "" if self.padding == (0, 0) else f", padding={self.padding}"
        text += "" if self.dilation == (1, 1) else f", dilation={self.dilation}"
        text += "" if self.groups == 1 else f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")


class Conv2d(_ConvNd):
    """Convolution, see ``functional.conv2d``. ``weight``: (out, in / groups, kh, kw); ``bias``: (out,).

    >>> import tinyseg
    >>> Conv2d(3, 8, 3, padding=1)(tinyseg.zeros(1, 3, 32, 32)).shape
    (1, 8, 32, 32)
    """

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
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self._add_parameters((out_channels, in_channels // groups, *self.kernel_size), bias)

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W'); ``activation``: see ``functional.conv2d``."""
        window = (self.stride, self.padding, self.dilation, self.groups)
        return F.conv2d(input, self.weight, self.bias, *window, activation)


class ConvTranspose2d(_ConvNd):
    """Transposed convolution, see ``functional.conv_transpose2d``. ``weight``: (in, out / groups, kh, kw).

    >>> import tinyseg
    >>> ConvTranspose2d(8, 4, 2, stride=2)(tinyseg.zeros(1, 8, 16, 16)).shape
    (1, 4, 32, 32)
    """

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
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.output_padding = pair("ConvTranspose2d", "output_padding", output_padding)
        self._add_parameters((in_channels, out_channels // groups, *self.kernel_size), bias)

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W'); ``activation``: see ``functional.conv_transpose2d``."""
        window = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return F.conv_transpose2d(input, self.weight, self.bias, *window, activation)
