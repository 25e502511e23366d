"""``tinyseg train``."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import models
from ..errors import InputError, flag
from .common import INTERRUPTED, Debug, Device, Threads, Workers, app, parse_size, quoted, reporting, set_up
from .model_options import with_model_options

if TYPE_CHECKING:
    from ..engine import Config


@app.command(short_help="Train a network.")
@with_model_options
def train(
    *,
    data: Annotated[
        str | None,
        typer.Option(
            help="shapes: drawn, no files; folder: your own images/ and masks/, with train/ and val/ or not; camvid. "
            "[default: shapes]",
        ),
    ] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="The folder of the data.")] = None,
    num_classes: Annotated[
        int | None, typer.Option(help="Number of classes, for a folder without classes.txt.")
    ] = None,
    val_fraction: Annotated[
        float | None,
        typer.Option(help="Share of the images that validates, for a folder without val/. [default: 0.2]"),
    ] = None,
    data_seed: Annotated[
        int | None, typer.Option(help="Chooses those images, or the ones that shapes draws. [default: 0]")
    ] = None,
    model: Annotated[str | None, typer.Option(help=f"{', '.join(models.names())}. [default: fcn8s]")] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="HxW",
            help="Resize images (height x width), in prediction too; scores are still taken at the labels' own size. "
            "Without it shapes are 128x128, and files keep their size: training then takes random windows, as large "
            "as the smallest image allows, in multiples of 32 up to 512.",
        ),
    ] = None,
    augment: Annotated[
        bool | None,
        typer.Option("--augment/--no-augment", help="Random flips and, but for shapes, scales. [default: augment]"),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option(help="Times through the images. [default: 3 for shapes, else 50]")
    ] = None,
    batch_size: Annotated[int | None, typer.Option(help="Images in a step. [default: 8]")] = None,
    optimizer: Annotated[str | None, typer.Option(help="adam, adamw or sgd. [default: adam]")] = None,
    lr: Annotated[
        float | None, typer.Option(help="Learning rate. [default: 0.002 for adam and adamw, 0.05 for sgd]")
    ] = None,
    momentum: Annotated[float | None, typer.Option(help="Of sgd; the first beta of adam. [default: 0.9]")] = None,
    weight_decay: Annotated[
        float | None, typer.Option(help="Of the convolutions' weights. [default: 0.0001]")
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(help="Course of the learning rate: poly, cosine, step or constant. [default: cosine]"),
    ] = None,
    class_weights: Annotated[
        str | None, typer.Option(help="none, or median: rare classes count more. [default: none]")
    ] = None,
    weights: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Begin with the weights in a .pth, .pt, .safetensors or .npz file, a classifier's or a whole "
            "network's, or in a run's folder; images are then normalised as they expect it.",
        ),
    ] = None,
    partial_weights: Annotated[
        bool,
        typer.Option("--partial-weights", help="Accept such as are missing, unexpected or of another shape."),
    ] = False,
    seed: Annotated[int | None, typer.Option(help="Of weights, order and changes. [default: 0]")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="A new folder. [default: runs/DATA-MODEL-N]")
    ] = None,
    resume: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Go on with the run in this folder, to the same bits.")
    ] = None,
    threads: Threads = None,
    workers: Workers = 2,
    device: Device = "cpu",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
    debug: Debug = False,
    model_options: dict[str, Any],
) -> None:
    """Train a network; the run's folder gets weights, metrics.csv, curves.png and predictions.png."""
    asked = {key: value for key, value in locals().items() if key in _RUN_OPTIONS and value is not None}
    if weights is not None:
        asked["weights"] = str(weights)
    if partial_weights:
        asked["partial_weights"] = True
    if model_options:
        asked["model_options"] = model_options
    with reporting(debug):
        if size is not None:
            asked["size"] = parse_size(size)
        set_up(device, threads)
        if resume is not None:
            _resume(resume, out, asked, workers, quiet)
        else:
            _train(out, asked, workers, quiet)


_RUN_OPTIONS = (
    "data", "root", "num_classes", "val_fraction", "data_seed", "model", "size", "augment", "epochs", "batch_size",
    "optimizer", "lr", "momentum", "weight_decay", "schedule", "class_weights", "seed",
)  # fmt: skip


def _train(out: Path | None, asked: Mapping[str, Any], workers: int, quiet: bool) -> None:
    from .. import engine

    options = engine.TrainOptions(**asked)
    folder = out or engine.next_free_folder(Path("runs"), f"{options.data}-{options.model}")
    engine.check_new(folder)
    with _showing(quiet) as display:
        engine.train(engine.prepare(options), folder, display, workers)


def _resume(folder: Path, out: Path | None, asked: Mapping[str, Any], workers: int, quiet: bool) -> None:
    from .. import engine

    if out is not None and out.absolute() != folder.absolute():
        raise InputError(f"--resume goes on in its own folder, {folder}; leave --out away")
    _refuse_conflicts(folder, engine.read_folder(folder), asked)
    with _showing(quiet) as display:
        engine.resume(folder, epochs=asked.get("epochs"), callbacks=display, workers=workers)


def _refuse_conflicts(folder: Path, config: Config, asked: Mapping[str, Any]) -> None:
    """``InputError`` for an option that is not what the run was started with; defaults may be spelt out."""
    settled = _settled(config)
    given = {key: value for key, value in asked.items() if key not in ("epochs", "model_options", "partial_weights")}
    given |= asked.get("model_options", {})
    for name, value in given.items():
        before = settled.get(name)
        if _as_settled(name, value, config) != before:
            raise InputError(
                f"{folder}: the run has {_as_option(name, before)} and cannot go on with "
                f"{_as_option(name, value)}; leave the option away"
            )


def _settled(config: Config) -> dict[str, Any]:
    """The options of a run, model options among them, with what stands for those that were left out."""
    from ..data import VAL_FRACTION, Shapes

    training, data = config.training, config.data
    default_size = Shapes().size if data.name == "shapes" else None
    default_share = VAL_FRACTION if data.name == "folder" else None
    return {
        "data": data.name,
        "root": data.root,
        "num_classes": data.num_classes,
        "val_fraction": default_share if data.val_fraction is None else data.val_fraction,
        "data_seed": data.seed,
        "model": config.model.name,
        "weights": config.model.weights,
        "size": data.size or default_size,
        "augment": data.flip,
        "class_weights": "none" if training.class_weights is None else "median",
        **models.options(config.model.name),
        **config.model.options,
        **{key: getattr(training, key) for key in _SHARED_NAMES},
    }


def _as_settled(name: str, value: Any, config: Config) -> Any:
    """What ``value`` would have become in the run's configuration."""
    if name in ("root", "weights"):
        return str(Path(value).absolute())
    if name == "batch_size" and value > config.training.batch_size:
        from ..engine.pipeline import open_split

        return min(value, len(open_split(config.data, "train")))
    return value


_SHARED_NAMES = ("batch_size", "optimizer", "lr", "momentum", "weight_decay", "schedule", "seed")


def _as_option(name: str, value: Any) -> str:
    if value is None:
        return f"no {flag(name)}"
    if isinstance(value, bool):
        return flag(name if value else f"no_{name}")
    if isinstance(value, tuple):
        value = "x".join(str(part) for part in value)
    return f"{flag(name)} {value}"


@contextmanager
def _showing(quiet: bool) -> Iterator[Any]:
    """A display of the training run; after Ctrl-C it says what there is, and how to go on."""
    from rich.console import Console

    from ..console import TrainingDisplay

    display = TrainingDisplay(Console(), quiet)
    try:
        with display:
            yield display
    except KeyboardInterrupt:
        trainer = display.trainer
        if trainer is None:
            raise
        typer.echo(f"interrupted: epochs saved so far: {len(trainer.history)} of {trainer.config.training.epochs}")
        typer.echo(f"go on with: tinyseg train --resume {quoted(trainer.folder)}")
        raise typer.Exit(INTERRUPTED) from None
