"""Average pooling, over windows that slide and over windows that share the image out, and its gradients."""

from __future__ import annotations

from collections.abc import Iterator

from .array import Array, Pair

__all__ = ["adaptive_avg_pool2d", "adaptive_avg_pool2d_backward", "avg_pool2d", "avg_pool2d_backward"]

Window = tuple[slice, int]  # pixels of the image, and what their sum is divided by


def _sliding(size: int, count: int, kernel: int, stride: int, padding: int, include_pad: bool) -> list[Window]:
    """Window i begins at i stride - padding; the padding counts, what lies beyond it (``ceil_mode``) does not."""
    windows = []
    for start in range(-padding, count * stride - padding, stride):
        stop = min(start + kernel, size + padding)
        pixels = slice(max(start, 0), min(stop, size))
        windows.append((pixels, stop - start if include_pad else pixels.stop - pixels.start))
    return windows


def _windows(
    image: Array,
    pooled: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Iterator[tuple[int, int, slice, slice, int]]:
    """Place in ``pooled``, pixels in ``image``, and the divisor of each window."""
    sizes = zip(image.shape[2:], pooled.shape[2:], kernel_size, stride, padding, strict=True)
    rows, columns = (_sliding(*size, count_include_pad) for size in sizes)
    for i, (row, height) in enumerate(rows):
        for j, (column, width) in enumerate(columns):
            yield i, j, row, column, height * width if divisor_override is None else divisor_override


def _adaptive(image: Array, pooled: Array) -> Iterator[tuple[int, int, slice, slice, int]]:
    """The same of windows from floor(i size / count) to ceil((i + 1) size / count)."""
    rows, columns = (
        [slice(i * size // count, -(-(i + 1) * size // count)) for i in range(count)]
        for size, count in zip(image.shape[2:], pooled.shape[2:], strict=True)
    )
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            yield i, j, row, column, (row.stop - row.start) * (column.stop - column.start)


def avg_pool2d(
    x: Array,
    out: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> None:
    """The sum over each window, divided."""
    rules = kernel_size, stride, padding, count_include_pad, divisor_override
    for i, j, row, column, divisor in _windows(x, out, *rules):
        out[:, :, i, j] = x[:, :, row, column].sum(axis=(2, 3)) / divisor


def avg_pool2d_backward(
    grad: Array,
    out: Array,
    kernel_size: Pair,
    stride: Pair,
    padding: Pair,
    count_include_pad: bool,
    divisor_override: int | None,
) -> None:
    """Each pixel of a window has the same share in it."""
    out[...] = 0
    rules = kernel_size, stride, padding, count_include_pad, divisor_override
    for i, j, row, column, divisor in _windows(out, grad, *rules):
        out[:, :, row, column] += grad[:, :, i, j, None, None] / divisor


def adaptive_avg_pool2d(x: Array, out: Array) -> None:
    """The mean over each window."""
    for i, j, row, column, divisor in _adaptive(x, out):
        out[:, :, i, j] = x[:, :, row, column].sum(axis=(2, 3)) / divisor


def adaptive_avg_pool2d_backward(grad: Array, out: Array) -> None:
    """Each pixel of a window has the same share in it."""
    out[...] = 0
    for i, j, row, column, divisor in _adaptive(out, grad):
        out[:, :, row, column] += grad[:, :, i, j, None, None] / divisor
