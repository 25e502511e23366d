"""Options of models as options of commands."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any, get_type_hints

import typer

from .. import models


def with_model_options(command: Callable[..., None]) -> Callable[..., None]:
    """``command`` with an option for each that a model has; those given come in its argument ``model_options``."""
    hints = get_type_hints(command, include_extras=True)
    own = inspect.signature(command).parameters.values()
    parameters = [p.replace(annotation=hints[p.name]) for p in own if p.name != "model_options"]
    known = models.all_options()
    for name, option in known.items():
        hint: Any = Annotated[option.kind | None, typer.Option(help=option.help)]
        parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=hint))

    @functools.wraps(command)
    def called(**given: Any) -> None:
        options = {name: value for name in known if (value := given.pop(name)) is not None}
        command(**given, model_options=options)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # what inspect looks for
    called.__annotations__ = {p.name: p.annotation for p in parameters}
    return called
