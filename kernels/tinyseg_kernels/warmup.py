"""Calls that have a backend compile every kernel for a type, on arrays as small as may be.

A kernel is compiled for the types and memory orders of its arguments, and these are what operators hand over:
activations in the backend's own order, weights and vectors in row-major order, labels and indices of 64 bits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from .spec import KERNELS

# They compute nothing, or nothing of their own.
_WITHOUT_CODE = {"set_conv_algorithm", "fill"}


def _place(name: str) -> int:
    """Where a kernel stands in the list: what takes long first, what shares its code with that last, so that two
    processes that work off the list do not compile the same.
    """
    if name in ("conv_transpose2d", "matmul"):
        return 2
    return 0 if KERNELS[name].stem == "conv2d" else 1


_WITH_CODE = [name for name, kernel in KERNELS.items() if kernel.stem != "array" and name not in _WITHOUT_CODE]
NAMES = tuple(sorted(_WITH_CODE, key=_place))

# 3x3 with few and many channels, 1x1, strided and depthwise: (images, channels, height, width),
# (outputs, channels / groups, kernel), stride, padding, groups.
_CONVOLUTIONS = [
    ((1, 16, 8, 8), (16, 16, 3, 3), 1, 1, 1),
    ((1, 160, 4, 4), (160, 160, 3, 3), 1, 1, 1),
    ((1, 3, 8, 8), (5, 3, 1, 1), 1, 0, 1),
    ((1, 4, 8, 8), (4, 4, 2, 2), 2, 0, 1),
    ((1, 4, 8, 8), (4, 1, 3, 3), 1, 1, 4),
]
_BINARY = ("divide", "power", "maximum", "minimum")
_WHOLE_TOO = ("add", "subtract", "multiply", "floor_divide", "remainder")
_COMPARISONS = ("equal", "not_equal", "less", "less_equal", "greater", "greater_equal")
_UNARY = (
    *("negative", "absolute", "sign", "exp", "log", "sqrt", "tanh", "sigmoid", "relu"),
    *("log1p", "expm1", "sin", "cos", "floor", "ceil", "rint"),
)


def run(backend: ModuleType, name: str, dtype: Any) -> None:
    """Call the kernel ``name`` in each way that has machine code of its own.

    The way in which convolutions are computed is ``auto`` afterwards.
    """
    kernel = getattr(backend, name)
    for arguments in _arguments(_Arrays(backend, np.dtype(dtype)), name):
        for algorithm in ("direct", "winograd") if KERNELS[name].stem == "conv2d" else ("auto",):
            backend.set_conv_algorithm(algorithm)
            kernel(*arguments)
    backend.set_conv_algorithm("auto")


class _Arrays:
    """Arrays of ones."""

    def __init__(self, backend: ModuleType, dtype: np.dtype[Any]) -> None:
        self.backend, self.dtype = backend, dtype

    def activation(self, *shape: int, dtype: Any = None) -> Any:
        """N,C,H,W in the backend's memory order."""
        array = self.backend.empty_activation(shape, dtype or self.dtype)
        self.backend.fill(array, 1)
        return array

    def plain(self, *shape: int, dtype: Any = None) -> Any:
        """In row-major order."""
        return self.backend.from_numpy(np.ones(shape, dtype or self.dtype))


def _arguments(a: _Arrays, name: str) -> Iterator[tuple[Any, ...]]:
    """The arguments of each call of a kernel."""
    stem = KERNELS[name].stem
    if stem == "conv2d":
        return _convolution(a, name)
    return iter(_CALLS[name](a) if name in _CALLS else _of_any_shape(a, name))


def _convolution(a: _Arrays, name: str) -> Iterator[tuple[Any, ...]]:
    for size, kernel, stride, padding, groups in _CONVOLUTIONS:
        x, weight = a.activation(*size), a.plain(*kernel)
        rows, columns = ((n + 2 * padding - k) // stride + 1 for n, k in zip(size[2:], kernel[2:], strict=True))
        y = a.activation(1, kernel[0], rows, columns)
        window = ((stride, stride), (padding, padding), (1, 1), groups)
        if name == "conv2d":
            yield x, weight, a.plain(kernel[0]), y, *window, False, None
        elif name == "conv_transpose2d":
            yield y, weight, a.plain(size[1]), x, *window, False, None
        else:
            yield x, y, weight, *window


def _of_any_shape(a: _Arrays, name: str) -> list[tuple[Any, ...]]:
    x, out, truth = a.plain(4, 5), a.plain(4, 5), a.plain(4, 5, dtype=bool)
    whole = a.plain(4, 5, dtype=np.int64)
    if name in _BINARY:
        return [(x, x, out)]
    if name in _WHOLE_TOO:
        return [(x, x, out), (whole, whole, a.plain(4, 5, dtype=np.int64))]
    if name in _COMPARISONS:
        return [(x, x, truth), (whole, whole, truth)]
    if name in _UNARY:
        return [(x, out)]
    if name in ("relu_backward", "tanh_backward", "sigmoid_backward"):
        return [(x, x, out)]
    if name == "where":
        return [(truth, x, x, out)]
    if name == "lerp":
        return [(x, x, out, 0.5)]
    if name.startswith("arg"):
        return [(x, a.plain(1, 5, dtype=np.int64), 0), (x, a.plain(4, 1, dtype=np.int64), 1)]
    return [(x, a.plain(1, 5), (0,)), (x, a.plain(4, 1), (1,))]


def _plain(a: _Arrays, count: int) -> tuple[Any, ...]:
    """Vectors."""
    return tuple(a.plain(8) for _ in range(count))


def _lists(a: _Arrays, count: int) -> tuple[Any, ...]:
    """Lists of one vector."""
    return tuple([vector] for vector in _plain(a, count))


def _labels(a: _Arrays) -> Any:
    return a.plain(1, 4, 4, dtype=np.int64)


def _pixels(a: _Arrays) -> Any:
    return a.plain(1, 4, 4)


def _image(a: _Arrays) -> Any:
    return a.activation(1, 3, 4, 4)


def _half(a: _Arrays, dtype: Any = None) -> Any:
    return a.activation(1, 3, 2, 2, dtype=dtype)


def _channels(a: _Arrays, count: int) -> list[Any]:
    return [a.plain(3) for _ in range(count)]


# Kernel size, stride, padding, dilation.
_POOLING = ((2, 2), (2, 2), (0, 0), (1, 1))

_CALLS: dict[str, Callable[[_Arrays], list[tuple[Any, ...]]]] = {
    # Concatenation writes into some of the channels.
    "assign": lambda a: [(_image(a), a.backend.slice_view(a.activation(1, 6, 4, 4), (slice(None), slice(3))))],
    "cumsum": lambda a: [(a.plain(4, 5), a.plain(4, 5), 0)],
    "gather": lambda a: [(a.plain(4, 5), a.plain(4, 5, dtype=np.int64), a.plain(4, 5), 1)],
    "scatter_add": lambda a: [(a.plain(4, 5), a.plain(4, 5, dtype=np.int64), a.plain(4, 5), 1)],
    "matmul": lambda a: [(a.plain(4, 5), a.plain(5, 6), a.plain(4, 6))],
    "max_pool2d": lambda a: [(_image(a), _half(a), _half(a, np.int64), *_POOLING)],
    "max_pool2d_backward": lambda a: [(_half(a), _half(a, np.int64), _image(a), *_POOLING)],
    "adaptive_max_pool2d": lambda a: [(_image(a), _half(a), _half(a, np.int64))],
    "adaptive_max_pool2d_backward": lambda a: [(_half(a), _half(a, np.int64), _image(a))],
    "avg_pool2d": lambda a: [(_image(a), _half(a), *_POOLING[:3], True, None)],
    "avg_pool2d_backward": lambda a: [(_half(a), _image(a), *_POOLING[:3], True, None)],
    "adaptive_avg_pool2d": lambda a: [(_image(a), _half(a))],
    "adaptive_avg_pool2d_backward": lambda a: [(_half(a), _image(a))],
    "max_unpool2d": lambda a: [(_half(a), _half(a, np.int64), _image(a))],
    "max_unpool2d_backward": lambda a: [(_image(a), _half(a, np.int64), _half(a))],
    "unfold": lambda a: [(_image(a), a.plain(1, 3, 2, 2, 2, 2), *_POOLING)],
    "fold": lambda a: [(a.plain(1, 3, 2, 2, 2, 2), a.plain(1, 3, 4, 4), *_POOLING)],
    "pixel_shuffle": lambda a: [(a.activation(1, 12, 2, 2), _image(a), 2)],
    "pixel_unshuffle": lambda a: [(_image(a), a.activation(1, 12, 2, 2), 2)],
    "interpolate_nearest": lambda a: [(_half(a), _image(a), (0.5, 0.5))],
    "interpolate_nearest_backward": lambda a: [(_image(a), _half(a), (0.5, 0.5))],
    "interpolate_bilinear": lambda a: [(_half(a), _image(a), (0.5, 0.5), False)],
    "interpolate_bilinear_backward": lambda a: [(_image(a), _half(a), (0.5, 0.5), False)],
    "batch_norm_statistics": lambda a: [(_image(a), *_channels(a, 2))],
    "batch_norm": lambda a: [(_image(a), *_channels(a, 4), _image(a), False)],
    "batch_norm_sums": lambda a: [(_image(a), _image(a), *_channels(a, 6), False)],
    "batch_norm_backward": lambda a: [
        (_image(a), _image(a), *_channels(a, 4), *sums, _image(a), False) for sums in ((None, None), _channels(a, 2))
    ],
    "leaky_relu": lambda a: [(*_plain(a, 1), 0.5, *_plain(a, 1))],
    "leaky_relu_backward": lambda a: [(*_plain(a, 2), 0.5, *_plain(a, 1))],
    "leaky_relu_slope_backward": lambda a: [_plain(a, 3)],
    "elu": lambda a: [(*_plain(a, 2), 1.0)],
    "elu_backward": lambda a: [(*_plain(a, 3), 1.0)],
    "gelu": lambda a: [(*_plain(a, 2), tanh) for tanh in (False, True)],
    "gelu_backward": lambda a: [(*_plain(a, 3), tanh) for tanh in (False, True)],
    "softplus": lambda a: [(*_plain(a, 2), 1.0, 20.0)],
    "softplus_backward": lambda a: [(*_plain(a, 3), 1.0, 20.0)],
    "softmax": lambda a: [(_image(a), _image(a), 1), (a.plain(1, 80), a.plain(1, 80), 1)],
    "softmax_backward": lambda a: [(_image(a), _image(a), _image(a), 1)],
    "log_softmax": lambda a: [(_image(a), _image(a), 1), (a.plain(1, 80), a.plain(1, 80), 1)],
    "group_norm_statistics": lambda a: [(_image(a), a.plain(1, 3), a.plain(1, 3))],
    "group_norm": lambda a: [(_image(a), a.plain(1, 3), a.plain(1, 3), *_channels(a, 2), _image(a))],
    "group_norm_backward": lambda a: [
        (_image(a), _image(a), a.plain(1, 3), a.plain(1, 3), *_channels(a, 3), _image(a))
    ],
    "layer_norm": lambda a: [
        (a.plain(4, 3), *_channels(a, 2), a.plain(4, 3), a.plain(4), a.plain(4), 1e-5),
    ],
    "layer_norm_backward": lambda a: [
        (a.plain(4, 3), a.plain(4, 3), a.plain(4), a.plain(4), *_channels(a, 3), a.plain(4, 3))
    ],
    "local_response_norm": lambda a: [(_image(a), _image(a), 3, 1e-4, 0.75, 1.0)],
    "local_response_norm_backward": lambda a: [(_image(a), _image(a), _image(a), 3, 1e-4, 0.75, 1.0)],
    "log_softmax_backward": lambda a: [(_image(a), _image(a), _image(a), 1)],
    "cross_entropy": lambda a: [(_image(a), _labels(a), *_channels(a, 1), _pixels(a), _pixels(a), 255, 0.0)],
    "cross_entropy_backward": lambda a: [(_pixels(a), _image(a), _labels(a), *_channels(a, 1), _image(a), 255, 0.0)],
    "soft_cross_entropy": lambda a: [(_image(a), _image(a), *_channels(a, 1), _pixels(a), 0.0)],
    "soft_cross_entropy_backward": lambda a: [(_pixels(a), _image(a), _image(a), *_channels(a, 1), _image(a), 0.0)],
    "label_bounds": lambda a: [(_labels(a), a.plain(3, dtype=np.int64), 255)],
    "mse_loss": lambda a: [_plain(a, 3)],
    "mse_loss_backward": lambda a: [_plain(a, 4)],
    "smooth_l1_loss": lambda a: [(*_plain(a, 3), 1.0)],
    "smooth_l1_loss_backward": lambda a: [(*_plain(a, 4), 1.0)],
    "binary_cross_entropy": lambda a: [_plain(a, 3)],
    "binary_cross_entropy_backward": lambda a: [_plain(a, 4)],
    "binary_cross_entropy_with_logits": lambda a: [_plain(a, 4)],
    "binary_cross_entropy_with_logits_backward": lambda a: [_plain(a, 5)],
    "uniform": lambda a: [(a.plain(8), 0, 0)],
    "normal": lambda a: [(a.plain(8), 0, 0)],
    "dropout": lambda a: [(_image(a), _image(a), 0.5, 0, 0)],
    "sgd_step": lambda a: [
        (*_lists(a, 2), velocities, 0.1, 0.9, 0.0, 0.0, False, False) for velocities in (None, *_lists(a, 1))
    ],
    "adam_step": lambda a: [(*_lists(a, 4), 0.1, 0.9, 0.999, 1e-8, 0.0, False, 1)],
    "rmsprop_step": lambda a: [(*_lists(a, 5), 0.1, 0.99, 1e-8, 0.0, 0.9)],
}
