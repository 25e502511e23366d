"""Training: epochs of steps, a validation after each, and a folder that always holds a run that can go on.

After each epoch ``last.safetensors`` has everything that the next epochs depend on: weights, optimiser, schedule,
random generator, history and the best score. The order and the random changes of images depend on the seed, the
epoch and the image alone. So a run that was killed and resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from .. import random, viz
from ..checkpoint import Checkpoint, load_weights, replacing, save
from ..data import Batch, Dataset
from ..errors import CheckpointError, InputError
from ..metrics import ConfusionMatrix
from ..nn.init import skip
from ..paths import PathLike
from ..tensor import Tensor, tensor
from .callbacks import BatchReport, Callbacks
from .config import Config, write_config
from .diagnose import DivergenceError, first_non_finite
from .evaluate import Evaluation, PixelWeights, evaluate_model, finite_or_none
from .history import EpochRow, write_metrics
from .pipeline import (
    create_model,
    create_optimizer,
    create_schedule,
    evaluation_loader,
    names_digest,
    open_split,
    training_loader,
)
from .predict import segment
from .prepare import Plan
from .run import BEST, CONFIG, CURVES, LAST, METRICS, PREDICTIONS, WEIGHTS, expectations, read_folder
from .start import Start

PICTURES = 4
DOMINANT = 0.99


@dataclass(frozen=True)
class Best:
    """The epoch with the best mean IU so far, and its confusion matrix."""

    epoch: int
    mean_iu: float | None
    matrix: list[list[int]]

    def scores(self, config: Config) -> ConfusionMatrix:
        """Its scores."""
        result = ConfusionMatrix(config.data.num_classes, config.data.ignore_index)
        result.matrix += np.array(self.matrix, np.int64)
        return result


@dataclass(frozen=True)
class TrainingResult:
    """How a run ended."""

    folder: Path
    config: Config
    best: Best
    history: tuple[EpochRow, ...]


def train(plan: Plan, folder: PathLike, callbacks: Callbacks | None = None, workers: int = 2) -> TrainingResult:
    """Train from the beginning, in a new folder.

    Raises ``InputError`` if the folder exists, and for images that turn out unusable; ``CheckpointError`` when a file
    cannot be written; ``DivergenceError`` when the loss is no number any more. A folder without a single finished
    epoch is removed again after an error.
    """
    folder = Path(folder)
    callbacks = callbacks or Callbacks()
    check_new(folder)
    trainer = Trainer(plan.config, plan.train_set, plan.val_set, folder, callbacks, workers, plan.start)
    folder.mkdir(parents=True)
    try:
        write_config(folder / CONFIG, plan.config)
        if plan.start is not None:
            with replacing(folder / WEIGHTS) as aside:
                aside.write_text(f"{plan.start.report}\n", encoding="utf-8", newline="\n")
            callbacks.loaded(plan.start.report)
        trainer.save()
        for note in plan.notes:
            callbacks.warning(note)
        return trainer.run()
    except Exception:
        if not trainer.history:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def check_new(folder: Path) -> None:
    """``InputError`` if there is something at ``folder`` already."""
    if folder.exists():
        raise InputError(f"{folder}: exists already; choose another --out, or go on with it by --resume {folder}")


def resume(
    folder: PathLike, *, epochs: int | None = None, callbacks: Callbacks | None = None, workers: int = 2
) -> TrainingResult:
    """Go on with the run in ``folder`` where its last finished epoch left it.

    ``epochs`` may be more than the run was made for if its learning rate is constant. Raises ``InputError`` when it
    may not, and for folders and files that cannot be used; for the rest see ``train``.
    """
    folder = Path(folder)
    config = _with_epochs(folder, read_folder(folder), epochs)
    train_set, val_set = (open_split(config.data, split) for split in ("train", "val"))
    with skip():
        trainer = Trainer(config, train_set, val_set, folder, callbacks or Callbacks(), workers)
    trainer.restore()
    if epochs is not None:
        write_config(folder / CONFIG, config)
    return trainer.run()


def _with_epochs(folder: Path, config: Config, epochs: int | None) -> Config:
    if epochs is None or epochs == config.training.epochs:
        return config
    if epochs < config.training.epochs:
        raise InputError(f"{folder}: the run is for {config.training.epochs} epochs; --epochs can only be more")
    if config.training.schedule != "constant":
        raise InputError(
            f"{folder}: the {config.training.schedule} schedule brings the learning rate down over "
            f"{config.training.epochs} epochs, and more of them would have been another run; only runs with "
            "--schedule constant can be lengthened"
        )
    return replace(config, training=replace(config.training, epochs=epochs))


class Trainer:
    """A run in progress. ``history`` has a row for each epoch that is done, ``best`` the best of them."""

    def __init__(
        self,
        config: Config,
        train_set: Dataset,
        val_set: Dataset,
        folder: Path,
        callbacks: Callbacks,
        workers: int,
        start: Start | None = None,
    ) -> None:
        self.config, self.folder, self.callbacks = config, folder, callbacks
        self.train_set, self.val_set = train_set, val_set
        random.manual_seed(config.training.seed)
        self.model = create_model(config) if start is None else start.model(lambda: create_model(config))
        self.loader = training_loader(config, train_set, workers)
        if not self.loader.num_batches:
            size = config.training.batch_size
            raise InputError(f"{train_set.name}: only {len(train_set)} training images, for batches of {size}")
        self.val_loader = evaluation_loader(config, val_set, workers)
        self.optimizer = create_optimizer(config.training, self.model)
        self.schedule = create_schedule(config.training, self.optimizer, self.loader.num_batches)
        self.weights = PixelWeights(config)
        self.history: list[EpochRow] = []
        self.best: Best | None = None

    # Epochs

    def run(self) -> TrainingResult:
        """All epochs that are left, then the pictures."""
        self.callbacks.started(self)
        self._write_reports()
        for epoch in range(len(self.history) + 1, self.config.training.epochs + 1):
            self._epoch(epoch)
        if self.best is None:
            raise CheckpointError(f"{self.folder / LAST}: its history has no best epoch")
        self._write_predictions()
        result = TrainingResult(self.folder, self.config, self.best, tuple(self.history))
        self.callbacks.finished(result)
        return result

    def _epoch(self, epoch: int) -> None:
        start = time.monotonic()
        rate = self.schedule.get_last_lr()[0]
        # Numbers that overflow are found by the loss they lead to, and told with their layer.
        with np.errstate(over="ignore", invalid="ignore"):
            train_loss, skipped = self._train(epoch)
        if skipped:
            self.callbacks.warning(f"epoch {epoch}: {skipped} batches were skipped, as all their pixels are ignored")
        result = evaluate_model(self.model, self.val_loader, self.config, self.callbacks.validating)
        self._warn_of_dominance(epoch, result)
        row = _row(epoch, rate, train_loss, result, skipped, time.monotonic() - start)
        is_best = self.best is None or (row.mean_iu or 0.0) > (self.best.mean_iu or 0.0)
        self.history.append(row)
        if is_best:
            self.best = Best(epoch, row.mean_iu, result.scores.matrix.tolist())
            save(self.folder / BEST, Checkpoint(self.model.state_dict(), expectations(self.model)))
        self.save()
        self._write_reports()
        self.callbacks.epoch_done(row, is_best)

    def _train(self, epoch: int) -> tuple[float | None, int]:
        """One epoch of steps: the mean loss over its pixels, and how many batches were skipped."""
        self.model.train()
        self.callbacks.epoch_started(epoch, self.loader.num_batches)
        total = weight = 0.0
        skipped = 0
        with closing(self.loader.epoch(epoch - 1)) as batches:  # type: ignore[type-var]  # a generator
            for number, batch in enumerate(batches, 1):
                pixels = self.weights.total(batch.labels)
                loss = self._step(epoch, number, batch) if pixels else None
                # Counted even when a batch is skipped: the rate is a function of the step's number.
                self.schedule.step()
                skipped += loss is None
                total, weight = total + pixels * (loss or 0.0), weight + pixels
                self.callbacks.batch_done(BatchReport(epoch, number, self.loader.num_batches, len(batch.names), loss))
        return (total / weight if weight else None), skipped

    def _step(self, epoch: int, number: int, batch: Batch) -> float:
        """Forward, backward, and a step of the optimiser; the loss."""
        images = tensor(batch.images)
        loss = self.model.loss(images, tensor(batch.labels), self._criterion)
        value = float(loss.item())
        if not np.isfinite(value):
            raise DivergenceError(
                f"epoch {epoch}, batch {number} ({', '.join(batch.names)}): the loss is {value}. First not finite: "
                f"{first_non_finite(self.model, images)}. Try a lower learning rate than "
                f"{self.config.training.lr:g}. {self._kept()}"
            )
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return value

    def _criterion(self, logits: Tensor, labels: Tensor) -> Tensor:
        return self.weights.loss(logits, labels, "mean")

    def _kept(self) -> str:
        if not self.history:
            return "No epoch was finished, nothing is kept"
        return f"The weights after epoch {len(self.history)} are kept in {self.folder}"

    def _warn_of_dominance(self, epoch: int, result: Evaluation) -> None:
        """Say so when the network has settled on one class: pictures of it look empty."""
        if not result.scores.num_pixels:
            return
        predicted = result.scores.predicted_pixels / result.scores.num_pixels
        true = result.scores.true_pixels / result.scores.num_pixels
        top = int(predicted.argmax())
        if predicted[top] > DOMINANT >= true[top]:
            self.callbacks.warning(
                f"epoch {epoch}: {predicted[top]:.1%} of the validation pixels are predicted as "
                f"{self.config.data.class_names[top]!r}, which has {true[top]:.1%} of them; if that stays, try "
                "--class-weights median or another --lr"
            )

    # Files

    def save(self) -> None:
        """Write ``last.safetensors``."""
        state = {
            "epoch": len(self.history),
            "images": self._counts(),
            "names": self._names(),
            "best": None if self.best is None else asdict(self.best),
            "history": [asdict(row) for row in self.history],
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "random": random.default_generator.get_state(),
            **expectations(self.model),
        }
        save(self.folder / LAST, Checkpoint(self.model.state_dict(), state))

    def restore(self) -> None:
        """Go back to where ``last.safetensors`` was written; raises ``CheckpointError`` if it cannot be used."""
        path = self.folder / LAST
        state = load_weights(path, self.model).state
        try:
            self._restore(state)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            reason = f"{error} is missing" if isinstance(error, KeyError) else error
            raise CheckpointError(f"{path}: the run cannot go on from it: {reason}") from error

    def _counts(self) -> list[int]:
        return [len(self.train_set), len(self.val_set)]

    def _names(self) -> list[str]:
        return [names_digest(dataset) for dataset in (self.train_set, self.val_set)]

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.history = [EpochRow.from_state(row) for row in state["history"]]
        self.best = None if state["best"] is None else Best(**state["best"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        random.default_generator.set_state(tuple(state["random"]))
        self._check_unchanged(state)

    def _check_unchanged(self, state: Mapping[str, Any]) -> None:
        """``ValueError`` if going on would not be the same run: other images, another number of epochs."""
        if state["images"] != self._counts():
            raise ValueError(
                f"it was written for {state['images'][0]} training and {state['images'][1]} validation images, now "
                f"there are {len(self.train_set)} and {len(self.val_set)}"
            )
        for split, before, now in zip(("training", "validation"), state["names"], self._names(), strict=True):
            if before != now:
                raise ValueError(
                    f"the {split} images have other names than when it was written; put them back, or start a new run"
                )
        if not state["epoch"] == len(self.history) <= self.config.training.epochs:
            raise ValueError(
                f"it was written after epoch {state['epoch']}, with {len(self.history)} epochs of history, in a run "
                f"of {self.config.training.epochs}"
            )

    def _write_reports(self) -> None:
        """``metrics.csv`` and ``curves.png``, anew from the history."""
        if not self.history:
            return
        names = self.config.data.class_names
        write_metrics(self.folder / METRICS, self.history, names)
        with replacing(self.folder / CURVES) as aside:
            viz.save_curves(aside, [row.cells(names) for row in self.history])

    def _write_predictions(self) -> None:
        """``predictions.png``: some validation images, spread over the split, as the best weights see them."""
        load_weights(self.folder / BEST, self.model)
        self.model.eval()
        count = min(PICTURES, len(self.val_set))
        samples = [self.val_set[number * len(self.val_set) // count] for number in range(count)]
        pictures = [(s.image, s.mask, segment(self.model, self.config, s.image)) for s in samples]
        with replacing(self.folder / PREDICTIONS) as aside:
            viz.save_predictions(aside, pictures, self.config.data.classes)


def _row(
    epoch: int, rate: float, train_loss: float | None, result: Evaluation, skipped: int, seconds: float
) -> EpochRow:
    scores = result.scores
    return EpochRow(
        epoch=epoch,
        lr=rate,
        train_loss=train_loss,
        val_loss=result.loss,
        pixel_accuracy=finite_or_none(scores.pixel_accuracy),
        mean_accuracy=finite_or_none(scores.mean_accuracy),
        mean_iu=result.mean_iu,
        mean_dice=finite_or_none(scores.mean_dice),
        frequency_weighted_iu=finite_or_none(scores.frequency_weighted_iu),
        iu=tuple(finite_or_none(value) for value in scores.iu),
        skipped_batches=skipped,
        seconds=seconds,
    )
