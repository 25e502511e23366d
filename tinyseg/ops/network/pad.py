"""Borders: a constant one, one taken from the inside, and none (cropping)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...tensor_base import Number, Tensor
from ..common import Size, filled, need_tensor, new, new_activation, pair, sizes
from ..indexing import Slice

__all__ = ["centre_crop", "pad"]

Borders = list[tuple[int, int]]  # elements before and after, for each dimension

MODES = ("constant", "reflect", "replicate", "circular")


def _empty(like: Tensor, shape: Sequence[int]) -> Tensor:
    return (new_activation if len(shape) == 4 else new)(like, shape)


class Pad(Op):
    """The border is constant, so only the inside has a gradient."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, borders: Borders, value: float) -> Tensor:
        """Negative numbers of elements cut off."""
        out = _empty(x, [size + before + after for size, (before, after) in zip(x.shape, borders, strict=True)])
        ctx.inside = tuple(
            slice(max(before, 0), size - max(after, 0))
            for size, (before, after) in zip(out.shape, borders, strict=True)
        )
        ctx.taken = _kept(x.shape, borders)
        ctx.shape = x.shape
        slice_view = x.backend.slice_view
        x.backend.assign(slice_view(x.array, ctx.taken), slice_view(out.array, ctx.inside))
        for axis, (place, size) in enumerate(zip(ctx.inside, out.shape, strict=True)):
            for strip in (slice(place.start), slice(place.stop, None)):
                if len(range(size)[strip]):
                    x.backend.fill(slice_view(out.array, _around(axis, strip, ctx.inside)), value)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The inside, with zeros where something was cut off."""
        slice_view = grad.backend.slice_view
        inside = slice_view(grad.array, ctx.inside)
        out = _empty(grad, ctx.shape)
        if inside.shape != out.shape:
            filled(out, 0)
        grad.backend.assign(inside, slice_view(out.array, ctx.taken))
        return out, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The same units further on."""
        if not inputs.is_map:
            return inputs.whole_image()
        return inputs.moved(ctx.inside[2 + inputs.axis].start - ctx.taken[2 + inputs.axis].start)


def _kept(shape: tuple[int, ...], borders: Borders) -> tuple[slice, ...]:
    """What negative borders leave."""
    return tuple(slice(-min(a, 0), size + min(b, 0)) for size, (a, b) in zip(shape, borders, strict=True))


def _around(axis: int, strip: slice, inside: tuple[slice, ...]) -> tuple[slice, ...]:
    """A strip along ``axis`` where dimensions before that are whole already and those after it are not yet."""
    return (*[slice(None)] * axis, strip, *inside[axis + 1 :])


class PadFromInside(Op):
    """The border repeats what is inside: strip by strip, one dimension after the other, so that corners, too, get
    what they should. Backwards the strips are added to where they came from, the last one first.
    """

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, borders: Borders, mode: str) -> Tensor:
        """No border is negative or wider than ``mode`` allows."""
        out = _empty(x, [size + before + after for size, (before, after) in zip(x.shape, borders, strict=True)])
        ctx.inside = tuple(slice(before, before + size) for size, (before, _) in zip(x.shape, borders, strict=True))
        ctx.strips = _strips(x.shape, borders, ctx.inside, mode)
        assign, slice_view = x.backend.assign, x.backend.slice_view
        assign(x.array, slice_view(out.array, ctx.inside))
        for strip, source, _ in ctx.strips:
            assign(slice_view(out.array, source), slice_view(out.array, strip))
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """In a copy of the gradient, whose inside is then the answer."""
        backend = grad.backend
        whole = _empty(grad, grad.shape)
        backend.assign(grad.array, whole.array)
        for strip, source, axis in reversed(ctx.strips):
            border, target = backend.slice_view(whole.array, strip), backend.slice_view(whole.array, source)
            if border.shape != target.shape:  # one element, repeated
                total = new(grad, target.shape)
                backend.sum(border, total.array, (axis,))
                border = total.array
            backend.add(target, border, target)
        inside = backend.slice_view(whole.array, ctx.inside)
        out = _empty(grad, inside.shape)
        backend.assign(inside, out.array)
        return out, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """The same units further on. The image is taken to go on without end, so that what the border repeats does
        not matter.
        """
        return inputs.moved(ctx.inside[2 + inputs.axis].start) if inputs.is_map else inputs.whole_image()


Strip = tuple[tuple[slice, ...], tuple[slice, ...], int]


def _strips(shape: tuple[int, ...], borders: Borders, inside: tuple[slice, ...], mode: str) -> list[Strip]:
    """The places of each strip and of what it repeats, and the dimension along which it lies."""
    found: list[Strip] = []
    for axis, (size, (before, after)) in enumerate(zip(shape, borders, strict=True)):
        end = before + size
        sources = {
            "reflect": (slice(2 * before, before, -1), _backwards(end - 2, after)),
            "replicate": (slice(before, before + 1), slice(end - 1, end)),
            "circular": (slice(end - before, end), slice(before, before + after)),
        }[mode]
        for width, strip, source in zip((before, after), (slice(before), slice(end, None)), sources, strict=True):
            if width:
                found.append((_around(axis, strip, inside), _around(axis, source, inside), axis))
    return found


def _backwards(first: int, count: int) -> slice:
    """``count`` elements from ``first`` on down."""
    return slice(first, first - count if first >= count else None, -1)


def pad(input: Tensor, pad: Sequence[int], mode: str = "constant", value: Number | None = None) -> Tensor:
    """A border around the last dimensions.

    Args:
        input: any shape and type for a constant border; for the others ``pad`` is for all dimensions but N and C
            (or but C), so two numbers go with (N, C, L), four with (N, C, H, W) and (C, H, W).
        pad: how many elements before and after, the last dimension first: (left, right, top, bottom, ...).
            Negative numbers cut off.
        mode: what is in the border of a row ``a b c d``, two wide on either side:

            - 'constant': ``value``;
            - 'reflect': ``c b | a b c d | c b``, the row mirrored at its outermost elements; at most size - 1 wide;
            - 'replicate': ``a a | a b c d | d d``;
            - 'circular': ``c d | a b c d | a b``, the row's other end; at most as wide as the row.
        value: of a constant border; 0 if None.

    Returns:
        A tensor whose sizes are larger by the numbers in ``pad``. Its gradient is added to that of the element which
        the border repeats.

    Raises:
        ValueError: another ``mode``; ``pad`` of odd or wrong length, or wider than ``mode`` allows; sizes that would
            become negative; a ``value`` for a border that is not constant. TypeError: ``pad`` are no ints.

    >>> import tinyseg
    >>> x = tinyseg.tensor([[1.0, 2.0, 3.0, 4.0]])
    >>> pad(x, (1, 2))
    tensor([[0., 1., 2., 3., 4., 0., 0.]])
    >>> pad(x, (1, 2), mode="reflect")
    tensor([[2., 1., 2., 3., 4., 3., 2.]])
    """
    if mode not in MODES:
        raise ValueError(f"pad: mode must be one of {', '.join(map(repr, MODES))}, got {mode!r}")
    x = need_tensor("pad", "input", input, floating=False)
    if not isinstance(pad, Sequence):
        raise TypeError(f"pad: pad must be ints, two for each dimension, the last one first, got {pad!r}")
    given = sizes("pad", (pad,))
    if len(given) % 2 or len(given) > 2 * x.ndim:
        raise ValueError(f"pad: expected two numbers for each of at most {x.ndim} dimensions, got {given}")
    ends = [(given[i], given[i + 1]) for i in range(0, len(given), 2)][::-1]
    borders = [(0, 0)] * (x.ndim - len(ends)) + ends
    if any(
        size + a + b < 0 or size + min(a, 0) + min(b, 0) < 0 for size, (a, b) in zip(x.shape, borders, strict=True)
    ):
        raise ValueError(f"pad: {given} cuts off more than there is of shape {x.shape}")
    if mode == "constant":
        return Pad.apply(x, borders, 0 if value is None else value)
    if value:
        raise ValueError(f"pad: value is only for mode='constant', got {value!r} with mode={mode!r}")
    return _padded_from_inside(x, given, borders, mode)


def _padded_from_inside(x: Tensor, given: tuple[int, ...], borders: Borders, mode: str) -> Tensor:
    count = len(given) // 2
    if count not in (1, 2, 3) or x.ndim - count not in (1, 2):
        raise ValueError(
            f"pad: mode={mode!r} takes two numbers for each dimension but N and C, or but C; {given} does not go "
            f"with shape {x.shape}"
        )
    grown = [(max(a, 0), max(b, 0)) for a, b in borders]
    if mode == "circular":  # what is cut off does not come back on the other side
        return PadFromInside.apply(_checked(_cut(x, borders), given, grown, mode), grown, mode)
    return _cut(PadFromInside.apply(_checked(x, given, grown, mode), grown, mode), borders)


def _cut(x: Tensor, borders: Borders) -> Tensor:
    """Without what negative borders cut off."""
    return Slice.apply(x, _kept(x.shape, borders)) if any(min(border) < 0 for border in borders) else x


def _checked(x: Tensor, given: tuple[int, ...], grown: Borders, mode: str) -> Tensor:
    """``x``, if it holds what its borders are to repeat; raises ``ValueError``."""
    for axis, (size, border) in enumerate(zip(x.shape, grown, strict=True)):
        widest = {"reflect": size - 1, "replicate": max(border) if size else 0, "circular": size}[mode]
        if max(border) > max(widest, 0):
            raise ValueError(
                f"pad: {given} asks for more than there is to repeat along dimension {axis} of shape {x.shape}: with "
                f"mode={mode!r} its borders can be at most {max(widest, 0)} wide"
            )
    return x


def centre_crop(input: Tensor, size: Size) -> Tensor:
    """The middle of an image, as U-Net and FCN bring a larger map to the size of the one it is joined with.

    Rows floor((H - H') / 2) .. floor((H - H') / 2) + H' - 1 are kept, and columns likewise: where the difference is
    odd, one row (column) more is cut off below (on the right) than above (on the left).

    Args:
        input: any type, (..., H, W).
        size: (H', W'), or one int for both; not larger than (H, W).

    Returns:
        (..., H', W'), a view. The gradient of what was cut off is 0.

    Raises:
        ValueError: the image is smaller, or the size is less than 1. TypeError: sizes are no ints.

    Source: Ronneberger, Fischer and Brox 2015, figure 1; Long, Shelhamer and Darrell 2015 and their released code.

    >>> import tinyseg
    >>> centre_crop(tinyseg.arange(12).reshape(3, 4), (2, 2))
    tensor([[1, 2],
            [5, 6]])
    """
    x = need_tensor("centre_crop", "input", input, floating=False)
    height, width = pair("centre_crop", "size", size, 1)
    if x.ndim < 2 or x.shape[-2] < height or x.shape[-1] < width:
        raise ValueError(
            f"centre_crop: input of shape {x.shape} does not hold {height}x{width} pixels; pad() makes it larger"
        )
    top, left = (x.shape[-2] - height) // 2, (x.shape[-1] - width) // 2
    return Slice.apply(x, (Ellipsis, slice(top, top + height), slice(left, left + width)))
