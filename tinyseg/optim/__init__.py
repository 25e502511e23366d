"""Optimisers, learning-rate schedules, averages of weights."""

from . import lr_scheduler, swa_utils
from .groups import parameter_groups
from .optimizer import SGD, Adam, AdamW, Optimizer, RMSprop

__all__ = ["SGD", "Adam", "AdamW", "Optimizer", "RMSprop", "lr_scheduler", "parameter_groups", "swa_utils"]
