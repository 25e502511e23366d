"""Matrices built from the definitions, entry by entry; independent of the operators' kernels.

What works on each dimension of an image by itself is a Kronecker product: with A for the rows and B for the columns,
kron(A, B) @ image.ravel() = (A @ image @ B.T).ravel(). All matrices are for one image, float64; that of a batch of n
images is ``scipy.sparse.kron(scipy.sparse.eye_array(n), X)``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import sparse

from ..geometry import convolution_size, transposed_size
from ..tensor import Tensor

Size = int | Sequence[int]


def _sizes(who: str, name: str, value: Size, count: int) -> tuple[int, ...]:
    """One number for each dimension of an image."""
    values = (value,) * count if isinstance(value, int) else tuple(value)
    if len(values) != count:
        raise ValueError(f"{who}: {name} must be an int or {count} of them, got {value!r}")
    return values


def _kron(factors: Sequence[Any]) -> Any:
    """The Kronecker product of all."""
    return functools.reduce(lambda a, b: sparse.kron(a, b, format="csr"), factors)


def _at(rows: Any, columns: Any, shape: tuple[int, int], values: Any = 1.0) -> Any:
    """A matrix with ``values`` at some places; those at the same place are added."""
    entries = np.broadcast_to(np.asarray(values, np.float64), np.shape(rows))
    return sparse.coo_array((entries, (rows, columns)), shape).tocsr()


def _tap(size: int, count: int, stride: int, first: int) -> Any:
    """What one tap of a kernel reads, along one dimension: row i has a 1 at i stride + first, if that is a pixel."""
    places = np.arange(count) * stride + first
    inside = (places >= 0) & (places < size)
    return _at(np.flatnonzero(inside), places[inside], (count, size))


def convolution(
    weight: Tensor | np.ndarray[Any, Any],
    size: Size,
    stride: Size = 1,
    padding: Size = 0,
    dilation: Size = 1,
    groups: int = 1,
) -> Any:
    """The matrix of ``conv1d`` or ``conv2d``: the sum, over the taps of the kernel, of the weights between channels
    times what the tap reads.

    Args:
        weight: (O, C / groups, k) or (O, C / groups, kh, kw), as the operator's.
        size: the image's length, or (H, W).
        stride, padding, dilation: the operator's; one number, or one for each dimension.
        groups: the operator's.

    Returns:
        A scipy.sparse.csr_array (O H' W', C H W).

    Raises:
        ValueError: sizes do not fit.

    Source: Dumoulin and Visin 2016, section 4.1.

    >>> print(convolution(np.array([[[1, 2, 3]]]), 4, padding=1).toarray())
    [[2. 3. 0. 0.]
     [1. 2. 3. 0.]
     [0. 1. 2. 3.]
     [0. 0. 1. 2.]]
    """
    weights = np.asarray(weight.detach() if isinstance(weight, Tensor) else weight, np.float64)
    if weights.ndim < 3 or groups < 1 or weights.shape[0] % groups:
        raise ValueError(
            f"convolution: weight must be (O, C / groups, *kernel) with O a multiple of groups={groups}, "
            f"got shape {weights.shape}"
        )
    kernel = weights.shape[2:]
    size, stride, padding, dilation = (
        _sizes("convolution", name, value, len(kernel))
        for name, value in (("size", size), ("stride", stride), ("padding", padding), ("dilation", dilation))
    )
    counts = [convolution_size(*window) for window in zip(size, kernel, stride, padding, dilation, strict=True)]
    if min(counts) < 1:
        raise ValueError(f"convolution: an image of size {size} is too small for kernel {kernel}, padding {padding}")

    between = np.moveaxis(weights, (0, 1), (-2, -1))  # for each tap the weights from input to output channels

    def term(tap: tuple[int, ...]) -> Any:
        channels = sparse.csr_array(sparse.block_diag(np.split(between[tap], groups)))
        reads = [_tap(size[i], counts[i], stride[i], tap[i] * dilation[i] - padding[i]) for i in range(len(kernel))]
        return _kron([channels, *reads])

    return sum(map(term, np.ndindex(kernel)), start=sparse.csr_array(term((0,) * len(kernel)).shape))


def transposed_convolution(
    weight: Tensor | np.ndarray[Any, Any],
    size: Size,
    stride: Size = 1,
    padding: Size = 0,
    output_padding: Size = 0,
    groups: int = 1,
    dilation: Size = 1,
) -> Any:
    """The matrix of ``conv_transpose1d`` or ``conv_transpose2d``: the transpose of that of the convolution that leads
    back, from the larger image to the one of ``size``, with the same weight.

    Args:
        weight: (C, O / groups, k) or (C, O / groups, kh, kw), as the operator's.
        size: the (small) image's length, or (H, W).
        stride, padding, output_padding, groups, dilation: the operator's.

    Returns:
        A scipy.sparse.csr_array (O H' W', C H W).

    Raises:
        ValueError: sizes do not fit.

    Source: Long, Shelhamer and Darrell 2015, section 3.3; Dumoulin and Visin 2016, chapter 4.

    >>> print(transposed_convolution(np.array([[[1, 2, 3]]]), 2, stride=2).toarray())
    [[1. 0.]
     [2. 0.]
     [3. 1.]
     [0. 2.]
     [0. 3.]]
    """
    who, kernel = "transposed_convolution", weight.shape[2:]
    windows = [
        _sizes(who, name, value, len(kernel))
        for name, value in (
            ("size", size),
            ("stride", stride),
            ("padding", padding),
            ("output_padding", output_padding),
            ("dilation", dilation),
        )
    ]
    large = [transposed_size(n, k, s, p, o, d) for k, n, s, p, o, d in zip(kernel, *windows, strict=True)]
    if min(large, default=1) < 1:
        raise ValueError(f"{who}: an image of size {windows[0]} gives one of size {tuple(large)}")
    return convolution(weight, large, stride, padding, dilation, groups).T.tocsr()


def max_pooling(indices: Tensor | np.ndarray[Any, Any], size: Sequence[int]) -> Any:
    """The matrix of max pooling where the places of the maxima are given: each row has a single 1.

    Its transpose, the gradient of pooling, adds where a place won twice.

    Args:
        indices: int (..., H', W'), flat in each plane, as ``max_pool2d`` returns them; (..., L') for sequences, if
            ``size`` is of one number.
        size: of the planes that are pooled, (H, W) or (L,).

    Returns:
        A scipy.sparse.csr_array (elements of indices, planes H W).

    Raises:
        IndexError: an index is outside the planes.

    >>> print(max_pooling(np.array([[[[1, 4]]]]), (2, 3)).toarray())
    [[0. 1. 0. 0. 0. 0.]
     [0. 0. 0. 0. 1. 0.]]
    """
    places, pixels = _places("max_pooling", indices, size)
    return _at(np.arange(places.size), places.ravel(), (places.size, pixels))


def max_unpooling(indices: Tensor | np.ndarray[Any, Any], size: Sequence[int]) -> Any:
    """The matrix of max-unpooling to planes of ``size``: each row has a 1 where the element comes from, or none.

    Where places are distinct it is the transpose of ``max_pooling(indices, size)``. Where they repeat it is not:
    unpooling assigns, the last in scan order stands.

    Args:
        indices: int (..., H', W'), flat in each plane; (..., L') for sequences, if ``size`` is of one number.
        size: of the planes that come out, (H, W) or (L,).

    Returns:
        A scipy.sparse.csr_array (planes H W, elements of indices).

    Raises:
        IndexError: an index is outside the planes.

    >>> print(max_unpooling(np.array([[[[1, 1]]]]), (1, 3)).toarray())
    [[0. 0.]
     [0. 1.]
     [0. 0.]]
    """
    places, pixels = _places("max_unpooling", indices, size)
    last = {int(place): number for number, place in enumerate(places.ravel())}
    return _at(list(last), list(last.values()), (pixels, places.size))


def _places(
    who: str, indices: Tensor | np.ndarray[Any, Any], size: Sequence[int]
) -> tuple[np.ndarray[Any, Any], int]:
    """Indices into all planes as one row of pixels, and how many pixels that are."""
    flat, plane = np.asarray(indices), int(np.prod(size))
    planes = flat.reshape(*flat.shape[: -len(size)], -1)
    if planes.size and (planes.min() < 0 or planes.max() >= plane):
        raise IndexError(f"{who}: indices go from {planes.min()} to {planes.max()}, planes of size {tuple(size)}")
    count = int(np.prod(planes.shape[:-1]))
    return planes + plane * np.arange(count).reshape(*planes.shape[:-1], 1), count * plane


def nearest(size: Size, output_size: Size, channels: int = 1) -> Any:
    """The matrix of ``interpolate(mode="nearest")``: output i reads pixel floor(i size / output_size).

    Args:
        size: the image's (H, W), or its length.
        output_size: the output's.
        channels: how many.

    Returns:
        A scipy.sparse.csr_array (channels H' W', channels H W).

    >>> print(nearest(2, 4).toarray())
    [[1. 0.]
     [1. 0.]
     [0. 1.]
     [0. 1.]]
    """

    def along(n: int, m: int) -> Any:
        # In float32, as the operator and PyTorch find it, so that ties fall the same way.
        place = (np.arange(m, dtype=np.float32) * np.float32(n / m)).astype(int)
        return _at(np.arange(m), np.minimum(place, n - 1), (m, n))

    return _separable("nearest", along, size, output_size, channels)


def bilinear(size: Size, output_size: Size, align_corners: bool = False, channels: int = 1) -> Any:
    """The matrix of ``interpolate(mode="bilinear")``: along each dimension output i lies at position p and reads the
    pixels before and behind it, with weights 1 - t and t, t = p - floor(p).

    With ``align_corners`` p = i (size - 1) / (output_size - 1), else p = max((i + 1/2) size / output_size - 1/2, 0).

    Args:
        size: the image's (H, W), or its length.
        output_size: the output's.
        align_corners: see above.
        channels: how many.

    Returns:
        A scipy.sparse.csr_array (channels H' W', channels H W).

    >>> print(bilinear(2, 4).toarray())
    [[1.   0.  ]
     [0.75 0.25]
     [0.25 0.75]
     [0.   1.  ]]
    """

    def along(n: int, m: int) -> Any:
        i = np.arange(m)
        place = i * ((n - 1) / max(m - 1, 1)) if align_corners else np.maximum((i + 0.5) * (n / m) - 0.5, 0)
        low = np.minimum(place.astype(int), n - 1)
        t, high = place - low, np.minimum(low + 1, n - 1)
        matrix = _at(np.tile(i, 2), np.concatenate([low, high]), (m, n), np.concatenate([1 - t, t]))
        matrix.eliminate_zeros()
        return matrix

    return _separable("bilinear", along, size, output_size, channels)


def _separable(who: str, along: Callable[[int, int], Any], size: Size, output_size: Size, channels: int) -> Any:
    """From the matrix along one dimension, of n pixels to m, to that of images."""
    sizes = _sizes(who, "size", size, 1 if isinstance(size, int) else len(size))
    targets = _sizes(who, "output_size", output_size, len(sizes))
    if min(*sizes, *targets, channels) < 1:
        raise ValueError(f"{who}: sizes must be positive, got {sizes} to {targets} in {channels} channels")
    return _kron([sparse.eye_array(channels), *(along(n, m) for n, m in zip(sizes, targets, strict=True))])
