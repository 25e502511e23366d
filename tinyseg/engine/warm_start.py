"""Beginning with the weights of another run, or of a checkpoint of ours: as many as have a name and shape in common.

So FCN-16s begins with what FCN-32s has learnt, and a network for other classes with all but its scores.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from ..checkpoint import load, replacing
from ..errors import CheckpointError
from ..nn import Module
from ..paths import PathLike
from .run import BEST, LAST

LOADED, NEW, RESHAPED, UNUSED = "loaded", "new", "of another shape", "not used"


@dataclass(frozen=True)
class WarmStart:
    """What became of each key, in words: of all the model's, and of those of ``source`` that it has not."""

    source: str
    keys: dict[str, str]

    def having(self, outcome: str) -> list[str]:
        """The keys with which that happened."""
        return [key for key, found in self.keys.items() if found == outcome]

    def write(self, path: Path) -> None:
        """Key by key, as CSV."""
        with replacing(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["key", "outcome"])
            writer.writerows(self.keys.items())


def warm_start(model: Module, source: PathLike) -> WarmStart:
    """Copy into ``model`` the weights of ``source``, a run's folder (its best) or a checkpoint, that fit.

    What has another shape there, or is not there at all, is left as it was. Raises ``CheckpointError`` where there is
    no checkpoint, or nothing in it fits.
    """
    path = Path(source)
    if path.is_dir():
        found = [path / name for name in (BEST, LAST) if (path / name).is_file()]
        if not found:
            raise CheckpointError(f"{path}: holds neither {BEST} nor {LAST}")
        path = found[0]
    given, own = load(path).weights, model.state_dict()
    keys = {}
    for key, value in own.items():
        keys[key] = NEW if key not in given else LOADED if given[key].shape == value.shape else RESHAPED
    report = WarmStart(str(path), keys | {key: UNUSED for key in given if key not in own})
    fitting = report.having(LOADED)
    if not fitting:
        raise CheckpointError(f"{path}: none of its {len(given)} tensors has a name and a shape of the model's")
    model.load_state_dict({key: given[key] for key in fitting}, strict=False)
    return report
