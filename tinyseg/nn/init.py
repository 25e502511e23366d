"""Initial values of weights. All work in place, return the tensor, and take an optional generator."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

from ..autograd import no_grad
from ..random import Generator
from ..tensor import Tensor, tensor

_skipping: ContextVar[bool] = ContextVar("skipping", default=False)


@contextmanager
def skip() -> Iterator[None]:
    """Within this block nothing random is drawn: ``uniform_``, ``normal_`` and what is made of them leave a tensor as
    it is, and the generator where it is.

    For networks whose weights are loaded, or drawn from another distribution, right after they are built; layers
    then start with zeros. Constants (ones, bilinear weights, the identity) are written all the same. Blocks nest, and
    count for the thread that they stand in.

    >>> from tinyseg import nn
    >>> with skip():
    ...     layer = nn.Conv2d(512, 4096, 7)
    >>> float(layer.weight.abs().max())
    0.0
    """
    before = _skipping.set(True)
    try:
        yield
    finally:
        _skipping.reset(before)


def _fans(weight: Tensor) -> tuple[int, int]:
    """How many numbers one output is made of, and how many outputs one input goes into."""
    if weight.ndim < 2:
        raise ValueError(f"init: fan in and fan out need at least 2 dimensions, got shape {weight.shape}")
    taps = math.prod(weight.shape[2:])
    return weight.shape[1] * taps, weight.shape[0] * taps


@no_grad()
def zeros_(weight: Tensor) -> Tensor:
    """All 0."""
    return weight.fill_(0)


@no_grad()
def ones_(weight: Tensor) -> Tensor:
    """All 1."""
    return weight.fill_(1)


@no_grad()
def constant_(weight: Tensor, value: float) -> Tensor:
    """All ``value``."""
    return weight.fill_(value)


@no_grad()
def uniform_(weight: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Equally likely in [a, b)."""
    return weight if _skipping.get() else weight.uniform_(a, b, generator)


@no_grad()
def normal_(weight: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None) -> Tensor:
    """Normally distributed."""
    return weight if _skipping.get() else weight.normal_(mean, std, generator)


def kaiming_normal_(weight: Tensor, mode: str = "fan_in", generator: Generator | None = None) -> Tensor:
    """N(0, 2 / fan), which keeps the variance of activations through layers with ReLU.

    ``mode``: 'fan_in' keeps it forwards, 'fan_out' backwards. Source: He et al. 2015, section 2.2.

    >>> import tinyseg
    >>> w = kaiming_normal_(tinyseg.zeros(64, 32, 3, 3))
    >>> round(float((w * w).mean()) * 32 * 9 / 2, 1)
    1.0
    """
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming_normal_: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    return normal_(weight, 0.0, math.sqrt(2 / _fans(weight)[mode == "fan_out"]), generator)


def kaiming_uniform_(weight: Tensor, mode: str = "fan_in", generator: Generator | None = None) -> Tensor:
    """Uniform in +-sqrt(6 / fan), of the same variance as ``kaiming_normal_``."""
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming_uniform_: mode must be 'fan_in' or 'fan_out', got {mode!r}")
    bound = math.sqrt(6 / _fans(weight)[mode == "fan_out"])
    return uniform_(weight, -bound, bound, generator)


@no_grad()
def bilinear_(weight: Tensor) -> Tensor:
    """Bilinear upsampling for a transposed convolution: each channel on its own.

    With f = (k + 1) // 2 and c = f - 1 for odd k, f - 0.5 for even: ``w[r,s] = (1 - |r - c| / f) (1 - |s - c| / f)``
    on the diagonal of channels (or for a single channel a group), 0 elsewhere. Raises ``ValueError`` unless kernels
    are square.

    With it ``nn.ConvTranspose2d(C, C, k, stride=f, padding=(k - f) // 2, groups=C, bias=False)``, where k is 2 f for
    even f and 2 f - 1 for odd, starts as upsampling by f: inside, where no border is near, it gives what
    ``functional.interpolate(scale_factor=f, mode="bilinear")`` does.

    Source: Long, Shelhamer and Darrell 2015, section 3.3, and their released code.

    >>> import tinyseg
    >>> bilinear_(tinyseg.zeros(1, 1, 4, 4))[0, 0, 1]
    tensor([0.1875, 0.5625, 0.5625, 0.1875])
    """
    if weight.ndim != 4 or weight.shape[2] != weight.shape[3]:
        raise ValueError(f"bilinear_: weight must be (C, C, k, k) or (C, 1, k, k), got shape {weight.shape}")
    inputs, outputs, size, _ = weight.shape
    factor = (size + 1) // 2
    centre = factor - 1 if size % 2 else factor - 0.5
    profile = 1 - np.abs(np.arange(size) - centre) / factor
    values = np.zeros(weight.shape)
    if outputs == 1:
        values[:, 0] = np.outer(profile, profile)
    else:
        diagonal = np.arange(min(inputs, outputs))
        values[diagonal, diagonal] = np.outer(profile, profile)
    return weight.copy_(tensor(values, dtype=weight.dtype))


@no_grad()
def identity_(
    weight: Tensor, std: float = 0.0, classes: int | None = None, generator: Generator | None = None
) -> Tensor:
    """A convolution that passes its input on: w[b,a,t] = 1 if t is the centre and a = b.

    In a stack of layers whose widths are multiples of C = ``classes``: w[b,a,t] = C / out if t is the centre and
    floor(a C / in) = floor(b C / out), else N(0, std^2); such a stack passes C channels on. C is the greatest common
    divisor of both widths if left out, which gives the first form where they are equal.
    Raises ``ValueError`` for kernels of even size and widths that are no multiples of C.
    Source: Yu and Koltun 2016, section 3.

    >>> import tinyseg
    >>> x = tinyseg.rand(1, 2, 3, 3)
    >>> y = tinyseg.nn.functional.conv2d(x, identity_(tinyseg.zeros(2, 2, 3, 3)), padding=1)
    >>> bool((x == y).all())
    True
    """
    outputs, inputs, *kernel = weight.shape
    if weight.ndim != 4 or any(k % 2 == 0 for k in kernel):
        raise ValueError(f"identity_: weight must be (O, I, kh, kw) with odd kernel sizes, got shape {weight.shape}")
    common = classes or math.gcd(inputs, outputs)
    if inputs % common or outputs % common:
        raise ValueError(f"identity_: widths {inputs} and {outputs} must be multiples of classes={common}")
    b, a = np.arange(outputs)[:, None], np.arange(inputs)
    met = (a * common // inputs) == (b * common // outputs)
    weight.fill_(0)
    if std:
        normal_(weight, 0.0, std, generator)
    centre = weight.detach()[:, :, kernel[0] // 2, kernel[1] // 2]
    kept = np.where(met, common / outputs, centre.numpy())
    centre.copy_(tensor(kept, dtype=weight.dtype))
    return weight
