"""``tinyseg evaluate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import many
from ..options import TRAIN_OPTIONS
from .common import (
    DEFAULTS,
    PICTURES,
    AsJson,
    Debug,
    Device,
    Threads,
    Workers,
    app,
    check_writable,
    reporting,
    set_up,
)
from .generated import typer_option


@app.command(short_help="Score a trained network on a data set.")
def evaluate(
    run: Annotated[Path, typer.Argument(help="A run's folder (its best weights), or a checkpoint in it.")],
    data: Annotated[str | None, typer.Option(help="Other data than the run's, with the same classes.")] = None,
    root: Annotated[str | None, typer_option(TRAIN_OPTIONS["root"])] = None,
    split: Annotated[str, typer.Option(help="train, val or test.")] = "val",
    metrics: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME...",
            help="More scores: boundary (F1, Hausdorff 95%), cells (IoU of matched cells), rand (V-Rand), or all.",
        ),
    ] = "",
    confusion: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw which classes are taken for which.")
    ] = None,
    as_json: AsJson = False,
    threads: Threads = None,
    workers: Workers = DEFAULTS.workers,
    device: Device = DEFAULTS.device,
    debug: Debug = False,
) -> None:
    """Score a trained network on a whole data set, at the labels' own resolution."""
    with reporting(debug):
        set_up(device, threads)

        from .. import console, engine, viz

        if confusion is not None:
            check_writable(confusion, PICTURES)
        with console.counting("evaluating", console.EVALUATION) as progress:
            config, result = engine.evaluate(
                run,
                data=data,
                root=root,
                split=split,
                workers=workers,
                progress=progress,
                metrics=engine.parse_metrics(metrics),
                note=lambda text: typer.echo(f"note: {text}", err=True),
            )
        if confusion is not None:
            if result.scores.num_pixels:
                viz.save_confusion(confusion, result.scores, config.data.classes)
            else:
                typer.echo(f"{confusion} is not drawn: no pixel has a label", err=True)
        if as_json:
            where = {"run": str(run), "data": config.data.name, "split": split}
            typer.echo(json.dumps({**where, "classes": config.data.class_names, **result.as_dict()}, indent=2))
            return
        output = console.output()
        images = many(result.images, "image")
        console.line(output, f"{config.data.name}, {split}: {images}, loss {console.number(result.loss)}")
        console.print_scores(output, result.scores, config.data.classes)
        console.print_extra(output, result.extra_accuracies)
        console.print_measures(output, result.measures, config.data.classes)
