"""Losses.

Where a ``weight`` is given, 'mean' divides by what the docstring says, which is not always the weights' sum:
PyTorch's conventions differ from loss to loss, and are kept.
"""

from __future__ import annotations

from ...ops import cross_entropy as _cross_entropy
from ...ops import loss as _loss
from ...tensor import Tensor


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """Softmax cross-entropy of class logits: l = -sum_c w[c] q[c] log(exp(x[c]) / sum_k exp(x[k])) for each pixel.

    The target is a label t a pixel, q[c] = 1 where c = t and else 0, or the probabilities q themselves.
    Pixels whose label is ``ignore_index`` count nothing, whatever their logits are.

    Args:
        input: logits, float (N, C, H, W); also (C,), (N, C), (N, C, L) and more dimensions.
        target: integer class indices (N, H, W); likewise (), (N,), (N, L). Or probabilities, of input's shape and
            type; that they add up to 1 is not checked.
        weight: (C,), one for each class, or None for 1; a constant: one that requires a gradient is refused.
        ignore_index: the label of pixels that do not count. Not with probabilities: there it must be negative.
        reduction: 'none': each pixel's l; 'sum': their sum; 'mean': their sum divided by the sum of w[t] over the
            pixels that count, which is NaN if every pixel is ignored; with probabilities, by the number of pixels.
        label_smoothing: e in 0 .. 1; q becomes (1 - e) q + e / C (Szegedy et al. 2016).
        pixel_weight: one for each pixel, of target's shape (N, H, W) and input's type, as U-Net's weight map
            (Ronneberger et al. 2015). l is multiplied by it, and so is what 'mean' divides by: the mean is
            sum m l / sum m w[t] (with probabilities sum m l / sum m), so that weights of 2 everywhere change nothing.
            Divide reduction='sum' by a number of your own if you want another mean. Gradients flow to it.

    Returns:
        A tensor without dimensions, or (N, H, W).

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> logits = tinyseg.tensor([[0.0, 0.0], [0.0, 100.0]])
    >>> cross_entropy(logits, tinyseg.tensor([1, 1]), reduction="none")
    tensor([0.6931472, 0.       ])
    >>> cross_entropy(logits, tinyseg.tensor([1, 0]), pixel_weight=tinyseg.tensor([1.0, 0.0])).item() < 0.7
    True
    """
    return _cross_entropy.cross_entropy(input, target, weight, ignore_index, reduction, label_smoothing, pixel_weight)


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """The negative log-likelihood of labels t: l = -w[t] x[t]. After ``log_softmax`` it is ``cross_entropy``.

    Args:
        input: logarithms of probabilities, float (N, C, H, W); also (C,), (N, C), (N, C, L) and more dimensions.
        target: integer class indices (N, H, W); likewise (), (N,), (N, L).
        weight, ignore_index, reduction: as of ``cross_entropy``.

    Returns:
        A tensor without dimensions, or of target's shape.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> nll_loss(tinyseg.tensor([[-0.5, -1.5]]), tinyseg.tensor([1])).item()
    1.5
    """
    return _cross_entropy.nll_loss(input, target, weight, ignore_index, reduction)


def binary_cross_entropy(
    input: Tensor, target: Tensor, weight: Tensor | None = None, reduction: str = "mean"
) -> Tensor:
    """l = -w (t log x + (1 - t) log(1 - x)) of probabilities x; each logarithm is at least -100, so l is finite.

    ``binary_cross_entropy_with_logits`` is the more accurate: near 1 a probability has lost its digits.

    Args:
        input: probabilities, 0 .. 1, float, any shape.
        target: of input's shape and type, in 0 .. 1 as a rule.
        weight: broadcast to that shape, or None for 1.
        reduction: 'none', 'sum', or 'mean', the sum divided by the number of elements, whatever their weights.

    Returns:
        A tensor without dimensions, or of input's shape.

    Raises:
        ValueError: shapes do not fit, or input has an element (a NaN, say) outside of 0 .. 1.
        TypeError: types do not fit.

    >>> import tinyseg
    >>> binary_cross_entropy(tinyseg.zeros(2), tinyseg.tensor([1.0, 0.0]), reduction="none")
    tensor([100.,   0.])
    """
    return _loss.binary_cross_entropy(input, target, weight, reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """``binary_cross_entropy`` of sigmoid(x): l = w (p t log(1 + exp(-x)) + (1 - t) log(1 + exp(x))), any x.

    Args:
        input: logits, float, any shape.
        target: of input's shape and type, in 0 .. 1 as a rule.
        weight: w, broadcast to that shape, or None for 1.
        reduction: 'none', 'sum', or 'mean', the sum divided by the number of elements, whatever their weights.
        pos_weight: p, broadcast to that shape, or None for 1: more than 1 where positives are rare. With N,C,H,W and
            one for each class it is (C, 1, 1).

    Returns:
        A tensor without dimensions, or of input's shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    >>> import tinyseg
    >>> x, t = tinyseg.tensor([1000.0, 1000.0]), tinyseg.tensor([1.0, 0.0])
    >>> binary_cross_entropy_with_logits(x, t, reduction="none")
    tensor([   0., 1000.])
    """
    return _loss.binary_cross_entropy_with_logits(input, target, weight, reduction, pos_weight)


def mse_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """l = w (x - t)^2.

    Args:
        input, target: float, of one shape and type. (PyTorch broadcasts them, with a warning.)
        reduction: 'none', 'sum', or 'mean': the sum of l divided by the sum of w.
        weight: of that shape, or None for 1.

    Returns:
        A tensor without dimensions, or of input's shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit.

    >>> import tinyseg
    >>> mse_loss(tinyseg.tensor([1.0, 3.0]), tinyseg.zeros(2)).item()
    5.0
    """
    return _loss.mse_loss(input, target, reduction, weight)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """``l = w |x - t|``, with slope 0 where x = t. Arguments, result and errors are those of ``mse_loss``.

    >>> import tinyseg
    >>> l1_loss(tinyseg.tensor([1.0, -3.0]), tinyseg.zeros(2)).item()
    2.0
    """
    return _loss.l1_loss(input, target, reduction, weight)


def smooth_l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", beta: float = 1.0) -> Tensor:
    """With ``d = |x - t|``: l = d^2 / (2 beta) where d < beta, else d - beta / 2; ``l1_loss`` if beta is 0.

    Args:
        input, target: float, of one shape and type. (PyTorch broadcasts them, with a warning.)
        reduction: 'none', 'sum' or 'mean'.
        beta: where the parabola ends, at least 0.

    Returns:
        A tensor without dimensions, or of input's shape.

    Raises:
        ValueError, TypeError: shapes or types do not fit, or beta is negative.

    Source: Girshick 2015.

    >>> import tinyseg
    >>> smooth_l1_loss(tinyseg.tensor([1.0, -3.0]), tinyseg.zeros(2), reduction="none")
    tensor([0.5, 2.5])
    """
    return _loss.smooth_l1_loss(input, target, reduction, beta)
