"""The second stage of a product whose sum was cut in parts: adds them up, part by part in order."""

from __future__ import annotations

from ..runtime.compiler import FLOATS, T, cuda, kernel
from ..runtime.launch import launch, spread
from .array import DeviceArray


@kernel("T* T* T* i8 i8 i8 i8 i8 i8", T=FLOATS)
def _sum_parts(parts, bias, out, size, count, plane, channels, has_bias, relu):
    """out[i] = relu(bias + parts[0, i] + ... + parts[count - 1, i])."""
    for i in range(cuda.grid(1), size, cuda.gridsize(1)):
        total = bias[i // plane % channels] if has_bias else T(0)
        for part in range(count):
            total += parts[part * size + i]
        out[i] = T(0) if relu and total <= 0 else total


def sum_parts(parts: DeviceArray, bias: DeviceArray | None, out: DeviceArray, count: int, relu: bool) -> None:
    """``parts`` (count, *out.shape), ``bias`` one number for each channel of out (N,C,H,W)."""
    plane, channels = out.shape[2] * out.shape[3], out.shape[1]
    offsets = out if bias is None else bias
    numbers = out.size, count, plane, channels, bias is not None, relu
    launch(_sum_parts, *spread(out.size), parts, offsets, out, *numbers)
