"""What the ways of ``tinyseg train`` share: options from flags, files and presets, and the display of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import typer

from ..errors import InputError
from .common import INTERRUPTED, quoted


@dataclass(frozen=True)
class Around:
    """What is asked for that is no option of the training itself."""

    out: Path | None = None
    resume: Path | None = None
    find_lr: Path | None = None
    tensorboard: bool = False
    threads: int | None = None
    workers: int = 2
    cache_images: str = "0"
    device: str = "cpu"
    quiet: bool = False


def settle(given: dict[str, Any]) -> tuple[dict[str, Any], Around]:
    """The options of training, and what is around it: a preset's, under a file's, under those that were given.

    Raises ``InputError`` for what cannot be read.
    """
    from ..engine import recipes
    from ..engine.run import CONFIG

    given = {key: value for key, value in given.items() if key != "debug"}
    preset, config = given.pop("preset", None), given.pop("config", None)
    for name in ("size", "crop"):
        if name in given:
            given[name] = recipes.parse_size(given[name], name)
    if "rate_of" in given:
        given["rate_of"] = ",".join(given["rate_of"])
    for name, parse in recipes.PARSED.items():
        if name in given:
            given[name] = parse(given[name])
    if "freeze" in given:
        given["freeze"] = tuple(given["freeze"])
    if "weights" in given:
        given["weights"] = str(given["weights"])
    layers = [
        {} if preset is None else recipes.preset(preset).options,
        {} if config is None else recipes.read_options(config, recipes.AROUND),
        given,
    ]
    asked = recipes.layered(*layers)
    around = {item.name: asked.pop(item.name) for item in fields(Around) if item.name in asked}
    if "out" in around:
        around["out"] = Path(around["out"])
        if config is not None and os.path.realpath(config) == os.path.realpath(around["out"] / CONFIG):
            raise InputError(f"--config {config} is in the folder of --out, where the run would replace it")
    if not asked.get("model_options", True):
        del asked["model_options"]
    return asked, Around(**around)


@contextmanager
def showing(around: Around) -> Iterator[Any]:
    """A display of the training run; after Ctrl-C it says what there is, and how to go on."""
    from .. import engine
    from ..console import TrainingDisplay, output

    display = TrainingDisplay(output(), around.quiet)
    shown: engine.Callbacks = display
    if around.tensorboard:
        shown = engine.Together(display, engine.TensorBoard())
    try:
        with display:
            yield shown
    except KeyboardInterrupt:
        trainer = display.trainer
        if trainer is None:
            raise
        typer.echo(f"interrupted: epochs saved so far: {len(trainer.history)} of {trainer.config.training.epochs}")
        typer.echo(f"go on with: tinyseg train --resume {quoted(trainer.folder)}")
        raise typer.Exit(INTERRUPTED) from None


def named(asked: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, the model's among them."""
    rest = {key: value for key, value in asked.items() if key != "model_options"}
    return rest | asked.get("model_options", {})
