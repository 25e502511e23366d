"""``tinyseg gradcheck``: every operator has a call, all are right, and a wrong one does not pass."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from typing import Any

import numpy as np
import pytest
from commands import call

import tinyseg
from tinyseg import Tensor, engine
from tinyseg.autograd import Op
from tinyseg.errors import InputError
from tinyseg.nn import functional as F
from tinyseg.op_calls import CALLS, WITHOUT_GRADIENT, Call


def operators() -> dict[str, Any]:
    """What the files of ``ops/`` offer, by name."""
    found = {}
    for info in pkgutil.walk_packages(tinyseg.ops.__path__, "tinyseg.ops."):
        module = importlib.import_module(info.name)
        found.update({name: getattr(module, name) for name in getattr(module, "__all__", ()) if not info.ispkg})
    return found


def public_functions() -> set[str]:
    """What ``ops/``, ``creation`` and ``nn.functional`` offer, and the backward pass."""
    exported = {name: getattr(tinyseg, name) for name in tinyseg.__all__}
    made = {name for name, value in exported.items() if getattr(value, "__module__", "") == "tinyseg.creation"}
    return set(operators()) | made | set(F.__all__) | {"backward"}


def test_every_public_function_has_a_call_or_no_gradient() -> None:
    without = [name for names in WITHOUT_GRADIENT.values() for name in names]
    assert len(set(without)) == len(without)
    assert not set(without) & set(CALLS)
    missing = public_functions() - set(without) - set(CALLS)
    assert not missing, f"add a call to tinyseg/op_calls, or the reason why there is no gradient: {missing}"
    assert set(without) | set(CALLS) == public_functions()


def test_what_has_no_gradient_gives_none() -> None:
    """The result is out of the graph, or the gradient is 0."""
    x = tinyseg.tensor([[1.5, 2.5], [0.2, 3.7]], requires_grad=True)
    for why in ("a truth value", "an index", "constant between its jumps"):
        for name in WITHOUT_GRADIENT[why]:
            function = operators()[name]
            given = (x > 0.0) if name.startswith(("logical", "bitwise")) else x
            takes_two = "other" in inspect.signature(function).parameters
            result = function(*([given] * (2 if takes_two else 1)))
            if result.requires_grad:
                assert why.startswith("constant"), name
                (gradient,) = tinyseg.grad(result.sum(), x)
                assert gradient is not None
                assert not gradient.numpy().any(), name


def test_every_call_moves_its_output_by_every_input() -> None:
    """An input that the output does not depend on would make a call pass without a test."""
    tinyseg.set_default_device("reference")
    for name, calls in CALLS.items():
        for each in calls:
            inputs = each.inputs()
            result = each(*inputs)
            outputs = [y for y in (result if isinstance(result, tuple) else (result,)) if y.is_floating_point]
            weights = [tinyseg.tensor(np.linspace(1, 2, y.numel()).reshape(y.shape)) for y in outputs]
            for gradient in tinyseg.grad(outputs, [x for x in inputs if x.requires_grad], weights):
                assert gradient is not None, name
                assert bool((gradient != 0.0).any()), name


def test_all_gradients_are_right(device: str) -> None:
    checks = list(engine.check_gradients())
    assert [check.operator for check in checks] == list(CALLS)
    assert [check.operator for check in checks if not check.passed] == []
    assert max(check.error for check in checks) < 1e-7


class Slip(Op):
    """x * x with a factor forgotten."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return grad * x


@pytest.fixture
def slip(monkeypatch: pytest.MonkeyPatch) -> None:
    right = Call("right", lambda t, x: t.F.tanh(x), (np.ones(2),))
    wrong = Call("wrong", lambda t, x: Slip.apply(x), (np.ones(3) * 3,))
    monkeypatch.setitem(CALLS, "slip", [right, wrong])


@pytest.mark.usefixtures("slip")
def test_a_wrong_gradient_does_not_pass() -> None:
    """In the second of two calls, by half of the slope."""
    [check] = engine.check_gradients(["slip"])
    assert (check.operator, check.passed) == ("slip", False)
    assert check.error == pytest.approx(0.5, rel=1e-6)


@pytest.mark.usefixtures("slip")
def test_the_command_prints_a_table_and_fails_for_a_wrong_gradient() -> None:
    result = call("gradcheck", "--backend", "reference", "--op", "tanh", "--op", "slip")
    assert result.exit_code == 1
    heading, tanh, wrong, verdict = result.stdout.splitlines()
    assert heading.split() == ["operator", "largest", "error", "verdict"]
    assert tanh.split()[::2] == ["tanh", "ok"]
    assert wrong.split() == ["slip", "5.0e-01", "WRONG"]
    assert verdict == "operators checked on reference: 2; wrong gradients: slip"


@pytest.mark.parametrize("backend", ["cpu", "reference"])
def test_the_command_ends_well(backend: str) -> None:
    result = call("gradcheck", "--backend", backend, "--op", "exp")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-1] == f"operators checked on {backend}: 1; every gradient is right"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--op", "con2d"], "no operator 'con2d' has a gradient to check; there are conv2d"),
        (["--op", "argmax"], "no operator 'argmax' has a gradient to check"),
        (["--backend", "gpu"], "device: expected one of 'cpu', 'reference', 'cuda', got 'gpu'"),
    ],
)
def test_what_is_not_there_is_refused(options: list[str], message: str) -> None:
    result = call("gradcheck", *options)
    assert result.exit_code == 2
    assert message in result.stderr


def test_engine_refuses_an_unknown_operator() -> None:
    with pytest.raises(InputError, match="no operator 'con2d'"):
        list(engine.check_gradients(["con2d"]))
