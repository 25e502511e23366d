"""Networks side by side: several runs on the same images, and a page with their tables, curves and pictures.

All that can be refused is refused before the first of them is trained. Each run has a folder of its own, so that a
comparison which was interrupted goes on where it was, and takes what is done.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...data import DRAWN_SIZE, Dataset, get_kind
from ...data.layouts.coco_instances import CROWDS
from ...errors import CheckpointError, InputError, OptionError, flag
from ...files import PathLike, locked, naming, remove_half_written, write_text
from ...nn.init import skip
from ...options import TrainOptions, in_files
from ..config.config import Config
from ..config.recipes import read_options
from ..inspection.info import DEFAULT_SIZE, ModelInfo, describe_model
from ..parts.optimization import frozen_parts
from ..parts.pipeline import create_model, names_digest, open_split
from ..storage.progress import read_progress
from ..storage.run import BEST, LAST, is_drawn, not_of_a_beginning, read_folder
from ..training.callbacks import Callbacks
from ..training.prepare import Plan, prepare
from ..training.train import resume, train
from .compare_page import page
from .compare_pictures import check_layers, make_pictures
from .comparison import Comparison, Contender

REPORT, NUMBERS = "report.html", "report.json"

# By which what a comparison wrote is known.
_MARKS = {REPORT: " compared</title>", NUMBERS: '"common_epochs":'}

Show = Callable[[str], AbstractContextManager[Callbacks]]


def read_contenders(paths: Sequence[PathLike]) -> dict[str, TrainOptions | Path]:
    """Files of options (as ``tinyseg train --config`` takes them) and folders of runs, by their names without
    ``.toml``. Raises ``InputError`` for what is neither, cannot be read, or has the name of another.
    """
    found: dict[str, TrainOptions | Path] = {}
    for path in map(Path, paths):
        name = Path(os.path.realpath(path)).name.removesuffix(".toml")
        if name in found:
            raise InputError(
                f"{path}: another one is called {name}, too; names in the report come from those of files"
            )
        if not path.exists():
            raise InputError(f"{path}: no such file or folder; expected options in TOML, or a finished run")
        found[name] = path if path.is_dir() else _options(path)
    return found


def _options(path: Path) -> TrainOptions:
    of_runs = in_files()
    options = read_options(path, of_runs)
    if found := [flag(name) for name in options if name in of_runs]:
        raise InputError(
            f"{path}: {', '.join(found)} cannot be said for one of several networks; say for all what is to hold"
        )
    return TrainOptions(**options)


def compare(
    contenders: Mapping[str, TrainOptions | PathLike],
    out: PathLike,
    *,
    layers: Sequence[str] = (),
    samples: int = 4,
    share: float = 0.9,
    show: Show = lambda name: nullcontext(Callbacks()),
    workers: int = 2,
    cache: int = 0,
) -> Comparison:
    """Train what is not trained yet, each in ``out/NAME``, and write ``out/report.html`` and ``out/report.json``.

    ``contenders``: options of runs, or folders of finished ones, by name; two or more. A run that is in ``out``
    already goes on where it was, or is taken as it is if it is done. ``layers``: those whose feature maps are shown,
    as ``tinyseg info`` names them; without any, the last of the finest level, the deepest, and the scores.
    ``samples``: how many validation images. ``share``: of a best mean IU, for the time until it was reached.
    ``show(name)``: callbacks for the run of that name. ``workers`` and ``cache`` as ``train`` has them.

    Raises ``InputError`` and its kinds for what cannot be compared, before anything is trained: other images or
    classes, names that are no names of folders, a run that is not finished, one in ``out`` that was made with other
    options, a layer that no network has, a file in the place of the report that is none; ``InUseError`` while another
    process works in ``out``. For what goes wrong in training see ``train``.
    """
    out = Path(out)
    if samples < 1 or not 0 < share <= 1:
        raise InputError(
            f"compare: expected 1 or more --samples and a --share from 0 to 1, got {samples} and {share:g}"
        )
    _check_names(list(contenders))
    entries = [_entry(name, given, out / name) for name, given in contenders.items()]
    _check_data(entries)
    infos = [_describe(entry.config) for entry in entries]
    check_layers({entry.name: info for entry, info in zip(entries, infos, strict=True)}, layers)
    _check_reports(out)
    with naming(out):
        out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        remove_half_written(out)
        for entry in entries:
            if entry.plan is not None and not _is_done(entry):
                with show(entry.name) as callbacks:
                    _begin_or_resume(entry, entry.plan, callbacks, workers, cache)
        finished = [_finished(entry, info) for entry, info in zip(entries, infos, strict=True)]
        train_set, val_set = entries[0].train_set, entries[0].val_set
        comparison = Comparison(tuple(finished), share, len(train_set), len(val_set))
        pictures = make_pictures(finished, infos, val_set, layers, samples)
        write_text(out / REPORT, page(comparison, pictures))
        write_text(out / NUMBERS, json.dumps(comparison.as_dict(), indent=2, ensure_ascii=False) + "\n")
    return comparison


def _check_reports(out: Path) -> None:
    """``InputError`` for files in the place of the report that are none of ours."""
    for name, mark in _MARKS.items():
        path = out / name
        if path.exists() and not (path.is_file() and mark in path.read_text(encoding="utf-8", errors="replace")):
            raise InputError(f"{path}: is there already, and no report of tinyseg compare; choose another --out")


def _check_names(names: Sequence[str]) -> None:
    if len(names) < 2:
        raise InputError(f"compare: expected two networks or more, got {len(names)}")
    for name in names:
        if name in ("", ".", "..", REPORT, NUMBERS) or any(sign in name for sign in "/\\\0"):
            raise InputError(f"compare: {name!r} cannot be the name of a run's folder")
    by_case = sorted(names, key=str.casefold)
    for one, other in pairwise(by_case):
        if one.casefold() == other.casefold():
            raise InputError(f"compare: {one} and {other} would be one folder where names ignore case; rename one")


@dataclass(frozen=True)
class _Entry:
    """A run to be compared; ``plan``: how it begins, None for one that is only read."""

    name: str
    folder: Path
    config: Config
    train_set: Dataset
    val_set: Dataset
    plan: Plan | None


def _entry(name: str, given: TrainOptions | PathLike, folder: Path) -> _Entry:
    if not isinstance(given, TrainOptions):
        folder = Path(given)
        config = read_folder(folder)
        train_set, val_set = (open_split(config.data, split) for split in ("train", "val"))
        entry = _Entry(name, folder, config, train_set, val_set, None)
        _check_finished(entry)
        return entry
    try:
        plan = prepare(given)
    except OptionError as error:
        raise OptionError(f"{name}: {error.message}", *error.options) from error
    except InputError as error:
        raise InputError(f"{name}: {error}") from error
    if folder.exists() and not_of_a_beginning(folder):
        if not (folder / LAST).is_file():
            raise InputError(f"{folder}: has no {LAST}, but {not_of_a_beginning(folder)[0]}; move it away")
        _check_same(folder, read_folder(folder), plan.config)
    return _Entry(name, folder, plan.config, plan.train_set, plan.val_set, plan)


def _check_same(folder: Path, before: Config, now: Config) -> None:
    """``InputError`` unless the run in ``folder`` was made with the options that it is to be made with now."""
    if replace(before, tinyseg=now.tinyseg) == now:
        return
    for part in ("data", "model", "training"):
        then, requested = getattr(before, part), getattr(now, part)
        for item in fields(requested):
            old, new = getattr(then, item.name), getattr(requested, item.name)
            if old != new:
                raise InputError(
                    f"{folder}: there is a run with other options: {part}.{item.name} is {old!r}, and is now to be "
                    f"{new!r}; choose another --out, or move the folder away"
                )


def _check_finished(entry: _Entry) -> None:
    progress, training = read_progress(entry.folder), entry.config.training
    if not progress.is_over(training):
        raise InputError(
            f"{entry.folder}: the run has {len(progress.history)} of {training.epochs} epochs; first go on with it: "
            f"tinyseg train --resume {entry.folder}"
        )
    digests = tuple(names_digest(dataset) for dataset in (entry.train_set, entry.val_set))
    if digests != progress.names:
        raise InputError(f"{entry.folder}: the run was made when its data had other images, or other names of images")


def _check_data(entries: Sequence[_Entry]) -> None:
    """``InputError`` unless all learn from the same images, and are measured on the same."""
    first = entries[0]
    expected = _data_of(first)
    for entry in entries[1:]:
        found = _data_of(entry)
        for what, value in expected.items():
            if found[what] != value:
                raise InputError(
                    f"{first.name} and {entry.name} cannot be compared, their {what} differ: {_short(value)} and "
                    f"{_short(found[what])}"
                )


def _data_of(entry: _Entry) -> dict[str, Any]:
    """What has to be the same for all."""
    data = entry.config.data
    drawn = get_kind(data.name).drawn
    return {
        "data sets": data.name,
        "folders of data": data.root,
        "classes": entry.train_set.classes.names,
        "mappings": data.mapping,
        "crowds": data.crowds or CROWDS[0],
        "orientations of images (--as-stored)": data.as_stored,
        "seeds of drawn images": data.seed if drawn else None,
        "sizes of drawn images": data.size or DRAWN_SIZE if drawn else None,
        "numbers of training and validation images": (len(entry.train_set), len(entry.val_set)),
        "names of training images": names_digest(entry.train_set),
        "names of validation images": names_digest(entry.val_set),
    }


def _short(value: Any, limit: int = 120) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= limit else f"{text[:limit]}..."


def _describe(config: Config) -> ModelInfo:
    """The network as it is trained: what is frozen is not trainable."""
    with skip():
        model = create_model(config)
    frozen_parts(model, config.training.freeze)
    return describe_model(model, config.data.size or config.data.crop or DEFAULT_SIZE)


def _is_done(entry: _Entry) -> bool:
    """Whether there is a run of that name in which no epoch and no picture is left."""
    if not (entry.folder / LAST).is_file():
        return False
    progress = read_progress(entry.folder)
    return progress.is_over(entry.config.training) and is_drawn(entry.folder, entry.config, len(progress.history))


def _begin_or_resume(entry: _Entry, plan: Plan, callbacks: Callbacks, workers: int, cache: int) -> None:
    """Train the run, or what is left of it."""
    if (entry.folder / LAST).is_file():
        resume(entry.folder, callbacks=callbacks, workers=workers, cache=cache)
    else:
        train(plan, entry.folder, callbacks, workers, cache)


def _finished(entry: _Entry, info: ModelInfo) -> Contender:
    progress = read_progress(entry.folder)
    if progress.best is None or not (entry.folder / BEST).is_file():
        raise CheckpointError(f"{entry.folder}: the run has no {BEST}")
    return Contender(
        entry.name,
        entry.folder,
        entry.config,
        progress.history,
        progress.best,
        info.parameters,
        info.trainable_parameters,
    )
