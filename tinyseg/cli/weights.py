"""``tinyseg weights`` and ``tinyseg export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .common import AsJson, Debug, app, reporting


@app.command(short_help="Look into a file of weights.")
def weights(
    file: Annotated[Path, typer.Argument(help="A .pth, .pt, .safetensors or .npz file.")],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the weights in a file, by name, without executing anything in it."""
    with reporting(debug):
        from .. import console, interop

        found = interop.read(file)
        if as_json:
            typer.echo(json.dumps({**found.as_dict(), "source": interop.source_of(found).name}, indent=2))
        else:
            console.print_weights(console.output(), found)


@app.command(short_help="Write a network's weights for other programs.")
def export(
    run: Annotated[Path, typer.Argument(help="A run's folder (its best weights), or a checkpoint in it.")],
    to: Annotated[Path, typer.Option(metavar="FILE", help="A new .safetensors file.")],
    debug: Debug = False,
) -> None:
    """Write the weights of a trained network to a safetensors file, under PyTorch's names."""
    with reporting(debug):
        from .. import engine

        count = engine.export(run, to)
        typer.echo(f"{count} weights are in {to}")
