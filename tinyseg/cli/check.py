"""``tinyseg check``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..options import TRAIN_OPTIONS
from .common import DEFAULTS, FAILED, PICTURES, AsJson, Debug, Workers, app, check_writable, quoted, reporting
from .generated import typer_option


@app.command(short_help="Read all of a data set and say what is wrong with it.")
def check(
    data: Annotated[str, typer.Argument(help="folder, camvid, voc2012 ...: tinyseg datasets lists them.")],
    root: Annotated[Path | None, typer.Argument(help="The folder of the data.", show_default=False)] = None,
    num_classes: Annotated[int | None, typer_option(TRAIN_OPTIONS["num_classes"], with_range=True)] = None,
    mapping: Annotated[Path | None, typer_option(TRAIN_OPTIONS["mapping"])] = None,
    as_stored: Annotated[bool, typer_option(TRAIN_OPTIONS["as_stored"])] = False,
    crowds: Annotated[str | None, typer_option(TRAIN_OPTIONS["crowds"])] = None,
    fix_mapping: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Write the mapping that is proposed; tinyseg train --mapping FILE takes it."
        ),
    ] = None,
    chart: Annotated[
        Path | None, typer.Option(metavar="PNG", help="Draw the share of each class in each split.")
    ] = None,
    as_json: AsJson = False,
    workers: Workers = DEFAULTS.workers,
    debug: Debug = False,
) -> None:
    """Read all of a data set and say what is in it and what is wrong with it.

    The exit code is 0 if all is well, 1 if there are problems, 2 if nothing could be checked.
    """
    with reporting(debug):
        from .. import console, engine, viz
        from ..data import write_mapping
        from .data_tables import print_check

        if fix_mapping is not None:
            check_writable(fix_mapping)
        if chart is not None:
            check_writable(chart, PICTURES)
        with console.counting("checking", 0) as progress:
            report = engine.check(
                data,
                root,
                num_classes=num_classes,
                mapping=mapping,
                as_stored=as_stored,
                crowds=crowds,
                workers=workers,
                progress=progress,
            )
        if fix_mapping is not None and report.mapping:
            write_mapping(fix_mapping, report.mapping)
        if chart is not None:
            shares = {part.split: part.shares(len(report.classes)) for part in report.splits}
            if any(share > 0 for values in shares.values() for share in values):
                viz.save_class_shares(chart, shares, report.classes)
            else:
                typer.echo(f"{chart} is not drawn: no pixel has a label", err=True)
        if as_json:
            typer.echo(json.dumps(report.as_dict(), indent=2))
        else:
            output = console.output()
            print_check(output, report)
            if fix_mapping is not None:
                written = f"wrote {quoted(fix_mapping)}; train with --mapping {quoted(fix_mapping)}"
                # Of masks that cannot be read nobody knows what they need.
                none = "no mapping is proposed" if report.problems else "no mapping is needed"
                console.line(output, written if report.mapping else f"{none}, and none was written")
        if report.problems:
            raise typer.Exit(FAILED)
