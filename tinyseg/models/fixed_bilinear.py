"""Upsampling that is not trained: the last layer of the networks of Long, Shelhamer and Darrell 2015."""

from __future__ import annotations

from .. import nn
from ..creation import zeros
from ..tensor import Tensor


class FixedBilinear(nn.Module):
    """Upsampling by a transposed convolution with bilinear weights that are not trained.

    The weights are a buffer, one kernel for all channels: each is upsampled on its own (groups = channels), where the
    paper's kernel of channels x channels is zero but for the diagonal. ``kernel_size``: 2 factor unless given; one
    of 2 factor - 1 puts each score on a pixel, instead of between two.
    """

    def __init__(
        self, channels: int, factor: int, kernel_size: int | None = None, padding: int | None = None
    ) -> None:
        super().__init__()
        self.channels, self.factor = channels, factor
        self.kernel_size = kernel_size or 2 * factor
        self.padding = factor // 2 if padding is None else padding
        self.register_buffer("weight", nn.init.bilinear_(zeros(channels, 1, self.kernel_size, self.kernel_size)))

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W'), H' = (H - 1) factor + kernel_size - 2 padding; factor H by default."""
        return nn.functional.conv_transpose2d(
            input, self.weight, stride=self.factor, padding=self.padding, groups=self.channels
        )

    def extra_repr(self) -> str:
        """Channels and window."""
        return f"{self.channels}, factor={self.factor}, kernel_size={self.kernel_size}, padding={self.padding}"
