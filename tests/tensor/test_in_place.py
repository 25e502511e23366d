"""Augmented operators (``x += y``): in place for all who share the memory, and recorded where a gradient flows."""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor, nn
from tinyseg.errors import GraphError
from tinyseg.nn import functional as F


def leaf(*values: float) -> Tensor:
    return tinyseg.tensor(values, dtype="float64", requires_grad=True)


def grad_of(x: Tensor) -> Any:
    assert x.grad is not None
    return x.grad.tolist()


AUGMENTED: list[tuple[Callable[[Any, Any], Any], list[float]]] = [
    (operator.iadd, [9.0, 5.0]),
    (operator.isub, [5.0, 1.0]),
    (operator.imul, [14.0, 6.0]),
    (operator.itruediv, [3.5, 1.5]),
    (operator.ifloordiv, [3.0, 1.0]),
    (operator.imod, [1.0, 1.0]),
    (operator.ipow, [49.0, 9.0]),
]


# No gradient: aliases, views, parameters and buffers see the change


@pytest.mark.parametrize(("operate", "wanted"), AUGMENTED, ids=lambda value: getattr(value, "__name__", ""))
def test_every_operator_changes_the_tensor_itself(operate: Any, wanted: list[float], device: str) -> None:
    x = alias = tinyseg.tensor([7.0, 3.0])
    view, detached = x[1:], x.detach()
    assert operate(x, 2) is alias
    assert (alias.tolist(), view.tolist(), detached.tolist()) == (wanted, wanted[1:], wanted)
    y = tinyseg.tensor([7, 3])
    if operate is not operator.itruediv:
        operate(y, tinyseg.tensor([2]))
        assert (y.tolist(), y.dtype) == (wanted, np.int64)


@pytest.mark.parametrize(
    ("operate", "wanted"),
    [
        (operator.iand, [True, False, False, False]),
        (operator.ior, [True, True, True, False]),
        (operator.ixor, [False, True, True, False]),
        (operator.iadd, [True, True, True, False]),
        (operator.imul, [True, False, False, False]),
    ],
)
def test_bools_stay_bools(operate: Any, wanted: list[bool], device: str) -> None:
    x = alias = tinyseg.tensor([True, True, False, False])
    assert operate(x, tinyseg.tensor([True, False, True, False])) is alias
    assert (alias.tolist(), alias.dtype) == (wanted, np.bool_)


def test_manual_sgd_learns(device: str) -> None:
    """loss = (p - 1)^2 from p = 5: each step of 0.25 times 2 (p - 1) halves the way."""
    p = tinyseg.tensor([5.0], requires_grad=True)
    seen = []
    for _ in range(4):
        loss = ((p - 1.0) ** 2).sum()
        loss.backward()
        with tinyseg.no_grad():
            p -= 0.25 * p.grad
            p.grad = None
        seen.append(p.item())
    assert seen == [3.0, 2.0, 1.5, 1.25]
    assert p.requires_grad
    assert p.is_leaf


def test_an_average_of_weights_moves() -> None:
    model, average = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    with tinyseg.no_grad():
        model.weight.fill_(8.0)
        average.weight.zero_()
        for slow, fast in zip(average.parameters(), model.parameters(), strict=True):
            for _ in range(2):
                slow *= 0.5
                slow += 0.5 * fast
    assert average.weight.item() == 6.0


def test_attributes_of_a_module_stay_what_they_are() -> None:
    layer = nn.Conv2d(1, 1, 1)
    layer.register_buffer("seen", tinyseg.zeros(3))
    weight, names = layer.weight, [name for name, _ in layer.named_parameters()]
    with tinyseg.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.zero_()
        image = tinyseg.ones(1, 1, 2, 2)
        assert layer(image).sum().item() == 4.0
        layer.weight += 1
        layer.bias -= 0.5
        layer.seen[1:] += 2.0
        layer.seen += 1.0
        assert layer(image).sum().item() == 6.0  # what was packed of the weight is packed anew
    assert layer.weight is weight
    assert isinstance(layer.weight, nn.Parameter)
    assert [name for name, _ in layer.named_parameters()] == names
    assert layer.state_dict()["seen"].tolist() == [1.0, 3.0, 3.0]


def test_elements_slices_and_gradients() -> None:
    x = tinyseg.tensor([[1.0, 2.0], [3.0, 4.0]])
    x[0] += 10
    x[:, 1] *= 2
    x[1, 0] -= x[0, 0]
    assert x.tolist() == [[11.0, 24.0], [-8.0, 8.0]]
    p = leaf(1.0, 2.0)
    (p * 3.0).sum().backward()
    gradient = p.grad
    p.grad /= 3
    assert gradient is p.grad
    (p * 3.0).sum().backward()
    assert gradient is p.grad, "a further gradient is added in place, too"
    assert grad_of(p) == [4.0, 4.0]


@pytest.mark.parametrize("size", [3, 400])
def test_a_right_side_in_the_same_memory_is_read_first(size: int, device: str) -> None:
    values = np.arange(float(size * size)).reshape(size, size)
    x = tinyseg.tensor(values)
    x += x.T
    np.testing.assert_array_equal(x.numpy(), values + values.T)
    x = tinyseg.tensor(values)
    x[1:] -= x[:-1]
    np.testing.assert_array_equal(x.numpy(), [values[0], *np.full((size - 1, size), size)])
    x = tinyseg.tensor(values)
    x *= x
    x /= x[0, 1]
    np.testing.assert_array_equal(x.numpy(), values**2)
    x //= x[-1, -1]
    assert x.sum().item() == 1.0


# What the left side cannot hold


@pytest.mark.parametrize(
    ("left", "operate", "right", "error", "message"),
    [
        (
            [1, 2],
            operator.iadd,
            0.5,
            TypeError,
            "add_: .* of int64 cannot take a result of float32 in place",
        ),
        (
            [1, 2],
            operator.ipow,
            0.5,
            TypeError,
            "pow_: .* of int64 cannot take a result of float32",
        ),
        (
            [1, 2],
            operator.ifloordiv,
            0.5,
            TypeError,
            "floor_divide_: .* of int64 cannot take a result of float32",
        ),
        (
            [1, 2],
            operator.imod,
            [0.5, 1.0],
            TypeError,
            "remainder_: .* of int64 cannot take a result of float",
        ),
        ([1, 2], operator.itruediv, 2, TypeError, "div_: input must be float32 or float64, got int64"),
        ([True], operator.iadd, 1, TypeError, "add_: .* of bool cannot take a result of int64"),
        (
            [True],
            operator.isub,
            True,
            TypeError,
            "sub_: .* of bool cannot take a result of int64",
        ),
        ([True], operator.imul, [2], TypeError, "mul_: .* of bool cannot take a result of int64"),
        ([1, 2], operator.iand, 1, TypeError, r"bitwise_and_: expected bool tensors, got int64; logical_and\(\)"),
        ([True], operator.ixor, 1, TypeError, "bitwise_xor_: expected bool tensors, got int"),
        ([True, False], operator.iand, [True] * 3, ValueError, "bitwise_and_: "),
        ([True, False], operator.ior, [True] * 3, ValueError, "bitwise_or_: "),
        ([True, False], operator.ixor, [True] * 3, ValueError, "bitwise_xor_: "),
        ([1.0, 2.0], operator.ifloordiv, [1.0] * 3, ValueError, "floor_divide_: "),
        ([1.0], operator.ifloordiv, "1", TypeError, "floor_divide_: expected a Tensor or a number, got str"),
        ([3, 4], operator.ifloordiv, 0, ValueError, "floor_divide_: an integer tensor cannot be divided by 0"),
        (
            [1.0, 2.0],
            operator.iadd,
            [[1.0], [2.0]],
            ValueError,
            r"add_: shape \(2, 1\) cannot be broadcast",
        ),
        ([1.0], operator.imul, [1.0, 2.0], ValueError, r"mul_: shape \(2,\) cannot be broadcast to \(1,\)"),
        (
            [1.0],
            operator.ifloordiv,
            [1.0, 2.0],
            ValueError,
            r"floor_divide_: shape \(2,\) cannot be broadcast",
        ),
        ([True], operator.ior, [True, False], ValueError, r"bitwise_or_: shape \(2,\) cannot be broadcast to \(1,\)"),
        ([1.0], operator.iadd, "1", TypeError, "add_: expected a Tensor or a number, got str"),
        ([3, 4], operator.imod, 0, ValueError, "remainder_: an integer tensor cannot be divided by 0"),
        ([3, 4], operator.ipow, -1, ValueError, "pow_: an integer tensor cannot take a negative power"),
    ],
)
def test_what_does_not_fit_changes_nothing(
    left: Any, operate: Any, right: Any, error: type[Exception], message: str, device: str
) -> None:
    x = tinyseg.tensor(left)
    with pytest.raises(error, match=message):
        operate(x, tinyseg.tensor(right) if isinstance(right, list) else right)
    assert x.tolist() == left
    assert x.version.count == 0


def test_integers_are_computed_in_the_larger_type() -> None:
    """7 // 2^33 is 0; 2^33 as an int32 would be 0, too."""
    x = tinyseg.tensor([7], dtype="int32")
    x //= tinyseg.tensor([2**33])
    assert (x.tolist(), x.dtype) == ([0], np.int32)


# Recorded


def test_residual_block(device: str) -> None:
    """out = 2 x + x."""
    x = leaf(1.0, -2.0)
    out = alias = x * 2.0
    out += x
    assert out is alias
    assert alias.detach().tolist() == [3.0, -6.0]
    alias.sum().backward()
    assert grad_of(x) == [3.0, 3.0]


def test_residual_block_of_layers() -> None:
    """The same numbers as by the form that makes a new tensor."""
    block = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1), nn.BatchNorm2d(2))
    image = tinyseg.randn(2, 2, 5, 5)

    def run(in_place: bool) -> list[Any]:
        out = block(image)
        if in_place:
            out += image
        else:
            out = out + image
        (F.relu(out) ** 2).mean().backward()
        found = [grad_of(p) for p in block.parameters()]
        for p in block.parameters():
            p.grad = None
        return found

    assert run(True) == run(False)


def test_summed_losses(device: str) -> None:
    """x^2 + 0.4 x^3 at 2: slope 2 x + 1.2 x^2 = 8.8. A sum may begin with a constant, or with a number."""
    for start in (lambda: 0, lambda: tinyseg.zeros((), dtype="float64")):
        x = leaf(2.0)
        loss = start()
        loss += (x * x).sum()
        loss += 0.4 * (x * x * x).sum()
        assert loss.item() == pytest.approx(7.2)
        loss.backward()
        assert grad_of(x) == pytest.approx([8.8])


@pytest.mark.parametrize(
    ("operate", "value", "by_y", "by_w"),
    [
        (operator.iadd, 5.0, 1.0, 1.0),
        (operator.isub, -1.0, 1.0, -1.0),
        (operator.imul, 6.0, 3.0, 2.0),
        (operator.itruediv, 2 / 3, 1 / 3, -2 / 9),
        (operator.ipow, 8.0, 12.0, 8 * np.log(2)),
        (operator.imod, 2.0, 1.0, 0.0),
    ],
)
def test_gradients_of_both_sides(operate: Any, value: float, by_y: float, by_w: float, device: str) -> None:
    """y = 2, w = 3, y op= w."""
    y, w = leaf(2.0), leaf(3.0)
    out = y * 1.0
    operate(out, w)
    assert out.item() == pytest.approx(value)
    out.sum().backward()
    assert (grad_of(y), grad_of(w)) == (pytest.approx([by_y]), pytest.approx([by_w]))


def test_the_past_is_computed_by_the_old_values() -> None:
    """y = x^2 by y *= y, then y = x^4, then 3 y: 12 x^3."""
    x = leaf(2.0)
    y = x * 1.0
    y *= y
    y *= y
    y *= 3
    assert y.item() == 48.0
    y.sum().backward()
    assert grad_of(x) == [96.0]


def test_gradcheck_through_recorded_changes() -> None:
    def function(x: Tensor, w: Tensor) -> Tensor:
        y = x * 2.0
        y += w[0]
        y *= w
        z = y.tanh()
        y /= w + 3.0
        y **= 2
        y -= z.T
        y %= 50.0
        return y

    x = tinyseg.rand(3, 3, dtype="float64", requires_grad=True)
    w = tinyseg.rand(3, 3, dtype="float64", requires_grad=True)
    assert tinyseg.gradcheck(function, [x, w])


def test_a_chain_of_ten_thousand() -> None:
    x = leaf(1.0)
    y = x * 1.0
    for _ in range(10_000):
        y += x
    y.sum().backward()
    assert grad_of(x) == [10_001.0]


def test_under_no_grad_the_past_stays() -> None:
    x = leaf(2.0)
    y = x * 3.0
    with tinyseg.no_grad():
        y += 100.0
    assert y.item() == 106.0
    y.sum().backward()
    assert grad_of(x) == [3.0]


def test_a_detached_tensor_is_another_s_memory_but_not_its_past() -> None:
    x = leaf(2.0)
    y = x * 3.0
    aside = y.detach()
    y *= 2
    assert (aside.tolist(), aside.requires_grad) == ([12.0], False)
    (y * aside).sum().backward()  # aside is a constant
    assert grad_of(x) == [72.0]


# What was saved


SAVED: dict[str, Callable[[Tensor], Tensor]] = {
    "exp": lambda x: x.exp(),
    "relu": lambda x: x.relu(),
    "sigmoid": lambda x: x.sigmoid(),
    "sqrt": lambda x: x.sqrt(),
    "softmax": lambda x: x.softmax(0),
}
NOT_SAVED: dict[str, Callable[[Tensor], Tensor]] = {
    "multiply": lambda x: x * 2.0,
    "divide": lambda x: x / x.detach(),
    "divide by what has a gradient": lambda x: x / x,
    "pow": lambda x: x**2,
    "log": lambda x: x.log(),
    "leaky_relu": lambda x: F.leaky_relu(x),
    "elu": lambda x: F.elu(x),
    "sum": lambda x: x.sum(),
    "batch_norm": lambda x: F.batch_norm(x.reshape(4, 1), None, None, training=True),
    "conv1d": lambda x: F.conv1d(x.reshape(1, 1, 4), tinyseg.ones(1, 1, 2, dtype="float64")),
}


@pytest.mark.parametrize("name", SAVED)
def test_a_saved_result_that_is_changed_is_missed(name: str) -> None:
    y = SAVED[name](leaf(1.0, 2.0, 3.0, 4.0))
    y += 1.0
    with pytest.raises(GraphError, match="saved was changed in place 1 times since"):
        y.sum().backward()


@pytest.mark.parametrize("name", NOT_SAVED)
def test_a_result_that_was_not_saved_may_be_changed(name: str) -> None:
    x = leaf(1.0, -2.0, 3.0, 4.0)
    y = NOT_SAVED[name](x)
    (wanted,) = tinyseg.grad(y * 3.0, [x], tinyseg.ones_like(y), retain_graph=True)
    y *= 3.0
    (found,) = tinyseg.grad(y, [x], tinyseg.ones_like(y))
    assert found is not None
    assert wanted is not None
    np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_a_saved_operand_that_is_changed_is_missed() -> None:
    x, y = leaf(2.0), leaf(3.0)
    h = x * 1.0
    z = h * y
    h += 1.0
    with pytest.raises(GraphError, match="Multiply saved was changed in place"):
        z.sum().backward()


# Refused: leaves, and views of what is in use


@pytest.mark.parametrize(("operate", "_"), AUGMENTED, ids=lambda value: getattr(value, "__name__", ""))
def test_a_leaf_that_requires_a_gradient_is_refused(operate: Any, _: Any) -> None:
    x = leaf(1.0, 2.0)
    for target in (x, x[:1], x.reshape(2, 1)):
        with pytest.raises(GraphError, match="changes in place are not recorded"):
            operate(target, 2.0)
    assert x.detach().tolist() == [1.0, 2.0]
    layer = nn.Linear(1, 1)
    with pytest.raises(GraphError, match="changes in place are not recorded in a leaf"):
        layer.weight += 1


def test_a_view_of_a_tensor_in_use_is_refused() -> None:
    """For the tensor, too, would have another past."""
    x = leaf(1.0, 2.0)
    y = x * 2.0
    with pytest.raises(GraphError, match="not recorded through a view of a tensor that is still in use"):
        y[0] += 1.0
    first, second = tinyseg.split(y, 1)
    with pytest.raises(GraphError, match="through a view"):
        first += second
    constant = tinyseg.zeros(2, dtype="float64")
    with pytest.raises(GraphError, match="through a view"):
        constant[0] += x[0]
    assert (y.detach().tolist(), constant.tolist()) == ([2.0, 4.0], [0.0, 0.0])


def test_a_view_of_what_nobody_has_any_more_is_a_tensor_like_any() -> None:
    x = leaf(1.0, 2.0)
    y = (x * 2.0).reshape(2, 1)
    y *= x[0]
    y.sum().backward()  # 2 x0 (x0 + x1)
    assert grad_of(x) == [8.0, 2.0]


def test_a_view_whose_tensor_was_changed_has_lost_its_past() -> None:
    """Its values are the new ones. It says so when a gradient is to flow through it, and the same view may be taken
    again.
    """
    x = leaf(1.0, 2.0)
    y, constant = x * 2.0, tinyseg.zeros(2, dtype="float64")
    view, of_constant, cut = y[1:], constant[1:], y.detach()[1:]
    y *= 3.0
    constant += x
    assert (view.detach().tolist(), of_constant.detach().tolist(), cut.tolist()) == ([12.0], [2.0], [12.0])
    for stale in (view, of_constant):
        with pytest.raises(GraphError, match="changed in place by a recorded operator since it was taken"):
            stale * 2.0
        with pytest.raises(GraphError, match="take the view again"):
            stale.backward()
    assert not (cut * 2.0).requires_grad
    with tinyseg.no_grad():
        assert (view * 2.0).tolist() == [24.0]
    (y[1:] * constant[1:]).sum().backward()  # 6 x1 x1
    assert grad_of(x) == [0.0, 24.0]


def test_an_input_that_an_operator_hands_on_is_its_view() -> None:
    class Same(tinyseg.autograd.Op):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return grad

    x = leaf(1.0)
    y = Same.apply(x)
    with pytest.raises(GraphError, match="through a view"):
        y += 1.0
    assert x.item() == 1.0


def test_integer_division_is_not_recorded() -> None:
    y = leaf(7.0) * 1.0
    with pytest.raises(GraphError, match="floor_divide_: changes in place are not recorded"):
        y //= 2
    assert y.item() == 7.0


def test_a_thousand_views_cost_no_memory() -> None:
    x = tinyseg.zeros(1000)
    for i in range(1000):
        x[i] += i
    assert x.sum().item() == 499_500
    assert x.kin is not None
    assert x.kin.others(x) == []
    assert len(x.kin._members) < 40
