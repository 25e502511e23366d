"""Learning-rate schedules, with PyTorch's names and numbers.

A schedule counts its own ``step()`` calls, and every length it is given (``T_max``, ``total_iters``, ``milestones``)
counts them, too: call it after each step of the optimiser, and they are steps; call it after each epoch, and they are
epochs. Each rate is computed from the count alone, so a schedule that is resumed continues to the bit.
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .optimizer import Optimizer


class LRScheduler:
    """Base class, and by itself the constant rate: after t steps a group that began with lr0 has ``rate(lr0, t)``.

    Each group keeps its first rate as ``initial_lr``. Subclasses define ``rate``, or ``factor`` where it multiplies.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.base_lrs = [group.setdefault("initial_lr", group["lr"]) for group in optimizer.param_groups]
        self.last_epoch = 0
        self._set()

    def rate(self, base: float, t: int) -> float:
        """The rate after ``t`` steps of a group that began with ``base``."""
        return base * self.factor(t)

    def factor(self, t: int) -> float:
        """What the first rate is multiplied with after ``t`` steps."""
        return 1.0

    def _set(self) -> None:
        for group, base in zip(self.optimizer.param_groups, self.base_lrs, strict=True):
            group["lr"] = self.rate(base, self.last_epoch)

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
        """Continue from there; raises ``ValueError`` for a state of other groups."""
        if len(state["base_lrs"]) != len(self.base_lrs):
            raise ValueError(
                f"{type(self).__name__}: the state is for {len(state['base_lrs'])} groups of parameters, there are "
                f"{len(self.base_lrs)}"
            )
        counts_and_rates(type(self).__name__, {"last_epoch": state["last_epoch"]}, state["base_lrs"])
        self.last_epoch, self.base_lrs = state["last_epoch"], list(state["base_lrs"])
        self._set()


def counts_and_rates(what: str, counts: Mapping[str, Any], rates: Sequence[Any]) -> None:
    """``ValueError``, which begins with ``what``, unless a state's counts are whole numbers of at least 0 and its
    rates are finite numbers of at least 0.
    """
    for name, count in counts.items():
        if type(count) is not int or count < 0:
            raise ValueError(f"{what}: the state's {name} must be a whole number of at least 0, got {count!r:.40}")
    for rate in rates:
        if type(rate) not in (int, float) or not 0 <= rate < math.inf:
            raise ValueError(f"{what}: the state's rates must be finite and at least 0, got {rate!r:.40}")


def _at_least(name: str, least: int, **values: float) -> None:
    for key, value in values.items():
        if not value >= least:
            raise ValueError(f"{name}: {key} must be at least {least}, got {value}")


class LambdaLR(LRScheduler):
    """lr = lr0 f(t), f being any function of the number of steps."""

    def __init__(self, optimizer: Optimizer, lr_lambda: Callable[[int], float]) -> None:
        self.lr_lambda = lr_lambda
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """f(t)."""
        return self.lr_lambda(t)


class ConstantLR(LRScheduler):
    """lr = factor lr0 for the first ``total_iters`` steps, then lr0."""

    def __init__(self, optimizer: Optimizer, factor: float = 1 / 3, total_iters: int = 5) -> None:
        if not 0 <= factor <= 1:
            raise ValueError(f"ConstantLR: factor must be in [0, 1], got {factor}")
        self.first_factor, self.total_iters = factor, total_iters
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """The factor, and then 1."""
        return self.first_factor if t < self.total_iters else 1.0


class LinearLR(LRScheduler):
    """A warm-up: lr / lr0 goes in a straight line from ``start_factor`` to ``end_factor`` in ``total_iters`` steps.

    >>> import tinyseg
    >>> warmup = LinearLR(tinyseg.optim.SGD([tinyseg.ones(1)], lr=1.0), start_factor=0.5, total_iters=2)
    >>> warmup.step()
    >>> warmup.get_last_lr()
    [0.75]
    """

    def __init__(
        self, optimizer: Optimizer, start_factor: float = 1 / 3, end_factor: float = 1.0, total_iters: int = 5
    ) -> None:
        if not 0 < start_factor <= 1 or not 0 <= end_factor <= 1:
            raise ValueError(
                f"LinearLR: start_factor must be in (0, 1] and end_factor in [0, 1], got {start_factor}, {end_factor}"
            )
        _at_least("LinearLR", 1, total_iters=total_iters)
        self.start_factor, self.end_factor, self.total_iters = start_factor, end_factor, total_iters
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """start + (end - start) min(t, total_iters) / total_iters."""
        done = min(t, self.total_iters) / self.total_iters
        return self.start_factor + (self.end_factor - self.start_factor) * done


class StepLR(LRScheduler):
    """lr = lr0 gamma^floor(t / step_size)."""

    def __init__(self, optimizer: Optimizer, step_size: int, gamma: float = 0.1) -> None:
        _at_least("StepLR", 1, step_size=step_size)
        self.step_size, self.gamma = step_size, gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """gamma^floor(t / step_size)."""
        return self.gamma ** (t // self.step_size)


class MultiStepLR(LRScheduler):
    """lr = lr0 gamma^k after k of the ``milestones`` are reached."""

    def __init__(self, optimizer: Optimizer, milestones: Sequence[int], gamma: float = 0.1) -> None:
        self.milestones, self.gamma = sorted(milestones), gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """gamma^(milestones that are not larger than t)."""
        return self.gamma ** bisect.bisect_right(self.milestones, t)


class ExponentialLR(LRScheduler):
    """lr = lr0 gamma^t."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """gamma^t."""
        return self.gamma**t


class PolynomialLR(LRScheduler):
    """lr = lr0 (1 - t / total_iters)^power, and 0 from then on: "poly" with power 0.9 is DeepLab's.

    Source: Chen et al. 2018, section 4.1.2.

    >>> import tinyseg
    >>> schedule = PolynomialLR(tinyseg.optim.SGD([tinyseg.ones(1)], lr=1.0), total_iters=4)
    >>> schedule.step()
    >>> schedule.get_last_lr()
    [0.75]
    """

    def __init__(self, optimizer: Optimizer, total_iters: int = 5, power: float = 1.0) -> None:
        _at_least("PolynomialLR", 1, total_iters=total_iters)
        self.total_iters, self.power = total_iters, power
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        """(1 - t / total_iters)^power."""
        return float((1 - min(t, self.total_iters) / self.total_iters) ** self.power)


class CosineAnnealingLR(LRScheduler):
    """lr = eta_min + (lr0 - eta_min) (1 + cos(pi t / T_max)) / 2: down in T_max steps, and up again as many.

    Source: Loshchilov and Hutter 2017, equation 5, without restarts.
    """

    def __init__(self, optimizer: Optimizer, T_max: int, eta_min: float = 0.0) -> None:
        _at_least("CosineAnnealingLR", 1, T_max=T_max)
        self.T_max, self.eta_min = T_max, eta_min
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """eta_min + (base - eta_min) (1 + cos(pi t / T_max)) / 2."""
        return self.eta_min + (base - self.eta_min) * (1 + math.cos(math.pi * t / self.T_max)) / 2


class OneCycleLR(LRScheduler):
    """Up to ``max_lr`` and far down again in ``total_steps``, while the momentum goes down and up.

    From max_lr / div_factor to max_lr in the first ``pct_start`` of the steps, then to
    max_lr / (div_factor final_div_factor); with ``three_phase`` first back to where it began. ``anneal_strategy``:
    along half a "cos" or a "linear" line. The momentum (Adam's first beta) goes from ``max_momentum`` to
    ``base_momentum`` and back. The optimiser's own rate is not used. Source: Smith and Topin 2018.

    Raises ``ValueError`` for options out of range, for an optimiser without momentum if that is to be changed, and
    for a step too many.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        max_lr: float | Sequence[float],
        total_steps: int,
        pct_start: float = 0.3,
        anneal_strategy: str = "cos",
        cycle_momentum: bool = True,
        base_momentum: float = 0.85,
        max_momentum: float = 0.95,
        div_factor: float = 25.0,
        final_div_factor: float = 1e4,
        three_phase: bool = False,
    ) -> None:
        _at_least("OneCycleLR", 1, total_steps=total_steps)
        if not 0 <= pct_start <= 1:
            raise ValueError(f"OneCycleLR: pct_start must be in [0, 1], got {pct_start}")
        if anneal_strategy not in _ANNEALED:
            raise ValueError(f"OneCycleLR: anneal_strategy must be 'cos' or 'linear', got {anneal_strategy!r}")
        groups = optimizer.param_groups
        if cycle_momentum and not all("momentum" in group or "betas" in group for group in groups):
            raise ValueError("OneCycleLR: the optimiser has no momentum to change; give cycle_momentum=False")
        peaks = list(max_lr) if isinstance(max_lr, Sequence) else [max_lr] * len(groups)
        if len(peaks) != len(groups):
            raise ValueError(f"OneCycleLR: {len(peaks)} rates in max_lr for {len(groups)} groups of parameters")
        for group, peak in zip(groups, peaks, strict=True):
            group["initial_lr"] = peak / div_factor
        self.total_steps, self.cycle_momentum = total_steps, cycle_momentum
        self.div_factor, self.final_div_factor = div_factor, final_div_factor
        self.momenta = base_momentum, max_momentum
        self.anneal = _ANNEALED[anneal_strategy]
        first, last = pct_start * total_steps - 1, total_steps - 1
        self.ends = [first, 2 * first, last] if three_phase else [first, last]
        super().__init__(optimizer)

    def _between(self, values: Sequence[float], t: int) -> float:
        """Where the way through ``values``, one more than there are phases, is after t steps."""
        if t > self.total_steps:
            raise ValueError(f"OneCycleLR: step {t} of a schedule of {self.total_steps} steps")
        phase = min(bisect.bisect_left(self.ends, t), len(self.ends) - 1)
        begin = self.ends[phase - 1] if phase else 0.0
        done = (t - begin) / (self.ends[phase] - begin) if t > begin else 0.0
        return self.anneal(values[phase], values[phase + 1], done)

    def rate(self, base: float, t: int) -> float:
        """Up, down, and with three phases further down."""
        back = [base] if len(self.ends) == 3 else []
        return self._between([base, base * self.div_factor, *back, base / self.final_div_factor], t)

    def _set(self) -> None:
        super()._set()
        if not self.cycle_momentum:
            return
        low, high = self.momenta
        flat = [high] if len(self.ends) == 3 else []
        momentum = self._between([high, low, high, *flat], self.last_epoch)
        for group in self.optimizer.param_groups:
            if "betas" in group:
                group["betas"] = (momentum, *group["betas"][1:])
            else:
                group["momentum"] = momentum


_ANNEALED: dict[str, Callable[[float, float, float], float]] = {
    "cos": lambda start, end, done: end + (start - end) / 2 * (1 + math.cos(math.pi * done)),
    "linear": lambda start, end, done: start + (end - start) * done,
}


class SequentialLR(LRScheduler):
    """One schedule after another: the next takes over, from its own beginning, at each of the ``milestones``.

    >>> import tinyseg
    >>> optimizer = tinyseg.optim.SGD([tinyseg.ones(1)], lr=1.0)
    >>> parts = [LinearLR(optimizer, 0.5, total_iters=2), PolynomialLR(optimizer, total_iters=4)]
    >>> schedule, rates = SequentialLR(optimizer, parts, milestones=[2]), []
    >>> for _ in range(5):
    ...     rates += schedule.get_last_lr()
    ...     schedule.step()
    >>> rates
    [0.5, 0.75, 1.0, 0.75, 0.5]
    """

    def __init__(self, optimizer: Optimizer, schedulers: Sequence[LRScheduler], milestones: Sequence[int]) -> None:
        if len(schedulers) != len(milestones) + 1 or list(milestones) != sorted(set(milestones)):
            raise ValueError(
                f"SequentialLR: {len(schedulers)} schedules need {len(schedulers) - 1} milestones, each larger than "
                f"the one before; got {list(milestones)}"
            )
        if any(part.optimizer is not optimizer for part in schedulers):
            raise ValueError("SequentialLR: a schedule is of another optimiser")
        self.schedulers, self.milestones = list(schedulers), list(milestones)
        super().__init__(optimizer)

    def rate(self, base: float, t: int) -> float:
        """That of the schedule whose turn it is."""
        turn = bisect.bisect_right(self.milestones, t)
        return self.schedulers[turn].rate(base, t - (self.milestones[turn - 1] if turn else 0))


class ReduceLROnPlateau:
    """The rate is multiplied by ``factor`` when a score has not become better for more than ``patience`` steps.

    Better is less (``mode="min"``) or more ("max"), by ``threshold`` times the best so far (``threshold_mode="rel"``)
    or by ``threshold`` ("abs"). For ``cooldown`` steps after a change nothing is counted; a rate does not fall below
    ``min_lr``, nor by less than ``eps``.

    >>> import tinyseg
    >>> schedule = ReduceLROnPlateau(tinyseg.optim.SGD([tinyseg.ones(1)], lr=1.0), factor=0.5, patience=1)
    >>> for loss in (3.0, 2.0, 2.0, 2.1):
    ...     schedule.step(loss)
    >>> schedule.get_last_lr()
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        mode: str = "min",
        factor: float = 0.1,
        patience: int = 10,
        threshold: float = 1e-4,
        threshold_mode: str = "rel",
        cooldown: int = 0,
        min_lr: float = 0.0,
        eps: float = 1e-8,
    ) -> None:
        if not factor < 1:
            raise ValueError(f"ReduceLROnPlateau: factor must be less than 1, got {factor}")
        if mode not in ("min", "max") or threshold_mode not in ("rel", "abs"):
            raise ValueError(
                "ReduceLROnPlateau: mode must be 'min' or 'max' and threshold_mode 'rel' or 'abs', got "
                f"{mode!r} and {threshold_mode!r}"
            )
        self.optimizer, self.mode, self.factor, self.patience = optimizer, mode, factor, patience
        self.threshold, self.threshold_mode = threshold, threshold_mode
        self.cooldown, self.min_lr, self.eps = cooldown, min_lr, eps
        self.best = math.inf if mode == "min" else -math.inf
        self.num_bad_epochs = self.cooldown_counter = self.last_epoch = 0

    def is_better(self, score: float) -> bool:
        """By more than the threshold."""
        sign = -1 if self.mode == "min" else 1
        if self.threshold_mode == "rel":
            least = self.best * (1 + sign * self.threshold)
        else:
            least = self.best + sign * self.threshold
        return sign * (score - least) > 0

    def step(self, metrics: float) -> None:
        """The score of one more step, or epoch."""
        self.last_epoch += 1
        better = self.is_better(metrics)
        if better:
            self.best = metrics
        self.num_bad_epochs = 0 if better else self.num_bad_epochs + 1
        if self.cooldown_counter > 0:
            self.cooldown_counter -= 1
            self.num_bad_epochs = 0
        if self.num_bad_epochs > self.patience:
            for group in self.optimizer.param_groups:
                rate = max(group["lr"] * self.factor, self.min_lr)
                if group["lr"] - rate > self.eps:
                    group["lr"] = rate
            self.cooldown_counter, self.num_bad_epochs = self.cooldown, 0

    def get_last_lr(self) -> list[float]:
        """The rate of each group."""
        return [group["lr"] for group in self.optimizer.param_groups]

    def state_dict(self) -> dict[str, Any]:
        """Where the schedule stands, and the rates it has come to."""
        names = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
        return {name: getattr(self, name) for name in names} | {"lrs": self.get_last_lr()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from there; raises ``ValueError`` for a state of other groups, or one that cannot be."""
        rates, best = state["lrs"], state["best"]
        counts = {name: state[name] for name in ("num_bad_epochs", "cooldown_counter", "last_epoch")}
        counts_and_rates(type(self).__name__, counts, rates)
        if type(best) not in (int, float) or math.isnan(best):
            raise ValueError(f"ReduceLROnPlateau: the state's best must be a number, got {best!r:.40}")
        if len(rates) != len(self.optimizer.param_groups):
            raise ValueError(
                f"ReduceLROnPlateau: the state is for {len(rates)} groups of parameters, there are "
                f"{len(self.optimizer.param_groups)}"
            )
        self.best = best
        for name, count in counts.items():
            setattr(self, name, count)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
