"""The tape: what is recorded, how gradients flow back, what is freed, and what is refused."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor, autograd
from tinyseg.errors import GraphError
from tinyseg.gradcheck import GradcheckError
from tinyseg.nn import functional as F


def leaf(*values: float, dtype: str = "float32") -> Tensor:
    return tinyseg.tensor(list(values), dtype=dtype, requires_grad=True)


def grad_of(x: Tensor) -> list[float]:
    assert x.grad is not None
    values: list[float] = x.grad.tolist()
    return values


# Flow


def test_gradients_accumulate_until_set_to_none() -> None:
    x = leaf(2.0, 3.0)
    (x * x).sum().backward()
    (x * 10.0).sum().backward()
    assert grad_of(x) == [14, 16]
    x.grad = None
    (x * 5.0).sum().backward()
    assert grad_of(x) == [5, 5]


def test_diamond() -> None:
    """x feeds two paths that meet again: d(x^2 * (x + 1)) = 3 x^2 + 2 x."""
    x = leaf(3.0)
    ((x * x) * (x + 1.0)).sum().backward()
    assert grad_of(x) == [33]


def test_shared_subexpression_is_visited_once(monkeypatch: pytest.MonkeyPatch) -> None:
    visits = []
    original = autograd._Pass._visit

    def visit(self: Any, node: Any) -> None:
        visits.append(node.op.__name__)
        original(self, node)

    monkeypatch.setattr(autograd._Pass, "_visit", visit)
    x = leaf(2.0)
    y = x.exp()
    for _ in range(20):  # 2^20 paths lead from the end to x
        y = y + y
    y.sum().backward()
    assert grad_of(x) == pytest.approx([2**20 * np.exp(2)], rel=1e-6)
    assert visits.count("Exp") == 1
    assert visits.count("Add") == 20


def test_a_node_waits_for_all_its_users() -> None:
    """One path to y is short, the other long; y must not hand on its gradient before both have arrived."""
    x = leaf(1.0)
    y = x * 3.0
    long = y
    for _ in range(50):
        long = long * 1.0
    (y + long).sum().backward()
    assert grad_of(x) == [6]


def test_a_part_without_gradient_is_left_out() -> None:
    x, constant = leaf(2.0), tinyseg.tensor([5.0])
    y = x * constant
    assert y.requires_grad
    assert not (constant * constant).requires_grad
    y.sum().backward()
    assert grad_of(x) == [5]
    assert constant.grad is None


def test_several_outputs_of_one_operator() -> None:
    class Halves(autograd.Op):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> tuple[Tensor, Tensor]:
            return x[:1] * 1.0, x[1:] * 1.0

        @staticmethod
        def backward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
            return tinyseg.cat([first, second])

    x = leaf(1.0, 2.0)
    first, second = Halves.apply(x)
    (first * 3.0).sum().backward(retain_graph=True)
    assert grad_of(x) == [3, 0]  # the other output's gradient is taken as 0
    (first * 3.0 + second * 4.0).sum().backward()
    assert grad_of(x) == [6, 4]


def test_gradients_have_type_and_shape_of_their_tensor(device: str) -> None:
    x = tinyseg.zeros(3, 1, dtype="float64", requires_grad=True)
    y = tinyseg.zeros(1, 4, dtype="float64", requires_grad=True)
    (x + y + 1).sum().backward()
    for t, value in ((x, 4), (y, 3)):
        assert t.grad is not None
        assert (t.grad.shape, t.grad.dtype, t.grad.device) == (t.shape, np.float64, device)
        assert (t.grad.numpy() == value).all()


def test_a_cast_keeps_the_leaf_s_type() -> None:
    x = leaf(1.5, dtype="float64")
    (x.float() * 2.0).sum().backward()
    assert x.grad is not None
    assert x.grad.dtype == np.float64
    assert grad_of(x) == [2]


def test_gradient_of_a_scalar_leaf_itself() -> None:
    x = tinyseg.tensor(3.0, requires_grad=True)
    x.backward()
    assert x.grad is not None
    assert x.grad.item() == 1


def test_backward_of_many_elements_needs_a_gradient() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3.0
    with pytest.raises(ValueError, match=r"shape \(2,\) needs a gradient of that shape"):
        y.backward()
    y.backward(tinyseg.tensor([10.0, 100.0]))
    assert grad_of(x) == [30, 300]


@pytest.mark.parametrize(
    ("gradient", "message"),
    [
        (tinyseg.ones(3), r"must be float32 of shape \(2,\).*got float32 of shape \(3,\)"),
        (tinyseg.ones(2, dtype="float64"), "must be float32 .*got float64"),
        (tinyseg.ones(2, device="reference"), "on 'cpu', got .* on 'reference'"),
    ],
)
def test_backward_refuses_a_gradient_that_does_not_fit(gradient: Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        (leaf(1.0, 2.0) * 3.0).backward(gradient)


def test_backward_of_a_constant_is_refused() -> None:
    with pytest.raises(GraphError, match="does not require a gradient"):
        tinyseg.ones(1).backward()
    with tinyseg.no_grad():
        y = leaf(1.0) * 2.0
    with pytest.raises(GraphError, match="was not computed from one that does"):
        y.backward()


# Once, twice


def test_second_backward_through_a_freed_graph_is_refused() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward()
    with pytest.raises(GraphError, match=r"freed by an earlier backward .*retain_graph=True"):
        y.backward()
    assert grad_of(x) == [4], "a refused backward must not add anything"


def test_also_where_nothing_was_saved() -> None:
    x = leaf(2.0)
    y = x + 1.0
    y.backward()
    with pytest.raises(GraphError, match="freed"):
        y.backward()


def test_also_through_a_shared_part() -> None:
    x = leaf(2.0)
    shared = x.exp()
    one, other = (shared * 2.0).sum(), (shared * 3.0).sum()
    one.backward()
    with pytest.raises(GraphError, match="freed by an earlier backward"):
        other.backward()


def test_retain_graph() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    assert grad_of(x) == [8]
    y.backward()
    with pytest.raises(GraphError):
        y.backward()


def test_create_graph_says_that_there_is_no_double_backward() -> None:
    x = leaf(2.0)
    y = (x * x).sum()
    with pytest.raises(NotImplementedError, match="no double backward"):
        y.backward(create_graph=True)
    with pytest.raises(NotImplementedError, match="no double backward"):
        tinyseg.grad(y, x, create_graph=True)
    y.backward()
    assert x.grad is not None
    assert not x.grad.requires_grad


# Changes in place


def _optimised(name: str, x: Tensor) -> None:
    x.grad = tinyseg.ones(2)
    getattr(tinyseg.optim, name)([x], lr=0.1).step()


def _unrecorded(change: Any) -> Any:
    return tinyseg.no_grad()(change)


CHANGES: dict[str, Any] = {
    "through a detached tensor": lambda x: x.detach().add_(1.0),
    "through a slice": lambda x: x.detach()[0].fill_(7.0),
    "through another shape": lambda x: x.detach().reshape(2, 1).mul_(2.0),
    "without recording": _unrecorded(lambda x: x.add_(1.0)),
    "by assignment to an element": _unrecorded(lambda x: x.__setitem__(0, 5.0)),
    "by assignment to all": _unrecorded(lambda x: x.__setitem__(..., tinyseg.ones(2))),
    "by a copy": _unrecorded(lambda x: x.copy_(tinyseg.zeros(2))),
    "by random numbers": _unrecorded(lambda x: x.uniform_()),
    "by SGD": lambda x: _optimised("SGD", x),
    "by Adam": lambda x: _optimised("Adam", x),
}


@pytest.mark.parametrize("change", CHANGES)
def test_change_of_a_saved_array_is_detected(change: str) -> None:
    x = leaf(1.0, 2.0)
    y = (x * x).sum()
    CHANGES[change](x)
    with pytest.raises(GraphError, match=r"shape \(2,\) that Multiply saved was changed in place"):
        y.backward()


def test_change_of_a_saved_output_is_detected() -> None:
    y = leaf(1.0, 2.0).exp()
    y.detach().zero_()
    with pytest.raises(GraphError, match="that Exp saved was changed in place"):
        y.sum().backward()


def test_change_of_what_was_not_saved_is_no_error() -> None:
    x = leaf(1.0, 2.0)
    other = tinyseg.tensor([3.0, 4.0])
    y = (x + other).sum()
    other.add_(1.0)
    x.detach().add_(1.0)
    y.backward()
    assert grad_of(x) == [1, 1]


def test_change_of_other_memory_is_no_error() -> None:
    x = leaf(1.0, 2.0)
    copy = x.detach().clone()
    y = (x * x).sum()
    copy.zero_()
    y.backward()
    assert grad_of(x) == [2, 4]


def test_changes_in_place_are_refused_where_a_gradient_would_miss_them() -> None:
    x, y = leaf(1.0, 2.0), tinyseg.zeros(2)
    for change in (lambda: x.add_(1.0), lambda: x.__setitem__(0, 1.0), lambda: y.copy_(x)):
        with pytest.raises(GraphError, match="changes in place are not recorded"):
            change()
    with pytest.raises(GraphError, match="changes in place are not recorded"):
        y[:1] = x[:1]
    with tinyseg.no_grad():
        y.copy_(x)
    assert y.tolist() == [1, 2]


# Recording


def test_no_grad_records_nothing() -> None:
    x = leaf(1.0)
    with tinyseg.no_grad():
        assert not tinyseg.is_grad_enabled()
        y = x * 2.0
        with tinyseg.set_grad_enabled(True):
            z = x * 2.0
        assert not tinyseg.is_grad_enabled()
    assert tinyseg.is_grad_enabled()
    assert (y.requires_grad, y.is_leaf, z.requires_grad, z.is_leaf) == (False, True, True, False)


def test_no_grad_ends_with_an_error_too() -> None:
    with pytest.raises(KeyError), tinyseg.no_grad():
        raise KeyError
    assert tinyseg.is_grad_enabled()


def test_no_grad_as_a_decorator_of_a_recursive_function() -> None:
    @tinyseg.no_grad()
    def descend(depth: int) -> bool:
        return descend(depth - 1) if depth else tinyseg.is_grad_enabled()

    assert descend(3) is False
    assert tinyseg.is_grad_enabled()


def test_one_no_grad_may_be_entered_twice() -> None:
    off = tinyseg.no_grad()
    with off, off:
        pass
    assert tinyseg.is_grad_enabled()


def test_recording_is_each_thread_s_own() -> None:
    inside, checked = threading.Event(), threading.Event()

    @tinyseg.no_grad()
    def without() -> bool:
        inside.set()
        checked.wait(10)
        return tinyseg.is_grad_enabled()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(without)
        assert inside.wait(10)
        assert tinyseg.is_grad_enabled()
        x = leaf(1.0)
        assert (x * 2.0).requires_grad
        checked.set()
        assert future.result() is False


def test_a_decorated_function_may_run_in_two_threads_at_once() -> None:
    """One leaves while the other, which entered first and in another mode, is still inside."""
    first_inside, second_done = threading.Event(), threading.Event()

    @tinyseg.no_grad()
    def work(wait: bool) -> None:
        if wait:
            first_inside.set()
            second_done.wait(10)

    def first() -> bool:
        work(True)
        return tinyseg.is_grad_enabled()

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(first)
        assert first_inside.wait(10)
        with tinyseg.no_grad():
            work(False)
            assert not tinyseg.is_grad_enabled()
        second_done.set()
        assert future.result() is True


def test_graphs_in_threads_do_not_disturb_each_other() -> None:
    def train(seed: int) -> list[float]:
        x = tinyseg.tensor(np.arange(1.0, 4.0) * seed, requires_grad=True)
        for _ in range(50):
            (x * x * x).sum().backward()
        return grad_of(x)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(train, range(1, 9)))
    assert found == [[50 * 3 * (v * seed) ** 2 for v in (1.0, 2.0, 3.0)] for seed in range(1, 9)]


def test_requires_grad_() -> None:
    x = tinyseg.ones(2)
    assert x.requires_grad_() is x
    assert x.requires_grad
    assert x.requires_grad_(False) is x
    assert not x.requires_grad
    assert not (x * 2.0).requires_grad
    x.requires_grad = True
    y = x * 2.0
    with pytest.raises(ValueError, match=r"use detach\(\) instead"):
        y.requires_grad_(False)
    with pytest.raises(TypeError, match="only floating types have gradients, this tensor is int64"):
        tinyseg.arange(2).requires_grad_()


def test_detach_shares_memory_and_cuts_the_graph() -> None:
    x = leaf(1.0, 2.0)
    y = x * 3.0
    cut = y.detach()
    assert not cut.requires_grad
    assert np.shares_memory(cut.numpy(), y.detach().numpy())
    (y * cut).sum().backward()
    assert grad_of(x) == [9, 18]  # as if cut were a constant: 3 * 3 x


# The function grad


def test_grad_of_leaves_and_others_touches_nobody_s_grad() -> None:
    x, w = leaf(2.0), leaf(5.0)
    y = x * w
    z = (y * y).sum()
    by_x, by_y, by_w = tinyseg.grad(z, [x, y, w])
    assert by_x is not None
    assert by_y is not None
    assert by_w is not None
    assert (by_x.tolist(), by_y.tolist(), by_w.tolist()) == ([100], [20], [40])
    assert (x.grad, w.grad) == (None, None)


def test_grad_of_several_outputs_is_that_of_their_sum() -> None:
    x = leaf(2.0)
    (found,) = tinyseg.grad([(x * x).sum(), x * 3.0], x, [None, tinyseg.tensor([10.0])])
    assert found is not None
    assert found.tolist() == [34]


def test_grad_of_an_unused_input() -> None:
    x, unused = leaf(2.0), leaf(1.0)
    y = (x * x).sum()
    with pytest.raises(GraphError, match=r"an input of shape \(1,\) was not used"):
        tinyseg.grad(y, [unused], retain_graph=True)
    assert tinyseg.grad(y, [unused], allow_unused=True) == (None,)


def test_grad_of_an_output_by_itself() -> None:
    y = (leaf(2.0) * 3.0).sum()
    (found,) = tinyseg.grad(y, y)
    assert found is not None
    assert found.item() == 1


# Memory


def _grads_share_memory(*tensors: Tensor) -> bool:
    arrays = [t.grad.numpy() for t in tensors if t.grad is not None]
    assert len(arrays) == len(tensors)
    return any(np.shares_memory(a, b) for i, a in enumerate(arrays) for b in arrays[:i])


def test_grad_never_shares_memory() -> None:
    """Neither with another grad, nor with the gradient that was given, nor with a tensor of the graph."""
    a, b, c = (tinyseg.ones(2, 3, requires_grad=True) for _ in range(3))
    given = tinyseg.ones(2, 3)
    (a + b - c.T.T).backward(given)
    assert not _grads_share_memory(a, b, c)
    assert a.grad is not None
    assert not np.shares_memory(a.grad.numpy(), given.numpy())

    x, y = tinyseg.ones(2, 3, requires_grad=True), tinyseg.ones(2, 3, requires_grad=True)
    tinyseg.cat([x, y]).sum().backward()
    assert not _grads_share_memory(x, y)
    for t in (x, y):
        assert t.grad is not None
        t.grad.add_(1.0)  # nor is it one number repeated
        assert (t.grad.numpy() == 2).all()


def test_grad_is_none_of_the_saved_tensors() -> None:
    class Twice(autograd.Op):
        """Its gradient is, if the output's gradient is 1, what it has saved."""

        @staticmethod
        def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
            ctx.save_for_backward(slope)
            return x * slope

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return ctx.saved_tensors[0], None

    x, slope = leaf(1.0, 1.0), tinyseg.tensor([2.0, 3.0])
    Twice.apply(x, slope).sum().backward()
    assert x.grad is not None
    x.grad.zero_()
    assert slope.tolist() == [2, 3]


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _build(x: Tensor) -> tuple[Tensor, list[weakref.ref[Any]]]:
    """A network of most operators that save something; weak references to what they made."""
    weight = tinyseg.rand(4, 3, 3, 3, requires_grad=True)
    made = [F.conv2d(x, weight, padding=1)]
    made.append(F.batch_norm(made[-1], None, None, training=True))
    made.append(F.relu(made[-1]))
    made.append(F.max_pool2d(made[-1], 2))
    made.append(F.dropout(made[-1], 0.5))
    made.append(F.interpolate(made[-1], scale_factor=2, mode="bilinear"))
    made.append((made[-1] * made[-1]).exp().log())
    made.append(tinyseg.cat([made[-1], made[2]], 1)[:, 1:])
    made.append(F.log_softmax(made[-1], 1))
    loss = F.cross_entropy(made[-1], tinyseg.zeros(2, 4, 4, dtype="int64"))
    return loss, [weakref.ref(t.array) for t in made]


@pytest.mark.usefixtures("without_collector")
def test_dropping_the_loss_frees_everything_without_the_collector(device: str) -> None:
    x = tinyseg.rand(2, 3, 4, 4, requires_grad=True)
    loss, arrays = _build(x)
    assert arrays[0]() is not None, "batch norm saves its input"
    assert arrays[1]() is None, "nobody needs its output: relu saves its own"
    assert arrays[2]() is not None
    del loss
    assert [array() for array in arrays] == [None] * len(arrays)


@pytest.mark.usefixtures("without_collector")
def test_backward_frees_what_was_saved(device: str) -> None:
    x = tinyseg.rand(2, 3, 4, 4, requires_grad=True)
    loss, arrays = _build(x)
    loss.backward()
    assert [array() for array in arrays] == [None] * len(arrays), "the graph still holds saved arrays"
    assert loss.node is not None
    assert x.grad is not None


@pytest.mark.usefixtures("without_collector")
def test_an_operator_that_saves_its_output_makes_no_circle() -> None:
    y = leaf(1.0, 2.0).exp()
    node, array = weakref.ref(y.node), weakref.ref(y.array)
    del y
    assert (node(), array()) == (None, None)


def test_ten_thousand_operators() -> None:
    """Forwards, backwards and when it is taken apart again: no recursion."""
    x = leaf(1.0)
    y = x
    for _ in range(10_000):
        y = y + 1.0
    y.sum().backward()
    assert grad_of(x) == [1]
    last = weakref.ref(y.node)
    del y
    assert last() is None


def test_ten_thousand_operators_that_are_never_walked_back() -> None:
    y = leaf(1.0)
    for _ in range(10_000):
        y = (y * 1.0).exp() * 0.1
    first = weakref.ref(y.node)
    del y
    assert first() is None


# Operators of a user's own


class Cube(autograd.Op):
    """x^3."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.save_for_backward(x)
        ctx.scale = scale
        return x * x * x * scale

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        (x,) = ctx.saved_tensors
        return grad * x * x * (3.0 * ctx.scale), None


def test_own_operator(device: str) -> None:
    x = tinyseg.tensor([1.0, -2.0], dtype="float64", requires_grad=True)
    y = Cube.apply(x, 2.0)
    assert y.detach().tolist() == [2, -16]
    assert tinyseg.gradcheck(lambda x: Cube.apply(x * 2.0, 0.5).tanh(), [x])
    y.sum().backward()
    assert grad_of(x) == [6, 24]
    assert "op=Cube" in repr(y)


def test_own_operator_that_hands_its_input_on() -> None:
    """As gradient reversal does: the input itself must stay a leaf."""

    class Reverse(autograd.Op):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Tensor:
            return -grad

    x = leaf(1.0, 2.0)
    y = Reverse.apply(x)
    assert x.is_leaf
    (y * 3.0).sum().backward()
    assert grad_of(x) == [-3, -3]


def _own(answer: Any) -> type[autograd.Op]:
    class Own(autograd.Op):
        @staticmethod
        def forward(ctx: Any, x: Tensor, y: Tensor) -> Tensor:
            return x * y

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return answer(grad)

    return Own


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (lambda g: g, ValueError, "Own.backward returned 1 gradients; forward has 2 inputs"),
        (lambda g: (g, g, g), ValueError, "Own.backward returned 3 gradients; forward has 2 inputs"),
        (lambda g: (g, g.sum()), ValueError, r"gradient of input 1 must be float32 of shape \(2,\).*shape \(\)"),
        (lambda g: (g.double(), g), ValueError, "gradient of input 0 must be float32 .*got float64"),
        (lambda g: (g.to("reference"), g), ValueError, "on 'cpu', got .* on 'reference'"),
        (lambda g: (g, 1.0), TypeError, "gradient of input 1 must be a Tensor, got float"),
    ],
)
def test_own_operator_with_a_wrong_answer_is_named(answer: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        _own(answer).apply(leaf(1.0, 2.0), leaf(1.0, 2.0)).sum().backward()


def test_own_operator_may_leave_a_gradient_out() -> None:
    x, y = leaf(1.0, 2.0), leaf(1.0, 2.0)
    _own(lambda g: (g, None)).apply(x, y).sum().backward()
    assert grad_of(x) == [1, 1]
    assert y.grad is None


def test_own_operator_on_two_devices_is_refused_by_name() -> None:
    with pytest.raises(
        ValueError, match=r"Cube: its inputs are on two devices, 'cpu' and 'reference'; move one with"
    ):
        Cube.apply(tinyseg.ones(2), tinyseg.ones(2, device="reference"))


# The gradient checker: what is right passes, and every kind of mistake does not

WRONG: dict[str, Any] = {
    "twice as large": lambda g: g * 2.0,
    "of the wrong sign": lambda g: -g,
    "one percent off": lambda g: g * 1.01,
    "missing": lambda g: None,
    "zero": lambda g: g * 0.0,
    "in the wrong place": lambda g: g[[1, 0, 2]],
    "wrong in one element": lambda g: g * tinyseg.tensor([1.0, 1.0, 0.9], dtype="float64"),
    "not a number": lambda g: g * float("nan"),
}


def _triple(slope: Any) -> Any:
    class Triple(autograd.Op):
        @staticmethod
        def forward(ctx: Any, x: Tensor) -> Tensor:
            return x * 3.0

        @staticmethod
        def backward(ctx: Any, grad: Tensor) -> Any:
            return slope(grad * 3.0)

    return Triple.apply


def test_gradcheck_accepts_what_is_right(device: str) -> None:
    assert tinyseg.gradcheck(_triple(lambda g: g), [leaf(1.0, 2.0, 3.0, dtype="float64")])
    assert tinyseg.gradcheck(lambda x: (x.exp(), x * x), leaf(1.0, 2.0, dtype="float64"))


@pytest.mark.parametrize("mistake", WRONG)
def test_gradcheck_fails_on_a_gradient_that_is(mistake: str, device: str) -> None:
    x = leaf(1.0, 2.0, 3.0, dtype="float64")
    with pytest.raises(GradcheckError, match=r"gradient of input 0 at .* is .*the difference quotient is"):
        tinyseg.gradcheck(_triple(WRONG[mistake]), [x])
    assert tinyseg.gradcheck(_triple(WRONG[mistake]), [x], raise_exception=False) is False


def test_gradcheck_looks_at_every_input_and_output() -> None:
    x, y = (leaf(1.0, 2.0, 3.0, dtype="float64") for _ in range(2))
    wrong = _triple(lambda g: -g)
    with pytest.raises(GradcheckError, match="gradient of input 1"):
        tinyseg.gradcheck(lambda x, y: x * wrong(y), [x, y])
    with pytest.raises(GradcheckError, match="gradient of input 0"):
        tinyseg.gradcheck(lambda x: (x * 2.0, wrong(x)), [x])


def test_gradcheck_says_where_and_how_much() -> None:
    slope = tinyseg.tensor([1.0, 0.5, 1.0], dtype="float64")
    with pytest.raises(GradcheckError, match=r"input 0 at \(1,\) is .*; 1 of 3 elements are wrong"):
        tinyseg.gradcheck(_triple(lambda g: g * slope), [leaf(1.0, 2.0, 3.0, dtype="float64")])


def test_gradcheck_refuses_what_it_cannot_judge() -> None:
    with pytest.raises(TypeError, match="input 0 is float32; differences need float64"):
        tinyseg.gradcheck(tinyseg.exp, [leaf(1.0)])
    with pytest.raises(ValueError, match="no input requires a gradient"):
        tinyseg.gradcheck(tinyseg.exp, [tinyseg.ones(1, dtype="float64")])
    with pytest.raises(ValueError, match="no tensor of floating type"):
        tinyseg.gradcheck(lambda x: x.argmax(), [leaf(1.0, dtype="float64")])


def test_gradcheck_leaves_inputs_and_grads_alone() -> None:
    x = leaf(1.0, 2.0, dtype="float64")
    tinyseg.gradcheck(lambda x: x * x, [x])
    assert x.detach().tolist() == [1, 2]
    assert x.grad is None


def test_gradients_by_grad_share_no_memory() -> None:
    x, y, w = (tinyseg.ones(3, requires_grad=True) for _ in range(3))
    by_x, by_y = tinyseg.grad(((x + y) * w).sum(), [x, y])
    by_x.mul_(10)
    assert by_y.tolist() == [1.0, 1.0, 1.0]
    (by_x,) = tinyseg.grad(x.sum(), [x])
    assert by_x.mul_(2).tolist() == [2.0, 2.0, 2.0]  # not the repeated view that a sum's gradient is
