"""Normalisation."""

from __future__ import annotations

from collections.abc import Sequence

from ...ops import group_norm as groups
from ...ops import layer_norm as layers
from ...ops import local_response_norm as responses
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

    In training mean and (biased) variance are the batch's over N and all pixels, gradients flow through them, and the
    running statistics move towards them in place: running = (1 - momentum) running + momentum batch, the variance
    unbiased. In evaluation the running statistics are used.

    Args:
        input: float (N, C, H, W), or (N, C), (N, C, L) and so on.
        running_mean, running_var: (C,), or both None in training.
        weight, bias: (C,) or None.
        training: whose statistics are used.
        momentum: see above.
        eps: added to the variance.
        activation: 'relu' makes it relu(y), in one pass over memory instead of two, forwards and backwards.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit; training with a single value for each channel.

    Source: Ioffe and Szegedy 2015, algorithms 1 and 2.

    >>> import tinyseg
    >>> x = tinyseg.tensor([1.0, 3.0]).reshape(2, 1, 1, 1)
    >>> batch_norm(x, None, None, training=True, eps=0.0).flatten()
    tensor([-1.,  1.])
    """
    return norm.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps, activation)


def group_norm(
    input: Tensor, num_groups: int, weight: Tensor | None = None, bias: Tensor | None = None, eps: float = 1e-5
) -> Tensor:
    """Group normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, mean and (biased) variance those of the
    pixels and the C / num_groups channels of a group, in each image.

    Args:
        input: float (N, C, H, W), or (N, C), (N, C, L) and so on.
        num_groups: neighbouring channels share C / num_groups a mean and a variance.
        weight, bias: (C,) or None.
        eps: added to the variance.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit; ``num_groups`` does not divide C.

    Source: Wu and He 2018.

    >>> import tinyseg
    >>> group_norm(tinyseg.tensor([[1.0, 3.0, 5.0, 9.0]]), 2, eps=0.0)
    tensor([[-1.,  1., -1.,  1.]])
    """
    return groups.group_norm(input, num_groups, weight, bias, eps)


def instance_norm(
    input: Tensor,
    running_mean: Tensor | None = None,
    running_var: Tensor | None = None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """Instance normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, mean and (biased) variance those of
    one channel of one image.

    Running statistics, if given, move towards the mean of those of the images, as in ``batch_norm``, and are what
    is used instead with ``use_input_stats=False``.

    Args:
        input: float (N, C, H, W), or (N, C, L) and so on.
        running_mean, running_var: (C,), or both None.
        weight, bias: (C,) or None.
        use_input_stats: whose statistics are used.
        momentum: see ``batch_norm``.
        eps: added to the variance.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit; an image has a single pixel.

    Source: Ulyanov, Vedaldi and Lempitsky 2016.

    >>> import tinyseg
    >>> instance_norm(tinyseg.tensor([[[1.0, 3.0], [4.0, 8.0]]]), eps=0.0)
    tensor([[[-1.,  1.],
             [-1.,  1.]]])
    """
    return groups.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def layer_norm(
    input: Tensor,
    normalized_shape: Size,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-5,
) -> Tensor:
    """Layer normalisation: y = (x - mean) / sqrt(var + eps) * weight + bias, mean and (biased) variance those over
    the last dimensions.

    Args:
        input: float, of a shape that ends in ``normalized_shape``.
        normalized_shape: an int or several.
        weight, bias: of shape ``normalized_shape``, or None.
        eps: added to the variance.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    Source: Ba, Kiros and Hinton 2016.

    >>> import tinyseg
    >>> layer_norm(tinyseg.tensor([[1.0, 3.0], [4.0, 8.0]]), 2, eps=0.0)
    tensor([[-1.,  1.],
            [-1.,  1.]])
    """
    return layers.layer_norm(input, normalized_shape, weight, bias, eps)


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """Local response normalisation: y_c = x_c / (k + alpha / size * sum_{c'} x_c'^2)^beta, the sum over ``size``
    channels c' = c - size // 2, ..., c + (size - 1) // 2, as far as there are.

    AlexNet has size 5, alpha 5e-4 (its sum is not divided by size: 1e-4 there), beta 0.75 and k 2; GoogLeNet
    size 5, alpha 1e-4, beta 0.75 and k 1.

    Args:
        input: float (N, C, H, W), or (N, C, L) and so on.
        size: how many channels.
        alpha, beta, k: see above.

    Returns:
        The same shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    Source: Krizhevsky, Sutskever and Hinton 2012, section 3.3.

    >>> import tinyseg
    >>> local_response_norm(tinyseg.tensor([[[2.0], [0.0], [1.0]]]), 2, alpha=2.0, beta=1.0)
    tensor([[[0.4],
             [0. ],
             [0.5]]])
    """
    return responses.local_response_norm(input, size, alpha, beta, k)
