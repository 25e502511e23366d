"""``tinyseg info``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import models
from ..errors import InputError, flag
from .common import DEFAULTS, AsJson, Debug, Device, app, parse_size, reporting, set_up
from .generated import with_model_options

if TYPE_CHECKING:
    from ..engine import ModelInfo


@app.command(short_help="List a network's layers.")
@with_model_options
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
    device: Device = DEFAULTS.device,
    debug: Debug = False,
    model_options: dict[str, Any],
) -> None:
    """List a network's layers: output shapes, parameters, strides, receptive fields; and totals."""
    with reporting(debug):
        set_up(device, None)
        from .. import console

        given = {"num_classes": num_classes, "in_channels": in_channels}
        requested = {name: value for name, value in given.items() if value is not None} | model_options
        with console.counting("counting", console.DESCRIPTION):
            found = _describe(model, parse_size(size), requested)
        if as_json:
            typer.echo(json.dumps(found.as_dict(), indent=2))
        else:
            console.print_info(console.output(), found)


def _describe(model: str, size: tuple[int, int] | None, requested: Mapping[str, Any]) -> ModelInfo:
    from .. import engine

    if model in models.names() or not Path(model).exists():
        return engine.describe(model, size=size, **requested)
    if requested:
        raise InputError(f"{model}: is a run, whose network is settled; leave {', '.join(map(flag, requested))} away")
    return engine.describe_run(model, size)
