"""What an editor can follow: methods, functions, types of results lead to code, and nothing is looked up by name."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import Any

import pytest
import result_types
from sources import PACKAGE, functions, modules, parse

import tinyseg
from tinyseg.nn import functional


def offered() -> dict[str, Any]:
    """What the files of ``ops/`` offer, by name."""
    found = {}
    for info in pkgutil.walk_packages(tinyseg.ops.__path__, "tinyseg.ops."):
        module = importlib.import_module(info.name)
        found.update({name: getattr(module, name) for name in getattr(module, "__all__", ())})
    return found


def test_a_method_of_a_tensor_is_the_operator_itself() -> None:
    operators, methods = offered(), vars(tinyseg.Tensor)
    same = [name for name, operator in operators.items() if methods.get(name) is operator]
    assert len(same) > 90
    # Where PyTorch's method and function differ in their arguments.
    assert {name for name in operators if name in methods} - set(same) == {"split", "where"}


@pytest.mark.parametrize("function", [functional.conv2d, tinyseg.exp, tinyseg.Tensor.exp, tinyseg.Tensor.__lt__])
def test_a_definition_is_found_in_the_file_of_the_operator(function: Any) -> None:
    source = inspect.getsourcefile(function)
    assert source is not None
    path = Path(source)
    assert path.parent.is_relative_to(PACKAGE / "ops")
    assert function.__name__ in {f.name for f in functions(path)}


def test_the_types_of_results_are_those_that_mypy_is_told() -> None:
    """CI lets mypy check the same file."""
    result_types.check()


def test_nothing_is_called_by_a_name_in_a_text() -> None:
    """No ``table["name"](...)`` and no ``getattr(x.backend, name)``, which no editor can follow."""
    for name, path in modules().items():
        for node in ast.walk(parse(path)):
            if not isinstance(node, ast.Call):
                continue
            text = ast.unparse(node.func)
            if isinstance(node.func, ast.Subscript) and not name.startswith("tinyseg.viz."):  # matplotlib's maps
                assert not isinstance(node.func.slice, ast.Constant), f"{name}: {text}"
            assert text != "globals().update", name
            if text == "getattr" and name.startswith("tinyseg."):
                assert not ast.unparse(node.args[0]).endswith("backend"), f"{name}: {ast.unparse(node)}"
