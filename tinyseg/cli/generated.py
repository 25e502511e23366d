"""Commands whose options are declared elsewhere: those of training, and those of models."""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable, Mapping
from typing import Annotated, Any, get_type_hints

import typer

from .. import models
from ..errors import flag
from ..options import Option

Command = Callable[..., None]


def typer_option(option: Option, *, with_default: bool = True, with_range: bool = False) -> Any:
    """What Typer has to know of an option, besides its type.

    ``with_default``: the help names its default, which it does by itself where that is the default of the command's
    argument, too. ``with_range``: Typer checks the range of a number, and the help shows it, as for an option that is
    ``checked_first``.
    """
    default = f" [default: {option.default_text}]" if with_default and option.default_text else ""
    names = [flag(option.name)] if option.kind is bool else []
    if option.negatable:
        names = [f"{flag(option.name)}/{flag(f'no_{option.name}')}"]
    checked = option.within if with_range or option.checked_first else None
    least, most = (None, None) if checked is None else (_finite(checked.least), _finite(checked.most))
    return typer.Option(*names, metavar=option.metavar, min=least, max=most, help=f"{option.help}{default}")


def _finite(limit: float) -> float | None:
    return limit if math.isfinite(limit) else None


def _parameter(name: str, hint: Any) -> inspect.Parameter:
    """An argument of a command for an option that may be left out."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint)


def _type_of(option: Option) -> Any:
    """The type of what the command line gives for an option: a text, where that has to be parsed."""
    kind = option.kind if option.parse is None else str
    return list[kind] if option.repeated else kind  # type: ignore[valid-type]  # a type that is known when it runs


def _replacing(command: Command, argument: str, parameters: Mapping[str, inspect.Parameter]) -> Command:
    """``command`` with these parameters in the place of its ``argument``, in which those that are given come."""
    hints = get_type_hints(command, include_extras=True)
    replaced: list[inspect.Parameter] = []
    for own in inspect.signature(command).parameters.values():
        if own.name == argument:
            replaced += parameters.values()
        else:
            replaced.append(own.replace(annotation=hints[own.name]))

    @functools.wraps(command)
    def called(**given: Any) -> None:
        found = {name: given.pop(name) for name in parameters}
        command(**given, **{argument: {name: value for name, value in found.items() if value not in (None, [])}})

    called.__signature__ = inspect.Signature(replaced)  # type: ignore[attr-defined]  # what inspect looks for
    called.__annotations__ = {p.name: p.annotation for p in replaced}
    return called


def with_options(options: Mapping[str, Option]) -> Callable[[Command], Command]:
    """A decorator that gives a command these options; those that were used come in its argument ``given``."""
    parameters = {
        name: _parameter(name, Annotated[_type_of(option) | None, typer_option(option)])
        for name, option in options.items()
    }
    return lambda command: _replacing(command, "given", parameters)


def with_model_options(command: Command) -> Command:
    """``command`` with an option for each that a model has; those given come in its argument ``model_options``."""
    parameters = {
        name: _parameter(name, Annotated[option.kind | None, typer.Option(help=option.help)])
        for name, option in models.all_options().items()
    }
    return _replacing(command, "model_options", parameters)
