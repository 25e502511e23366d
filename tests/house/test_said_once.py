"""Each thing is said once: no function only hands over, no argument list, constructor or name is written again."""

from __future__ import annotations

import ast
from pathlib import Path

from sources import KERNELS, PACKAGE, functions, modules, name_of, parse, sources

from tinyseg_kernels import spec


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
    nodes = [node for node in ast.walk(parse(path)) if isinstance(node, ast.ImportFrom)]
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


def test_a_convolution_s_arguments_are_listed_once_in_each_backend() -> None:
    wanted = spec.KERNELS["conv2d"].arguments
    listed = [
        path.relative_to(KERNELS).as_posix()
        for path in sources(KERNELS)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef) and node.name == "conv2d"
        if len(node.args.args) >= len(wanted)
    ]
    assert listed == ["cpu/conv2d.py", "cuda/conv2d.py", "reference/conv2d.py", "spec.py"]


def test_one_function_of_the_engine_and_one_command_are_called_train() -> None:
    found = [
        (name_of(path, PACKAGE), node.name)
        for part in ("engine", "cli")
        for path in sources(PACKAGE / part)
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef) and node.name.strip("_") == "train"
    ]
    assert sorted(name.split(".")[1] for name, _ in found) == ["cli", "engine"], found
    assert {name for _, name in found} == {"train"}


def test_no_two_data_sets_repeat_a_constructor() -> None:
    found: dict[tuple[str, ...], list[str]] = {}
    for path in sources(PACKAGE / "data"):
        for node in ast.walk(parse(path)):
            for function in node.body if isinstance(node, ast.ClassDef) else []:
                if isinstance(function, ast.FunctionDef) and function.name == "__init__":
                    names = tuple(arg.arg for arg in (*function.args.args, *function.args.kwonlyargs))
                    if "split" in names:
                        found.setdefault(names, []).append(node.name)
    assert sorted(owner for owners in found.values() for owner in owners) == [
        "CocoInstances",
        "Folder",
        "Generated",
        "Layout",
        "SplitByName",
        "SplitInOrder",
    ]
    assert len(found) == 6, f"constructors with the same arguments: {found}"


# Devices


def test_only_the_table_of_devices_names_the_gpu() -> None:
    tree = parse(PACKAGE / "backend.py")
    (table,) = (n for n in tree.body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "DEVICES")

    def names(root: ast.AST) -> int:
        return sum(isinstance(node, ast.Constant) and node.value == "cuda" for node in ast.walk(root))

    assert names(table) == names(tree) > 0


def test_nothing_compares_a_device_with_the_gpu_s_name() -> None:
    for path in sources(PACKAGE):
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Compare):
                parts = (part for operand in (node.left, *node.comparators) for part in ast.walk(operand))
                values = [part.value for part in parts if isinstance(part, ast.Constant)]
                assert "cuda" not in values, f"{path}:{node.lineno}"
