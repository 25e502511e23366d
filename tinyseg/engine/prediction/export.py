"""The weights of a run, for other programs."""

from __future__ import annotations

from pathlib import Path

from ...checkpoint import save_weights
from ...errors import InputError
from ...files import PathLike
from ..storage.run import load_model, open_run


def export(run: PathLike, to: PathLike) -> int:
    """Write the weights of a run to a safetensors file, under PyTorch's names and without what training keeps beside
    them; how many there are.

    Such a file may be given to ``TrainOptions.weights``, and keeps what the weights expect of images in its metadata.
    Raises ``InputError`` for a run that cannot be read, a file that exists, and one with another ending.
    """
    to = Path(to)
    if to.suffix != ".safetensors":
        raise InputError(f"{to}: weights are exported as .safetensors")
    if to.exists():
        raise InputError(f"{to}: exists already")
    model, _ = load_model(open_run(run))
    save_weights(to, model)
    return len(model.state_dict())
