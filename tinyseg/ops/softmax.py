"""Softmax's logarithm, and the cross-entropy of classes with it."""

from __future__ import annotations

import math
from typing import Any

from ..autograd import Op
from ..tensor import Tensor, int64
from .common import array_or_none, dimension, need_same_type, need_tensor, new, new_like


class LogSoftmax(Op):
    """y = x - log sum exp x."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, axis: int) -> Tensor:
        """Along ``axis``."""
        out = new_like(x)
        x.backend.log_softmax(x.array, out.array, axis)
        ctx.axis = axis
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad - softmax * sum grad."""
        (y,) = ctx.saved_tensors
        out = new_like(y)
        y.backend.log_softmax_backward(grad.array, y.array, out.array, ctx.axis)
        return out, None


class CrossEntropy(Op):
    """Each pixel's -w log softmax(logits)[target]; the softmax itself is never stored."""

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int
    ) -> tuple[Tensor, Tensor]:
        """The losses N,H,W and each pixel's weight, which is a result without gradient."""
        losses, weights = new(logits, target.shape), new(logits, target.shape)
        logits.backend.cross_entropy(
            logits.array, target.array, array_or_none(weight), losses.array, weights.array, ignore_index
        )
        ctx.ignore_index = ignore_index
        ctx.save_for_backward(logits, target, weight)
        return losses, weights

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> Any:
        """w (softmax - one hot)."""
        logits, target, weight = ctx.saved_tensors
        out = new_like(logits)
        logits.backend.cross_entropy_backward(
            grad.array, logits.array, target.array, array_or_none(weight), out.array, ctx.ignore_index
        )
        return out, None, None, None


def log_softmax(input: Tensor, dim: int) -> Tensor:
    """See ``nn.functional.log_softmax``."""
    x = need_tensor("log_softmax", "input", input)
    axis = dimension("log_softmax", dim, x.ndim)
    if not x.ndim or not x.shape[axis]:
        raise ValueError(f"log_softmax: input of shape {x.shape} has no element along dim {dim}")
    return LogSoftmax.apply(x, axis)


def _check_labels(target: Tensor, classes: int, ignore_index: int) -> None:
    """Raises ``IndexError`` for a label that is neither a class nor ignored."""
    bounds = new(target, (3,), int64)
    target.backend.label_bounds(target.array, bounds.array, ignore_index)
    low, high, _ = bounds.tolist()
    if low < 0 or high >= classes:
        raise IndexError(
            f"cross_entropy: target holds {low if low < 0 else high}, but there are classes 0 .. {classes - 1} "
            f"(ignore_index={ignore_index})"
        )


def _as_images(x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """(C), (N,C), (N,C,L...) logits as N,C,H,W and their targets as N,H,W."""
    if x.ndim == 1:
        x, target = x.reshape(1, -1), target.reshape(1)
    n, c, *rest = x.shape
    if len(rest) == 2:
        return x, target
    return x.reshape(n, c, math.prod(rest), 1), target.reshape(n, math.prod(rest), 1)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """See ``nn.functional.cross_entropy``."""
    x = need_tensor("cross_entropy", "input", input)
    need_tensor("cross_entropy", "target", target, floating=False)
    if target.dtype.kind not in "iu":
        raise TypeError(f"cross_entropy: target must hold class indices (int64), got {target.dtype}")
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"cross_entropy: reduction must be 'mean', 'sum' or 'none', got {reduction!r}")
    if not x.ndim or ((*x.shape[:1], *x.shape[2:]) != target.shape and not (x.ndim == 1 and not target.ndim)):
        raise ValueError(
            f"cross_entropy: input of shape {x.shape} (N,C,H,W) needs target of shape "
            f"{(*x.shape[:1], *x.shape[2:])} (N,H,W), got {target.shape}"
        )
    classes = x.shape[min(1, x.ndim - 1)]
    if weight is not None:
        need_same_type("cross_entropy", input=x, weight=need_tensor("cross_entropy", "weight", weight))
        if weight.shape != (classes,):
            raise ValueError(f"cross_entropy: weight must have shape ({classes},), got {weight.shape}")
    shape = target.shape
    logits, labels = _as_images(x, target.to(int64))
    _check_labels(labels, classes, ignore_index)
    losses, weights = CrossEntropy.apply(logits, labels, weight, ignore_index)
    if reduction == "none":
        return losses.reshape(shape)
    total = losses.sum()
    return total if reduction == "sum" else total / weights.detach().sum()
