"""Keeping gradients from becoming too long for a step."""

from __future__ import annotations

import math
from collections.abc import Iterable

from ..autograd import no_grad
from ..creation import zeros
from ..ops.shape import stack
from ..tensor import Tensor


def _gradients(parameters: Tensor | Iterable[Tensor]) -> list[Tensor]:
    given = [parameters] if isinstance(parameters, Tensor) else parameters
    return [x.grad for x in given if x.grad is not None]


@no_grad()
def clip_grad_norm_(
    parameters: Tensor | Iterable[Tensor],
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
) -> Tensor:
    """Shorten all gradients by one factor, so that together they are no longer than ``max_norm``; how long they were.

    The norm is that of one vector of all gradients, ||g||_p with p = ``norm_type`` 1, 2 or inf (the largest one);
    g = g min(1, max_norm / (norm + 1e-6)) in place. Raises ``ValueError`` with ``error_if_nonfinite`` if the norm is
    no finite number, and for a ``max_norm`` below 0. Source: Pascanu, Mikolov and Bengio 2013, section 3.2.

    >>> import tinyseg
    >>> x = tinyseg.zeros(2, requires_grad=True)
    >>> x.grad = tinyseg.tensor([3.0, 4.0])
    >>> clip_grad_norm_([x], max_norm=1.0)
    tensor(5.)
    >>> [round(value, 4) for value in x.grad.tolist()]
    [0.6, 0.8]
    """
    if not max_norm >= 0:
        raise ValueError(f"clip_grad_norm_: max_norm must not be negative, got {max_norm}")
    gradients = _gradients(parameters)
    if not gradients:
        return zeros(())
    norms = stack([gradient.reshape(-1).norm(norm_type) for gradient in gradients])
    norm = norms.norm(norm_type)
    value = norm.item()
    if error_if_nonfinite and not math.isfinite(value):
        raise ValueError(f"clip_grad_norm_: the norm of the gradients is {value}")
    factor = max_norm / (value + 1e-6)
    if not factor >= 1:
        for gradient in gradients:
            gradient.mul_(factor)
    return norm


@no_grad()
def clip_grad_value_(parameters: Tensor | Iterable[Tensor], clip_value: float) -> None:
    """Bring every element of the gradients to -clip_value .. clip_value, in place.

    >>> import tinyseg
    >>> x = tinyseg.zeros(2, requires_grad=True)
    >>> x.grad = tinyseg.tensor([3.0, -4.0])
    >>> clip_grad_value_([x], 3.5)
    >>> x.grad
    tensor([ 3. , -3.5])
    """
    if not clip_value >= 0:
        raise ValueError(f"clip_grad_value_: clip_value must not be negative, got {clip_value}")
    for gradient in _gradients(parameters):
        gradient.copy_(gradient.clamp(-clip_value, clip_value))
