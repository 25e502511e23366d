"""The error types of tinyseg, and how their messages are put.

Python's own types say what kind of mistake it was: ``ValueError`` for shapes and values, ``TypeError`` for
types, ``IndexError`` for indices. A message names the operator, the argument, what was expected, what came,
and what to do about it::

    conv2d: input has 3 channels but weight of shape (64, 4, 3, 3) expects 4 (groups=1)

The types below mark what a user's *files and options* can get wrong, so that a program can tell such mistakes
from its own: the command line prints them in a line or two and exits with code 2.
"""

import errno
import os
from collections.abc import Callable


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
