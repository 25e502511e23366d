"""``tinyseg train``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import flag
from ..options import RUN_OPTIONS, TRAIN_OPTIONS, RunSettings, check
from .common import Debug, app, reporting, set_up
from .find_lr import find_rate
from .generated import with_model_options, with_options
from .resume import resume_run
from .training import collect_options, training_display


@app.command(short_help="Train a network.")
@with_model_options
@with_options({**TRAIN_OPTIONS, **RUN_OPTIONS})
def train(*, given: dict[str, Any], debug: Debug = False, model_options: dict[str, Any]) -> None:
    """Train a network; the run's folder gets weights, metrics.csv, curves.png and predictions.png."""
    with reporting(debug):
        requested, settings = collect_options(given, model_options)
        set_up(settings.device, settings.threads)
        check(RUN_OPTIONS, vars(settings), flag)  # those in a file, too, which Typer has not seen
        if settings.find_lr is not None:
            find_rate(requested, settings)
        elif settings.resume is not None:
            resume_run(requested, settings)
        else:
            _begin_run(requested, settings)


def _begin_run(requested: Mapping[str, Any], settings: RunSettings) -> None:
    from .. import engine
    from ..data import parse_bytes

    options = engine.TrainOptions(**requested)
    folder = settings.out or engine.next_free_folder(Path("runs"), f"{options.data}-{options.model}")
    engine.check_new(folder)
    cache = parse_bytes(settings.cache_images)
    with training_display(settings) as display:
        engine.train(engine.prepare(options), folder, display, settings.workers, cache)
