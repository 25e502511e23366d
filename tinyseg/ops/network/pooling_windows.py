"""What pooling operators of one and two dimensions check alike: shapes of inputs, windows, sizes of outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from ...geometry import Pair, pooled_size
from ...tensor_base import Tensor
from ..common import ints, need_tensor
from .images import as_images, as_pair

_SHAPES = {1: ("N,C,L", "C,L"), 2: ("N,C,H,W", "C,H,W")}
_NAMES = {1: ("length",), 2: ("height", "width")}


class Window(NamedTuple):
    """How windows lie, in one direction or in each of two."""

    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]

    def pairs(self) -> tuple[Pair, Pair, Pair, Pair]:
        """The same for images: a line's are the horizontal ones."""
        kernel_size, stride, padding, dilation = self
        return as_pair(kernel_size, 1), as_pair(stride, 1), as_pair(padding, 0), as_pair(dilation, 1)


def window(who: str, dims: int, kernel_size: Any, stride: Any, padding: Any, dilation: Any = 1) -> Window:
    """Checked arguments; a stride that is None or empty is the window's size."""
    kernel_size = ints(who, "kernel_size", kernel_size, dims, 1, one_for_all=True)
    own = stride is None or (isinstance(stride, Sequence) and not stride)
    stride = kernel_size if own else ints(who, "stride", stride, dims, 1, one_for_all=True)
    padding = ints(who, "padding", padding, dims, one_for_all=True)
    return Window(kernel_size, stride, padding, ints(who, "dilation", dilation, dims, 1, one_for_all=True))


def need_image(who: str, input: Tensor, dims: int) -> Tensor:
    """A map of ``dims`` dimensions, with or without a batch, as N,C,H,W; raises ``TypeError`` and ``ValueError``."""
    x = need_tensor(who, "input", input)
    batched, single = _SHAPES[dims]
    if x.ndim not in (dims + 1, dims + 2):
        raise ValueError(f"{who}: input must be {batched} or {single}, got shape {x.shape}")
    if 0 in x.shape[-dims:]:
        raise ValueError(f"{who}: input of shape {x.shape} has no pixel")
    return as_images(x, dims)


def output_sizes(who: str, shape: Sequence[int], given: Window, ceil_mode: bool) -> tuple[int, ...]:
    """How many windows there are in each direction of ``input``'s ``shape``; each is to hold a pixel."""
    sizes = []
    for i, name in enumerate(_NAMES[len(given.stride)]):
        kernel_size, stride, padding, dilation = (v[i] for v in given)
        pixels, reach = shape[i - len(given.stride)], dilation * (kernel_size - 1) + 1
        if 2 * padding > kernel_size:
            raise ValueError(
                f"{who}: padding {given.padding} must be at most half of kernel_size {given.kernel_size}"
            )
        count = pooled_size(pixels, kernel_size, stride, padding, dilation, ceil_mode)
        if not count:
            raise ValueError(
                f"{who}: input of shape {tuple(shape)} is too small: its {name} must be at least "
                f"{reach - 2 * padding} for kernel_size {given.kernel_size}"
            )
        starts = range(-padding, count * stride - padding, stride)
        if not all(any(0 <= tap < pixels for tap in range(start, start + reach, dilation)) for start in starts):
            raise ValueError(
                f"{who}: input of shape {tuple(shape)} with padding {given.padding} and dilation {given.dilation} "
                "has windows that hold no pixel"
            )
        sizes.append(count)
    return tuple(sizes)


def adaptive_size(who: str, output_size: Any, shape: Sequence[int]) -> Pair:
    """``output_size`` (an int or a pair) for images of a shape that ends in H, W; None keeps a size."""
    given = (output_size, output_size) if output_size is None else output_size
    if isinstance(given, Sequence) and len(given) == 2:
        given = tuple(size if own is None else own for own, size in zip(given, shape[-2:], strict=True))
    height, width = ints(who, "output_size", given, 2, 1)
    return height, width
