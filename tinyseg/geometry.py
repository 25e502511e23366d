"""Sizes of what windows make: integers in, integers out. Formulas as in Dumoulin and Visin 2016, "A guide to
convolution arithmetic for deep learning".
"""

from __future__ import annotations

from dataclasses import dataclass

Pair = tuple[int, int]


def convolution_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many windows fit: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1; at least 0.

    >>> convolution_size(227, kernel=11, stride=4)
    55
    """
    return max((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1, 0)


def pooled_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """As ``convolution_size``; with ``ceil_mode`` also a last window that sticks out, if it starts inside.

    >>> pooled_size(5, kernel=2, stride=2), pooled_size(5, kernel=2, stride=2, ceil_mode=True)
    (2, 3)
    """
    if not ceil_mode:
        return convolution_size(size, kernel, stride, padding, dilation)
    count = -(-(size + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    return max(count, 0)


def transposed_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> int:
    """The size that a convolution turns into ``size``: (size - 1) stride - 2 padding + dilation (kernel - 1) + 1;
    ``output_padding`` chooses among the several there are when stride > 1.

    >>> transposed_size(16, kernel=64, stride=32, padding=0)
    544
    """
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def padding_to_multiple(size: int, multiple: int) -> int:
    """How much is missing to the next multiple.

    >>> padding_to_multiple(100, 32)
    28
    """
    return -size % multiple


@dataclass(frozen=True)
class Field:
    """What one unit of a layer sees of the input, along one dimension.

    ``size``: pixels it depends on (its receptive field); ``stride``: input pixels from one unit to the next, which
    may be a fraction after upsampling.
    """

    size: float = 1
    stride: float = 1

    def through(self, kernel: int, stride: int = 1, dilation: int = 1) -> Field:
        """The field one window further: it widens by (kernel - 1) dilation steps of the layer before.

        >>> Field().through(3).through(2, stride=2).through(3)
        Field(size=8, stride=2)
        """
        return Field(self.size + (kernel - 1) * dilation * self.stride, self.stride * stride)

    def through_transposed(self, kernel: int, stride: int = 1, dilation: int = 1) -> Field:
        """The field after a transposed window, or interpolation from ``kernel / stride`` neighbours.

        One output unit meets at most ceil((dilation (kernel - 1) + 1) / stride) units of the layer before.

        >>> Field(8, 4).through_transposed(4, stride=2)
        Field(size=12, stride=2.0)
        """
        meets = -(-(dilation * (kernel - 1) + 1) // stride)
        return Field(self.size + (meets - 1) * self.stride, self.stride / stride)

    def joined(self, other: Field) -> Field:
        """The field where two layers meet (added or concatenated): the wider of the two."""
        return Field(max(self.size, other.size), max(self.stride, other.stride))
