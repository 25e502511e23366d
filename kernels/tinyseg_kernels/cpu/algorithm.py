"""Which way a convolution goes: a direct sum, or Winograd's for 3x3 kernels with stride 1.

Winograd's does a quarter of the multiplications, but transforms every tile and every weight. It loses where few
pixels meet many channels, because each call transforms the weights anew, and where there are so few channels that
the transforms outweigh the products. So both are estimated, from nanoseconds measured on one core of an AVX-512
server; only their ratios matter, and these differ little from machine to machine.
"""

from __future__ import annotations

from .simd import lanes

ALGORITHMS = ("auto", "direct", "winograd")

# Nanoseconds for: a multiply-add of the direct sum; one of the 36 products; a number that a transform writes.
_DIRECT, _DIRECT_GRADIENT, _PRODUCT = 0.019, 0.022, 0.018
_TRANSFORM, _TRANSFORM_GRADIENT = 0.3, 0.15
# A weight that is packed for the direct sum, is transformed, is read when it has been; whose gradient is added up,
# is transformed back.
_PACK, _WEIGHT, _READ, _COMBINE, _GRADIENT = 1.0, 0.3, 0.1, 4.0, 0.5

_chosen = "auto"


def set_conv_algorithm(name: str) -> None:
    """See ``spec.py``."""
    global _chosen
    _chosen = name


def _applies(kernel: tuple[int, ...], stride: tuple[int, int]) -> bool:
    return tuple(kernel) == (3, 3) and tuple(stride) == (1, 1) and _chosen != "direct"


def uses_winograd(
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    tiles: int,
    pixels: int,
    channels: int,
    outputs: int,
    itemsize: int,
    packed: bool,
) -> bool:
    """True if Winograd's way applies and is asked for or seems the faster one.

    ``tiles`` are those of 4x4 pixels that cover the ``pixels``; ``packed``: weights are packed once for many calls.
    """
    if not _applies(kernel, stride) or _chosen == "winograd":
        return _applies(kernel, stride)
    vector = lanes(itemsize)
    if channels < vector // 2 or outputs < vector // 2:  # channels are filled up to whole vectors
        return False
    weights = channels * outputs
    whole_channels, whole_outputs = -(-channels // vector) * vector, -(-outputs // vector) * vector
    direct = pixels * 9 * channels * whole_outputs * _DIRECT
    winograd = tiles * 36 * whole_channels * whole_outputs * _PRODUCT
    winograd += tiles * 36 * (whole_channels + whole_outputs) * _TRANSFORM
    if packed:
        return winograd + 36 * weights * _READ < direct
    return winograd + 36 * weights * _WEIGHT < direct + 9 * weights * _PACK


def gradient_uses_winograd(
    kernel: tuple[int, ...],
    stride: tuple[int, int],
    tiles: int,
    pixels: int,
    channels: int,
    outputs: int,
    itemsize: int,
) -> bool:
    """The same for the gradient by the weight."""
    if not _applies(kernel, stride) or _chosen == "winograd":
        return _applies(kernel, stride)
    vector = lanes(itemsize)
    if channels < vector // 2 or outputs < vector // 2:
        return False
    weights = channels * outputs
    direct = pixels * 9 * weights * _DIRECT_GRADIENT + 9 * weights * _COMBINE
    transforms = tiles * 36 * (channels + outputs) * _TRANSFORM_GRADIENT
    return tiles * 36 * weights * _PRODUCT + transforms + 36 * weights * _GRADIENT < direct
