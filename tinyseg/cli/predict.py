"""``tinyseg predict``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .common import DEFAULTS, FAILED, Debug, Device, Threads, app, reporting, set_up


@app.command(short_help="Label images with a trained network.")
def predict(
    run: Annotated[Path, typer.Argument(help="A run's folder (its best weights), or a checkpoint in it.")],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...", help="Image files of any size, folders of them, or lists (.txt, a file a line)."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(metavar="DIR", help="Where the pictures go; nothing but earlier predictions is replaced there."),
    ],
    tile: Annotated[
        int | None,
        typer.Option(
            min=0, help="Cut images into tiles of so many pixels; 0: never. [default: 512 above 4 megapixels]"
        ),
    ] = None,
    overlap: Annotated[int, typer.Option(min=0, help="Pixels that neighbouring tiles share.")] = 64,
    tta: Annotated[
        str | None,
        typer.Option(
            metavar="VIEWS",
            help="Average the probabilities of several views: flip (left and right), vflip (upside down), "
            "scale=0.75,1,1.25; flip,scale=0.75,1 has four.",
        ),
    ] = None,
    probabilities: Annotated[
        str | None,
        typer.Option(metavar="npy|png", help="Write probabilities, too: an array (H, W, K), or a picture a class."),
    ] = None,
    overlay: Annotated[bool, typer.Option("--overlay/--no-overlay", help="A picture to look at.")] = True,
    max_pixels: Annotated[
        int | None,
        typer.Option(help="Decode images of up to so many pixels: more than 89478485 may be a trap, so say so."),
    ] = None,
    threads: Threads = None,
    device: Device = DEFAULTS.device,
    debug: Debug = False,
) -> None:
    """Label images: for NAME.jpg, NAME.png holds the class of each pixel and NAME_overlay.png is to look at.

    The exit code is 0 if all were labelled, 1 if some could not be, 2 if none could.
    """
    with reporting(debug):
        set_up(device, threads)
        from .. import console, engine

        output = console.output()
        names = engine.open_run(run).config.data.class_names
        options = engine.PredictOptions(tile, overlap, tta, probabilities, overlay, max_pixels)

        def show(prediction: engine.Prediction) -> None:
            progress.end()
            shares = sorted(zip(prediction.shares, names, strict=True), reverse=True)[:3]
            found = ", ".join(f"{name} {share:.0%}" for share, name in shares if share > 0)
            files = [prediction.mask, prediction.overlay, *prediction.probabilities]
            written = ", ".join(file.name for file in files if file is not None)
            console.line(output, f"{prediction.image} -> {written}: {found}")

        def note(text: str) -> None:
            console.line(output, f"note: {text}", style="yellow")

        failed = None
        with console.PredictionProgress() as progress:
            try:
                done = engine.predict(run, images, out, show, options, progress.tell, note)
            except engine.PredictionError as error:
                failed, done = error, error.done
                if not done:
                    raise
        seconds = sum(prediction.seconds for prediction in done)
        console.line(output, f"images: {len(done)}, {len(done) / max(seconds, 1e-9):.2f} a second")
        if failed is not None:
            typer.echo(f"error: {failed}", err=True)
            raise typer.Exit(FAILED)
