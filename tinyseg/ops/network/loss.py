"""Losses of single elements: how far a prediction is from its target."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

from ...autograd import Op
from ...tensor_base import Tensor
from ..common import bounds, broadcast_shape, need_constant, need_same_device, need_same_type, need_tensor, new_like
from ..elementwise import divide, log, multiply, negative, subtract
from ..reduce import mean, sum

__all__ = ["binary_cross_entropy", "binary_cross_entropy_with_logits", "l1_loss", "mse_loss", "smooth_l1_loss"]


def _of_difference(ctx: Any, kernel: Callable[..., None], grad: Tensor) -> tuple[Any, ...]:
    """The gradients of a function of input - target: the target's is minus the input's; none for the options."""
    x, target = ctx.saved_tensors
    out = new_like(x)
    kernel(grad.array, x.array, target.array, out.array, *ctx.options)
    return out, negative(out) if ctx.needs_input_grad[1] else None, *(None for _ in ctx.options)


class SquaredError(Op):
    """d(x - t)^2 = 2 (x - t) d(x - t)."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor) -> Tensor:
        """(x - t)^2."""
        out = new_like(x)
        x.backend.mse_loss(x.array, target.array, out.array)
        ctx.options = ()
        ctx.save_for_backward(x, target)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad * 2 (x - t), and its negative."""
        return _of_difference(ctx, grad.backend.mse_loss_backward, grad)


class SmoothL1(Op):
    """The absolute error, rounded off near 0; with beta = 0 it is the absolute error."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor, beta: float) -> Tensor:
        """With d = |x - t|: d^2 / (2 beta) where d < beta, else d - beta / 2."""
        out = new_like(x)
        x.backend.smooth_l1_loss(x.array, target.array, out.array, beta)
        ctx.options = (beta,)
        ctx.save_for_backward(x, target)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad * (x - t) / beta where d < beta, else grad * sign(x - t); and its negative."""
        return _of_difference(ctx, grad.backend.smooth_l1_loss_backward, grad)


class BinaryCrossEntropy(Op):
    """-t log x - (1 - t) log(1 - x)."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor) -> Tensor:
        """Of probabilities."""
        out = new_like(x)
        x.backend.binary_cross_entropy(x.array, target.array, out.array)
        ctx.save_for_backward(x, target)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """By the target it is log(1 - x) - log x."""
        x, target = ctx.saved_tensors
        by_x = by_target = None
        if ctx.needs_input_grad[0]:
            by_x = new_like(x)
            x.backend.binary_cross_entropy_backward(grad.array, x.array, target.array, by_x.array)
        if ctx.needs_input_grad[1]:
            by_target = multiply(grad, subtract(log(subtract(1.0, x)), log(x)))
        return by_x, by_target


class BinaryCrossEntropyWithLogits(Op):
    """t p log(1 + e^-x) + (1 - t) log(1 + e^x); the weight p of what is positive is broadcast."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, target: Tensor, pos_weight: Tensor | None) -> Tensor:
        """Of logits."""
        out = new_like(x)
        weight = 1.0 if pos_weight is None else pos_weight.array
        x.backend.binary_cross_entropy_with_logits(x.array, target.array, weight, out.array)
        ctx.save_for_backward(x, target, pos_weight)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """By the target it is the loss of a target of 1 less that of a target of 0."""
        x, target, pos_weight = ctx.saved_tensors
        weight = 1.0 if pos_weight is None else pos_weight.array
        by_x = by_target = None
        if ctx.needs_input_grad[0]:
            by_x = new_like(x)
            x.backend.binary_cross_entropy_with_logits_backward(grad.array, x.array, target.array, weight, by_x.array)
        if ctx.needs_input_grad[1]:
            of_one, of_zero = new_like(x), new_like(x)
            x.backend.binary_cross_entropy_with_logits(x.array, 1.0, weight, of_one.array)
            x.backend.binary_cross_entropy_with_logits(x.array, 0.0, weight, of_zero.array)
            by_target = multiply(grad, subtract(of_one, of_zero))
        return by_x, by_target, None


def need_reduction(who: str, reduction: str) -> None:
    """Raises ``ValueError`` for what is no reduction."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{who}: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")


def reduced(losses: Tensor, reduction: str, weights: Tensor | None = None) -> Tensor:
    """Losses, weighted already, as they are, summed, or their sum divided by the weights' sum (or their number)."""
    if reduction == "none":
        return losses
    if reduction == "mean" and weights is None:
        return mean(losses)
    total = sum(losses)
    return divide(total, sum(weights)) if reduction == "mean" and weights is not None else total


def _checked(who: str, input: Tensor, target: Tensor, weight: Tensor | None, reduction: str) -> Tensor:
    """The input; raises ``TypeError`` and ``ValueError``."""
    x = need_tensor(who, "input", input)
    need_same_type(who, input=x, target=need_tensor(who, "target", target), weight=weight)
    need_same_device(who, x, target)
    if target.shape != x.shape:
        raise ValueError(
            f"{who}: target must have input's shape {x.shape}, got {target.shape}; .reshape() or .expand() it "
            "if that is meant"
        )
    need_reduction(who, reduction)
    return x


def _equal_weights(who: str, x: Tensor, weight: Tensor | None) -> Tensor | None:
    """The weight; raises ``ValueError`` unless it is one for each element."""
    if weight is not None and weight.shape != x.shape:
        raise ValueError(f"{who}: weight must have input's shape {x.shape}, got {weight.shape}")
    return weight


def _weighted(who: str, losses: Tensor, weight: Tensor | None) -> Tensor:
    """The losses times the weight, which is broadcast to them; raises ``ValueError`` where it cannot be."""
    if weight is None:
        return losses
    _need_broadcast(who, "weight", weight, losses)
    return multiply(losses, weight)


def _need_broadcast(who: str, name: str, x: Tensor, like: Tensor) -> None:
    try:
        fits = broadcast_shape(who, x.shape, like.shape) == like.shape
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"{who}: {name} of shape {x.shape} cannot be broadcast to input's shape {like.shape}")


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
    x = _checked("mse_loss", input, target, weight, reduction)
    weight = _equal_weights("mse_loss", x, weight)
    losses = SquaredError.apply(x, target)
    return reduced(losses if weight is None else losses * weight, reduction, weight)


def l1_loss(input: Tensor, target: Tensor, reduction: str = "mean", weight: Tensor | None = None) -> Tensor:
    """``l = w |x - t|``, with slope 0 where x = t. Arguments, result and errors are those of ``mse_loss``.

    >>> import tinyseg
    >>> l1_loss(tinyseg.tensor([1.0, -3.0]), tinyseg.zeros(2)).item()
    2.0
    """
    x = _checked("l1_loss", input, target, weight, reduction)
    weight = _equal_weights("l1_loss", x, weight)
    losses = SmoothL1.apply(x, target, 0.0)
    return reduced(losses if weight is None else losses * weight, reduction, weight)


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
    x = _checked("smooth_l1_loss", input, target, None, reduction)
    if not isinstance(beta, Real) or not beta >= 0:
        raise ValueError(f"smooth_l1_loss: beta must be a number of at least 0, got {beta!r}")
    return reduced(SmoothL1.apply(x, target, float(beta)), reduction)


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
    who = "binary_cross_entropy"
    x = _checked(who, input, target, weight, reduction)
    if x.numel():
        low, high = bounds(x)
        if not (low >= 0 and high <= 1):
            raise ValueError(
                f"{who}: input must hold probabilities, 0 .. 1, got {low} .. {high}; "
                "binary_cross_entropy_with_logits takes logits"
            )
    return reduced(_weighted(who, BinaryCrossEntropy.apply(x, target), weight), reduction)


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
    who = "binary_cross_entropy_with_logits"
    x = _checked(who, input, target, weight, reduction)
    if pos_weight is not None:
        need_same_type(who, input=x, pos_weight=need_tensor(who, "pos_weight", pos_weight))
        need_same_device(who, x, pos_weight)
        need_constant(who, "pos_weight", pos_weight)
        _need_broadcast(who, "pos_weight", pos_weight, x)
    losses = BinaryCrossEntropyWithLogits.apply(x, target, pos_weight)
    return reduced(_weighted(who, losses, weight), reduction)
