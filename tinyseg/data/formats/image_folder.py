"""Which files of a folder are images: the same for training, checking and prediction."""

from __future__ import annotations

from pathlib import Path

from .image_file import suffixes


def image_files(folder: Path) -> list[Path]:
    """The files in ``folder`` whose names end as those of images do, in the order of their names.

    Hidden files are passed by (macOS puts ``._a.png`` next to ``a.png`` on foreign disks), and so are folders. A link
    that leads nowhere is listed: reading it raises the error.
    """
    endings = suffixes()
    return sorted(
        path
        for path in folder.iterdir()
        if not path.name.startswith(".") and path.suffix.lower() in endings and not path.is_dir()
    )
