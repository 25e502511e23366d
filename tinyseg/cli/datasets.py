"""``tinyseg datasets``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from .common import AsJson, Debug, app, reporting


@app.command(short_help="List the data sets that are understood.")
def datasets(
    augmentations: Annotated[
        bool, typer.Option("--augmentations", help="List what train --augment takes instead.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List the data sets that are understood as they are published, and how many labelled images each split has."""
    with reporting(debug):
        from .. import console
        from ..data import AUGMENTATIONS, DATASETS
        from .data_tables import print_augmentations, print_datasets

        if augmentations:
            found = {name: {"numbers": one.numbers, "purpose": one.purpose} for name, one in AUGMENTATIONS.items()}
            if as_json:
                typer.echo(json.dumps(found, indent=2))
            else:
                print_augmentations(console.output(), AUGMENTATIONS)
        elif as_json:
            listed = {name: {"title": kind.title, "published": kind.published} for name, kind in DATASETS.items()}
            typer.echo(json.dumps(listed, indent=2))
        else:
            print_datasets(console.output(), DATASETS)
