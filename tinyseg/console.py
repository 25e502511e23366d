"""What the command line shows: progress, a line for each epoch, tables.

On a terminal there is a progress bar; where output goes to a file or a pipe there are plain lines and nothing else.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table

from . import backend, compilation, models
from .engine import (
    BatchReport,
    Callbacks,
    Comparison,
    EpochRow,
    GradientCheck,
    LayerInfo,
    ModelInfo,
    TrainerView,
    TrainingResult,
)
from .errors import flag, for_terminal, many
from .interop import source_of

if TYPE_CHECKING:
    from .data import Classes
    from .interop import Report, Weights
    from .metrics import ConfusionMatrix

NOTABLE_WAIT = 0.05
"""The share of an epoch that training may wait for images without its being said."""

UNBOUNDED = 10_000
"""Columns where there is no screen."""

UNKNOWN = "unknown"
"""What is printed for a receptive field, a stride or multiply-adds that an operator does not say."""

COMPILING = "compiling kernels for this machine, once"

# About how many kernels a command uses: what tells the first run of it how far the compiler is.
TRAINING, EVALUATION, PREDICTION, DESCRIPTION, GRADIENTS = 30, 17, 14, 13, 60


def output() -> Console:
    """Standard output. Tables in a file or a pipe are as wide as they need to be: nothing there has an edge."""
    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = UNBOUNDED
    return console


def line(console: Console, text: str, style: str | None = None) -> None:
    """Print ``text`` as it is, however long: names of files are no markup, and are to be copied."""
    console.print(for_terminal(text), style=style, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def compiling(show: Callable[[str, int], None]) -> Iterator[None]:
    """Have ``show(kernel, number)`` called when a kernel starts to compile; see ``compilation.on_compile``."""
    if backend.get_default_device() != "cpu":
        yield
        return
    end = compilation.on_compile(show)
    try:
        yield
    finally:
        end()


def progress_bar(console: Console, enabled: bool = True) -> Progress:
    """A bar with a text before and a text behind it; nothing where ``console`` is no terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=24), TextColumn("{task.fields[note]}"))
    shown = enabled and console.is_terminal
    # Results must go to standard output even while a bar is drawn on standard error.
    return Progress(*columns, console=console, transient=True, redirect_stdout=False, disable=not shown)


@contextmanager
def counting(description: str, kernels: int) -> Iterator[Callable[[int, int], None]]:
    """A bar on standard error for work that is counted, and for which about so many ``kernels`` are compiled at
    first: gives ``progress(done, total)``.
    """
    console = Console(stderr=True)
    with progress_bar(console) as progress:
        task = progress.add_task(description, total=None, note="")
        notice = _CompileNotice(console, kernels, lambda note: progress.update(task, note=note))
        with compiling(notice):
            yield lambda done, total: progress.update(task, completed=done, total=total, note=f"{done}/{total}")


@contextmanager
def telling_of_compilation(kernels: int) -> Iterator[Callable[[], None]]:
    """Say on standard error that kernels are compiled, if they are: on a terminal with a bar, else once.

    Gives a function that takes the bar away, for results to be printed.
    """
    console = Console(stderr=True)
    with progress_bar(console) as progress:
        task = progress.add_task("", total=None, note="", visible=False)
        notice = _CompileNotice(console, kernels, lambda note: progress.update(task, note=note, visible=True))
        with compiling(notice):
            yield progress.stop


class PredictionProgress:
    """A bar on standard error for the tiles of an image; it is away while results are printed. Use it by ``with``."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bar = progress_bar(self.console)
        self.task = self.bar.add_task("predicting", total=None, note="", visible=False)
        self._compiling = compiling(_CompileNotice(self.console, PREDICTION, self._note))

    def __enter__(self) -> PredictionProgress:
        self._compiling.__enter__()
        return self

    def __exit__(self, *exception: Any) -> None:
        self.end()
        self._compiling.__exit__(None, None, None)

    def _note(self, text: str) -> None:
        self.bar.start()
        self.bar.update(self.task, note=text, visible=True)

    def tell(self, done: int, total: int) -> None:
        """So many tiles of an image are done; an image of one tile is too quick for a bar."""
        if total > 1:
            self.bar.update(self.task, completed=done, total=total)
            self._note(f"tile {done}/{total}")

    def end(self) -> None:
        """Take the bar away, for a result to be printed."""
        self.bar.update(self.task, visible=False)
        self.bar.stop()


class _CompileNotice:
    """Shows each kernel in a bar on a terminal; where there is none says once what takes so long.

    ``kernels``: about how many there will be.
    """

    def __init__(self, console: Console, kernels: int, show: Callable[[str], None]) -> None:
        self.console, self.kernels, self.show, self.said = console, kernels, show, False

    def __call__(self, kernel: str, number: int) -> None:
        about = f"about {self.kernels}" if number <= self.kernels else "a few more"
        if self.console.is_terminal:
            self.show(f"{COMPILING}: {number} of {about}: {kernel}")
        elif not self.said:
            self.said = True
            line(self.console, f"compiling {about} kernels for this machine, once ...")


class TrainingDisplay(Callbacks):
    """Shows a training run; use it in a ``with`` block. ``trainer`` is set once the run has begun."""

    def __init__(self, console: Console, quiet: bool = False) -> None:
        self.console = console
        self.progress = progress_bar(console, not quiet)
        self.trainer: TrainerView | None = None
        self.task: TaskID | None = None
        self.begin = self.epoch_begin = time.monotonic()
        self.done = self.total = self.images = 0
        self.loss: float | None = None
        self._compiling = compiling(_CompileNotice(console, TRAINING, self._note))

    def __enter__(self) -> TrainingDisplay:
        self._compiling.__enter__()
        self.progress.start()
        self.task = self.progress.add_task("reading images", total=None, note="")
        return self

    def __exit__(self, *exception: Any) -> None:
        self.progress.stop()
        self._compiling.__exit__(None, None, None)

    def _note(self, text: str) -> None:
        if self.task is not None:
            self.progress.update(self.task, note=text)

    def loaded(self, report: Report) -> None:
        """What did not simply find its place; the rest is counted, and listed in the run's folder."""
        line(self.console, report.summary())
        for entry in report.entries:
            if not entry.is_plain:
                line(self.console, f"  {entry}", style="yellow" if entry.is_problem else None)
        for text in report.weights.beside():
            line(self.console, f"  {text}")

    def started(self, trainer: TrainerView) -> None:
        """A header of what is about to be done."""
        self.trainer = trainer
        config = trainer.config
        epochs = config.training.epochs
        line(
            self.console,
            f"{config.model.name} on {config.data.name}: {len(trainer.train_set)} training and "
            f"{many(len(trainer.val_set), 'validation image')}, {many(config.data.num_classes, 'class')}, "
            f"{many(epochs, 'epoch')} of {many(trainer.loader.num_batches, 'batch')} of "
            f"{config.training.batch_size}",
        )
        if trainer.history:
            line(self.console, f"going on after epoch {len(trainer.history)}")
        line(self.console, f"run folder: {trainer.folder}")
        self.total = (epochs - trainer.epochs_trained) * trainer.loader.num_batches
        if self.task is not None:
            self.progress.reset(self.task, total=self.total, description="")

    def epoch_started(self, epoch: int, batches: int) -> None:
        """The bar's text."""
        self.images, self.loss = 0, None
        if self.task is not None and self.trainer is not None:
            self.progress.update(self.task, description=f"epoch {epoch}/{self.trainer.config.training.epochs}")

    def batch_done(self, report: BatchReport) -> None:
        """Loss (a running mean), speed, and how long the whole run will still take."""
        now = time.monotonic()
        # Clocks start when the first step is done, so that compiling does not count.
        if not self.done:
            self.begin = now
        if report.batch == 1:
            self.epoch_begin = now
        else:
            self.images += report.images
        self.done += 1
        if report.loss is not None:
            self.loss = report.loss if self.loss is None else 0.9 * self.loss + 0.1 * report.loss
        parts = [] if self.loss is None else [f"loss {self.loss:.3f}"]
        if report.batch > 1:
            parts.append(f"{self.images / max(now - self.epoch_begin, 1e-9):.0f} images/s")
        if self.done > 1:
            left = (now - self.begin) / (self.done - 1) * (self.total - self.done)
            parts.append(f"{duration(left)} left")
        self._note("  ".join(parts))
        if self.task is not None:
            self.progress.update(self.task, completed=self.done)

    def validating(self, images: int, total: int) -> None:
        """In the bar's text."""
        self._note(f"validating {images}/{total}")

    def epoch_done(self, row: EpochRow, is_best: bool) -> None:
        """A line that stays."""
        extra = "".join(f"  {target} accuracy {number(value)}" for target, value in row.extra_accuracies.items())
        epochs = self.trainer.config.training.epochs if self.trainer is not None else row.epoch
        idle = f" ({row.waited:.1f} s of it waiting for images)" if row.waited > NOTABLE_WAIT * row.seconds else ""
        line(
            self.console,
            f"epoch {row.epoch:>{len(str(epochs))}}/{epochs}  train loss {number(row.train_loss)}  "
            f"val loss {number(row.val_loss)}  mean IU {number(row.mean_iu)}{extra}  {row.seconds:.1f} s{idle}"
            + ("  best" if is_best else ""),
        )

    def warning(self, text: str) -> None:
        """A line that stays, too."""
        line(self.console, f"note: {text}", style="yellow")

    def finished(self, result: TrainingResult) -> None:
        """The table of the best epoch."""
        self.progress.stop()
        scores = result.best.scores(result.config)
        line(self.console, f"\nbest epoch: {result.best.epoch}")
        print_scores(self.console, scores, result.config.data.classes)
        print_extra(self.console, result.history[result.best.epoch - 1].extra_accuracies)
        line(self.console, f"weights, metrics.csv, curves.png and predictions.png are in {result.folder}")


def number(value: float | None) -> str:
    """Three decimals; a dash where there is no value."""
    return "-" if value is None or value != value else f"{value:.3f}"


def duration(seconds: float) -> str:
    """Minutes and seconds, hours in front if there are any.

    >>> duration(75), duration(3675)
    ('1:15', '1:01:15')
    """
    minutes, rest = divmod(round(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def print_scores(console: Console, scores: ConfusionMatrix, classes: Classes) -> None:
    """The scores of each class, and of all. Classes that do not occur are said to be absent."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("class")
    for heading in ("IU", "Dice", "accuracy", "pixels"):
        table.add_column(heading, justify="right")
    absent = scores.absent_classes
    for index, name in enumerate(classes.names):
        if index in absent:
            table.add_row(_plain(name), "absent", "-", "-", "-")
        else:
            share = scores.true_pixels[index] / max(scores.num_pixels, 1)
            values = (scores.iu[index], scores.dice[index], scores.accuracy[index])
            table.add_row(_plain(name), *map(number, values), f"{share:.1%}")
    console.print(table)
    line(
        console,
        f"mean IU {number(scores.mean_iu)}  mean Dice {number(scores.mean_dice)}  "
        f"pixel accuracy {number(scores.pixel_accuracy)}  mean accuracy {number(scores.mean_accuracy)}  "
        f"frequency-weighted IU {number(scores.frequency_weighted_iu)}",
    )
    if absent:
        names = ", ".join(classes.names[index] for index in absent)
        line(console, f"absent, in no label and never predicted, so in no mean: {names}")


def print_extra(console: Console, accuracies: Mapping[str, float]) -> None:
    """The score of each extra target, by its name."""
    for target, accuracy in accuracies.items():
        line(console, f"{target} accuracy {number(accuracy)}")


def print_measures(console: Console, measures: dict[str, dict[str, Any]], classes: Classes) -> None:
    """The scores that were asked for beside the usual ones."""
    if found := measures.get("boundary"):
        _print_boundaries(console, found, classes)
    if found := measures.get("cells"):
        line(
            console,
            f"IoU of cells {number(found['cell_iou'])}: {found['matched_cells']} of {found['cells']} cells are "
            f"matched, {found['predicted_cells']} are predicted",
        )
    if found := measures.get("rand"):
        line(
            console,
            f"V-Rand {number(found['rand'])}  split {number(found['rand_split'])}  "
            f"merge {number(found['rand_merge'])}, in the foreground",
        )


def _print_boundaries(console: Console, found: dict[str, Any], classes: Classes) -> None:
    """A table of the classes that have a boundary, and the names of those that have none."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("class")
    for heading in ("boundary F1", "Hausdorff 95%"):
        table.add_column(heading, justify="right")
    for index, name in enumerate(classes.names):
        if index not in found["no_boundary"]:
            infinite = index in found["infinite_hausdorff95"]
            distance = "infinite" if infinite else f"{found['hausdorff95'][index]:.1f} px"
            table.add_row(_plain(name), number(found["boundary_f1"][index]), distance)
    console.print(table)
    mean = found["mean_hausdorff95"]
    distance = "-" if mean is None else f"{mean:.1f} px"
    line(console, f"mean boundary F1 {number(found['mean_boundary_f1'])}  mean Hausdorff 95% {distance}")
    if found["no_boundary"]:
        names = ", ".join(classes.names[index] for index in found["no_boundary"])
        line(console, f"without a boundary in labels and predictions, so in no mean: {names}")
    if found["infinite_hausdorff95"]:
        names = ", ".join(classes.names[index] for index in found["infinite_hausdorff95"])
        line(console, f"more than 5% of the boundary is in images where the other has none: {names}")


def _plain(text: str) -> Any:
    """``text`` for a table, where brackets in it would be taken for markup."""
    from rich.text import Text

    return Text(for_terminal(text))


def print_comparison(console: Console, comparison: Comparison) -> None:
    """A line for each network: its size, its scores, how fast it learnt."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("network", overflow="fold")
    reached = f"to {comparison.share:.0%}"
    for heading in ("parameters", "trained", "accuracy", "mean IU", reached, "seconds"):
        table.add_column(heading, justify="right", no_wrap=True)
    for contender in comparison.contenders:
        scores, soon = contender.scores, comparison.reached_best(contender)
        table.add_row(
            _plain(contender.name),
            f"{contender.parameters:,}",
            f"{contender.trainable_parameters:,}",
            number(scores.pixel_accuracy),
            number(scores.mean_iu),
            "never" if soon is None else f"epoch {soon.epoch}",
            f"{contender.seconds:.1f}",
        )
    console.print(table)


def print_info(console: Console, info: ModelInfo) -> None:
    """The layers of a model and its totals."""
    table = Table(box=SIMPLE, pad_edge=False)
    for heading in ("layer", "type"):
        table.add_column(heading, no_wrap=True)
    for heading in ("output", "parameters", "stride", "field"):
        table.add_column(heading, justify="right", no_wrap=True)
    for layer in info.layers:
        table.add_row(
            _plain(layer.name),
            layer.kind,
            "x".join(str(size) for size in layer.shape),
            f"{layer.parameters:,}" if layer.parameters else "",
            _pair(layer.stride),
            _pair(layer.field),
        )
    console.print(table)
    height, width = info.size
    for text in (
        f"{info.model} for images of {height}x{width} with {many(info.in_channels, 'channel')}, "
        f"{many(info.num_classes, 'class')}",
        f"parameters: {info.parameters:,}, of which {info.trainable_parameters:,} are trained; numbers in buffers: "
        f"{info.buffers:,}",
        f"convolution layers on the longest path: {info.convolutions}, and {info.transposed_convolutions} transposed "
        f"ones; of both kinds in all: {info.all_convolutions}",
        *_coarsest(info.coarsest),
        f"receptive field of the output: {_pixels(info.output_field)}",
        f"multiply-adds for one image: "
        f"{UNKNOWN if info.multiply_adds is None else f'{info.multiply_adds / 1e9:.2f} billion'}",
        f"memory of one image's activations in training: {info.activation_bytes / 2**20:.0f} MiB",
        *_silent_operators(info),
    ):
        line(console, text)


def _coarsest(layer: LayerInfo | None) -> tuple[str, str]:
    if layer is None:
        return f"maximum stride: {UNKNOWN}", f"receptive field there: {UNKNOWN}"
    return f"maximum stride: {_pair(layer.stride)}", f"receptive field there, of {layer.name}: {_pixels(layer.field)}"


def _silent_operators(info: ModelInfo) -> list[str]:
    """Which operators leave something unknown, and what their author can do."""
    notes = []
    if info.unknown_fields:
        notes.append(
            f"unknown receptive field: {', '.join(info.unknown_fields)}; set elementwise = True in the class if each "
            "element of its result depends on the same element of its inputs alone, else write receptive_field (see "
            "tinyseg.autograd.Op)"
        )
    if info.unknown_multiply_adds:
        notes.append(
            f"unknown multiply-adds: {', '.join(info.unknown_multiply_adds)}; write multiply_adds, or set "
            "multiplies_little = True if they are few (elementwise = True says so, too)"
        )
    return notes


def print_weights(console: Console, weights: Weights) -> None:
    """The weights in a file: names, shapes, types, and how many numbers there are."""
    table = Table(box=SIMPLE, pad_edge=False)
    table.add_column("weight", no_wrap=True)
    for heading in ("shape", "type", "numbers"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, array in weights.arrays.items():
        shape = "x".join(str(size) for size in array.shape)
        table.add_row(_plain(name), shape, array.dtype.name, f"{array.size:,}")
    console.print(table)
    line(console, f"{weights.path}: {weights.format}, from {source_of(weights).name}")
    if weights.found_at:
        line(console, f"found at: {weights.found_at}")
    total = sum(array.size for array in weights.arrays.values())
    line(console, f"{many(len(weights.arrays), 'weight')}, {total:,} numbers")
    for text in weights.beside():
        line(console, text)


def print_models(console: Console) -> None:
    """Each network with a line on it and its options."""
    for name in models.names():
        line(console, name, style="bold")
        line(console, f"  {models.description(name)}")
        options = [_default(option, default) for option, default in models.options(name).items()]
        if options:
            line(console, f"  {', '.join(options)}")


def _default(option: str, default: Any) -> str:
    """An option as it is typed, with its default; of what is on or off, the flag that changes it."""
    if isinstance(default, bool):
        return flag(f"no_{option}" if default else option)
    return f"{flag(option)} {default}"


def print_gradient_check(console: Console, check: GradientCheck, first: bool) -> None:
    """A line of the table of gradients, as soon as it is known; the ``first`` has the headings above it."""
    if first:
        line(console, f"{'operator':<34}{'largest error':>14}  verdict")
    line(console, f"{check.operator:<34}{check.error:>14.1e}  {'ok' if check.passed else 'WRONG'}")


def _pixels(values: tuple[int, int] | None) -> str:
    return UNKNOWN if values is None else f"{_pair(values)} pixels"


def _pair(values: tuple[float, float] | None) -> str:
    """One number if both are equal."""
    if values is None:
        return UNKNOWN
    first, second = (f"{value:g}" for value in values)
    return first if first == second else f"{first}x{second}"
