"""Losses as modules."""

from .elements import BCELoss, BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, NLLLoss, SmoothL1Loss
from .segmentation import (
    BoundaryLoss,
    DiceBoundaryLoss,
    DiceCELoss,
    DiceFocalLoss,
    DiceLoss,
    FocalLoss,
    FocalTverskyLoss,
    JaccardLoss,
    LovaszSoftmaxLoss,
    TverskyLoss,
    WeightedCrossEntropyLoss,
)

__all__ = [
    "BCELoss",
    "BCEWithLogitsLoss",
    "BoundaryLoss",
    "CrossEntropyLoss",
    "DiceBoundaryLoss",
    "DiceCELoss",
    "DiceFocalLoss",
    "DiceLoss",
    "FocalLoss",
    "FocalTverskyLoss",
    "JaccardLoss",
    "L1Loss",
    "LovaszSoftmaxLoss",
    "MSELoss",
    "NLLLoss",
    "SmoothL1Loss",
    "TverskyLoss",
    "WeightedCrossEntropyLoss",
]
