"""Each thing is said once, and can be followed: no circles, no functions that only hand over, no names looked up."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import result_types

import tinyseg
import tinyseg_kernels
from tinyseg.nn import functional

ROOTS = {"tinyseg": Path(tinyseg.__file__).parent, "tinyseg_kernels": Path(tinyseg_kernels.__file__).parent}
MOST_FILES = 24


@functools.cache
def modules() -> dict[str, Path]:
    """Every module of both packages, and its file."""
    found = {}
    for package, root in ROOTS.items():
        for path in root.rglob("*.py"):
            parts = [package, *path.relative_to(root).with_suffix("").parts]
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str) -> Iterator[str]:
    """The modules that one imports: also inside functions, and for type checkers alone."""
    path = modules()[name]
    package = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in modules())
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) - node.level + 1], *(node.module or "").split(".")] if node.level else []
            stem = ".".join(part for part in base if part) if node.level else str(node.module)
            for alias in node.names:
                target = f"{stem}.{alias.name}"
                if target in modules():
                    yield target
                elif stem in modules():
                    yield stem


def circles() -> list[list[str]]:
    """Groups of modules that import each other, by Tarjan's algorithm."""
    graph = {name: sorted(set(imports(name)) - {name}) for name in modules()}
    number: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(name: str) -> None:
        number[name] = low[name] = len(number)
        stack.append(name)
        for other in graph[name]:
            if other not in number:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], number[other])
        if low[name] == number[name]:
            group = [stack.pop()]
            while group[-1] != name:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for name in graph:
        if name not in number:
            visit(name)
    return found


def test_no_modules_import_each_other() -> None:
    assert circles() == []


def functions(path: Path) -> list[ast.FunctionDef]:
    """Those that a file defines at its top."""
    return [n for n in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(n, ast.FunctionDef)]


def only_hands_over(function: ast.FunctionDef, ours: dict[str, str]) -> bool:
    """Whether it only calls another function of its name, of one of ``ours``, with its own arguments."""
    body = function.body[1:] if ast.get_docstring(function) else function.body
    if len(body) != 1 or not isinstance(body[0], ast.Return) or not isinstance(body[0].value, ast.Call):
        return False
    call = body[0].value
    taken = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
    given = [*call.args, *(keyword.value for keyword in call.keywords)]
    if not all(isinstance(value, ast.Name) and value.id in taken for value in given):
        return False
    if isinstance(call.func, ast.Attribute):
        return call.func.attr == function.name and ast.unparse(call.func.value) in ours
    return ours.get(ast.unparse(call.func)) == function.name


def imported_names(path: Path) -> dict[str, str]:
    """What a file calls the modules and functions of our packages that it imports, and their own names."""
    nodes = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.ImportFrom)
    ]
    return {alias.asname or alias.name: alias.name for node in nodes if node.level for alias in node.names}


def test_no_function_only_hands_over_to_one_of_its_name() -> None:
    found = [
        f"{name}.{function.name}"
        for name, path in modules().items()
        for function in functions(path)
        if not function.name.startswith("_") and only_hands_over(function, imported_names(path))
    ]
    assert found == []


def test_the_test_of_functions_that_only_hand_over_finds_one() -> None:
    tree = ast.parse("def relu(x, inplace=False):\n    '''See there.'''\n    return activation.relu(x)")
    assert isinstance(tree.body[0], ast.FunctionDef)
    assert only_hands_over(tree.body[0], {"activation": "activation"})


def test_conv2d_is_an_operator_and_a_kernel_of_each_backend() -> None:
    found = [name for name, path in modules().items() for f in functions(path) if f.name == "conv2d"]
    kernels = [f"tinyseg_kernels.{backend}.conv2d" for backend in ("cpu", "cuda", "reference")]
    assert sorted(found) == ["tinyseg.ops.network.conv2d", *kernels]


def test_folders_are_rooms_and_no_heaps() -> None:
    folders: dict[Path, int] = {}
    for path in modules().values():
        folders[path.parent] = folders.get(path.parent, 0) + 1
    assert {folder: count for folder, count in folders.items() if count > MOST_FILES} == {}


def test_every_folder_is_a_package_that_says_what_is_in_it() -> None:
    """One without ``__init__.py`` would be missing from the wheel."""
    for folder in {path.parent for path in modules().values()}:
        init = folder / "__init__.py"
        assert init.exists(), folder
        assert ast.get_docstring(ast.parse(init.read_text(encoding="utf-8"))), init


# What an editor can follow


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
    assert path.parent.is_relative_to(ROOTS["tinyseg"] / "ops")
    assert function.__name__ in {f.name for f in functions(path)}


def test_nothing_is_called_by_a_name_in_a_text() -> None:
    """No ``table["name"](...)`` and no ``getattr(x.backend, name)``, which no editor can follow."""
    for name, path in modules().items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            text = ast.unparse(node.func)
            if isinstance(node.func, ast.Subscript) and not name.startswith("tinyseg.viz."):  # matplotlib's maps
                assert not isinstance(node.func.slice, ast.Constant), f"{name}: {text}"
            assert text != "globals().update", name
            if text == "getattr" and name.startswith("tinyseg."):
                assert not ast.unparse(node.args[0]).endswith("backend"), f"{name}: {ast.unparse(node)}"


def test_the_types_of_results_are_those_that_mypy_is_told() -> None:
    """CI lets mypy check the same file."""
    result_types.check()
