"""What all commands share: the application they are commands of, options, errors, set-up.

What a user's files and options can get wrong ends with a line on standard error and exit code 2; training that
diverges, or images of which only some could be used, with 1; Ctrl-C with 130. ``--debug`` shows where it happened.
"""

from __future__ import annotations

import io
import os
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..backend import names_full_device
from ..errors import InputError, OptionError, OutOfMemoryError, flag, for_terminal
from ..options import RUN_OPTIONS, RunSettings, parsing
from ..version import __version__
from .generated import typer_option

BAD_INPUT, FAILED, INTERRUPTED = 2, 1, 130
PICTURES = (".png", ".svg", ".pdf")
"""What figures can be."""

_NO_THREAD = "can't start new thread"  # what Python says of it, in no error type of its own

app = typer.Typer(
    name="tinyseg",
    help="Train networks that label every pixel of an image, measure them, and use them.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def parse_size(text: str | None) -> tuple[int, int] | None:
    """``180x240`` as (height, width)."""
    return None if text is None else parsing.parse_size(text)


DEFAULTS = RunSettings()
"""What the options of several commands are when they are left out."""

Threads = Annotated[int | None, typer_option(RUN_OPTIONS["threads"])]
Workers = Annotated[int, typer_option(RUN_OPTIONS["workers"], with_default=False)]
Device = Annotated[str, typer_option(RUN_OPTIONS["device"], with_default=False)]
CacheImages = Annotated[str, typer_option(RUN_OPTIONS["cache_images"], with_default=False)]
Quiet = Annotated[bool, typer_option(RUN_OPTIONS["quiet"])]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


@contextmanager
def reporting(debug: bool) -> Iterator[None]:
    """Turn what can go wrong into a line or two on standard error, and an exit code."""
    from ..engine import DivergenceError

    try:
        yield
    except BrokenPipeError:  # the reader had enough; click ends quietly
        raise
    except (InputError, DivergenceError, OSError, MemoryError) as error:
        if debug:
            traceback.print_exc()
        else:
            typer.echo(f"error: {for_terminal(_message(error))}", err=True)
        raise typer.Exit(FAILED if isinstance(error, (DivergenceError, MemoryError)) else BAD_INPUT) from None
    except RuntimeError as error:
        if str(error) != _NO_THREAD or debug:
            raise
        typer.echo("error: the system starts no more threads; give fewer --threads or --workers", err=True)
        raise typer.Exit(BAD_INPUT) from None
    except EOFError as error:  # commands ask nothing, so it is no Ctrl-D, which Typer would take it for
        raise RuntimeError("a file ended too early, and nothing checked it") from error
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        raise typer.Exit(INTERRUPTED) from None


def run() -> None:
    """Run the command that the process was started with; it ends the process.

    What the streams' encoding cannot express is written as an escape: a file's name may be anything. A size of the
    screen that is none (0, or no number), or that no table fits in, counts as unset.
    """
    for name, least in (("COLUMNS", 20), ("LINES", 1)):
        size = os.environ.get(name, "")
        if not re.fullmatch("[0-9]{1,5}", size) or int(size) < least:
            os.environ.pop(name, None)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # None where it was closed before the start
            stream.reconfigure(errors="backslashreplace")
    try:
        app()
    except OSError as error:  # outside of a command there is only the help to write: on a full disk, say
        typer.echo(f"error: {_message(error)}", err=True)
        sys.exit(BAD_INPUT)


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        # What knows the cause says it; NumPy's own speaks of arrays.
        return str(error) if isinstance(error, OutOfMemoryError) or names_full_device(error) else "out of memory"
    if isinstance(error, OptionError):
        return error.spelt(flag)
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error)


def check_writable(path: Path, kinds: tuple[str, ...] = ()) -> None:
    """``InputError`` unless a new file ``path`` can be made and its name ends in one of ``kinds``: better now than
    after the work for it.
    """
    if path.exists():
        raise InputError(f"{path}: exists already; choose another name")
    if not path.parent.is_dir():
        raise InputError(f"{path}: there is no folder {path.parent}")
    if kinds and path.suffix.lower() not in kinds:
        raise InputError(f"{path}: expected a name that ends in {' or '.join(kinds)}")


def set_up(device: str, threads: int | None) -> None:
    """Choose the device and the number of threads; raises ``InputError`` for a device there is not."""
    from .. import backend

    try:
        backend.set_default_device(device)
        if threads is not None:
            backend.set_num_threads(threads)
    except (ValueError, RuntimeError) as error:
        raise InputError(str(error)) from error


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"tinyseg {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Train networks that label every pixel of an image, measure them, and use them.

    The first run: tinyseg train. It needs no data: the images are drawn.
    """


def quoted(path: Path) -> str:
    """``path`` as it is typed in a shell."""
    return f'"{path}"' if " " in str(path) else str(path)
