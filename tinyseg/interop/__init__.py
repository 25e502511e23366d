"""Weights from elsewhere."""

from .file import Weights, read

__all__ = ["Weights", "read"]
