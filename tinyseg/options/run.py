"""The options of ``tinyseg train`` that are none of the training itself: where the run goes, and what it runs on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .declaration import at_least, declared, option

_RUN = "The run"


@dataclass(frozen=True)
class RunSettings:
    """What is around a training run. ``resume``: the folder of a run that is continued, ``find_lr``: a picture of the
    loss against the learning rate, which is then all that is made. ``cache_images``: bytes, such as 2GB.
    """

    preset: str | None = option(
        None, "Begin with these options; tinyseg presets lists them.", group=_RUN, metavar="NAME", in_files=False
    )
    config: Path | None = option(
        None,
        "Options from a TOML file, or a run's config.toml. Those given here go before it.",
        group=_RUN,
        metavar="FILE",
        in_files=False,
    )
    out: Path | None = option(None, "A new folder.", group=_RUN, metavar="DIR", shown_default="runs/DATA-MODEL-N")
    resume: Path | None = option(
        None, "Go on with the run in this folder, to the same bits.", group=_RUN, metavar="DIR", in_files=False
    )
    find_lr: Path | None = option(
        None,
        "Do not train: draw the loss against the learning rate, and name one.",
        group=_RUN,
        metavar="PICTURE",
        in_files=False,
    )
    tensorboard: bool = option(False, "Write event files, too. Needs the extra tensorboard.", group=_RUN)
    threads: int | None = option(
        None,
        "Threads that compute.",
        group=_RUN,
        shown_default="one for each core",
        within=at_least(1),
        checked_first=True,
    )
    workers: int = option(2, "Threads that load images.", group=_RUN, within=at_least(0), checked_first=True)
    cache_images: str = option(
        "0", "Keep decoded training images in so much memory, such as 2GB.", group=_RUN, metavar="BYTES"
    )
    device: str = option("cpu", "cpu, cuda (an NVIDIA GPU), or reference: plain NumPy, slow.", group=_RUN)
    quiet: bool = option(False, "No progress bar.", group=_RUN)


RUN_OPTIONS = declared(RunSettings)
"""All of them by name, in their order on the command line."""


def in_files() -> dict[str, Any]:
    """Those that a file of options may have, and their types."""
    return {name: option.hint for name, option in RUN_OPTIONS.items() if option.in_files}
