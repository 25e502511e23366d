"""Text files that a user hands over, read with bounds: nothing in them can hang, crash or exhaust the process.

What is no regular file (a folder, a pipe, a device), is too long, or is not UTF-8 raises ``InputError``, or the kind
of it that the caller names. TOML is bounded before it is parsed, since the parser's time grows with the square of a
dotted key's length, and afterwards, so that callers need not expect absurd values.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path
from typing import Any, BinaryIO

from ..errors import InputError
from .paths import PathLike

MOST_BYTES, MOST_TOML_BYTES = 2**26, 2**22
MOST_PARTS, MOST_PARTS_IN_ALL, MOST_LEVELS, MOST_IN_KEY = 100, 10_000, 16, 200
"""Parts of a dotted key, those of all keys with more than three, nested tables and lists, characters of a key."""

# The name of a pipe must not be waited for; Windows has no such flag, and wants O_BINARY.
_READ = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)

# A part of a key and its dot. Nothing in it is tried in two ways, so the time to search a text grows with its length.
_PART = r"""(?:[\w-]++|"[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+"""
_ONE_PART = re.compile(_PART)
# Where a key may begin: at the start of a line or a table's name, and in a table within a line. A list's numbers look
# like a key of two parts, so keys of few parts, which cost the parser nothing, are not among these.
_DOTTED = re.compile(rf"(?:^|[\[{{,])[ \t]*+(?:{_PART}){{3,}}", re.MULTILINE)

_KINDS = ((stat.S_ISFIFO, "a pipe"), (stat.S_ISSOCK, "a socket"))


def read_text(
    path: PathLike,
    what: str,
    *,
    missing: str = "no such file",
    most: int = MOST_BYTES,
    error: type[InputError] = InputError,
) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    ``what`` names the contents, as in "cannot be read as a list"; ``missing`` is said where there is no file. Raises
    ``error`` for what cannot be read, is no file, is longer than ``most`` bytes, or is no text.

    >>> read_text(".", "list")
    Traceback (most recent call last):
    ...
    tinyseg.errors.InputError: .: cannot be read as a list (it is a folder)
    """
    try:
        with open_regular(path) as file:
            data = file.read(most + 1)
        text = data.decode("utf-8-sig")
    except FileNotFoundError:
        raise error(f"{path}: {missing}") from None
    except OSError as cause:
        raise error(f"{path}: cannot be read as a {what} ({cause.strerror or cause})") from cause
    except UnicodeDecodeError as cause:
        raise error(f"{path}: is no {what} in UTF-8 ({cause.reason} at byte {cause.start})") from cause
    except ValueError as cause:  # what has no file's name
        raise error(f"{path}: cannot be read as a {what} ({cause})") from cause
    if len(data) > most:
        raise error(f"{path}: cannot be read as a {what} (it is longer than {most:,} bytes)")
    if "\0" in text:
        raise error(f"{path}: is no {what} (it has a NUL at character {text.index(chr(0))})")
    return text


def open_regular(path: PathLike) -> BinaryIO:
    """A file that is opened to be read. Raises ``OSError`` where there is none, and for a folder, a pipe or a device:
    to open or read these may take for ever.
    """
    if Path(path).is_dir():  # Windows would say that permission was denied
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    file = open(path, "rb", opener=lambda name, _: os.open(name, _READ))  # noqa: SIM115 (the caller closes it)
    mode = os.fstat(file.fileno()).st_mode
    if not stat.S_ISREG(mode):
        file.close()
        kind = next((name for test, name in _KINDS if test(mode)), "a device")
        raise OSError(errno.EINVAL, f"it is {kind}", str(path))
    return file


def read_toml(path: PathLike, *, missing: str = "no such file") -> dict[str, Any]:
    """The table in a TOML file; ``InputError``, naming the file, if there is none or it is beyond the bounds."""
    text = read_text(path, "TOML file", missing=missing, most=MOST_TOML_BYTES)
    try:
        return parse_toml(text)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def parse_toml(text: str) -> dict[str, Any]:
    """The table that ``text`` is.

    Raises ``InputError`` for what is no TOML, for keys of more than 200 characters or 100 parts, or of 10,000 parts
    in all (those with more than three count), more than 16 levels, whole numbers beyond 64 bits (TOML's own bound),
    and a NUL in a text.

    >>> parse_toml("[model]\\nname = 'unet'")
    {'model': {'name': 'unet'}}
    """
    import tomllib

    _check_keys(text)
    try:
        table = tomllib.loads(text)
    except RecursionError:
        raise InputError(f"not valid TOML here: more than {MOST_LEVELS} levels of tables and lists") from None
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"not valid TOML ({error})") from error
    except ValueError:  # more digits than Python converts
        raise InputError("not valid TOML here: a number has more than 64 bits") from None
    _check_values(table)
    return table


def _check_keys(text: str) -> None:
    """``InputError`` for keys of so many parts that the parser would not return."""
    total = 0
    for key in _DOTTED.finditer(text):
        parts = 1 + len(_ONE_PART.findall(key[0]))
        if parts > MOST_PARTS:
            raise InputError(f"not valid TOML here: a key has more than {MOST_PARTS} parts")
        total += parts
        if total > MOST_PARTS_IN_ALL:
            raise InputError(
                f"not valid TOML here: its dotted keys have more than {MOST_PARTS_IN_ALL:,} parts in all"
            )


def _check_values(table: dict[str, Any]) -> None:
    """``InputError`` for a value that is beyond the bounds."""
    pending: list[tuple[str, Any, int]] = [("", table, 0)]
    while pending:
        where, value, level = pending.pop()
        if level > MOST_LEVELS:
            raise InputError(f"{where}: more than {MOST_LEVELS} levels of tables and lists")
        if isinstance(value, dict):
            if long := next((key for key in value if len(key) > MOST_IN_KEY), None):
                raise InputError(f"a key has more than {MOST_IN_KEY} characters: {long[:40]}...")
            pending += [(key, part, level + 1) for key, part in value.items()]
        elif isinstance(value, list):
            pending += [(where, part, level + 1) for part in value]
        elif isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise InputError(f"{where}: the number has more than 64 bits")
        elif isinstance(value, str) and "\0" in value:
            raise InputError(f"{where}: the text has a NUL")
