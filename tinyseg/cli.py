"""The command line: it parses, calls ``engine``, and prints.

What a user's files and options can get wrong ends with a line on standard error and exit code 2; training that
diverges with 1, Ctrl-C with 130. ``--debug`` shows where it happened.
"""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .errors import InputError, OptionError, flag

if TYPE_CHECKING:
    from .engine import Config

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130

app = typer.Typer(
    name="tinyseg",
    help="Train networks that label every pixel of an image, measure them, and use them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """The entry point of the command ``tinyseg``."""
    app()


def _parse_size(text: str | None) -> tuple[int, int] | None:
    """``180x240`` as (height, width)."""
    if text is None:
        return None
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(part.isascii() and part.isdecimal() and int(part) > 0 for part in parts):
        raise InputError(f"--size: expected HEIGHTxWIDTH, such as 180x240, got {text!r}")
    return int(parts[0]), int(parts[1])


Threads = Annotated[int | None, typer.Option(min=1, help="Threads that compute. [default: one for each core]")]
Workers = Annotated[int, typer.Option(min=0, help="Threads that load images.")]
Device = Annotated[str, typer.Option(help="cpu, cuda (an NVIDIA GPU), or reference: plain NumPy, slow.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@contextmanager
def _reporting(debug: bool) -> Iterator[None]:
    """Turn what can go wrong into a line or two on standard error, and an exit code."""
    from .engine import DivergenceError

    try:
        yield
    except BrokenPipeError:  # the reader had enough; click ends quietly
        raise
    except (InputError, DivergenceError, OSError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        else:
            typer.echo(f"error: {_message(error)}", err=True)
        raise typer.Exit(FAILED if isinstance(error, (DivergenceError, MemoryError)) else BAD_INPUT) from None
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        if "cuda" in str(error):
            return str(error)
        return "out of memory; a smaller --batch-size or --size needs less"
    if isinstance(error, OptionError):
        return error.spelt(flag)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _set_up(device: str, threads: int | None) -> None:
    from . import backend

    try:
        backend.set_default_device(device)
    except (ValueError, RuntimeError) as error:
        raise InputError(str(error)) from error
    if threads is not None:
        backend.set_num_threads(threads)


def _show_version(asked: bool) -> None:
    if asked:
        from . import __version__

        typer.echo(f"tinyseg {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train networks that label every pixel of an image, measure them, and use them.

    The first run: tinyseg train. It needs no data: the images are drawn.
    """


@app.command(short_help="Train a network.")
def train(
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
    model: Annotated[str | None, typer.Option(help="fcn8s, fcn16s, fcn32s or unet. [default: fcn8s]")] = None,
    backbone: Annotated[str | None, typer.Option(help="Of an fcn: small. [default: small]")] = None,
    width: Annotated[int | None, typer.Option(help="Channels of unet's first level. [default: 32]")] = None,
    depth: Annotated[int | None, typer.Option(help="How often unet halves the image. [default: 4]")] = None,
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
) -> None:
    """Train a network; the run's folder gets weights, metrics.csv, curves.png and predictions.png."""
    asked = {key: value for key, value in locals().items() if key in _RUN_OPTIONS and value is not None}
    given = (("backbone", backbone), ("width", width), ("depth", depth))
    options = {key: value for key, value in given if value is not None}
    if options:
        asked["model_options"] = options
    with _reporting(debug):
        if size is not None:
            asked["size"] = _parse_size(size)
        _set_up(device, threads)
        if resume is not None:
            _resume(resume, out, asked, workers, quiet)
        else:
            _train(out, asked, workers, quiet)


_RUN_OPTIONS = (
    "data", "root", "num_classes", "val_fraction", "data_seed", "model", "size", "augment", "epochs", "batch_size",
    "optimizer", "lr", "momentum", "weight_decay", "schedule", "class_weights", "seed",
)  # fmt: skip


def _train(out: Path | None, asked: Mapping[str, Any], workers: int, quiet: bool) -> None:
    from . import engine

    options = engine.TrainOptions(**asked)
    folder = out or engine.next_free_folder(Path("runs"), f"{options.data}-{options.model}")
    engine.check_new(folder)
    with _showing(quiet) as display:
        engine.train(engine.prepare(options), folder, display, workers)


def _resume(folder: Path, out: Path | None, asked: Mapping[str, Any], workers: int, quiet: bool) -> None:
    from . import engine

    if out is not None and out.absolute() != folder.absolute():
        raise InputError(f"--resume goes on in its own folder, {folder}; leave --out away")
    _refuse_conflicts(folder, engine.read_folder(folder), asked)
    with _showing(quiet) as display:
        engine.resume(folder, epochs=asked.get("epochs"), callbacks=display, workers=workers)


def _refuse_conflicts(folder: Path, config: Config, asked: Mapping[str, Any]) -> None:
    """``InputError`` for an option that is not what the run was started with; defaults may be spelt out."""
    settled = _settled(config)
    given = {key: value for key, value in asked.items() if key not in ("epochs", "model_options")}
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
    from . import models
    from .data import VAL_FRACTION, Shapes

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
        "size": data.size or default_size,
        "augment": data.flip,
        "class_weights": "none" if training.class_weights is None else "median",
        **models.options(config.model.name),
        **config.model.options,
        **{key: getattr(training, key) for key in _SHARED_NAMES},
    }


def _as_settled(name: str, value: Any, config: Config) -> Any:
    """What ``value`` would have become in the run's configuration."""
    if name == "root":
        return str(Path(value).absolute())
    if name == "batch_size" and value > config.training.batch_size:
        from .engine.pipeline import open_split

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

    from .console import TrainingDisplay

    display = TrainingDisplay(Console(), quiet)
    try:
        with display:
            yield display
    except KeyboardInterrupt:
        trainer = display.trainer
        if trainer is None:
            raise
        typer.echo(f"interrupted: epochs saved so far: {len(trainer.history)} of {trainer.config.training.epochs}")
        typer.echo(f"go on with: tinyseg train --resume {_quoted(trainer.folder)}")
        raise typer.Exit(INTERRUPTED) from None


def _quoted(path: Path) -> str:
    return f'"{path}"' if " " in str(path) else str(path)


@app.command(short_help="Score a trained network on a data set.")
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder (its best weights), or a checkpoint in it.")],
    data: Annotated[str | None, typer.Option(help="Other data than the run's, with the same classes.")] = None,
    root: Annotated[str | None, typer.Option(metavar="DIR", help="The folder of the data.")] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    as_json: AsJson = False,
    threads: Threads = None,
    workers: Workers = 2,
    device: Device = "cpu",
    debug: Debug = False,
) -> None:
    """Score a trained network on a whole data set, at the labels' own resolution."""
    with _reporting(debug):
        _set_up(device, threads)
        from rich.console import Console

        from . import console, engine

        with console.counting("evaluating", console.EVALUATION) as progress:
            config, result = engine.evaluate(
                run, data=data, root=root, split=split, workers=workers, progress=progress
            )
        if as_json:
            where = {"run": str(run), "data": config.data.name, "split": split}
            typer.echo(json.dumps({**where, "classes": config.data.class_names, **result.as_dict()}, indent=2))
            return
        output = Console()
        console.line(
            output, f"{config.data.name}, {split}: {result.images} images, loss {console.number(result.loss)}"
        )
        console.print_scores(output, result.scores, config.data.classes)


@app.command(short_help="Label images with a trained network.")
def predict(
    run: Annotated[Path, typer.Argument(help="A run's folder (its best weights), or a checkpoint in it.")],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Image files of any size.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where the pictures go.")],
    threads: Threads = None,
    device: Device = "cpu",
    debug: Debug = False,
) -> None:
    """Label images: for NAME.jpg, NAME.png holds the class of each pixel and NAME_overlay.png is to look at."""
    with _reporting(debug):
        _set_up(device, threads)
        from rich.console import Console

        from . import console, engine

        output = Console()
        names = engine.open_run(run).config.data.class_names

        def show(prediction: engine.Prediction) -> None:
            end_notice()
            shares = sorted(zip(prediction.shares, names, strict=True), reverse=True)[:3]
            found = ", ".join(f"{name} {share:.0%}" for share, name in shares if share > 0)
            console.line(output, f"{prediction.image} -> {prediction.mask.name}, {prediction.overlay.name}: {found}")

        with console.telling_of_compilation(console.PREDICTION) as end_notice:
            engine.predict(run, images, out, show)


@app.command(short_help="List a network's layers.")
def info(
    model: Annotated[str, typer.Argument(help="fcn8s, fcn16s, fcn32s or unet.")],
    size: Annotated[str, typer.Option(metavar="HxW", help="Height x width of the image.")] = "224x224",
    num_classes: Annotated[int, typer.Option(min=1, help="Number of classes.")] = 21,
    in_channels: Annotated[int, typer.Option(min=1, help="Channels of an image.")] = 3,
    backbone: Annotated[str | None, typer.Option(help="Of an fcn.")] = None,
    width: Annotated[int | None, typer.Option(help="Channels of unet's first level.")] = None,
    depth: Annotated[int | None, typer.Option(help="How often unet halves the image.")] = None,
    as_json: AsJson = False,
    device: Device = "cpu",
    debug: Debug = False,
) -> None:
    """List a network's layers: output shapes, parameters, strides, receptive fields; and totals."""
    with _reporting(debug):
        _set_up(device, None)
        from rich.console import Console

        from . import console, engine

        given = (("backbone", backbone), ("width", width), ("depth", depth))
        options: dict[str, Any] = {key: value for key, value in given if value is not None}
        with console.counting("counting", console.DESCRIPTION):
            found = engine.describe(
                model,
                size=_parse_size(size) or (224, 224),
                num_classes=num_classes,
                in_channels=in_channels,
                **options,
            )
        if as_json:
            typer.echo(json.dumps(found.as_dict(), indent=2))
        else:
            console.print_info(Console(), found)


@app.command(short_help="Compile all kernels ahead.")
def warmup(
    float64: Annotated[bool, typer.Option("--float64", help="For float64, too.")] = False,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Compile all kernels for this machine now, so that no other command has to wait for it."""
    with _reporting(debug):
        _set_up("cpu", threads)
        from . import backend, engine

        start = time.perf_counter()
        for kernel in engine.warmup(float64):
            place = f"[{kernel.number:>{len(str(kernel.total))}}/{kernel.total}]"
            typer.echo(f"{place} {kernel.name} ... {kernel.seconds:.1f} s")
        folder = backend.kernel_cache()
        where = "in no folder: none can be written to" if folder is None else f"in {folder}"
        typer.echo(f"compiled in {time.perf_counter() - start:.0f} s, and kept {where}")


@app.command(short_help="Compare every operator's gradient with differences.")
def gradcheck(
    backend: Annotated[str, typer.Option(help="cpu, or reference: plain NumPy.")] = "cpu",
    op: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this operator; may be repeated.")] = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Compare every operator's gradient with central differences in float64; the exit code is 1 if one is wrong."""
    with _reporting(debug):
        _set_up(backend, threads)
        from rich.console import Console

        from . import console, engine

        with console.telling_of_compilation(console.GRADIENTS) as end_notice:
            output, found = Console(), list[engine.GradientCheck]()
            for check in engine.check_gradients(op or ()):
                end_notice()
                console.print_gradient_check(output, check, first=not found)
                found.append(check)
        wrong = [check.operator for check in found if not check.passed]
        if wrong:
            typer.echo(f"operators checked on {backend}: {len(found)}; wrong gradients: {', '.join(wrong)}")
            raise typer.Exit(FAILED)
        typer.echo(f"operators checked on {backend}: {len(found)}; every gradient is right")
