"""What the ways of ``tinyseg train`` share: options from flags, files and presets, and the display of a run."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer

from ..errors import InputError
from ..options import RUN_OPTIONS, TRAIN_OPTIONS, RunSettings, in_files
from .common import INTERRUPTED, quoted


def collect_options(given: Mapping[str, Any], model_options: Mapping[str, Any]) -> tuple[dict[str, Any], RunSettings]:
    """The options of training, and what is around it: a preset's, under a file's, under those of the command line.

    Raises ``InputError`` for what cannot be read.
    """
    from ..engine.config import recipes
    from ..engine.storage.run import CONFIG

    known = {**TRAIN_OPTIONS, **RUN_OPTIONS}
    values = {name: known[name].from_command_line(value) for name, value in given.items()}
    preset, config = values.get("preset"), values.get("config")
    layers = [
        {} if preset is None else recipes.preset(preset).options,
        {} if config is None else recipes.read_options(config, in_files()),
        values | ({"model_options": dict(model_options)} if model_options else {}),
    ]
    requested = recipes.layered(*layers)
    settings = RunSettings(**{name: requested.pop(name) for name in RUN_OPTIONS if name in requested})
    out = settings.out
    if out is not None and config is not None and os.path.realpath(config) == os.path.realpath(out / CONFIG):
        raise InputError(f"--config {config} is in the folder of --out, where the run would replace it")
    return requested, settings


@contextmanager
def training_display(settings: RunSettings) -> Iterator[Any]:
    """A display of the training run; after Ctrl-C it says what there is, and how to go on."""
    from .. import engine
    from ..console import TrainingDisplay, output

    display = TrainingDisplay(output(), settings.quiet)
    shown: engine.Callbacks = display
    if settings.tensorboard:
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


def named(requested: Mapping[str, Any]) -> dict[str, Any]:
    """Options by name, the model's among them."""
    rest = {key: value for key, value in requested.items() if key != "model_options"}
    return rest | requested.get("model_options", {})
