"""Beginning with the weights of another run.

So FCN-16s begins with what FCN-32s has learnt, a context module with its front end, and a network for other classes
with all but its scores.
"""

from __future__ import annotations

import csv
from dataclasses import fields
from pathlib import Path

from ..checkpoint import replacing
from ..errors import InputError
from ..models import SegmentationModel, WarmStart
from ..models import warm_start as copy_weights
from ..paths import PathLike
from .config import DataConfig
from .run import load_model, open_run


def warm_start(model: SegmentationModel, source: PathLike) -> WarmStart:
    """Copy into ``model`` the weights that fit of the run ``source``, a folder (its best) or a checkpoint in it.

    What has another shape there, or is not there at all, is left as it was. Raises ``InputError`` and its kinds where
    there is no such run, or nothing in it fits.
    """
    return copy_weights(model, load_model(open_run(source))[0], strict=False)


def source_data(source: PathLike, channels: int) -> DataConfig:
    """The data of the run that weights are taken from: what they expect of an image.

    Raises ``InputError`` if its images have not so many channels.
    """
    data = open_run(source).config.data
    if data.in_channels != channels:
        raise InputError(f"--init-from {source}: its images have {data.in_channels} channels, the data's {channels}")
    return data


def write_report(path: Path, report: WarmStart) -> None:
    """Key by key, as CSV: what became of it."""
    with replacing(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["key", "outcome"])
        for outcome in fields(report):
            writer.writerows((key, outcome.name.replace("_", " ")) for key in getattr(report, outcome.name))
