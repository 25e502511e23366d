"""The loops of element-wise kernels, over blocks of memory (see ``operands.py``); the formula is put in.

A step is the distance of an operand's blocks: the block's length, or 0 where the operand is repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..runtime.compiler import bind, inlined
from ..runtime.layout import Array


def _unary(start: int, stop: int, block: int, x: Array, x_step: int, out: Array) -> None:
    for item in range(start, stop):
        o = out[item * block : (item + 1) * block]
        p = x[item * x_step : item * x_step + block]
        for i in range(o.size):
            o[i] = operation(p[i])


def _binary(start: int, stop: int, block: int, a: Array, a_step: int, b: Array, b_step: int, out: Array) -> None:
    for item in range(start, stop):
        o = out[item * block : (item + 1) * block]
        p = a[item * a_step : item * a_step + block]
        q = b[item * b_step : item * b_step + block]
        for i in range(o.size):
            o[i] = operation(p[i], q[i])


def _ternary(
    start: int, stop: int, block: int, a: Array, a_step: int, b: Array, b_step: int, c: Array, c_step: int, out: Array
) -> None:
    for item in range(start, stop):
        o = out[item * block : (item + 1) * block]
        p = a[item * a_step : item * a_step + block]
        q = b[item * b_step : item * b_step + block]
        r = c[item * c_step : item * c_step + block]
        for i in range(o.size):
            o[i] = operation(p[i], q[i], r[i])


def _quaternary(
    start: int,
    stop: int,
    block: int,
    a: Array,
    a_step: int,
    b: Array,
    b_step: int,
    c: Array,
    c_step: int,
    d: Array,
    d_step: int,
    out: Array,
) -> None:
    for item in range(start, stop):
        o = out[item * block : (item + 1) * block]
        p = a[item * a_step : item * a_step + block]
        q = b[item * b_step : item * b_step + block]
        r = c[item * c_step : item * c_step + block]
        s = d[item * d_step : item * d_step + block]
        for i in range(o.size):
            o[i] = operation(p[i], q[i], r[i], s[i])


def operation(*operands: Any) -> Any:
    """Stands in the loops above for what ``bind`` puts there."""
    raise NotImplementedError


def compile_loop(name: str, operation: Callable[..., Any]) -> Callable[..., None]:
    """The kernel that applies ``operation`` element by element; its name is to be its own among all of these."""
    template = (_unary, _binary, _ternary, _quaternary)[operation.__code__.co_argcount - 1]
    return bind(template, f"_{name}", operation=inlined(operation), __name__=operation.__module__)
