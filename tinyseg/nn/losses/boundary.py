"""The loss of boundaries: how far each wrong pixel is from the truth's edge."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...ops.common import need_constant, need_same_device, need_same_type, need_tensor
from ...ops.elementwise import where
from ...ops.network.loss import need_reduction
from ...tensor import Tensor, tensor
from .loss import Loss
from .overlap import dice_loss, need_shares
from .pixels import need_class_weight, need_pixels

__all__ = ["BoundaryLoss", "DiceBoundaryLoss"]


def signed_distance(target: Tensor, num_classes: int, ignore_index: int = -100) -> Tensor:
    """phi[n,c]: the distance of each pixel to the edge of class c in image n, negative inside of it.

    The edge runs between pixels: the nearest one outside has 0.5, the nearest one inside -0.5. A class that is in no
    pixel of an image, or in every one, has no edge there, and phi is 0. Ignored pixels are outside of every class.

    Args:
        target: integer class indices (N, H, W).
        num_classes: C, the number of planes; 1 for the plane of class 1 alone.
        ignore_index: the label of pixels that have no class.

    Returns:
        float32 (N, C, H, W) on the device of ``target``; distances in pixels, by ``scipy.ndimage``.

    Raises:
        TypeError, ValueError: ``target`` is no tensor of class indices (N, H, W), or ``num_classes`` not positive.

    >>> import tinyseg
    >>> signed_distance(tinyseg.tensor([[[0, 0, 1, 1]]]), 1).tolist()
    [[[[1.5, 0.5, -0.5, -1.5]]]]
    """
    need_tensor("signed_distance", "target", target, 3, floating=False)
    if target.dtype.kind not in "iu":
        raise TypeError(f"signed_distance: target must hold class indices (int64), got {target.dtype}")
    if num_classes < 1:
        raise ValueError(f"signed_distance: num_classes must be positive, got {num_classes}")
    labels = target.numpy()
    labels = np.where(labels == ignore_index, -1, labels)
    first = 1 if num_classes == 1 else 0
    maps = np.zeros((labels.shape[0], labels.shape[1], labels.shape[2], num_classes), np.float32)
    for image, out in zip(labels, maps, strict=True):
        for plane in range(num_classes):
            out[:, :, plane] = _signed_distance(image == plane + first)
    return tensor(maps.transpose(0, 3, 1, 2), device=target.device)


def _signed_distance(inside: Any) -> Any:
    """Of one mask (H, W); 0 everywhere if it has no edge."""
    from scipy.ndimage import distance_transform_edt

    if not inside.any() or inside.all():
        return 0.0
    return np.where(inside, 0.5 - distance_transform_edt(inside), distance_transform_edt(~inside) - 0.5)


def boundary_loss(
    input: Tensor,
    target: Tensor,
    distance: Tensor | None = None,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """Half the squared distance of two boundaries, L = integral of phi_G s - integral of phi_G g, for each pixel
    l = sum_c w[c] phi[c] (q[c] - p[c]).

    Dist(dG, dS), the integral over the boundary dG of ||y_dS(p) - p||^2 dp, is twice the integral of the distance to
    dG over the region between dG and dS; that is written with phi_G, the signed distance of the truth G, and the
    probabilities s. It is 0 for the truth and positive for all else. Its slope says where the boundary should move,
    and little of what is far from right at the start: add it to Dice's loss (``dice_boundary_loss``).

    Args:
        input: logits (N, C, H, W); C = 1 is the logit of class 1 against class 0.
        target: integer class indices (N, H, W).
        distance: phi, (N, C, H, W), of input's type, a constant: ``signed_distance(target, C)``, which None has
            computed. A class that has no edge in an image has phi = 0, and counts nothing there.
        weight: (C,), one for each channel, or None for 1; a constant.
        ignore_index: the label of pixels that do not count, whatever their logits are.
        reduction: 'none': each pixel's m l; 'sum': their sum; 'mean': their sum divided by C and by the sum of m.
        pixel_weight: m, (N, H, W), of input's type; None for 1.

    Returns:
        A tensor without dimensions, or (N, H, W), in pixels. The mean is 0, with gradient 0, if no pixel counts.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    Source: Kervadec et al. 2019, "Boundary loss for highly unbalanced segmentation", equations 2 to 5. Their map is 0
    at the pixels along the edge inside, and 1 outside; this one lies between them.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 4), tinyseg.tensor([[[0, 0, 1, 1]]])
    >>> boundary_loss(x, t).item()  # (1.5 + 0.5 + 0.5 + 1.5) / 2 / 4
    0.5
    """
    who = "boundary_loss"
    need_reduction(who, reduction)
    pixels = need_pixels(who, input, target, ignore_index, pixel_weight)
    weight = need_class_weight(who, pixels, weight)
    if distance is None:
        distance = signed_distance(target, input.shape[1], ignore_index).to(input.dtype)
    _need_distance(who, input, distance)
    each = distance * (pixels.probabilities() - pixels.truth())
    each = pixels.weighted(each if weight is None else each * weight.reshape(-1, 1, 1)).sum(1)
    if reduction == "none":
        return each
    total = each.sum()
    if reduction == "sum":
        return total
    if pixels.mass is None:
        return total / max(pixels.logits.numel(), 1)
    mass = pixels.mass.sum() * input.shape[1]
    return total / where(mass > 0.0, mass, 1.0)


def _need_distance(who: str, x: Tensor, distance: Tensor) -> None:
    need_same_type(who, input=x, distance=need_tensor(who, "distance", distance))
    need_same_device(who, x, distance)
    need_constant(who, "distance", distance)
    if distance.shape != x.shape:
        raise ValueError(f"{who}: distance must have input's shape {x.shape}, got {distance.shape}")


def dice_boundary_loss(
    input: Tensor,
    target: Tensor,
    dice_weight: float = 1.0,
    boundary_weight: float = 0.01,
    smooth: float = 1.0,
    classes: str = "all",
    weight: Tensor | None = None,
    ignore_index: int = -100,
    pixel_weight: Tensor | None = None,
) -> Tensor:
    """u ``dice_loss`` + v ``boundary_loss``: regions first, then the course of their edges.

    Args:
        dice_weight, boundary_weight: u and v, 0 or more. ``boundary_loss`` is in pixels, so a v of 0.01 is the start
            that Kervadec et al. raise by as much each epoch.
        smooth, classes: of ``dice_loss``.
        input, target, weight, ignore_index, pixel_weight: of both.

    Returns:
        A tensor without dimensions; 0 with gradient 0 if no pixel counts.

    Raises:
        ValueError, TypeError: shapes, types or options do not fit. IndexError: a label that is no class.

    >>> import tinyseg
    >>> x, t = tinyseg.zeros(1, 1, 1, 4), tinyseg.tensor([[[0, 0, 1, 1]]])
    >>> round(dice_boundary_loss(x, t, boundary_weight=2.0).item(), 6)  # 0.4 + 2 * 0.5
    1.4
    """
    need_shares("dice_boundary_loss", dice_weight=dice_weight, boundary_weight=boundary_weight)
    overlap = dice_loss(input, target, smooth, classes, weight, ignore_index, "mean", pixel_weight)
    return overlap * dice_weight + boundary_weight * boundary_loss(
        input, target, None, weight, ignore_index, "mean", pixel_weight
    )


class BoundaryLoss(Loss, without=("distance",)):
    """How far what is wrong lies from the truth's edge, see ``functional.boundary_loss``; distances are computed."""

    function = staticmethod(boundary_loss)


class DiceBoundaryLoss(Loss):
    """Dice's loss and the boundary loss, see ``functional.dice_boundary_loss``."""

    function = staticmethod(dice_boundary_loss)
