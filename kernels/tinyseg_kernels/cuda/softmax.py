"""The softmax and its logarithm along a dimension: a thread for each line of elements."""

from __future__ import annotations

import math

from .patterns.array import DeviceArray, contiguous, row_major_like
from .patterns.assignment import deliver
from .runtime.compiler import FLOATS, Kernel, T, cuda, helper, kernel
from .runtime.launch import launch, spread
from .vector.scalar import exponential, logarithm

__all__ = ["log_softmax", "log_softmax_backward", "softmax", "softmax_backward"]


@helper
def log_sum(x, at, length, inner, zero):
    """The largest of the elements at, at + inner, ..., and the sum of their exponentials over its own."""
    largest = x[at]
    k = 1
    while k < length:
        value = x[at + k * inner]
        if value > largest or value != value:
            largest = value
        k += 1
    total = zero
    k = 0
    while k < length:
        total += exponential(x[at + k * inner] - largest)
        k += 1
    return largest, total


@kernel("T* T* i8 i8 i8", T=FLOATS)
def _softmax(x, out, lines, length, inner):
    line, step = cuda.grid(1), cuda.gridsize(1)
    while line < lines:
        first = line // inner
        at = first * length * inner + (line - first * inner)
        largest, total = log_sum(x, at, length, inner, T(0))
        k = 0
        while k < length:
            out[at + k * inner] = exponential(x[at + k * inner] - largest) / total
            k += 1
        line += step


@kernel("T* T* i8 i8 i8", T=FLOATS)
def _log_softmax(x, out, lines, length, inner):
    line, step = cuda.grid(1), cuda.gridsize(1)
    while line < lines:
        first = line // inner
        at = first * length * inner + (line - first * inner)
        largest, total = log_sum(x, at, length, inner, T(0))
        log_total = logarithm(total)
        k = 0
        while k < length:
            out[at + k * inner] = (x[at + k * inner] - largest) - log_total
            k += 1
        line += step


@kernel("T* T* T* i8 i8 i8", T=FLOATS)
def _softmax_backward(grad, y, out, lines, length, inner):
    line, step = cuda.grid(1), cuda.gridsize(1)
    while line < lines:
        first = line // inner
        at = first * length * inner + (line - first * inner)
        total = T(0)
        k = 0
        while k < length:
            total += grad[at + k * inner] * y[at + k * inner]
            k += 1
        k = 0
        while k < length:
            out[at + k * inner] = y[at + k * inner] * (grad[at + k * inner] - total)
            k += 1
        line += step


@kernel("T* T* T* i8 i8 i8", T=FLOATS)
def _log_softmax_backward(grad, y, out, lines, length, inner):
    line, step = cuda.grid(1), cuda.gridsize(1)
    while line < lines:
        first = line // inner
        at = first * length * inner + (line - first * inner)
        total = T(0)
        k = 0
        while k < length:
            total += grad[at + k * inner]
            k += 1
        k = 0
        while k < length:
            out[at + k * inner] = grad[at + k * inner] - exponential(y[at + k * inner]) * total
            k += 1
        line += step


def _run(compiled: Kernel, out: DeviceArray, axis: int, *inputs: DeviceArray) -> None:
    if out.size == 0:
        return
    target = row_major_like(out)
    length, inner = (out.shape[axis], math.prod(out.shape[axis + 1 :])) if out.ndim else (1, 1)
    lines = out.size // length
    launch(compiled, *spread(lines), *(contiguous(x) for x in inputs), target, lines, length, inner)
    deliver(target, out)


def softmax(x: DeviceArray, out: DeviceArray, axis: int) -> None:
    """exp x / sum exp x; see ``spec.py``, as for every kernel here."""
    _run(_softmax, out, axis, x)


def softmax_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray, axis: int) -> None:
    """How far each gradient is from their mean, weighted by y."""
    _run(_softmax_backward, out, axis, grad, y)


def log_softmax(x: DeviceArray, out: DeviceArray, axis: int) -> None:
    """x - log sum exp x."""
    _run(_log_softmax, out, axis, x)


def log_softmax_backward(grad: DeviceArray, y: DeviceArray, out: DeviceArray, axis: int) -> None:
    """The softmax itself is exp(y)."""
    _run(_log_softmax_backward, out, axis, grad, y)
