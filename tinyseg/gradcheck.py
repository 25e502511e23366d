"""Is a backward right? Compare it with central differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from . import autograd
from .tensor import Tensor, tensor
from .tensor_base import float64

ATOL, RTOL = 1e-5, 1e-3


class GradcheckError(AssertionError):
    """A gradient differs from the finite difference; the message says which, where and by how much."""


def _outputs(function: Callable[..., Any], inputs: Sequence[Any]) -> list[Tensor]:
    result = function(*inputs)
    outputs = list(result) if isinstance(result, (tuple, list)) else [result]
    return [y for y in outputs if y.is_floating_point]


def _projections(outputs: Sequence[Tensor], seed: int) -> list[np.ndarray[Any, Any]]:
    """Fixed random weights that turn all outputs into one number; where they differ, no error can cancel."""
    generator = np.random.default_rng(seed)
    return [generator.uniform(0.5, 1.5, y.shape) * generator.choice([-1.0, 1.0], y.shape) for y in outputs]


def _difference(function: Callable[..., Any], inputs: Sequence[Any], number: int, weights: Any, eps: float) -> Any:
    """(L(x + eps) - L(x - eps)) / 2 eps for each element of one input; L = sum of weights * outputs."""
    x = inputs[number]
    values = x.detach().numpy().copy()
    slope = np.empty(values.shape)

    def loss(changed: np.ndarray[Any, Any]) -> float:
        given = list(inputs)
        given[number] = tensor(changed, device=x.device)
        with autograd.no_grad():
            outputs = _outputs(function, given)
        return sum(float((w * y.numpy()).sum()) for w, y in zip(weights, outputs, strict=True))

    for place in np.ndindex(values.shape):
        before = values[place]
        values[place] = before + eps
        above = loss(values)
        values[place] = before - eps
        below = loss(values)
        values[place] = before
        slope[place] = (above - below) / (2 * eps)
    return slope


class Comparison(NamedTuple):
    """Of one input: which of the arguments it is, its gradient, and the difference quotients."""

    number: int
    gradient: np.ndarray[Any, Any]
    slope: np.ndarray[Any, Any]

    @property
    def error(self) -> float:
        """The largest difference of the two, relative to the largest quotient if that is above 1."""
        scale = np.abs(self.slope).max(initial=1.0)
        return float(np.abs(self.gradient - self.slope).max(initial=0.0) / scale)

    def wrong(self, atol: float, rtol: float) -> np.ndarray[Any, Any]:
        """Where the two differ by more than atol + rtol * |quotient|; also where one is NaN."""
        return ~(np.abs(self.slope - self.gradient) <= atol + rtol * np.abs(self.slope))


def compare(function: Callable[..., Any], inputs: Sequence[Any], eps: float = 1e-6) -> Iterator[Comparison]:
    """The gradient of each input that requires one, and its central differences; see ``gradcheck``."""
    numbers = [i for i, x in enumerate(inputs) if isinstance(x, Tensor) and x.requires_grad]
    if not numbers:
        raise ValueError("gradcheck: no input requires a gradient")
    for number in numbers:
        if inputs[number].dtype != float64:
            raise TypeError(f"gradcheck: input {number} is {inputs[number].dtype}; differences need float64")
    outputs = _outputs(function, inputs)
    if not outputs:
        raise ValueError("gradcheck: the function returns no tensor of floating type, so nothing is compared")
    weights = _projections(outputs, seed=len(outputs))
    gradients = autograd.grad(
        outputs,
        [inputs[number] for number in numbers],
        [tensor(w, device=y.device) for w, y in zip(weights, outputs, strict=True)],
        allow_unused=True,
    )
    for number, gradient in zip(numbers, gradients, strict=True):
        slope = _difference(function, inputs, number, weights, eps)
        yield Comparison(number, np.zeros_like(slope) if gradient is None else gradient.numpy(), slope)


def gradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = ATOL,
    rtol: float = RTOL,
    raise_exception: bool = True,
) -> bool:
    """True if the gradients of ``function(*inputs)`` equal central differences.

    Every float64 input that requires a gradient is moved by ``eps``, element by element, and
    ``|difference - gradient| <= atol + rtol * |difference|`` is asked for. The outputs are weighted with fixed random
    numbers and summed, so that one backward pass checks all of them at once. Choose inputs away from kinks and ties.

    Raises ``GradcheckError`` for a wrong gradient (or returns False if not ``raise_exception``), ``TypeError`` if
    such an input is not float64, and ``ValueError`` if there is none, or no output of floating type.

    >>> import tinyseg
    >>> x = tinyseg.randn(3, dtype=tinyseg.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.tanh() * x, [x])
    True
    """
    for found in compare(function, [inputs] if isinstance(inputs, Tensor) else list(inputs), eps):
        wrong = found.wrong(atol, rtol)
        if wrong.any():
            if not raise_exception:
                return False
            error = np.abs(found.slope - found.gradient)
            place = tuple(int(i) for i in np.unravel_index(np.argmax(np.where(wrong, error, -1)), error.shape))
            raise GradcheckError(
                f"gradcheck: gradient of input {found.number} at {place} is {found.gradient[place]:.6g}, the "
                f"difference quotient is {found.slope[place]:.6g}; {wrong.sum()} of {wrong.size} elements are wrong"
            )
    return True
