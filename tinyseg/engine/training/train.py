"""Training: epochs of steps, a validation after each, and a folder that always holds a run that can go on.

After the steps of each epoch, and again after its validation, ``last.safetensors`` has everything that the next
epochs depend on: weights and their average, optimiser, schedule, random generator, history and the best score. The
order and the random changes of images depend on the seed, the epoch and the image alone. So a run that was killed and
resumed ends with the same bits as one that was not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from ... import random, viz
from ...backend import empty_cache, get_default_device, has_own_memory, names_full_device
from ...checkpoint import load_weights, save_weights
from ...data import Batch, Cached, Dataset
from ...errors import CheckpointError, InputError, OutOfMemoryError, many
from ...files import PathLike, locked, remove_half_written, write_text
from ...nn.init import skip
from ..config.config import Config, write_config
from ..parts.diagnose import DivergenceError
from ..parts.optimization import depends_on_epochs, steps_of_epoch
from ..parts.pipeline import Sent, evaluation_loader, names_digest, open_split, sent_ahead, training_loader
from ..prediction.evaluate import Evaluation, evaluate_model, finite_or_none
from ..prediction.segmenter import segment
from ..storage.history import EpochRow, write_json_lines, write_metrics
from ..storage.initial_weights import InitialWeights, initial_model
from ..storage.progress import Best, Progress, Trained, TrainingResult, has_stalled
from ..storage.run import (
    BEST,
    CONFIG,
    CURVES,
    LAST,
    METRICS,
    METRICS_LINES,
    PREDICTIONS,
    WEIGHTS,
    beginning,
    epoch_picture,
    not_of_a_beginning,
    read_folder,
    remove_beginning,
)
from ..storage.training_state import check_state
from .callbacks import BatchReport, Callbacks
from .learner import Learner
from .prepare import Plan

SAMPLES = 4
DOMINANT = 0.99


def train(
    plan: Plan, folder: PathLike, callbacks: Callbacks | None = None, workers: int = 2, cache: int = 0
) -> TrainingResult:
    """Train from the beginning, in a new folder, or in one where a run was killed before its first checkpoint.

    ``workers`` threads load images, of which decoded ones are kept in up to ``cache`` bytes of memory.

    Raises ``InputError`` if there is something else in the folder, and for images that turn out unusable;
    ``InUseError`` while another process works in it; ``WriteError`` when a file cannot be written;
    ``DivergenceError`` when the loss is no number any more. What was written is removed again after an error in the
    first epoch's steps: nothing has been learnt by then.
    """
    folder = Path(folder)
    callbacks = callbacks or Callbacks()
    check_new(folder)
    train_data = Cached(plan.train_set, cache)
    trainer = Trainer(plan.config, train_data, plan.val_set, folder, callbacks, workers, plan.start)
    with beginning(folder):
        check_new(folder)  # nobody else writes to it from now on
        remove_beginning(folder)
        try:
            write_config(folder / CONFIG, plan.config)
            if plan.start is not None:
                write_text(folder / WEIGHTS, f"{plan.start.report}\n")
                callbacks.loaded(plan.start.report)
            for note in plan.notes:
                callbacks.warning(note)
            trainer.save()
            return trainer.run()
        except Exception:
            if not trainer.epochs_trained:
                remove_beginning(folder)
            raise


def check_new(folder: Path) -> None:
    """``InputError`` unless a run can begin in ``folder``."""
    if folder.is_dir() and not not_of_a_beginning(folder):
        return
    if folder.exists():
        way = f", or go on with it by --resume {folder}" if (folder / LAST).is_file() else ""
        raise InputError(f"{folder}: exists already; choose another --out{way}")


def resume(
    folder: PathLike,
    *,
    epochs: int | None = None,
    callbacks: Callbacks | None = None,
    workers: int = 2,
    cache: int = 0,
) -> TrainingResult:
    """Go on with the run in ``folder`` where its last finished epoch left it.

    ``epochs`` may be more than the run was made for if its learning rate does not depend on their number. Raises
    ``InputError`` when it may not, and for folders and files that cannot be used; for the rest see ``train``.
    """
    folder = Path(folder)
    read_folder(folder)  # so that only the folder of a run is locked
    with locked(folder):
        remove_half_written(folder)
        config = read_folder(folder)  # a run that has ended since may have written another
        train_set, val_set = (
            open_split(config.data, split, config.model.extra_classes) for split in ("train", "val")
        )
        config = _with_epochs(folder, config, epochs, len(train_set))
        with skip(), _naming_config(folder):
            trainer = Trainer(config, Cached(train_set, cache), val_set, folder, callbacks or Callbacks(), workers)
        trainer.restore()
        if epochs is not None:
            write_config(folder / CONFIG, config)
        return trainer.run()


@contextmanager
def _naming_config(folder: Path) -> Iterator[None]:
    """What networks, optimisers and schedules refuse is, in a run that was begun, what somebody has changed in its
    configuration.
    """
    try:
        yield
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{folder / CONFIG}: {error}") from error


def _with_epochs(folder: Path, config: Config, epochs: int | None, images: int) -> Config:
    training = config.training
    if epochs is None or epochs == training.epochs:
        return config
    if epochs < training.epochs:
        raise InputError(f"{folder}: the run is for {many(training.epochs, 'epoch')}; --epochs can only be more")
    if depends_on_epochs(training, steps_of_epoch(training, images // training.batch_size)):
        raise InputError(
            f"{folder}: its learning rate, of the {training.schedule} schedule, depends on the number of epochs, "
            f"{training.epochs}: more of them would have been another run. Only the schedules constant, plateau, "
            "exponential and multistep, and step with --step-epochs, go on for longer; begin another run with the "
            f"weights of this one: --weights {folder}"
        )
    return replace(config, training=replace(training, epochs=epochs))


class Trainer:
    """A run in progress. ``history`` has a row for each epoch that is done, ``best`` the best of them; ``trained`` is
    the next one once its steps are done.
    """

    def __init__(
        self,
        config: Config,
        train_set: Dataset,
        val_set: Dataset,
        folder: Path,
        callbacks: Callbacks,
        workers: int,
        start: InitialWeights | None = None,
    ) -> None:
        self.config, self.folder, self.callbacks = config, folder, callbacks
        self.train_set, self.val_set = train_set, val_set
        random.manual_seed(config.training.seed)
        self.model = initial_model(config, start)
        self.loader = training_loader(config, train_set, workers)
        if not self.loader.num_batches:
            size = config.training.batch_size
            raise InputError(
                f"{train_set.name}: only {many(len(train_set), 'training image')}, for batches of {size}"
            )
        self.val_loader = evaluation_loader(config, val_set, workers)
        self.learner = Learner(config, self.model, self.loader.num_batches)
        self.history: list[EpochRow] = []
        self.best: Best | None = None
        self.trained: Trained | None = None

    @property
    def epochs_trained(self) -> int:
        """How many epochs' steps are done."""
        return len(self.history) + (self.trained is not None)

    # Epochs

    def run(self) -> TrainingResult:
        """All epochs that are left, then the pictures."""
        self.callbacks.started(self)
        self._write_reports()
        self._draw_missing()
        for epoch in range(len(self.history) + 1, self.config.training.epochs + 1):
            if self._has_stalled():
                break
            self._epoch(epoch)
        if self.best is None:
            raise CheckpointError(f"{self.folder / LAST}: its history has no best epoch")
        load_weights(self.folder / BEST, self.learner.scored)
        self._draw(self.folder / PREDICTIONS, SAMPLES)
        result = TrainingResult(self.folder, self.config, self.best, tuple(self.history))
        self.callbacks.finished(result)
        return result

    def _has_stalled(self) -> bool:
        """Whether there is no hope of a better epoch; if so, it is said."""
        if self.best is None or not has_stalled(self.config.training, self.history, self.best):
            return False
        done = len(self.history)
        self.callbacks.warning(f"no better mean IU since epoch {self.best.epoch}: stopped after epoch {done}")
        return True

    def _epoch(self, epoch: int) -> None:
        """Steps and validation. Before it the steps are saved: an image that is too large for the memory may end the
        process.
        """
        if self.trained is None:
            self.trained = self._steps(epoch)
            self.save()
        start = time.monotonic()
        result = self._validate(epoch)
        self._warn_of_dominance(epoch, result)
        self.learner.schedule.epoch_done(result.mean_iu)
        row = _row(self.trained, result, time.monotonic() - start)
        is_best = self.best is None or self.best.is_beaten_by(row.mean_iu)
        self.history.append(row)
        self.trained = None
        if is_best:
            self.best = Best(epoch, row.mean_iu, result.scores.matrix.tolist())
            save_weights(self.folder / BEST, self.learner.scored)
        self.save()
        self._write_reports()
        self._draw_missing()
        self.callbacks.epoch_done(row, is_best)

    def _steps(self, epoch: int) -> Trained:
        """One epoch of steps, after which the network is as it is to be scored."""
        start = time.monotonic()
        rate = self.learner.schedule.rate
        # Numbers that overflow are found by the loss they lead to, and told with their layer.
        quiet = np.errstate(over="ignore", invalid="ignore")
        with quiet, self._telling(f"in the steps of epoch {epoch}; a smaller {self._smaller()} needs less"):
            train_loss, skipped = self._train_on_batches(epoch)
        if skipped:
            self.callbacks.warning(f"epoch {epoch}: skipped {many(skipped, 'batch')}, as all pixels are ignored")
        waited = self.loader.waited
        self.learner.recalibrate(self.loader, epoch)
        return Trained(epoch, rate, train_loss, skipped, time.monotonic() - start, waited)

    def _validate(self, epoch: int) -> Evaluation:
        with self._telling(f"in the validation after epoch {epoch}"):
            return evaluate_model(self.learner.scored, self.val_loader, self.config, self.callbacks.validating)

    def _smaller(self) -> str:
        return "--batch-size or --size" if self.config.data.crop is None else "--batch-size or --crop"

    @contextmanager
    def _telling(self, when: str) -> Iterator[None]:
        """Memory that there is not: say when, and what is kept."""
        try:
            yield
        except MemoryError as error:
            knows = isinstance(error, OutOfMemoryError) or names_full_device(error)
            message = str(error) if knows else f"out of memory {when}"
        else:
            return
        # Outside of the except clause, whose error holds on to all that was computed.
        raise OutOfMemoryError(f"{message}. {self._kept()}")

    def _train_on_batches(self, epoch: int) -> tuple[float | None, int]:
        """One epoch of steps: the mean loss over its pixels, and how many batches were skipped."""
        self.learner.start_epoch()
        count = self.loader.num_batches
        self.callbacks.epoch_started(epoch, count)
        total = weight = 0.0
        skipped = 0
        with closing(self.loader.epoch(epoch - 1)) as batches:  # type: ignore[type-var]  # a generator
            for number, (batch, tensors) in enumerate(sent_ahead(batches), 1):
                try:
                    loss = self._learn(batch, tensors, last=number == count)
                    if number == count:
                        self.learner.check_finite()
                except DivergenceError as error:
                    raise DivergenceError(f"epoch {epoch}, batch {number} {error}. {self._advice()}") from None
                pixels = 0.0 if loss is None else self.learner.objective.total(batch.labels, batch.weights)
                skipped += loss is None
                total, weight = total + pixels * (loss or 0.0), weight + pixels
                self.callbacks.batch_done(BatchReport(epoch, number, count, len(batch.names), loss))
        return (total / weight if weight else None), skipped

    def _learn(self, batch: Batch, tensors: Sent, last: bool) -> float | None:
        """A batch's loss; a GPU whose memory is too small for it is told of with a size of batches that fits."""
        try:
            return self.learner.learn(batch, last, tensors)
        except MemoryError as error:
            if not has_own_memory(get_default_device()):
                raise
            message = str(error)
        # Outside of the except clause, whose error holds on to all that the step had made.
        raise OutOfMemoryError(f"{message}; {self._fitting(batch)}")

    def _fitting(self, batch: Batch) -> str:
        """Which batch size would fit, found by trying: the run is over, so its weights may change."""
        size = len(batch.names)
        for fewer in (size >> shift for shift in range(1, size.bit_length())):
            self.learner.forget()
            empty_cache()
            try:
                self.learner.learn(batch.first(fewer), last=True)
            except MemoryError:
                continue
            except (DivergenceError, ValueError):  # of other images than the batch's: no matter of memory
                pass
            return f"batches of {size} do not fit, batches of {fewer} do: --batch-size {fewer}"
        return "not even one image fits: a smaller --size, or a narrower network, needs less"

    def _advice(self) -> str:
        training = self.config.training
        clipped = "" if training.clip_norm is not None else ", or --clip-norm 1"
        return f"Try a lower learning rate than {training.lr:g}{clipped}. {self._kept()}"

    def _kept(self) -> str:
        if not self.epochs_trained:
            return "No epoch was finished, nothing is kept"
        return f"The weights after epoch {self.epochs_trained} are kept in {self.folder}"

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
            "trained": None if self.trained is None else asdict(self.trained),
            "history": [row.as_state() for row in self.history],
            **self.learner.state_dict(),
            "random": random.default_generator.get_state(),
        }
        save_weights(self.folder / LAST, self.model, state)

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
        check_state(state, self.config.data.num_classes)
        progress = Progress.from_state(state)
        self.history, self.best, self.trained = list(progress.history), progress.best, progress.trained
        self.learner.load_state_dict(state)
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
                f"it was written after epoch {state['epoch']}, with {many(len(self.history), 'epoch')} of history, "
                f"in a run of {self.config.training.epochs}"
            )

    def _write_reports(self) -> None:
        """``metrics.csv``, ``metrics.jsonl`` and ``curves.png``, anew from the history."""
        if not self.history:
            return
        names = self.config.data.class_names
        write_metrics(self.folder / METRICS, self.history, names)
        write_json_lines(self.folder / METRICS_LINES, self.history, names)
        viz.save_curves(self.folder / CURVES, [row.cells(names) for row in self.history])

    def _draw_missing(self) -> None:
        """The picture of the last epoch, if there is to be one and is none: a kill may have come before it."""
        path = epoch_picture(self.folder, len(self.history))
        if self.config.training.pictures and self.history and self.trained is None and not path.is_file():
            self._draw(path, self.config.training.pictures)

    def _draw(self, path: Path, count: int) -> None:
        """Some validation images, spread over the split, as the network to be scored sees them."""
        model = self.learner.scored
        model.eval()
        count = min(count, len(self.val_set))
        samples = [self.val_set[number * len(self.val_set) // count] for number in range(count)]
        pictures = [(s.image, s.mask, segment(model, self.config, s.image)) for s in samples]
        viz.save_predictions(path, pictures, self.config.data.classes)


def _row(trained: Trained, result: Evaluation, seconds: float) -> EpochRow:
    """``seconds``: of the validation."""
    scores = result.scores
    return EpochRow(
        epoch=trained.epoch,
        lr=trained.lr,
        train_loss=trained.train_loss,
        val_loss=result.loss,
        pixel_accuracy=finite_or_none(scores.pixel_accuracy),
        mean_accuracy=finite_or_none(scores.mean_accuracy),
        mean_iu=result.mean_iu,
        mean_dice=finite_or_none(scores.mean_dice),
        frequency_weighted_iu=finite_or_none(scores.frequency_weighted_iu),
        iu=tuple(finite_or_none(value) for value in scores.iu),
        extra_accuracies=result.extra_accuracies,
        skipped_batches=trained.skipped,
        seconds=trained.seconds + seconds,
        waited=trained.waited,
    )
