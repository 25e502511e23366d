"""The smallest calls of every kernel: warm-up compiles the kernels with them, and a test compares backends by them.

A kernel whose arrays have one shape and one type needs no entry: its call is read off its signature in the contract.
The others have one below. Types and memory orders are what operators hand over: activations in the backend's own
order, weights and vectors in row-major order, labels and indices of 64 bits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .spec import KERNELS, Array, Backend

Arguments = tuple[Any, ...]

NAMES = tuple(
    name
    for name, kernel in KERNELS.items()
    if kernel.stem not in ("device", "array") and name != "set_conv_algorithm"
)
"""The kernels that compute."""


class Ones:
    """Makes arrays of ones, of the type ``dtype`` where no other is named."""

    def __init__(self, backend: Backend, dtype: Any) -> None:
        self.backend, self.dtype = backend, np.dtype(dtype)

    def activation(self, *shape: int, dtype: Any = None) -> Array:
        """N,C,H,W in the backend's memory order."""
        array = self.backend.empty_activation(shape, np.dtype(dtype or self.dtype))
        self.backend.fill(array, 1)
        return array

    def plain(self, *shape: int, dtype: Any = None) -> Array:
        """In row-major order."""
        return self.backend.from_numpy(np.ones(shape, dtype or self.dtype))

    def image(self) -> Array:
        """One of 3 channels and 4x4 pixels."""
        return self.activation(1, 3, 4, 4)

    def half(self, dtype: Any = None) -> Array:
        """The same with 2x2 pixels."""
        return self.activation(1, 3, 2, 2, dtype=dtype)

    def maxima(self) -> Array:
        """Of each 2x2 window of the image the index of its first pixel, as pooling finds it among ones."""
        values = np.empty_like(self.backend.to_numpy(self.half(np.int64)))  # in the same memory order
        values[...] = [[0, 2], [8, 10]]
        return self.backend.from_numpy(values)

    def pixels(self, dtype: Any = None) -> Array:
        """A number for each pixel of the image."""
        return self.plain(1, 4, 4, dtype=dtype)

    def channels(self, count: int) -> list[Array]:
        """Vectors with a number for each channel."""
        return [self.plain(3) for _ in range(count)]

    def lists(self, count: int) -> list[list[Array]]:
        """Lists of one vector."""
        return [[self.plain(8)] for _ in range(count)]


def calls(backend: Backend, name: str, dtype: Any) -> list[Arguments]:
    """The arguments of each call of the kernel ``name``, on new arrays of ones.

    >>> from tinyseg_kernels import load
    >>> reference = load("reference")
    >>> for a, b, out in calls(reference, "add", "float32"):
    ...     reference.add(a, b, out)
    ...     print(out.shape, out.dtype, out[0, 0])
    (4, 5) float32 2.0
    (4, 5) int64 2
    """
    ones = Ones(backend, dtype)
    return list(_CALLS[name](ones) if name in _CALLS else _of_one_shape(ones, name))


def _of_one_shape(ones: Ones, name: str, result: Any = None) -> Iterator[Arguments]:
    """Arrays of 4x5 elements for what is an array in the contract; fractions are 1.0, whole numbers 0, and what is
    True or False is both. ``result``: the type of ``out``.
    """
    choices: list[list[Any]] = []
    for argument, kind in zip(KERNELS[name].arguments, KERNELS[name].types, strict=True):
        if kind in ("Array", "Operand"):
            choices.append([ones.plain(4, 5, dtype=result if argument == "out" else None)])
        else:
            choices.append(_NUMBERS[kind])
    return itertools.product(*choices)


_NUMBERS: dict[str, list[Any]] = {"float": [1.0], "int": [0], "bool": [False, True]}


def _also_whole(name: str, result: Any = None) -> Callable[[Ones], Iterator[Arguments]]:
    """The same with whole numbers, too."""

    def both(ones: Ones) -> Iterator[Arguments]:
        whole = Ones(ones.backend, np.int64)
        return itertools.chain(_of_one_shape(ones, name, result), _of_one_shape(whole, name, result))

    return both


# 3x3 with few and many channels, 1x1, strided, depthwise, and that strided: (images, channels, height, width),
# (outputs, channels / groups, kernel), stride, padding, groups.
_CONVOLUTIONS = [
    ((1, 16, 8, 8), (16, 16, 3, 3), 1, 1, 1),
    ((1, 160, 4, 4), (160, 160, 3, 3), 1, 1, 1),
    ((2, 3, 8, 8), (5, 3, 1, 1), 1, 0, 1),
    ((1, 4, 8, 8), (4, 4, 2, 2), 2, 0, 1),
    ((1, 4, 8, 8), (4, 1, 3, 3), 1, 1, 4),
    ((1, 4, 8, 8), (4, 1, 4, 4), 2, 1, 4),
]


def _convolutions(ones: Ones) -> Iterator[tuple[Array, Array, Array, Arguments]]:
    """Input, weight, output, and the window's numbers."""
    for size, kernel, stride, padding, groups in _CONVOLUTIONS:
        rows, columns = ((n + 2 * padding - k) // stride + 1 for n, k in zip(size[2:], kernel[2:], strict=True))
        y = ones.activation(size[0], kernel[0], rows, columns)
        window = ((stride, stride), (padding, padding), (1, 1), groups)
        yield ones.activation(*size), ones.plain(*kernel), y, window


# Kernel size, stride, padding, dilation.
_POOLING = ((2, 2), (2, 2), (0, 0), (1, 1))

_CALLS: dict[str, Callable[[Ones], Iterator[Arguments] | list[Arguments]]] = {
    **{name: _also_whole(name) for name in ("add", "subtract", "multiply", "floor_divide", "remainder")},
    **{
        name: _also_whole(name, result=np.bool_)
        for name in ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
    },
    "where": lambda a: [(a.plain(4, 5, dtype=np.bool_), a.plain(4, 5), a.plain(4, 5), a.plain(4, 5))],
    # Concatenation writes into some of the channels.
    "assign": lambda a: [(a.image(), a.backend.slice_view(a.activation(1, 6, 4, 4), (slice(None), slice(3))))],
    "leaky_relu": lambda a: [(a.plain(8), 0.5, a.plain(8))],
    "leaky_relu_backward": lambda a: [(a.plain(8), a.plain(8), 0.5, a.plain(8))],
    **{
        name: lambda a: [(a.plain(4, 5), a.plain(1, 5), (0,)), (a.plain(4, 5), a.plain(4, 1), (1,))]
        for name in ("sum", "prod", "max", "min")
    },
    **{
        name: lambda a: [
            (a.plain(4, 5), a.plain(1, 5, dtype=np.int64), 0),
            (a.plain(4, 5), a.plain(4, 1, dtype=np.int64), 1),
        ]
        for name in ("argmax", "argmin")
    },
    "gather": lambda a: [(a.plain(4, 5), a.plain(4, 5, dtype=np.int64), a.plain(4, 5), 1)],
    "scatter_add": lambda a: [(a.plain(4, 5), a.plain(4, 5, dtype=np.int64), a.plain(4, 5), 1)],
    "matmul": lambda a: [(a.plain(4, 5), a.plain(5, 6), a.plain(4, 6))],
    "conv2d": lambda a: [
        (x, weight, a.plain(weight.shape[0]), y, *window, False, None) for x, weight, y, window in _convolutions(a)
    ],
    "conv_transpose2d": lambda a: [
        (y, weight, a.plain(x.shape[1]), x, *window, False, None) for x, weight, y, window in _convolutions(a)
    ],
    "conv2d_weight_gradient": lambda a: [(x, y, weight, *window) for x, weight, y, window in _convolutions(a)],
    "max_pool2d": lambda a: [(a.image(), a.half(), a.half(np.int64), *_POOLING)],
    "max_pool2d_backward": lambda a: [(a.half(), a.maxima(), a.image(), *_POOLING)],
    "adaptive_max_pool2d": lambda a: [(a.image(), a.half(), a.half(np.int64))],
    "adaptive_max_pool2d_backward": lambda a: [(a.half(), a.maxima(), a.image())],
    "max_unpool2d": lambda a: [(a.half(), a.half(np.int64), a.image())],
    "max_unpool2d_backward": lambda a: [(a.image(), a.half(np.int64), a.half())],
    "avg_pool2d": lambda a: [(a.image(), a.half(), *_POOLING[:3], True, None)],
    "avg_pool2d_backward": lambda a: [(a.half(), a.image(), *_POOLING[:3], True, None)],
    "adaptive_avg_pool2d": lambda a: [(a.image(), a.half())],
    "adaptive_avg_pool2d_backward": lambda a: [(a.half(), a.image())],
    "unfold": lambda a: [(a.image(), a.plain(1, 3, 2, 2, 2, 2), *_POOLING)],
    "fold": lambda a: [(a.plain(1, 3, 2, 2, 2, 2), a.plain(1, 3, 4, 4), *_POOLING)],
    "pixel_shuffle": lambda a: [(a.activation(1, 12, 2, 2), a.image(), 2)],
    "pixel_unshuffle": lambda a: [(a.image(), a.activation(1, 12, 2, 2), 2)],
    "interpolate_nearest": lambda a: [(a.half(), a.image(), (0.5, 0.5))],
    "interpolate_nearest_backward": lambda a: [(a.image(), a.half(), (0.5, 0.5))],
    "interpolate_bilinear": lambda a: [(a.half(), a.image(), (0.5, 0.5), False)],
    "interpolate_bilinear_backward": lambda a: [(a.image(), a.half(), (0.5, 0.5), False)],
    "batch_norm_statistics": lambda a: [(a.image(), *a.channels(2))],
    "batch_norm": lambda a: [(a.image(), *a.channels(4), a.image(), False)],
    "batch_norm_sums": lambda a: [(a.image(), a.image(), *a.channels(6), False)],
    "batch_norm_backward": lambda a: [
        (a.image(), a.image(), *a.channels(4), *sums, a.image(), False) for sums in ((None, None), a.channels(2))
    ],
    "group_norm_statistics": lambda a: [(a.image(), a.plain(1, 3), a.plain(1, 3))],
    "group_norm": lambda a: [(a.image(), a.plain(1, 3), a.plain(1, 3), *a.channels(2), a.image())],
    "group_norm_backward": lambda a: [
        (a.image(), a.image(), a.plain(1, 3), a.plain(1, 3), *a.channels(3), a.image())
    ],
    "layer_norm": lambda a: [(a.plain(4, 3), *a.channels(2), a.plain(4, 3), a.plain(4), a.plain(4), 1e-5)],
    "layer_norm_backward": lambda a: [
        (a.plain(4, 3), a.plain(4, 3), a.plain(4), a.plain(4), *a.channels(3), a.plain(4, 3))
    ],
    "local_response_norm": lambda a: [(a.image(), a.image(), 3, 1e-4, 0.75, 1.0)],
    "local_response_norm_backward": lambda a: [(a.image(), a.image(), a.image(), 3, 1e-4, 0.75, 1.0)],
    "softmax": lambda a: [(a.image(), a.image(), 1), (a.plain(1, 80), a.plain(1, 80), 1)],
    "softmax_backward": lambda a: [(a.image(), a.image(), a.image(), 1)],
    "log_softmax": lambda a: [(a.image(), a.image(), 1), (a.plain(1, 80), a.plain(1, 80), 1)],
    "log_softmax_backward": lambda a: [(a.image(), a.image(), a.image(), 1)],
    "cross_entropy": lambda a: [(a.image(), a.pixels(np.int64), *a.channels(1), a.pixels(), a.pixels(), 255, 0.0)],
    "cross_entropy_backward": lambda a: [
        (a.pixels(), a.image(), a.pixels(np.int64), *a.channels(1), a.image(), 255, 0.0)
    ],
    "soft_cross_entropy": lambda a: [(a.image(), a.image(), *a.channels(1), a.pixels(), 0.0)],
    "soft_cross_entropy_backward": lambda a: [(a.pixels(), a.image(), a.image(), *a.channels(1), a.image(), 0.0)],
    "label_bounds": lambda a: [(a.pixels(np.int64), a.plain(3, dtype=np.int64), 255)],
    "dropout": lambda a: [(a.image(), a.image(), 0.5, 0, 0)],
    "sgd_step": lambda a: [
        (*a.lists(2), velocities, 0.1, 0.9, 0.0, 0.0, False, False) for velocities in (None, *a.lists(1))
    ],
    "adam_step": lambda a: [(*a.lists(4), 0.1, 0.9, 0.999, 1e-8, 0.0, False, 1)],
    "rmsprop_step": lambda a: [(*a.lists(5), 0.1, 0.99, 1e-8, 0.0, 0.9)],
}
