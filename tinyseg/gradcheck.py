"""Is a backward right? Compare it with central differences in float64."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from . import autograd
from .tensor import Tensor, float64, tensor


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


def gradcheck(
    function: Callable[..., Any],
    inputs: Tensor | Sequence[Any],
    eps: float = 1e-6,
    atol: float = 1e-5,
    rtol: float = 1e-3,
    raise_exception: bool = True,
) -> bool:
    """True if the gradients of ``function(*inputs)`` equal central differences.

    Every float64 input that requires a gradient is moved by ``eps``, element by element, and
    |difference - gradient| <= atol + rtol * |difference| is asked for. The outputs are weighted with fixed random
    numbers and summed, so that one backward pass checks all of them at once. Choose inputs away from kinks and ties.

    Raises ``GradcheckError`` for a wrong gradient (or returns False if not ``raise_exception``), ``TypeError`` if
    such an input is not float64, and ``ValueError`` if there is none, or no output of floating type.

    >>> import tinyseg
    >>> x = tinyseg.randn(3, dtype=tinyseg.float64, requires_grad=True)
    >>> gradcheck(lambda x: x.tanh() * x, [x])
    True
    """
    inputs = [inputs] if isinstance(inputs, Tensor) else list(inputs)
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
        found = np.zeros_like(slope) if gradient is None else gradient.numpy()
        error = np.abs(slope - found)
        wrong = ~(error <= atol + rtol * np.abs(slope))
        if wrong.any():
            place = tuple(int(i) for i in np.unravel_index(np.argmax(np.where(wrong, error, -1)), error.shape))
            if not raise_exception:
                return False
            raise GradcheckError(
                f"gradcheck: gradient of input {number} at {place} is {found[place]:.6g}, the difference quotient is "
                f"{slope[place]:.6g}; {int(wrong.sum())} of {wrong.size} elements are wrong"
            )
    return True
