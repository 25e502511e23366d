"""Which learning rate: a short trial in which it grows with every step (Smith 2017, section 3.3)."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import count

import numpy as np

from ... import random, viz
from ...data import Batch, DataLoader
from ...files import PathLike
from ...optim.lr_scheduler import LambdaLR
from ..parts.diagnose import DivergenceError
from ..parts.pipeline import training_loader
from ..storage.initial_weights import initial_model
from .learner import Learner
from .prepare import Plan

LEAST, LARGEST, STEPS = 1e-6, 10.0, 100
# A loss so many times the least one is not coming back.
TOO_LARGE = 4.0
# Of the running mean of losses, which jump from batch to batch.
SMOOTHING = 0.9


@dataclass(frozen=True)
class RateTrial:
    """A rate and a smoothed loss for each step; ``suggestion``: where the loss falls fastest, None if it never does.

    See ``suggested``.
    """

    rates: tuple[float, ...]
    losses: tuple[float, ...]
    suggestion: float | None


def find_lr(
    plan: Plan,
    picture: PathLike,
    steps: int = STEPS,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> RateTrial:
    """Train ``steps`` steps from the beginning, at rates from 1e-6 to 10 in equal ratios, and draw losses and rates.

    It ends early when the loss has become too large, or is no number any more. Nothing of it is kept but the picture.
    """
    training = replace(plan.config.training, lr=LEAST, schedule="constant", warmup=0.0, ema=None)
    config = replace(plan.config, training=training)
    random.manual_seed(training.seed)
    loader = training_loader(config, plan.train_set, workers)
    learner = Learner(config, initial_model(config, plan.start), loader.num_batches)
    growing = LambdaLR(learner.optimizer, lambda t: (LARGEST / LEAST) ** (t / max(steps - 1, 1)))
    learner.schedule = growing  # type: ignore[assignment]  # of a schedule the learner calls step() alone
    learner.start_epoch()
    rates: list[float] = []
    losses: list[float] = []
    mean = 0.0
    with closing(_endless(loader)) as batches, np.errstate(over="ignore", invalid="ignore"):
        for number, batch in enumerate(batches, 1):
            rate = growing.get_last_lr()[0]
            try:
                loss = learner.learn(batch, last=False)
            except DivergenceError:
                break
            if number % training.accumulate or loss is None:
                continue
            mean = SMOOTHING * mean + (1 - SMOOTHING) * loss
            rates.append(rate)
            losses.append(mean / (1 - SMOOTHING ** (len(losses) + 1)))
            if progress is not None:
                progress(len(rates), steps)
            if len(rates) == steps or losses[-1] > TOO_LARGE * min(losses):
                break
    trial = RateTrial(tuple(rates), tuple(losses), suggested(rates, losses))
    if rates:
        viz.save_rates(picture, trial.rates, trial.losses, trial.suggestion)
    return trial


def _endless(loader: DataLoader) -> Generator[Batch, None, None]:
    """Epoch after epoch."""
    for epoch in count():
        yield from loader.epoch(epoch)


def suggested(rates: Sequence[float], losses: Sequence[float]) -> float | None:
    """The rate in the middle of the tenfold range in which the loss falls fastest, on the way to the least loss.

    Fastest over the logarithm of the rate, by a straight line through all losses of the range: single ones jump.

    >>> suggested([1e-3, 1e-2, 1e-1, 1.0, 10.0], [1.0, 0.9, 0.5, 0.45, 0.8])
    0.03162277660168379
    """
    lowest = int(np.argmin(losses)) if losses else 0
    if lowest < 1:
        return None
    logs = np.log10(rates[: lowest + 1])
    values = np.array(losses[: lowest + 1])
    slopes = []
    for low in logs[logs <= max(logs[-1] - 1, logs[0])]:
        inside = (logs >= low - 1e-9) & (logs <= low + 1 + 1e-9)
        slope = np.polyfit(logs[inside], values[inside], 1)[0] if inside.sum() > 1 else 0.0
        slopes.append((float(slope), float(logs[inside].mean())))
    slope, middle = min(slopes)
    return 10.0**middle if slope < 0 else None
