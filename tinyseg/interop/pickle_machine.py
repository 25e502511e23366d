"""Reading pickles without running what they ask for.

A pickle is no table but a program for a small stack machine, and two of its instructions call any function that the
file names: unpickling a file from elsewhere runs whatever its author wished. This machine has the instructions that
numbers, texts, containers and tables of tensors need. What it may call is a table of a few functions of ours, which
make plain values; a name that is not in the table is refused, and so is every instruction that would set attributes
or make objects. Nothing is ever imported.

Containers are lists, tuples and dicts whose keys are plain values, and what comes out has been walked through once:
it holds no cycles, is not nested deeply, and is no larger, repeats counted, than a bound. So whoever uses it may
recurse. Instructions are decoded by ``pickletools`` of the standard library; those of protocol 0, which is text, are
not among them: PyTorch has always written protocol 2.
"""

from __future__ import annotations

import pickletools
import warnings
from collections.abc import Callable, Mapping
from typing import IO, Any

MAX_DEPTH = 50
MAX_VALUES = 1_000_000
MAX_INSTRUCTIONS = 5_000_000
MAX_BITS = 4096
MAX_CALLED = 20_000_000
"""What all arguments of calls are long together: a call makes something new of them, each time anew."""

_LITERALS: Mapping[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_EMPTY: Mapping[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
_SHORT_TUPLES: Mapping[str, int] = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_SIZED = (str, bytes, list, tuple, dict)
_VALUES = {
    "BININT", "BININT1", "BININT2", "LONG1", "LONG4", "BINFLOAT", "BINSTRING", "SHORT_BINSTRING", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip


class PickleError(ValueError):
    """A pickle is damaged, or asks for what is not allowed."""


class Function:
    """A function that a pickle may call. It gets the arguments as they come and must check them."""

    def __init__(self, call: Callable[..., Any]) -> None:
        self.call = call


class Machine:
    """Runs pickles. ``names`` is all that their global names may stand for: a ``Function``, or a plain value.

    ``persistent``: what an object kept outside of the pickle (a tensor's storage) is, from its description.
    ``build``: completes an object by its state; it returns the object, or raises ``PickleError``.

    >>> import io, pickle
    >>> Machine({}).run(io.BytesIO(pickle.dumps({"lr": [0.5, (1, None)]})))
    {'lr': [0.5, (1, None)]}
    >>> Machine({}).run(io.BytesIO(pickle.dumps(print)))
    Traceback (most recent call last):
    tinyseg.interop.pickle_machine.PickleError: asks for 'builtins.print', which is refused; save a state_dict() alone
    """

    def __init__(
        self,
        names: Mapping[str, Any],
        persistent: Callable[[Any], Any] | None = None,
        build: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        self.names, self.persistent, self.build = names, persistent, build
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

        self.called = 0

    def run(self, stream: IO[bytes]) -> Any:
        """The value that the pickle at the stream's position makes; the stream is left behind its end.

        Raises ``PickleError`` for all that is damaged or not allowed.
        """
        self.stack, self.marks, self.memo = [], [], {}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # names with odd escapes; they are refused anyway
                self._follow(stream)
            value = self._pop()
        except PickleError:
            raise
        except (ValueError, OverflowError, RecursionError, MemoryError) as error:
            raise PickleError(f"its pickle is damaged ({error})") from error
        check_nesting(value)
        return value

    def _follow(self, stream: IO[bytes]) -> None:
        for number, (opcode, argument, _) in enumerate(pickletools.genops(stream)):
            if number > MAX_INSTRUCTIONS:
                raise PickleError(f"its pickle has more than {MAX_INSTRUCTIONS:,} instructions")
            self._step(opcode.name, argument)

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in _VALUES:
            if isinstance(argument, int) and argument.bit_length() > MAX_BITS:
                raise PickleError(f"its pickle has a number of {argument.bit_length():,} bits")
            stack.append(argument)
        elif name in _LITERALS:
            stack.append(_LITERALS[name])
        elif name in _EMPTY:
            stack.append(_EMPTY[name]())
        elif name in _SHORT_TUPLES:
            count = _SHORT_TUPLES[name]
            stack.append(tuple(reversed([self._pop() for _ in range(count)])))
        elif name in ("BINPUT", "LONG_BINPUT", "MEMOIZE"):
            self.memo[len(self.memo) if name == "MEMOIZE" else argument] = self._top()
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in self.memo:
                raise PickleError(f"its pickle is damaged (there is no value number {argument} yet)")
            stack.append(self.memo[argument])
        elif name in ("PROTO", "FRAME", "STOP"):
            return
        else:
            self._compose(name, argument)

    def _compose(self, name: str, argument: Any) -> None:
        """Instructions that work on more than one value, or call."""
        stack = self.stack
        match name:
            case "MARK":
                self.marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(self._since_mark()))
            case "APPEND":
                value = self._pop()
                _extend(self._top(), [value])
            case "APPENDS":
                values = self._since_mark()
                _extend(self._top(), values)
            case "SETITEM":
                value, key = self._pop(), self._pop()
                _set_items(self._top(), [key, value])
            case "SETITEMS":
                values = self._since_mark()
                _set_items(self._top(), values)
            case "GLOBAL":
                stack.append(self._named(*argument.split(" ", 1)))
            case "STACK_GLOBAL":
                last, first = self._pop(), self._pop()
                stack.append(self._named(first, last))
            case "REDUCE":
                arguments, function = self._pop(), self._pop()
                stack.append(self._call(function, arguments))
            case "BUILD" if self.build is not None:
                state, value = self._pop(), self._pop()
                stack.append(self.build(value, state))
            case "BINPERSID" if self.persistent is not None:
                stack.append(self.persistent(self._pop()))
            case _:
                raise PickleError(f"has the instruction {name}, which is not among what may be read")

    def _top(self) -> Any:
        if len(self.stack) <= (self.marks[-1] if self.marks else 0):
            raise PickleError("its pickle is damaged (it takes a value where there is none)")
        return self.stack[-1]

    def _pop(self) -> Any:
        value = self._top()
        del self.stack[-1]
        return value

    def _since_mark(self) -> list[Any]:
        if not self.marks:
            raise PickleError("its pickle is damaged (it takes values where there are none)")
        start = self.marks.pop()
        values = self.stack[start:]
        del self.stack[start:]
        return values

    def _call(self, function: Any, arguments: Any) -> Any:
        if not isinstance(function, Function) or not isinstance(arguments, tuple):
            raise PickleError("calls what is no function that may be called")
        self.called += sum(len(part) for part in (arguments, *arguments) if isinstance(part, _SIZED))
        if self.called > MAX_CALLED:
            raise PickleError("its pickle calls functions with more than weights take")
        try:
            return function.call(*arguments)
        except TypeError as error:
            raise PickleError(f"its pickle is damaged ({error})") from error

    def _named(self, module: Any, *names: Any) -> Any:
        full = ".".join(str(part)[:80] for part in (module, *names))
        if full not in self.names:
            raise PickleError(f"asks for {full!r}, which is refused; save a state_dict() alone")
        return self.names[full]


def _extend(target: Any, values: list[Any]) -> None:
    if not isinstance(target, list):
        raise PickleError(f"its pickle is damaged (it appends to a {type(target).__name__})")
    target.extend(values)


def _set_items(target: Any, keys_and_values: list[Any]) -> None:
    if not isinstance(target, dict) or len(keys_and_values) % 2:
        raise PickleError(f"its pickle is damaged (it sets items of a {type(target).__name__})")
    for key, value in zip(keys_and_values[::2], keys_and_values[1::2], strict=True):
        # A key is hashed, which for nested tuples may take for ever.
        if not isinstance(key, (str, int, float, bytes, type(None))):
            raise PickleError(f"has a {type(key).__name__} as the key of a dict, which is not among what may be read")
        target[key] = value


def check_nesting(value: Any) -> None:
    """``PickleError`` where lists, tuples and dicts hold themselves, are nested too deeply, or repeat too much.

    A short pickle may name one list ten times in another, that one ten times in a third, and so on: it takes no room
    until somebody walks through it.

    >>> laugh = ["ha"]
    >>> for _ in range(9):
    ...     laugh = [laugh] * 10
    >>> check_nesting(laugh)
    Traceback (most recent call last):
    tinyseg.interop.pickle_machine.PickleError: holds more than 1,000,000 values, repeats counted
    """
    pushed = 0
    pending = [(value, 0)]
    while pending:
        part, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise PickleError(f"its values are nested more than {MAX_DEPTH} deep, or hold themselves")
        if not isinstance(part, (dict, list, tuple)):
            continue
        pushed += len(part)
        if pushed > MAX_VALUES:
            raise PickleError(f"holds more than {MAX_VALUES:,} values, repeats counted")
        inner = part.values() if isinstance(part, dict) else part
        pending.extend((value, depth + 1) for value in inner)
