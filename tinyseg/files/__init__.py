"""Files as users and runs have them.

``paths``: what may name one. ``reading``: text files that a user hands over, with bounds. ``atomic``: writing, all of
a file or nothing. ``lock``: one process at a time in a folder.
"""

from .atomic import (
    append_line,
    is_half_written,
    naming,
    remove_half_written,
    scratch,
    write_bytes,
    write_text,
    writing,
)
from .lock import LOCK, locked
from .paths import PathLike, name_bytes, printable
from .reading import open_regular, parse_toml, read_text, read_toml

__all__ = [
    "LOCK",
    "PathLike",
    "append_line",
    "is_half_written",
    "locked",
    "name_bytes",
    "naming",
    "open_regular",
    "parse_toml",
    "printable",
    "read_text",
    "read_toml",
    "remove_half_written",
    "scratch",
    "write_bytes",
    "write_text",
    "writing",
]
