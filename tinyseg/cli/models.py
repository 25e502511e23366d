"""``tinyseg models``."""

from __future__ import annotations

import json

import typer

from .. import models as table
from .common import AsJson, Debug, app, reporting


@app.command(short_help="List the networks there are.")
def models(as_json: AsJson = False, debug: Debug = False) -> None:
    """List all networks that can be built, with their options and what these are by default."""
    with reporting(debug):
        if as_json:
            found = {
                name: {"description": table.description(name), "options": table.options(name)}
                for name in table.names()
            }
            typer.echo(json.dumps(found, indent=2))
            return
        from .. import console

        console.print_models(console.output())
