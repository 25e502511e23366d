"""``tinyseg predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import Debug, Device, Threads, app, reporting, set_up


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
    with reporting(debug):
        set_up(device, threads)
        from rich.console import Console

        from .. import console, engine

        output = Console()
        names = engine.open_run(run).config.data.class_names

        def show(prediction: engine.Prediction) -> None:
            end_notice()
            shares = sorted(zip(prediction.shares, names, strict=True), reverse=True)[:3]
            found = ", ".join(f"{name} {share:.0%}" for share, name in shares if share > 0)
            console.line(output, f"{prediction.image} -> {prediction.mask.name}, {prediction.overlay.name}: {found}")

        with console.telling_of_compilation(console.PREDICTION) as end_notice:
            engine.predict(run, images, out, show)
