"""``tinyseg info``."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from .common import AsJson, Debug, Device, app, parse_size, reporting, set_up


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
    with reporting(debug):
        set_up(device, None)
        from rich.console import Console

        from .. import console, engine

        given = (("backbone", backbone), ("width", width), ("depth", depth))
        options: dict[str, Any] = {key: value for key, value in given if value is not None}
        with console.counting("counting", console.DESCRIPTION):
            found = engine.describe(
                model,
                size=parse_size(size) or (224, 224),
                num_classes=num_classes,
                in_channels=in_channels,
                **options,
            )
        if as_json:
            typer.echo(json.dumps(found.as_dict(), indent=2))
        else:
            console.print_info(Console(), found)
