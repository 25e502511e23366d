"""How an option is declared: a field of a dataclass whose metadata describe it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, dataclass, field, fields, replace
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from ..errors import InputError
from .values import convert

_KEY = "option"
"""Of a field's metadata, where its description stands."""


@dataclass(frozen=True)
class Range:
    """The numbers that an option may be: from ``least`` to ``most``, without those in ``without``.

    ``words`` are the message for others, and what the documentation says.

    >>> 0.0 in POSITIVE, 0.5 in POSITIVE, float("nan") in POSITIVE
    (False, True, False)
    """

    words: str
    least: float = -math.inf
    most: float = math.inf
    without: tuple[float, ...] = ()

    def __contains__(self, value: float) -> bool:
        return self.least <= value <= self.most and value not in self.without


def at_least(least: int) -> Range:
    """Whole numbers from ``least``."""
    return Range(f"must be at least {least}", least)


POSITIVE = Range("must be positive", 0, without=(0, math.inf))
NOT_NEGATIVE = Range("must not be negative", 0, without=(math.inf,))
SHARE = Range("must be at least 0 and less than 1", 0, 1, without=(1,))
FACTOR = Range("must be more than 0 and at most 1", 0, 1, without=(0,))
SEED = Range("must be 0 to 2**63 - 1", 0, 2**63 - 1)
POSITIVE_FACTORS = Range("the rate must be multiplied with a positive number", 0, without=(0, math.inf))


@dataclass(frozen=True)
class Option:
    """The description of an option; ``name``, ``hint`` (its type) and ``default`` are those of its field.

    ``help`` is the text on the command line and in the documentation, ``group`` the heading that it stands under.
    ``shown_default`` describes the default where it is no value but depends on something.
    ``within``: the range of a number, or of every value of a table; ``choices``: the texts that it may be.
    ``parse`` makes the value from a text, on the command line and in a file; of a ``repeated`` option it takes all
    the texts that were given. ``read`` makes the value from one of TOML that is no text, given the option's name,
    where ``convert`` to the type is not enough.
    On the command line: ``metavar`` stands for the value, a ``negatable`` flag has a ``--no-...``, too, and
    ``checked_first`` has the range of a number in its help.
    ``required``: the ``config.toml`` of every run has it. ``in_files``: a file of options may have it.
    """

    help: str
    group: str
    shown_default: str | None = None
    within: Range | None = None
    choices: tuple[str, ...] = ()
    parse: Callable[..., Any] | None = None
    read: Callable[[Any, str], Any] | None = None
    repeated: bool = False
    metavar: str | None = None
    negatable: bool = False
    checked_first: bool = False
    required: bool = False
    in_files: bool = True
    name: str = ""
    hint: Any = None
    default: Any = None

    @property
    def kind(self) -> Any:
        """Its type, without None.

        >>> Option("", "", hint=float | None).kind
        <class 'float'>
        """
        if get_origin(self.hint) in (Union, UnionType):
            return get_args(self.hint)[0]
        return self.hint

    @property
    def default_text(self) -> str:
        """The default in words; empty where nothing is what an option that is left out stands for.

        >>> Option("", "", default=0.0001).default_text, Option("", "", default=None).default_text
        ('0.0001', '')
        """
        if self.shown_default is not None:
            return self.shown_default
        is_number = isinstance(self.default, (int, float)) and not isinstance(self.default, bool)
        return f"{self.default:g}" if is_number else self.default if isinstance(self.default, str) else ""

    def from_command_line(self, given: Any) -> Any:
        """The value of what the command line gives: a text, a number, a list of texts; raises ``InputError``."""
        if self.parse is None:
            return given
        return self.parse(*given) if self.repeated else self.parse(given)

    def from_file(self, given: Any) -> Any:
        """The value of what a file of options has for it; sizes, lists and weights may also be texts, as on the
        command line. Raises ``InputError``.
        """
        if self.parse is not None and isinstance(given, str):
            return self.parse(given)
        return convert(given, self.hint, self.name) if self.read is None else self.read(given, self.name)

    def check(self, value: Any, spelt: str) -> None:
        """``InputError``, in which the option is called ``spelt``, for a value that it cannot have."""
        if self.choices and value not in self.choices:
            raise InputError(f"unknown {spelt} {value!r}; there are {', '.join(self.choices)}")
        if self.within is None:
            return
        numbers = value if isinstance(value, Mapping) else {"": value}
        for key, number in numbers.items():
            if number not in self.within:
                raise InputError(f"{spelt}{f' {key}:' if key else ''} {self.within.words}, got {number}")


def option(default: Any, help: str, *, group: str, **described: Any) -> Any:
    """A field of a dataclass that is an option; ``described`` are the other fields of ``Option``."""
    metadata = {_KEY: Option(help, group, **described)}
    if isinstance(default, dict):
        return field(default_factory=dict, metadata=metadata)
    return field(default=default, metadata=metadata)


def declared(cls: type) -> dict[str, Option]:
    """The options that a dataclass declares, by name and in the order of its fields.

    >>> from tinyseg.options import TrainOptions
    >>> declared(TrainOptions)["power"].default
    0.9
    """
    return dict(_declared(cls))


def _declared(cls: type) -> Iterator[tuple[str, Option]]:
    hints = get_type_hints(cls)
    for item in fields(cls):
        if _KEY in item.metadata:
            default = item.default_factory() if item.default_factory is not MISSING else item.default
            yield item.name, replace(item.metadata[_KEY], name=item.name, hint=hints[item.name], default=default)


def is_required(item: Any) -> bool:
    """Whether a file has to have the key of this field of a dataclass."""
    has_none = item.default is MISSING and item.default_factory is MISSING
    return has_none or (_KEY in item.metadata and item.metadata[_KEY].required)


def check(options: Mapping[str, Option], values: Mapping[str, Any], spell: Callable[[str], str]) -> None:
    """``InputError`` for a value that its option cannot have; ``spell`` returns what an option is called where the
    values stand. None stands for one that is not given.

    >>> from tinyseg.options import TRAIN_OPTIONS
    >>> check(TRAIN_OPTIONS, {"lr": 0.0}, "training.{}".format)
    Traceback (most recent call last):
    tinyseg.errors.InputError: training.lr must be positive, got 0.0
    """
    for name, described in options.items():
        if values.get(name) is not None:
            described.check(values[name], spell(name))
