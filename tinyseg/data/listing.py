"""Which files of a folder are images: the same for training, checking and prediction."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def image_files(folder: Path) -> list[Path]:
    """The files in ``folder`` whose names end as those of images do, in the order of their names.

    Hidden files are passed by (macOS puts ``._a.png`` next to ``a.png`` on foreign disks), and so are folders. A link
    that leads nowhere counts: whoever reads it says so.
    """
    endings = _endings()
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.suffix.lower() in endings and not path.is_dir()
    )


def _endings() -> set[str]:
    """Those of formats that Pillow reads; some of those that it knows it only writes, such as PDF."""
    known = Image.registered_extensions()
    return {ending for ending, kind in known.items() if kind in Image.OPEN or kind == "MPO"}  # read by JPEG's reader
