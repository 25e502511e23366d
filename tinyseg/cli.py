"""The command line: it parses, calls ``engine``, and prints.

What a user's files and options can get wrong ends with a line on standard error and exit code 2; training that
diverges with 1, Ctrl-C with 130. ``--debug`` shows where it happened.
"""

from __future__ import annotations

import functools
import inspect
import json
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

from . import models
from .errors import InputError, OptionError, flag

if TYPE_CHECKING:
    from .engine import Config, ModelInfo

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
Device = Annotated[str, typer.Option(help="cpu, or reference: plain NumPy, slow.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def _with_model_options(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with an option for each that a model has; those given come in its argument ``model_options``."""
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters.values()
    parameters = [p.replace(annotation=hints[p.name]) for p in own if p.name != "model_options"]
    known = models.all_options()
    for name, option in known.items():
        hint: Any = Annotated[option.kind | None, typer.Option(help=option.help)]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint))

    @functools.wraps(command)
    def called(**given: Any) -> None:
        options = {name: value for name in known if (value := given.pop(name)) is not None}
        command(**given, model_options=options)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called


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
        return "out of memory; a smaller --batch-size or --size needs less"
    if isinstance(error, OptionError):
        return error.spelt(flag)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def _set_up(device: str, threads: int | None) -> None:
    from . import backend

    if device not in backend.DEVICES:
        raise InputError(f"unknown device {device!r}; there are {', '.join(backend.DEVICES)}")
    backend.set_default_device(device)
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
@_with_model_options
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
    if model_options:
        asked["model_options"] = model_options
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
@_with_model_options
def info(
    *,
    model: Annotated[
        str, typer.Argument(help=f"{', '.join(models.names())}; or a run's folder, or a checkpoint in it.")
    ],
    size: Annotated[
        str | None,
        typer.Option(metavar="HxW", help="Height x width of the image. [default: a run's own, else 224x224]"),
    ] = None,
    num_classes: Annotated[int | None, typer.Option(min=1, help="Number of classes. [default: 21]")] = None,
    in_channels: Annotated[int | None, typer.Option(min=1, help="Channels of an image. [default: 3]")] = None,
    as_json: AsJson = False,
    device: Device = "cpu",
    debug: Debug = False,
    model_options: dict[str, Any],
) -> None:
    """List a network's layers: output shapes, parameters, strides, receptive fields; and totals."""
    with _reporting(debug):
        _set_up(device, None)
        from rich.console import Console

        from . import console

        given = {"num_classes": num_classes, "in_channels": in_channels}
        asked = {name: value for name, value in given.items() if value is not None} | model_options
        with console.counting("counting", console.DESCRIPTION):
            found = _describe(model, _parse_size(size), asked)
        if as_json:
            typer.echo(json.dumps(found.as_dict(), indent=2))
        else:
            console.print_info(Console(), found)


def _describe(model: str, size: tuple[int, int] | None, asked: Mapping[str, Any]) -> ModelInfo:
    from . import engine
    from .engine.info import DEFAULT_SIZE

    if model in models.names() or not Path(model).exists():
        return engine.describe(model, size=size or DEFAULT_SIZE, **asked)
    if asked:
        raise InputError(f"{model}: is a run, whose network is settled; leave {', '.join(map(flag, asked))} away")
    return engine.describe_run(model, size)


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
