"""Windows as columns, and back."""

from __future__ import annotations

from typing import Any

from ...tensor import Tensor
from .. import functional as F
from ..module import Module

__all__ = ["Fold", "Unfold"]


class Unfold(Module):
    """Windows as columns, see ``functional.unfold``.

    >>> import tinyseg
    >>> Unfold(3, padding=1)(tinyseg.zeros(1, 2, 4, 5)).shape
    (1, 18, 20)
    """

    def __init__(self, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1) -> None:
        super().__init__()
        self.kernel_size, self.dilation, self.padding, self.stride = kernel_size, dilation, padding, stride

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C kh kw, L), also without N."""
        return F.unfold(input, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Window."""
        return (
            f"kernel_size={self.kernel_size}, dilation={self.dilation}, padding={self.padding}, stride={self.stride}"
        )


class Fold(Unfold):
    """Columns added up to an image, see ``functional.fold``.

    >>> import tinyseg
    >>> Fold((4, 5), 3, padding=1)(tinyseg.zeros(1, 18, 20)).shape
    (1, 2, 4, 5)
    """

    def __init__(
        self, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
    ) -> None:
        super().__init__(kernel_size, dilation, padding, stride)
        self.output_size = output_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, C kh kw, L) -> (N, C, H, W), also without N."""
        return F.fold(input, self.output_size, self.kernel_size, self.dilation, self.padding, self.stride)

    def extra_repr(self) -> str:
        """Size and window."""
        return f"output_size={self.output_size}, {super().extra_repr()}"
