"""How weights are changed: what is frozen, the optimiser, the course of its learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from .. import models, optim
from ..errors import InputError
from ..nn import Module
from ..optim.groups import begins
from ..optim.lr_scheduler import (
    CosineAnnealingLR,
    LinearLR,
    LRScheduler,
    MultiStepLR,
    OneCycleLR,
    PolynomialLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)
from .config import TrainingConfig

OPTIMIZERS = ("adam", "adamw", "sgd", "rmsprop")
SCHEDULES = ("poly", "cosine", "step", "multistep", "exponential", "onecycle", "plateau", "constant")
STAGES = tuple(stage for stages in models.stages().values() for stage in stages)


def frozen_parts(model: Module, prefixes: Sequence[str]) -> list[Module]:
    """Freeze parameters whose names begin with a prefix, up to a dot; the parts of the model that are frozen whole.

    Raises ``InputError`` for a prefix that no parameter has.
    """
    _check_prefixes("--freeze", model, prefixes)
    for name, parameter in model.named_parameters():
        if any(begins(name, prefix) for prefix in prefixes):
            parameter.requires_grad_(False)
    return [part for name, part in model.named_modules() if any(begins(name, prefix) for prefix in prefixes)]


def _check_prefixes(option: str, model: Module, prefixes: Iterable[str]) -> None:
    names = [name for name, _ in model.named_parameters()]
    for prefix in prefixes:
        if not prefix or not any(begins(name, prefix) for name in names):
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in names))
            raise InputError(f"{option}: no parameter's name begins with {prefix!r}; there are {known}")


def create_optimizer(training: TrainingConfig, model: Module) -> optim.Optimizer:
    """The optimiser of the run; weight decay acts on weights, not on biases and what normalises."""
    _check_prefixes("--rate-of", model, training.rate_of)
    groups = optim.parameter_groups(
        model,
        lr=training.lr,
        weight_decay=training.weight_decay,
        bias_lr_factor=training.bias_lr,
        lr_factors=training.rate_of,
    )
    if not groups:
        raise InputError("--freeze leaves no parameter to be trained")
    if training.optimizer == "sgd":
        return optim.SGD(groups, lr=training.lr, momentum=training.momentum, nesterov=training.nesterov)
    if training.optimizer == "rmsprop":
        return optim.RMSprop(groups, lr=training.lr, momentum=training.momentum)
    if training.optimizer in ("adam", "adamw"):
        kind = optim.Adam if training.optimizer == "adam" else optim.AdamW
        return kind(groups, lr=training.lr, betas=(training.momentum, 0.999))
    raise InputError(f"unknown optimizer {training.optimizer!r}; there are {', '.join(OPTIMIZERS)}")


def steps_of_epoch(training: TrainingConfig, batches: int) -> int:
    """How many steps of the optimiser an epoch of so many batches has."""
    return -(-batches // training.accumulate)


def _warmup_steps(training: TrainingConfig, steps: int) -> int:
    """In the run, with so many steps in an epoch: one at least is left for the schedule itself."""
    return min(round(training.warmup * steps), training.epochs * steps - 1)


def depends_on_epochs(training: TrainingConfig, steps: int) -> bool:
    """Whether the learning rate at some step would be another one in a run of more epochs, of so many steps each."""
    over_the_run = ("poly", "cosine", "onecycle", *(["step"] if training.step_epochs is None else []))
    return training.schedule in over_the_run or round(training.warmup * steps) != _warmup_steps(training, steps)


class Schedule:
    """The learning rate over the run: by the step, but for ``plateau``, which looks at each epoch's mean IU.

    ``steps``: of the optimiser in an epoch. What a configuration gives in epochs is turned into steps; after a
    warm-up, in which the rate rises in a straight line, the schedule itself begins.
    """

    def __init__(self, training: TrainingConfig, optimizer: optim.Optimizer, steps: int) -> None:
        total = training.epochs * steps
        self.warmup = _warmup_steps(training, steps)
        self.plateau: ReduceLROnPlateau | None = None
        self._first_factor = optimizer.param_groups[0]["lr"] / training.lr
        main = _course(training, optimizer, steps, total, self.warmup)
        self.by_step = main
        if self.warmup:
            rising = LinearLR(optimizer, 1 / (self.warmup + 1), total_iters=self.warmup)
            self.by_step = SequentialLR(optimizer, [rising, main], [self.warmup])
        if training.schedule == "plateau":
            self.plateau = ReduceLROnPlateau(
                optimizer, mode="max", factor=training.gamma, patience=training.plateau_patience
            )

    @property
    def rate(self) -> float:
        """Now, of what has no factor of its own."""
        return self.by_step.get_last_lr()[0] / self._first_factor

    def step(self) -> None:
        """After each step of the optimiser."""
        if self.plateau is None or self.by_step.last_epoch < self.warmup:
            self.by_step.step()

    def epoch_done(self, mean_iu: float | None) -> None:
        """After each epoch's validation; a plateau is looked for after the warm-up, and where there is a score."""
        if self.plateau is not None and mean_iu is not None and self.by_step.last_epoch >= self.warmup:
            self.plateau.step(mean_iu)

    def state_dict(self) -> dict[str, Any]:
        """Where it stands."""
        state = self.by_step.state_dict()
        return state if self.plateau is None else {**state, "plateau": self.plateau.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from there."""
        self.by_step.load_state_dict(state)
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])


def _course(training: TrainingConfig, optimizer: optim.Optimizer, steps: int, total: int, warmup: int) -> LRScheduler:
    """The schedule by its name, over what ``warmup`` leaves of ``total`` steps; ``step`` lowers the rate after each
    third, if not told when. Milestones are counted from the beginning of the run.
    """
    name, gamma = training.schedule, training.gamma
    total -= warmup
    if name == "poly":
        return PolynomialLR(optimizer, total, training.power)
    if name == "cosine":
        return CosineAnnealingLR(optimizer, total)
    if name == "step":
        every = math.ceil(total / 3) if training.step_epochs is None else training.step_epochs * steps
        return StepLR(optimizer, every, gamma)
    if name == "multistep":
        return MultiStepLR(optimizer, [epoch * steps - warmup for epoch in training.milestones], gamma)
    if name == "exponential":  # by the epoch, as papers count it
        return StepLR(optimizer, steps, gamma)
    if name == "onecycle":
        rates = [group["lr"] for group in optimizer.param_groups]
        return OneCycleLR(optimizer, rates, total, cycle_momentum=False)
    if name in ("constant", "plateau"):
        return LRScheduler(optimizer)
    raise InputError(f"unknown schedule {name!r}; there are {', '.join(SCHEDULES)}")
