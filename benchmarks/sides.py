"""tinyseg and PyTorch by the same names: what is written against a ``Side`` runs in both.

Nothing is imported before it is asked for: a process that measures PyTorch's memory must not load tinyseg.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


class LeftOut(Exception):
    """A peer cannot run here; the message says why."""


@dataclass(frozen=True)
class Side:
    """A library, how it takes an array (4-dimensional ones are put in its layout), and how it lays out a network."""

    library: Any
    place: Callable[[Array], Any]
    lay_out: Callable[[Any], Any]


def need(name: str) -> Any:
    """A peer's package; raises ``LeftOut`` where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise LeftOut(f"{name} is not installed and left out: pip install -e '.[bench]'") from None


def _ours(threads: int) -> Side:
    import tinyseg

    tinyseg.set_num_threads(threads)
    return Side(tinyseg, tinyseg.tensor, lambda network: network)


def _torch(layout: str, threads: int) -> Side:
    torch = need("torch")
    torch.set_num_threads(threads)
    memory_format = getattr(torch, layout)

    def place(array: Array) -> Any:
        tensor = torch.tensor(array)
        return tensor.contiguous(memory_format=memory_format) if tensor.ndim == 4 else tensor

    return Side(torch, place, lambda network: network.to(memory_format=memory_format))


SIDES: dict[str, Callable[[int], Side]] = {
    "tinyseg": _ours,
    "torch": functools.partial(_torch, "contiguous_format"),
    "torch channels-last": functools.partial(_torch, "channels_last"),
}


def compiled(torch: Any, function: Any, **options: Any) -> Any:
    """``torch.compile`` for one size; raises ``LeftOut`` where that finds no C++ compiler."""
    if reason := _compile_fails():
        raise LeftOut(f"torch.compile does not work here and is left out: {reason}")
    torch._dynamo.reset()  # it stops compiling, silently, when one function has been compiled eight times
    return torch.compile(function, dynamic=False, options=options)


@functools.cache
def _compile_fails() -> str:
    """The first line of what ``torch.compile`` says when it fails, or nothing."""
    torch = need("torch")
    try:
        torch.compile(lambda x: x * x + 1)(torch.ones(64))
    except Exception as error:  # of many types, private ones, from any depth of the compiler
        return str(error).strip().splitlines()[0]
    return ""


def channels_last(random: np.random.Generator, n: int, c: int, h: int, w: int) -> Array:
    """Random numbers of shape N,C,H,W in the memory order N,H,W,C, as the result of a convolution has it."""
    return random.standard_normal((n, h, w, c), dtype=np.float32).transpose(0, 3, 1, 2)
