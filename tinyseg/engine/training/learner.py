"""A network that learns: gradients of batches, gathered if wanted, the optimiser's steps, the average of weights."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from functools import partial
from itertools import chain, islice
from typing import Any

import numpy as np

from ...autograd import no_grad
from ...data import Batch, DataLoader
from ...finite import fault
from ...models import SegmentationModel
from ...nn.utils import clip_grad_norm_, clip_grad_value_
from ...optim.swa_utils import AveragedModel, update_bn
from ...tensor import Tensor, tensor
from ..config.config import Config
from ..parts.diagnose import DivergenceError, first_bad_gradient, first_non_finite
from ..parts.objective import Objective
from ..parts.optimization import Schedule, create_optimizer, frozen_parts, steps_of_epoch
from ..parts.pipeline import Sent, send


class Learner:
    """``model`` and all that changes it. ``batches``: in an epoch; a step of the optimiser takes one of them, or as
    many as the configuration says to accumulate.

    The loss of a step is the mean over all pixels that count in its batches, or their sum: so a step on 4 batches of
    2 images is one on a batch of 8, but for batch norm, which sees 2 at a time.
    """

    def __init__(self, config: Config, model: SegmentationModel, batches: int) -> None:
        training = config.training
        self.config, self.model = config, model
        self.frozen = frozen_parts(model, training.freeze)
        self.objective = Objective(config)
        self.optimizer = create_optimizer(training, model)
        self.schedule = Schedule(training, self.optimizer, steps_of_epoch(training, batches))
        self.average = None if training.ema is None else AveragedModel(model, training.ema, warmup=True)
        self._gathered: list[Batch] = []
        self._pixels = 0.0
        self._before: list[Batch] = []

    @property
    def scored(self) -> SegmentationModel:
        """The network to validate, to save and to use: the average, if there is one."""
        if self.average is None:
            return self.model
        averaged: SegmentationModel = self.average.module  # type: ignore[assignment]  # a copy of the model
        return averaged

    def start_epoch(self) -> None:
        """Set the network to training, but for what is frozen: its batch norm uses the statistics that it has."""
        self.model.train()
        for part in self.frozen:
            object.__setattr__(part, "training", False)

    def learn(self, batch: Batch, last: bool, tensors: Sent | None = None) -> float | None:
        """Take a batch in, and make a step if there are enough, or it is the ``last`` of the epoch; its loss.

        ``tensors``: the batch's, if they have been sent to the device already.

        None for a batch in which every pixel is ignored. Raises ``DivergenceError`` for a loss that is no number.
        """
        self._gathered.append(batch)
        pixels = self.objective.total(batch.labels, batch.weights)
        loss = self._gradients(batch, tensors or send(batch)(), pixels) if pixels else None
        if last or len(self._gathered) >= self.config.training.accumulate:
            self._step()
        return loss

    def _gradients(self, batch: Batch, tensors: Sent, pixels: float) -> float:
        """The mean loss of a batch, whose gradients are added to those that wait."""
        loss = self._loss(batch, tensors)
        if not self._pixels:
            self.optimizer.zero_grad()
        self._pixels += pixels
        (loss if self._is_plain else loss * pixels).backward()
        value = float(loss.item())  # only here, so that a GPU has the way back to do while the host waits
        if not np.isfinite(value):
            raise DivergenceError(f"({_names([batch])}): the loss is {value}. {self._cause(tensors)}")
        return value

    def _loss(self, batch: Batch, tensors: Sent) -> Tensor:
        criterion = partial(self.objective, weights=tensors.weights)
        extra = self.objective.counted(batch, tensors.extra)
        # A network without extra targets need not know of them, also where it defines a loss of its own.
        return self.model.loss(tensors.images, tensors.labels, criterion, **({"extra": extra} if extra else {}))

    def forget(self) -> None:
        """Let go of gradients and of batches that wait for others."""
        self.optimizer.zero_grad()
        self._gathered, self._pixels = [], 0.0

    @property
    def _is_plain(self) -> bool:
        return self.config.training.accumulate == 1 and self.config.training.reduction == "mean"

    def _step(self) -> None:
        training = self.config.training
        if self._pixels:
            parameters = [x for group in self.optimizer.param_groups for x in group["params"]]
            if not self._is_plain and training.reduction == "mean":
                _scale(parameters, 1 / self._pixels)
            if training.clip_value is not None:
                clip_grad_value_(parameters, training.clip_value)
            if training.clip_norm is not None:
                self._clip(parameters, training.clip_norm)
            self.optimizer.step()
            if self.average is not None:
                self.average.update_parameters(self.model)
        # Counted even when all batches were skipped: the rate is a function of the step's number.
        self.schedule.step()
        self._before, self._gathered, self._pixels = self._gathered, [], 0.0

    def _clip(self, parameters: list[Tensor], max_norm: float) -> None:
        try:
            clip_grad_norm_(parameters, max_norm, error_if_nonfinite=True)
        except ValueError:
            cause = first_bad_gradient(self.model)
            raise DivergenceError(f"({_names(self._gathered)}): the gradients are not finite. {cause}") from None

    def _cause(self, tensors: Sent) -> str:
        """What was not finite first, in words; where a parameter is, the step before made it so."""
        run = partial(self.model.outputs, extra=tensors.extra) if tensors.extra else None
        found = first_non_finite(self.model, tensors.images, run)
        if found.startswith("the parameter") and self._before:
            found += f", since the step on {_names(self._before)}: the gradient, or the step itself, was too large"
        return f"First not finite: {found}"

    def check_finite(self) -> None:
        """``DivergenceError`` if a weight, or a number of the optimiser's state, is no number: nothing more would be
        learnt from there, and such weights are not to be saved over good ones.
        """
        state = (
            (f"{key} of parameter {number}", value)
            for number, entry in self.optimizer.state.items()
            for key, value in entry.items()
        )
        parts = {id(net): net.state_dict().items() for net in (self.model, self.scored)}
        for name, value in chain(*parts.values(), state):
            if (
                isinstance(value, Tensor)
                and value.is_floating_point
                and (what := fault(name, value.detach().numpy()))
            ):
                raise DivergenceError(
                    f"({_names(self._before)}): after the step {name} {value.shape} cannot be used: {what}"
                )

    def recalibrate(self, loader: DataLoader, epoch: int) -> None:
        """Measure batch norm of the ``scored`` network anew over some batches of an epoch, as it is configured."""
        count = self.config.training.recalibrate
        if not count:
            return
        with closing(loader.epoch(epoch - 1)) as batches:  # type: ignore[type-var]  # a generator
            update_bn((tensor(batch.images) for batch in islice(batches, count)), self.scored)

    # State

    def state_dict(self) -> dict[str, Any]:
        """All that the next steps depend on, but the model's own weights."""
        state: dict[str, Any] = {"optimizer": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}
        if self.average is not None:
            state["average"] = {
                "weights": dict(self.average.module.state_dict()),
                "n_averaged": self.average.n_averaged,
            }
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from there; raises ``KeyError`` or ``ValueError`` for a state of another run."""
        self.optimizer.load_state_dict(state["optimizer"])
        count = sum(len(group["params"]) for group in self.optimizer.param_groups)
        if self.optimizer.state and len(self.optimizer.state) < count:  # a step changes all of them
            raise ValueError(f"optimizer.state is of {len(self.optimizer.state)} parameters, there are {count}")
        self.schedule.load_state_dict(state["schedule"])
        if self.average is not None:
            self.average.module.load_state_dict(state["average"]["weights"])
            n_averaged = state["average"]["n_averaged"]
            if type(n_averaged) is not int or n_averaged < 0:
                raise ValueError(f"average.n_averaged must be a whole number of at least 0, got {n_averaged!r:.40}")
            self.average.n_averaged = n_averaged


@no_grad()
def _scale(parameters: list[Tensor], factor: float) -> None:
    for parameter in parameters:
        if parameter.grad is not None:
            parameter.grad.mul_(factor)


def _names(batches: list[Batch]) -> str:
    return ", ".join(name for batch in batches for name in batch.names)
