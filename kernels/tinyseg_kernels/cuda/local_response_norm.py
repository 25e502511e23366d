"""Local response normalisation over neighbouring channels (Krizhevsky, Sutskever and Hinton 2012, section 3.3)."""

from __future__ import annotations

from .patterns.array import DeviceArray, contiguous, empty, row_major_like
from .patterns.assignment import deliver
from .runtime.compiler import FLOATS, T, cuda, helper, kernel
from .runtime.launch import launch, spread
from .vector.scalar import power

__all__ = ["local_response_norm", "local_response_norm_backward"]


@helper
def _squares(x, at, c, channels, pixels, before, after, zero):
    """The sum of x^2 over channels c - before .. c + after that there are; ``at``: the element of channel c."""
    total = zero
    k = max(c - before, 0)
    while k < min(c + after + 1, channels):
        value = x[at + (k - c) * pixels]
        total += value * value
        k += 1
    return total


@kernel("T* T* i8 i8 i8 i8 i8 T T T", T=FLOATS)
def _forward(x, out, count, channels, pixels, before, after, share, beta, k):
    """share is alpha / size."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        c = (i // pixels) % channels
        base = k + share * _squares(x, i, c, channels, pixels, before, after, T(0))
        out[i] = x[i] * power(base, -beta)
        i += step


@kernel("T* T* T* T* i8 i8 i8 i8 i8 T T T", T=FLOATS)
def _prepare(grad, x, direct, through, count, channels, pixels, before, after, share, beta, k):
    """direct = grad base^-beta and through = grad x base^(-beta - 1)."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        c = (i // pixels) % channels
        base = k + share * _squares(x, i, c, channels, pixels, before, after, T(0))
        direct[i] = grad[i] * power(base, -beta)
        through[i] = grad[i] * x[i] * power(base, -beta - T(1))
        i += step


@kernel("T* T* T* T* i8 i8 i8 i8 i8 T", T=FLOATS)
def _finish(x, direct, through, out, count, channels, pixels, before, after, factor):
    """factor is 2 alpha beta / size; the windows that hold channel c are those of c - after .. c + before."""
    i, step = cuda.grid(1), cuda.gridsize(1)
    while i < count:
        c = (i // pixels) % channels
        total = T(0)
        other = max(c - after, 0)
        while other < min(c + before + 1, channels):
            total += through[i + (other - c) * pixels]
            other += 1
        out[i] = direct[i] - factor * x[i] * total
        i += step


def _sizes(x: DeviceArray, size: int) -> tuple[int, ...]:
    return x.size, x.shape[1], x.shape[2] * x.shape[3], size // 2, (size - 1) // 2


def local_response_norm(x: DeviceArray, out: DeviceArray, size: int, alpha: float, beta: float, k: float) -> None:
    """x * base ** -beta; see ``spec.py``, as for every kernel here."""
    if x.size == 0:
        return
    number, target = x.dtype.type, row_major_like(out)
    numbers = number(alpha / size), number(beta), number(k)
    launch(_forward, *spread(x.size), contiguous(x), target, *_sizes(x, size), *numbers)
    deliver(target, out)


def local_response_norm_backward(
    grad: DeviceArray, x: DeviceArray, out: DeviceArray, size: int, alpha: float, beta: float, k: float
) -> None:
    """Each x moves its own output, and the base of all whose window holds it: the mirrored window."""
    if x.size == 0:
        return
    grad, x, number = contiguous(grad), contiguous(x), x.dtype.type
    direct, through = empty(x.shape, x.dtype), empty(x.shape, x.dtype)
    numbers = number(alpha / size), number(beta), number(k)
    launch(_prepare, *spread(x.size), grad, x, direct, through, *_sizes(x, size), *numbers)
    target = row_major_like(out)
    factor = number(2 * alpha * beta / size)
    launch(_finish, *spread(x.size), x, direct, through, target, *_sizes(x, size), factor)
    deliver(target, out)
