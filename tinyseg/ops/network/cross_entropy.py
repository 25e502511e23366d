"""The cross-entropy of classes, from logits and from logarithms of probabilities."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from ...autograd import Op
from ...geometry import Field, InputField
from ...late_checks import check_later
from ...tensor_base import Tensor, TensorBase, int64
from ..common import (
    array_or_none,
    filled,
    need_constant,
    need_same_device,
    need_same_type,
    need_tensor,
    new,
    new_like,
)
from ..copying import to
from ..elementwise import multiply, negative, not_equal, where
from ..gather import gather
from ..shape import reshape, unsqueeze
from .images import as_images
from .loss import need_reduction, reduced
from .softmax import log_softmax

__all__ = ["cross_entropy", "nll_loss"]


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
    bounds = target.backend.empty_report((3,), int64)
    target.backend.label_bounds(target.array, bounds, ignore_index)
    return bounds


def _logits(x: Tensor) -> Tensor:
    """(C), (N,C) or (N,C,L...) as N,C,H,W."""
    return as_images(x, 0 if x.ndim == 1 else None)


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
    who = "cross_entropy"
    x = need_tensor(who, "input", input)
    _check_options(who, x, weight, ignore_index, reduction)
    if not isinstance(label_smoothing, Real) or not 0 <= label_smoothing <= 1:
        raise ValueError(f"{who}: label_smoothing must be a number in 0 .. 1, got {label_smoothing!r}")
    logits, smoothing = _logits(x), float(label_smoothing)
    weights: Tensor | None
    if isinstance(target, TensorBase) and target.is_floating_point:
        _check_shares(x, target, ignore_index)
        losses, weights = SoftCrossEntropy.apply(logits, _logits(target), weight, smoothing), None
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
    x = need_tensor("nll_loss", "input", input)
    _check_options("nll_loss", x, weight, ignore_index, reduction)
    images = _logits(x)
    labels = unsqueeze(_as_pixels(need_labels("nll_loss", x, target), images), 1)
    count_labels("nll_loss", labels, images.shape[1], ignore_index)
    counted = not_equal(labels, ignore_index)
    labels = where(counted, labels, 0)
    each = filled(new(x, (images.shape[1],)), 1) if weight is None else weight.detach()
    weights = where(counted, reshape(gather(each, 0, reshape(labels, -1)), labels.shape), 0.0)
    losses = multiply(where(counted, negative(gather(images, 1, labels)), 0.0), weights)
    return reduced(reshape(losses, _pixel_shape(x)), reduction, weights)
