"""``tinyseg train --find-lr``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from ..errors import InputError
from ..options import RunSettings
from .common import PICTURES, check_writable


def find_rate(requested: Mapping[str, Any], settings: RunSettings) -> None:
    """Try learning rates, draw what came of them, and name one."""
    from .. import console, engine

    picture = settings.find_lr or Path()
    try:
        check_writable(picture, PICTURES)
    except InputError as error:
        raise InputError(f"--find-lr: {error}") from error
    if settings.resume is not None:
        raise InputError("--find-lr looks for the rate of a new run; leave --resume away")
    plan = engine.prepare(engine.TrainOptions(**requested))
    for note in plan.notes:
        typer.echo(f"note: {note}")
    with console.counting("trying learning rates", console.TRAINING) as progress:
        found = engine.find_lr(plan, picture, workers=settings.workers, progress=progress)
    typer.echo(f"rates from {found.rates[0]:.1e} to {found.rates[-1]:.1e}, one a step; drawn in {picture}")
    if found.suggestion is None:
        typer.echo("the loss fell with none of them: is there something to learn in the data?")
    else:
        typer.echo(f"the loss falls fastest at {found.suggestion:.1e}: try --lr {found.suggestion:.1g}")
