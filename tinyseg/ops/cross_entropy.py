"""The cross-entropy of classes, from logits and from logarithms of probabilities."""

from __future__ import annotations

import math
from numbers import Integral, Real
from typing import Any

from ..autograd import Op
from ..backend import check_later, report
from ..geometry import Field, InputField
from ..tensor_base import Tensor, TensorBase, int64
from .common import array_or_none, filled, need_constant, need_same_device, need_same_type, need_tensor, new, new_like
from .copying import to
from .elementwise import multiply, negative, not_equal, where
from .gather import gather
from .loss import need_reduction, reduced
from .shape import reshape, unsqueeze
from .softmax import log_softmax


class CrossEntropy(Op):
    """Each pixel's -w log softmax(logits)[target]; the softmax itself is never stored."""

    multiplies_little = True

    @staticmethod
    def forward(
        ctx: Any, logits: Tensor, target: Tensor, weight: Tensor | None, ignore_index: int, smoothing: float
    ) -> tuple[Tensor, Tensor]:
        """The losses N,H,W and each pixel's weight, which is a result without gradient."""
        losses, weights = new(logits, target.shape), new(logits, target.shape)
        ctx.options = ignore_index, smoothing
        logits.backend.cross_entropy(
            logits.array, target.array, array_or_none(weight), losses.array, weights.array, *ctx.options
        )
        ctx.save_for_backward(logits, target, weight)
        return losses, weights

    @staticmethod
    def backward(ctx: Any, grad: Tensor, _: Any) -> Any:
        """w (softmax - one hot)."""
        logits, target, weight = ctx.saved_tensors
        out = new_like(logits)
        logits.backend.cross_entropy_backward(
            grad.array, logits.array, target.array, array_or_none(weight), out.array, *ctx.options
        )
        return out, None, None, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each loss sees its pixel, but losses are no map N,C,H,W."""
        return inputs.unit_by_unit()


class SoftCrossEntropy(Op):
    """Each pixel's -sum_c w_c q_c log softmax(logits)[c], where q is the smoothed target."""

    multiplies_little = True

    @staticmethod
    def forward(ctx: Any, logits: Tensor, target: Tensor, weight: Tensor | None, smoothing: float) -> Tensor:
        """The losses N,H,W."""
        losses = new(logits, (logits.shape[0], *logits.shape[2:]))
        logits.backend.soft_cross_entropy(logits.array, target.array, array_or_none(weight), losses.array, smoothing)
        ctx.smoothing = smoothing
        ctx.save_for_backward(logits, target, weight)
        return losses

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """By the target it is -(1 - smoothing) w log softmax: seldom asked for, so it has no kernel."""
        logits, target, weight = ctx.saved_tensors
        by_logits = by_target = None
        if ctx.needs_input_grad[0]:
            by_logits = new_like(logits)
            logits.backend.soft_cross_entropy_backward(
                grad.array, logits.array, target.array, array_or_none(weight), by_logits.array, ctx.smoothing
            )
        if ctx.needs_input_grad[1]:
            by_target = multiply(log_softmax(logits, 1), multiply(unsqueeze(grad, 1), ctx.smoothing - 1.0))
            by_target = by_target if weight is None else multiply(by_target, reshape(weight, -1, 1, 1))
        return by_logits, by_target, None, None

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field:
        """Each loss sees its pixel, but losses are no map N,C,H,W."""
        return inputs.unit_by_unit()


def count_labels(who: str, target: Tensor, classes: int, ignore_index: int) -> int | None:
    """How many labels are not ignored; raises ``IndexError`` for one that is neither a class nor ignored.

    On a GPU the host would have to wait for the number, so there it is None, and the error comes as soon as the loss
    is read.
    """
    bounds = _bounds(target, ignore_index)
    counted: int | None = None

    def check() -> None:
        nonlocal counted
        low, high, counted = target.backend.to_numpy(bounds).tolist()
        if low < 0 or high >= classes:
            raise IndexError(
                f"{who}: target holds {low if low < 0 else high}, but there are classes 0 .. {classes - 1} "
                f"(ignore_index={ignore_index})"
            )

    check_later(target.device, check)
    return counted


def _bounds(target: Tensor, ignore_index: int) -> Any:
    bounds = report(target.device, (3,), int64)
    target.backend.label_bounds(target.array, bounds, ignore_index)
    return bounds


def _as_images(x: Tensor) -> Tensor:
    """(C), (N,C), (N,C,L...) as N,C,H,W."""
    n, c, *rest = (1, *x.shape) if x.ndim == 1 else x.shape
    return x if len(rest) == 2 else reshape(x, n, c, math.prod(rest), 1)


def _as_pixels(x: Tensor, images: Tensor) -> Tensor:
    """(), (N), (N,L...) as N,H,W."""
    return reshape(x, images.shape[0], *images.shape[2:])


def _check_options(who: str, x: Tensor, weight: Tensor | None, ignore_index: int, reduction: str) -> None:
    """Raises ``TypeError`` and ``ValueError``."""
    need_reduction(who, reduction)
    if not isinstance(ignore_index, Integral):
        raise TypeError(f"{who}: ignore_index must be an int, got {ignore_index!r}")
    if not x.ndim:
        raise ValueError(f"{who}: input must have a dimension of classes, (C,), (N,C) or (N,C,H,W), got shape ()")
    classes = x.shape[min(1, x.ndim - 1)]
    if not classes:
        raise ValueError(f"{who}: input of shape {x.shape} has no classes")
    if weight is not None:
        need_same_type(who, input=x, weight=need_tensor(who, "weight", weight))
        need_same_device(who, x, weight)
        need_constant(who, "weight", weight)
        if weight.shape != (classes,):
            raise ValueError(f"{who}: weight must have shape ({classes},), got {weight.shape}")


def _pixel_shape(x: Tensor) -> tuple[int, ...]:
    """The input's shape without its classes."""
    return (*x.shape[:1], *x.shape[2:]) if x.ndim > 1 else ()


def need_labels(who: str, x: Tensor, target: Tensor) -> Tensor:
    """The class indices as int64; raises ``TypeError`` and ``ValueError``."""
    need_tensor(who, "target", target, floating=False)
    need_same_device(who, x, target)
    if target.dtype.kind not in "iu":
        raise TypeError(f"{who}: target must hold class indices (int64), got {target.dtype}; .long() converts it")
    if target.shape != _pixel_shape(x):
        raise ValueError(
            f"{who}: input of shape {x.shape} (N,C,H,W) needs target of shape {_pixel_shape(x)} (N,H,W), "
            f"got {target.shape}"
        )
    return to(target, int64)


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """See ``nn.functional.cross_entropy``."""
    who = "cross_entropy"
    x = need_tensor(who, "input", input)
    _check_options(who, x, weight, ignore_index, reduction)
    if not isinstance(label_smoothing, Real) or not 0 <= label_smoothing <= 1:
        raise ValueError(f"{who}: label_smoothing must be a number in 0 .. 1, got {label_smoothing!r}")
    logits, smoothing = _as_images(x), float(label_smoothing)
    weights: Tensor | None
    if isinstance(target, TensorBase) and target.is_floating_point:
        _check_shares(x, target, ignore_index)
        losses, weights = SoftCrossEntropy.apply(logits, _as_images(target), weight, smoothing), None
    else:
        labels = _as_pixels(need_labels(who, x, target), logits)
        count_labels(who, labels, logits.shape[1], ignore_index)
        losses, weights = CrossEntropy.apply(logits, labels, weight, ignore_index, smoothing)
        weights = weights.detach()
    shape = _pixel_shape(x)
    if pixel_weight is not None:
        need_same_type(who, input=x, pixel_weight=need_tensor(who, "pixel_weight", pixel_weight))
        if pixel_weight.shape != shape:
            raise ValueError(
                f"{who}: pixel_weight must have shape {shape}, one for each pixel, got {pixel_weight.shape}"
            )
        factor = _as_pixels(pixel_weight, logits)
        losses, weights = losses * factor, factor if weights is None else weights * factor
    return reduced(losses.reshape(shape), reduction, weights)


def _check_shares(x: Tensor, target: Tensor, ignore_index: int) -> None:
    """Raises ``ValueError`` and ``TypeError`` unless these can be the classes' probabilities."""
    if target.shape != x.shape:
        raise TypeError(
            f"cross_entropy: target must hold class indices (int64), got {target.dtype}; probabilities must have "
            f"input's shape {x.shape}, got {target.shape}"
        )
    need_same_type("cross_entropy", input=x, target=target)
    need_same_device("cross_entropy", x, target)
    if ignore_index >= 0:
        raise ValueError(
            f"cross_entropy: ignore_index={ignore_index} goes with class indices, but target holds probabilities; "
            "give pixels a pixel_weight of 0 instead"
        )


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
) -> Tensor:
    """See ``nn.functional.nll_loss``."""
    x = need_tensor("nll_loss", "input", input)
    _check_options("nll_loss", x, weight, ignore_index, reduction)
    images = _as_images(x)
    labels = unsqueeze(_as_pixels(need_labels("nll_loss", x, target), images), 1)
    count_labels("nll_loss", labels, images.shape[1], ignore_index)
    counted = not_equal(labels, ignore_index)
    labels = where(counted, labels, 0)
    each = filled(new(x, (images.shape[1],)), 1) if weight is None else weight.detach()
    weights = where(counted, reshape(gather(each, 0, reshape(labels, -1)), labels.shape), 0.0)
    losses = multiply(where(counted, negative(gather(images, 1, labels)), 0.0), weights)
    return reduced(reshape(losses, _pixel_shape(x)), reduction, weights)
