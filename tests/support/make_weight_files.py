"""Writes the small files in weights/ with PyTorch, so that they are read in tests where it is not installed:

python tests/support/make_weight_files.py
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).parent / "weights"
BASE = np.arange(24, dtype=np.float32).reshape(2, 3, 4) / 8
LAYERS: dict[str, NDArray[Any]] = {
    "conv.weight": BASE.reshape(2, 3, 2, 2),
    "conv.bias": np.array([0.5, -0.25], np.float32),
    "bn.running_var": np.array([1.0, 4.0], np.float32),
    "bn.num_batches_tracked": np.array(17),
}
CONTENT: dict[str, dict[str, NDArray[Any]]] = {
    "archive": LAYERS,
    "legacy": LAYERS,
    "deflated": LAYERS,
    "nested": LAYERS,
    "float16": {name: array.astype(np.float16) if array.ndim else array for name, array in LAYERS.items()},
    "bfloat16": {"weight": BASE},
    "views": {"whole": BASE, "turned": BASE.T, "part": BASE[1:, ::2, 1:3], "tied": BASE, "none": BASE[:0]},
    "views_legacy": {"whole": BASE, "turned": BASE.T, "part": BASE[1:, ::2, 1:3], "tied": BASE, "none": BASE[:0]},
}
"""What is in each file; bfloat16 is read as float32, and all of ``BASE`` is exact in it."""


def main() -> None:
    """Write all files."""
    import torch

    FOLDER.mkdir(exist_ok=True)
    layers = {name: torch.tensor(array) for name, array in LAYERS.items()}
    base = torch.tensor(BASE)
    views = {
        "whole": base,
        "turned": base.permute(2, 1, 0),
        "part": base[1:, ::2, 1:3],
        "tied": base,
        "none": base[:0],
    }
    module = {"state_dict": {f"module.{name}": value for name, value in layers.items()}, "best": np.float64(0.25)}
    contents = {
        "archive": layers,
        "nested": module,
        "float16": {name: value.half() if value.ndim else value for name, value in layers.items()},
        "bfloat16": {"weight": base.bfloat16()},
        "views": views,
    }
    for name, content in contents.items():
        torch.save(content, FOLDER / f"{name}.pth")
    torch.save(layers, FOLDER / "legacy.pth", _use_new_zipfile_serialization=False)
    torch.save(views, FOLDER / "views_legacy.pth", _use_new_zipfile_serialization=False)
    with (
        zipfile.ZipFile(FOLDER / "archive.pth") as stored,
        zipfile.ZipFile(FOLDER / "deflated.pth", "w", zipfile.ZIP_DEFLATED) as deflated,
    ):
        for member in stored.namelist():
            deflated.writestr(member, stored.read(member))


if __name__ == "__main__":
    main()
