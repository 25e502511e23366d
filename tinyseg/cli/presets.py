"""``tinyseg presets``."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import Debug, app, reporting


@app.command(short_help="List the options that papers train with.")
def presets(
    name: Annotated[str | None, typer.Argument(help="Print this one, as a file for --config.")] = None,
    debug: Debug = False,
) -> None:
    """List the presets of tinyseg train, or print one: a file of options, to be changed and given to --config."""
    with reporting(debug):
        from ..engine.config import recipes

        if name is not None:
            typer.echo(recipes.preset(name).text, nl=False)
            return
        known = [recipes.preset(name) for name in recipes.preset_names()]
        width = max(len(preset.name) for preset in known)
        for preset in known:
            typer.echo(f"{preset.name:<{width}}  {preset.description} ({preset.source})")
