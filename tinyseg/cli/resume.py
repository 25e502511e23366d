"""``tinyseg train --resume``: a run goes on as it was begun, so options may only repeat what it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .. import models
from ..errors import InputError, flag
from ..options import RunSettings
from .training import named, training_display

if TYPE_CHECKING:
    from ..engine import Config


def resume_run(requested: Mapping[str, Any], settings: RunSettings) -> None:
    """Go on with the run in the folder ``settings.resume``."""
    from .. import engine
    from ..data import parse_bytes

    folder, out = settings.resume or Path(), settings.out
    if out is not None and out.absolute() != folder.absolute():
        raise InputError(f"--resume goes on in its own folder, {folder}; leave --out away")
    _refuse_conflicts(folder, engine.read_folder(folder), requested)
    with training_display(settings) as display:
        epochs, cache = requested.get("epochs"), parse_bytes(settings.cache_images)
        engine.resume(folder, epochs=epochs, callbacks=display, workers=settings.workers, cache=cache)


def _refuse_conflicts(folder: Path, config: Config, requested: Mapping[str, Any]) -> None:
    """``InputError`` for an option that is not what the run was started with; defaults may be spelt out."""
    settled = _settled(config)
    for name, value in named(requested).items():
        before = settled.get(name)
        if name != "epochs" and _as_settled(name, value, config) != before:
            raise InputError(
                f"{folder}: the run has {_as_option(name, before)} and cannot go on with "
                f"{_as_option(name, value)}; leave the option away"
            )


def _settled(config: Config) -> dict[str, Any]:
    """The options of a run, model options among them, with what stands for those that were left out."""
    from .. import engine
    from ..data import DRAWN_SIZE, VAL_FRACTION, get_kind
    from ..data.layouts.coco_instances import CROWDS

    data = config.data
    settled = vars(engine.options_of(config))
    kind = get_kind(data.name)
    default_size = DRAWN_SIZE if kind.drawn else None
    default_share = VAL_FRACTION if "val_fraction" in kind.takes else None
    return {
        **named(settled),
        **models.options(config.model.name),
        **config.model.options,
        "size": data.size or default_size,
        "crowds": data.crowds or (CROWDS[0] if "crowds" in kind.takes else None),
        "val_fraction": default_share if data.val_fraction is None else data.val_fraction,
    }


def _as_settled(name: str, value: Any, config: Config) -> Any:
    """What ``value`` would have become in the run's configuration."""
    from ..data import parse_augmentations, read_mapping
    from ..data.transforms.named import NONE
    from ..engine.parts.class_weights import class_weights
    from ..engine.parts.pipeline import open_split

    if name == "augment":
        return ",".join(parse_augmentations(value)) or NONE
    if name == "mapping" and isinstance(value, str):
        return read_mapping(value)
    if name in ("root", "weights"):
        return str(Path(value).absolute())
    if name == "milestones":
        return tuple(sorted(value))
    if name == "batch_size" and value > config.training.batch_size:
        return min(value, len(open_split(config.data, "train")))
    if name == "class_weights" and value != "none" and isinstance(value, str):
        from ..data import class_counts

        train_set = open_split(config.data, "train")
        return class_weights(value, class_counts(train_set), train_set.classes)
    return value


def _as_option(name: str, value: Any) -> str:
    if value is None:
        return f"no {flag(name)}"
    if isinstance(value, dict):
        return f"a {flag(name)} of other values"
    if isinstance(value, bool):
        return flag(name if value else f"no_{name}")
    if isinstance(value, tuple):
        value = ("x" if name in ("size", "crop") else ",").join(str(part) for part in value)
    return f"{flag(name)} {value}"
