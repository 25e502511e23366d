"""Learning-rate schedules: call ``step()`` after each optimiser step, or after each epoch, as you count."""

from __future__ import annotations

import math
from typing import Any

from .optimizer import Optimizer


class LRScheduler:
    """Base class: the rate after t steps is the group's first rate times ``factor(t)``."""

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = 0
        self._set()

    def factor(self, t: int) -> float:
        """What the first rate is multiplied with after ``t`` steps; here 1, a constant rate."""
        return 1.0

    def _set(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = base * self.factor(self.last_epoch)

    def step(self) -> None:
        """One step further."""
        self.last_epoch += 1
        self._set()

    def get_last_lr(self) -> list[float]:
        """The rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands."""
        return {"last_epoch": self.last_epoch, "base_lrs": list(self.base_lrs)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from there."""
        self.last_epoch, self.base_lrs = int(state["last_epoch"]), list(state["base_lrs"])
        self._set()


class ConstantLR(LRScheduler):
    """lr stays as it is."""


class StepLR(LRScheduler):
    """lr = lr0 gamma^floor(t / step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        if step_size < 1:
            raise ValueError(f"StepLR: step_size must be at least 1, got {step_size}")
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """gamma^floor(t / step_size)."""
        return self.gamma ** (t // self.step_size)


class PolyLR(LRScheduler):
    """lr = lr0 (1 - t / total_iters)^power, and 0 from then on. Source: Chen et al. 2017 (DeepLab), section 4.1.

    >>> import tinyseg
    >>> schedule = PolyLR(tinyseg.optim.SGD([tinyseg.ones(1)], lr=1.0), total_iters=4, power=1.0)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.75]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int, power: float = 0.9) -> None:
        if total_iters < 1:
            raise ValueError(f"PolyLR: total_iters must be at least 1, got {total_iters}")
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """(1 - t / total_iters)^power."""
        return float((1 - min(t, self.total_iters) / self.total_iters) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """lr = lr0 (1 + cos(pi t / T_max)) / 2, and 0 from then on. Source: Loshchilov and Hutter 2017, equation 5."""

    def __init__(self, optimizer: Optimizer, T_max: int) -> None:
        if T_max < 1:
            raise ValueError(f"CosineAnnealingLR: T_max must be at least 1, got {T_max}")
        self.T_max = T_max
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """(1 + cos(pi t / T_max)) / 2."""
        return (1 + math.cos(math.pi * min(t, self.T_max) / self.T_max)) / 2
