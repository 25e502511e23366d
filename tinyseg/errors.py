"""The error types of tinyseg, and how their messages are put.

Python's own types say what kind of mistake it was: ``ValueError`` for shapes and values, ``TypeError`` for
types, ``IndexError`` for indices. A message names the operator, the argument, what was expected, what came,
and what to do about it::

    conv2d: input has 3 channels but weight of shape (64, 4, 3, 3) expects 4 (groups=1)

The types below mark what a user's *files and options* can get wrong, so that a program can tell such mistakes
from its own: the command line prints them in a line or two and exits with code 2.
"""

import errno
import operator
import os
import re
from collections.abc import Callable
from typing import Any


def flag(name: str) -> str:
    """What an option is called on the command line.

    >>> flag("batch_size")
    '--batch-size'
    """
    return f"--{name.replace('_', '-')}"


def how_to_install(extra: str) -> str:
    """The command that brings the packages of an extra of ``pyproject.toml``.

    >>> how_to_install("cuda")
    "pip install -e '.[cuda]' in the checkout of tinyseg"
    """
    return f"pip install -e '.[{extra}]' in the checkout of tinyseg"


def many(count: int, thing: str) -> str:
    """``1 file``, ``2 files``.

    >>> many(1, "file"), many(2, "file"), many(2, "epoch"), many(2, "batch"), many(0, "class")
    ('1 file', '2 files', '2 epochs', '2 batches', '0 classes')
    """
    plural = f"{thing}es" if thing.endswith(("s", "tch")) else f"{thing}s"
    return f"{count} {thing if count == 1 else plural}"


_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def for_terminal(text: str) -> str:
    r"""``text`` without what a terminal would obey or could not show: control characters, marks that reverse the
    order of letters, bytes of a file's name that are no text. They become escapes; lines stay.

    >>> print(for_terminal("a\x1b[31m.png"))
    a\x1b[31m.png
    """
    return _CONTROLS.sub(lambda found: found[0].encode("unicode_escape").decode("ascii"), text)


def whole(who: str, name: str, value: Any, least: int, most: int | None = None) -> int:
    """``value``, an integer of Python or NumPy, as an ``int``.

    Raises ``TypeError`` if it is none (``True`` is not meant for a number), ``ValueError`` if it is below ``least``
    or above ``most``.

    >>> whole("set_num_threads", "count", 3, least=1)
    3
    """
    bounds = f"{least} or more" if most is None else f"from {least} to {most}"
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise TypeError(f"{who}: {name} must be a whole number, {bounds}, got {value!r}")
    if number < least or (most is not None and number > most):
        raise ValueError(f"{who}: {name} must be {bounds}, got {number}")
    return number


class InputError(ValueError):
    """Something the user handed over cannot be used: a folder, an image, a mask, an option."""


class OptionError(InputError):
    """An option of a model cannot be used. Its name is an argument for a program and a flag on the command line.

    The message has ``{width}`` where the option ``width`` is meant.

    >>> error = OptionError("unet: {width} must be at least 1, got 0", "width")
    >>> str(error), error.spelt(flag)
    ('unet: width must be at least 1, got 0', 'unet: --width must be at least 1, got 0')
    """

    def __init__(self, message: str, *options: str) -> None:
        self.message, self.options = message, options
        super().__init__(self.spelt(str))

    def spelt(self, spell: Callable[[str], str]) -> str:
        """The message with the name of each option as ``spell`` puts it."""
        text = self.message
        for option in self.options:
            text = text.replace(f"{{{option}}}", spell(option))
        return text


class DataError(InputError):
    """A data set is not as its layout says: a mask is missing, sizes differ, a label is no class."""


class CheckpointError(InputError):
    """A checkpoint cannot be read, or does not fit the model it is loaded into."""


class InUseError(InputError):
    """Another process works in the folder."""


class WriteError(InputError):
    """A file cannot be written. ``is_disk_full``: nor can any other on this disk.

    >>> import errno
    >>> print(WriteError("a.png", OSError(errno.ENOSPC, "No space left on device"), kept=True))
    a.png: cannot be written (No space left on device); the last good one is kept
    """

    def __init__(self, path: str | os.PathLike[str], error: OSError, kept: bool = False) -> None:
        # Of the system's errors some have a number, Pillow's own have a text alone.
        self.is_disk_full = error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None))
        ending = "; the last good one is kept" if kept else ""
        super().__init__(f"{os.fspath(path)}: cannot be written ({error.strerror or error}){ending}")


class OutOfMemoryError(MemoryError):
    """Memory that the system does not have: the message says for what, and what needs less."""


class GraphError(RuntimeError):
    """The autograd graph cannot be used: freed already, or a saved array was changed in place."""
