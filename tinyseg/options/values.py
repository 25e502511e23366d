"""Values of TOML as Python's types."""

from __future__ import annotations

import json
import math
import types
from pathlib import Path
from typing import Any, Union, get_args, get_origin

from ..errors import InputError

Size = tuple[int, int]
"""Height and width."""


def convert(value: Any, hint: Any, key: str) -> Any:
    """``value`` as the type ``hint``; raises ``InputError`` if it is of another kind.

    A list is taken for the tuple among the alternatives of a type, everything else for the first of them.

    >>> convert([1, 2.5], str | tuple[float, ...], "class_weights")
    (1.0, 2.5)
    """
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        of_lists = [kind for kind in arguments if get_origin(kind) is tuple] if isinstance(value, list) else []
        return convert(value, (*of_lists, arguments[0])[0], key)
    if origin is tuple and isinstance(value, list):
        kinds = (arguments[0],) * len(value) if arguments[-1] is Ellipsis else arguments
        if len(kinds) == len(value):
            return tuple(convert(part, kind, key) for part, kind in zip(value, kinds, strict=True))
    if hint is float and isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value):
        return float(value)
    if hint is Path and isinstance(value, str):
        return Path(value)
    if origin is dict and isinstance(value, dict) and arguments[1] is not Any:
        return {name: convert(part, arguments[1], f"{key}.{name}") for name, part in value.items()}
    plain = dict if origin is dict else hint
    if plain in (bool, int, str, dict) and type(value) is plain:
        return value
    raise InputError(f"{key} = {_as_toml(value)} is not what belongs there: expected {_described(hint)}")


_SHOWN = 80  # characters of a value in a message

_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text", Path: "a text"}


def _described(hint: Any) -> str:
    """What a type is called in a file.

    >>> [_described(hint) for hint in (int, tuple[int, int], tuple[float, ...], dict[str, int])]
    ['a whole number', 'a list of 2 whole numbers', 'a list of numbers', 'a table']
    """
    if get_origin(hint) is not tuple:
        return _WORDS.get(hint, "a table")
    kind, *rest = get_args(hint)
    count = "" if rest[-1:] == [Ellipsis] else f"{1 + len(rest)} "
    return f"a list of {count}{_WORDS[kind].removeprefix('a ')}s"


def _as_toml(value: Any) -> str:
    """A value as it stands in a file, or nearly so, and not all of it if it is long."""
    text = str(value) if isinstance(value, float) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
