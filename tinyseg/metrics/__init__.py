"""Scores of segmentation, each taken once, off the counts of a whole data set.

``ConfusionMatrix`` has those of pixels and classes, ``BoundaryScores`` those of classes' boundaries, ``CellScores``
and ``RandScores`` those of single cells.
"""

from .boundaries import BoundaryScores
from .cells import CellScores, RandScores
from .confusion import ConfusionMatrix

__all__ = ["BoundaryScores", "CellScores", "ConfusionMatrix", "RandScores"]
