"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import norm
from ...tensor import Tensor

Size = int | Sequence[int]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    activation: str | None = None,
) -> Tensor:
    """Batch normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, channel by channel.

    In training mean and (biased) variance are the batch's over N, H and W, gradients flow through them, and the
    running statistics move towards them in place: running = (1 - momentum) running + momentum batch, the variance
    unbiased. In evaluation the running statistics are used.

    Args:
        input: float (N, C, H, W).
        running_mean, running_var: (C,), or None in training.
        weight, bias: (C,) or None.
        training: whose statistics are used.
        momentum: see above.
        eps: added to the variance.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two, forwards and backwards.

    Returns:
        (N, C, H, W).

    Raises:
        ValueError, TypeError: shapes or types do not fit; training with a single value for each channel.

    Source: Ioffe and Szegedy 2015, algorithms 1 and 2.

    >>> import tinyseg
    >>> x = tinyseg.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    >>> batch_norm(x, None, None, training=True, eps=0.0).flatten()
    tensor([-1.,  1.])
    """
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, activation)
