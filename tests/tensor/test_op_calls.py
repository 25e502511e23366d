"""A small call of an operator is written once: in ``tinyseg.op_calls``, or in ``op_cases`` if only a test has it."""

from __future__ import annotations

import collections
from types import CodeType, FunctionType
from typing import Any

import numpy as np
from op_cases import CASES, Case
from sources import PACKAGE

import tinyseg
from tinyseg.op_calls import CALLS, TINYSEG

IN_PACKAGE = {call.name: call for calls in CALLS.values() for call in calls}


def written(thing: Any) -> Any:
    """What a function, a constant or an array is made of, for comparison: names of arguments do not matter."""
    if isinstance(thing, CodeType):
        return thing.co_code, thing.co_names, tuple(written(each) for each in thing.co_consts)
    if isinstance(thing, FunctionType):
        cells = [cell.cell_contents for cell in thing.__closure__ or ()]
        given = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).values()]
        return written(thing.__code__), tuple(written(each) for each in [*cells, *given])
    if isinstance(thing, np.ndarray):
        return thing.shape, thing.dtype.str, thing.tobytes()
    return repr(thing)


def call_of(case: Case) -> Any:
    return written(case.function), tuple(written(x) for x in case.inputs)


def test_the_package_has_one_table_of_calls() -> None:
    """Next to the kernels', by their contract; the tests and ``tinyseg gradcheck`` share it."""
    assert [path.name for path in PACKAGE.glob("op_*")] == ["op_calls"]


def test_no_call_is_written_twice() -> None:
    rows = collections.defaultdict(list)
    for case in CASES:
        rows[call_of(case)].append(case.name)
    assert [names for names in rows.values() if len(names) > 1] == []
    assert len(rows) > 800


def test_every_call_of_the_package_has_one_expected_value() -> None:
    """Its row takes function and inputs from there."""
    rows = [case for case in CASES if case.name in IN_PACKAGE]
    assert {case.name for case in rows} == set(IN_PACKAGE)
    assert all(case.function is IN_PACKAGE[case.name].function for case in rows)
    for case in rows:
        assert all(x is given for x, given in zip(case.inputs, IN_PACKAGE[case.name].arrays, strict=True)), case
    assert all(case.gradient for case in rows), "a gradient that differences can check is checked in the tests, too"


def test_names_of_calls_are_unique() -> None:
    assert len(IN_PACKAGE) == sum(map(len, CALLS.values()))


def test_a_call_that_is_written_twice_is_found() -> None:
    """Also where its arguments have other names, and where a loop or a closure makes it."""

    def of(power: int) -> Any:
        return lambda t, x: x**power

    def by_default(power: int) -> Any:
        return lambda t, x, p=power: x**p

    a, b = lambda t, x: t.F.relu(x), lambda api, values: api.F.relu(values)
    assert written(a) == written(b)
    assert written(a) != written(lambda t, x: t.F.tanh(x))
    assert written(of(2)) == written(of(2)) != written(of(3))
    assert written(by_default(2)) == written(by_default(2)) != written(by_default(3))
    assert written(np.ones(2)) != written(np.ones((2, 1)))


def test_a_call_uses_the_api_that_it_is_handed() -> None:
    """So that the same call runs in PyTorch: none names tinyseg's functions."""
    for call in IN_PACKAGE.values():
        named = call.function.__code__.co_names
        assert "tinyseg" not in named, call
        assert "F" not in named or call.function.__code__.co_varnames[0] == "t", call
    assert TINYSEG.F is tinyseg.nn.functional
