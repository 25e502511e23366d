"""Optimisers and schedules: numbers by hand, state, groups; their steps against PyTorch's are in the table."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import tinyseg
from tinyseg import Tensor, optim
from tinyseg.errors import GraphError
from tinyseg.optim import lr_scheduler


def parameter(*values: float) -> Tensor:
    return tinyseg.tensor(list(values), dtype="float64", requires_grad=True)


def give(x: Tensor, *values: float) -> None:
    x.grad = tinyseg.tensor(list(values), dtype="float64")


def values(x: Tensor) -> Any:
    return x.detach().tolist()


# Steps by hand


def test_sgd_with_momentum_by_hand() -> None:
    """v = 2, p = 1 - 0.2; v = 0.5 2 + 4 = 5, p = 0.8 - 0.5; v = 2.5, p = 0.3 - 0.25."""
    x = parameter(1.0)
    optimizer = optim.SGD([x], lr=0.1, momentum=0.5)
    found = []
    for slope in (2.0, 4.0, 0.0):
        give(x, slope)
        optimizer.step()
        found += values(x)
    assert found == pytest.approx([0.8, 0.3, 0.05], rel=1e-14)


def test_first_step_of_adam_has_the_length_of_the_rate() -> None:
    """Whatever the gradient is: m / sqrt(s) = g / |g| after the corrections."""
    x = parameter(1.0, 1.0, 1.0)
    give(x, 1e-3, -50.0, 0.0)
    optim.Adam([x], lr=0.25, eps=0.0 + 1e-30).step()
    assert values(x) == pytest.approx([0.75, 1.25, 1.0], rel=1e-12)


def test_decoupled_decay_does_not_meet_the_gradient() -> None:
    """With a gradient of 0 AdamW only shrinks: 2 (1 - 0.1 0.5); Adam takes the decay for a gradient: 2 - 0.1."""
    shrunk, stepped = parameter(2.0), parameter(2.0)
    for x, kind in ((shrunk, optim.AdamW), (stepped, optim.Adam)):
        give(x, 0.0)
        kind([x], lr=0.1, weight_decay=0.5).step()
    assert values(shrunk) == pytest.approx([1.9], rel=1e-14)
    assert values(stepped) == pytest.approx([1.9], rel=1e-6)
    assert values(stepped) != values(shrunk)


MAKERS: list[Callable[[list[Any]], optim.Optimizer]] = [
    lambda p: optim.SGD(p, lr=0.1),
    lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3),
    lambda p: optim.Adam(p, lr=0.1),
    lambda p: optim.AdamW(p, lr=0.1),
    lambda p: optim.RMSprop(p, lr=0.1, momentum=0.5, centered=True, eps=1e-2),
]
EACH = pytest.mark.parametrize("make", MAKERS)


@EACH
def test_it_goes_down(make: Callable[[list[Any]], optim.Optimizer], device: str) -> None:
    x = tinyseg.tensor([3.0, -2.0], requires_grad=True)
    optimizer = make([x])
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = ((x - tinyseg.tensor([1.0, 1.0])) * tinyseg.tensor([1.0, 2.0])).pow(2).sum()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[0] == 40
    assert losses[-1] < 0.5


@EACH
def test_the_parameter_s_own_memory_is_changed(make: Callable[[list[Any]], optim.Optimizer], device: str) -> None:
    x = tinyseg.ones(2, 3, 4, 5, requires_grad=True)
    memory = x.detach().numpy()
    optimizer = make([x])
    y = (x * x).sum()
    x.grad = tinyseg.ones_like(x)
    optimizer.step()
    assert np.shares_memory(memory, x.detach().numpy())
    assert (memory < 1).all()
    with pytest.raises(GraphError, match="changed in place"):
        y.backward()


@EACH
def test_memory_order_does_not_matter(make: Callable[[list[Any]], optim.Optimizer], device: str) -> None:
    """Parameters and gradients may each lie in memory as they like."""
    p, g = (np.random.default_rng(i).normal(size=(3, 4, 5, 6)) for i in (0, 1))

    def last(array: Any) -> Tensor:
        return tinyseg.tensor(np.ascontiguousarray(array.transpose(0, 2, 3, 1))).permute(0, 3, 1, 2).detach()

    def gaps(array: Any) -> Tensor:
        return tinyseg.tensor(np.repeat(array, 2, 3))[..., ::2].detach()

    found = []
    for make_p, make_g in (
        (tinyseg.tensor, tinyseg.tensor),
        (last, tinyseg.tensor),
        (tinyseg.tensor, last),
        (gaps, last),
    ):
        x = make_p(p).requires_grad_()
        optimizer = make([x])
        for _ in range(2):
            x.grad = make_g(g)
            optimizer.step()
        found.append(x.detach().numpy())
    for other in found[1:]:
        np.testing.assert_allclose(other, found[0], rtol=1e-14, atol=0)


def test_parameters_without_gradient_are_left_alone() -> None:
    x, y = parameter(1.0), parameter(1.0)
    optimizer = optim.Adam([x, y], lr=0.1)
    give(x, 1.0)
    optimizer.step()
    assert values(y) == [1]
    assert values(x) != [1]
    optimizer.zero_grad()
    assert x.grad is None


def test_groups_have_their_own_options() -> None:
    x, y = parameter(1.0), parameter(1.0)
    optimizer = optim.SGD([{"params": [x]}, {"params": [y], "lr": 1.0, "weight_decay": 0.5}], lr=0.1)
    for t in (x, y):
        give(t, 1.0)
    optimizer.step()
    assert (values(x), values(y)) == ([0.9], [-0.5])


@EACH
def test_state_continues_to_the_bit(make: Callable[[list[Any]], optim.Optimizer]) -> None:
    def run(x: Tensor, optimizer: optim.Optimizer, start: int, stop: int) -> None:
        for k in range(start, stop):
            give(x, math.sin(k), math.cos(k))
            optimizer.step()

    x = parameter(1.0, 2.0)
    optimizer = make([x])
    run(x, optimizer, 0, 4)
    saved, weights = optimizer.state_dict(), values(x)
    other = parameter(*weights)
    resumed = make([other])
    resumed.load_state_dict(saved)
    run(other, resumed, 4, 8)
    run(x, optimizer, 4, 8)
    assert values(other) == values(x)


def test_loaded_state_is_a_copy() -> None:
    x = parameter(1.0)
    optimizer = optim.SGD([x], lr=0.1, momentum=0.9)
    give(x, 1.0)
    optimizer.step()
    other = optim.SGD([parameter(1.0)], lr=0.5, momentum=0.9)
    other.load_state_dict(optimizer.state_dict())
    optimizer.step()
    assert other.state[0]["velocity"].tolist() == [1]
    assert other.param_groups[0]["lr"] == 0.1


def test_state_of_other_parameters_is_refused() -> None:
    optimizer = optim.SGD([parameter(1.0)], lr=0.1, momentum=0.9)
    give(optimizer.param_groups[0]["params"][0], 1.0)
    optimizer.step()
    state = optimizer.state_dict()
    with pytest.raises(ValueError, match=r"the state is for groups of \[1\] parameters"):
        optim.SGD([parameter(1.0), parameter(2.0)]).load_state_dict(state)
    with pytest.raises(ValueError, match=r"state of shape \(1,\) for a parameter of shape \(2,\)"):
        optim.SGD([parameter(1.0, 2.0)]).load_state_dict(state)


GROUPS = optim.SGD([tinyseg.zeros(1)], lr=0.1, momentum=0.9).state_dict()["param_groups"]


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([1], "the state must be a table of 'state' and 'param_groups', got a list"),
        ({"state": {}}, "the state must be a table of 'state' and 'param_groups', got a dict"),
        ({"state": [1], "param_groups": GROUPS}, "the state's state must be a table, got a list"),
        ({"state": None, "param_groups": GROUPS}, "the state's state must be a table, got a NoneType"),
        ({"state": {0: [1]}, "param_groups": GROUPS}, "the state of parameter 0 must be a table, got a list"),
        ({"state": {0: {1: 2, "x": 3}}, "param_groups": GROUPS}, r"has the entries \[1, 'x'\], expected"),
        ({"state": {}, "param_groups": 3}, "param_groups must be a list, got a int"),
        ({"state": {}, "param_groups": [3]}, r"param_groups\[0\] must be a table with a list of 'params'"),
        ({"state": {}, "param_groups": [{"params": 3}]}, r"param_groups\[0\] must be a table with a list of"),
        ({"state": {}, "param_groups": [{**GROUPS[0], 7: 1, "x": 1}]}, "the state's options are others: 7, x"),
    ],
)
def test_a_state_of_another_form_is_refused_in_words(state: Any, message: str) -> None:
    optimizer = optim.SGD([parameter(1.0)], lr=0.1, momentum=0.9)
    with pytest.raises(ValueError, match=message):
        optimizer.load_state_dict(state)
    assert optimizer.state_dict()["param_groups"] == GROUPS


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: optim.SGD([]), ValueError, "SGD: got no parameters"),
        (lambda: optim.SGD([parameter(1.0)], lr=-1), ValueError, "lr must not be negative, got -1"),
        (lambda: optim.SGD([parameter(1.0)], lr=math.nan), ValueError, "lr must not be negative, got nan"),
        (lambda: optim.SGD([parameter(1.0)], momentum=-0.5), ValueError, "momentum must not be negative"),
        (lambda: optim.SGD([parameter(1.0)], nesterov=True), ValueError, "nesterov needs a momentum"),
        (lambda: optim.Adam([parameter(1.0)], betas=(0.9, 1.0)), ValueError, r"betas must be in \[0, 1\)"),
        (
            lambda: optim.AdamW([parameter(1.0)], weight_decay=-1),
            ValueError,
            "AdamW: weight_decay must not be negative",
        ),
        (lambda: optim.RMSprop([parameter(1.0)], alpha=1.5), ValueError, r"alpha must be in \[0, 1\]"),
        (lambda: optim.RMSprop([parameter(1.0)], momentum=-1), ValueError, "RMSprop: momentum must not be negative"),
        (lambda: optim.Adam([1.0]), TypeError, "Adam: expected leaf tensors to optimise, got 1.0"),
        (lambda: optim.Adam([parameter(1.0) * 2]), TypeError, "expected leaf tensors"),
    ],
)
def test_what_is_refused(call: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()


# Schedules


def rates(
    schedule: Callable[[optim.Optimizer], lr_scheduler.LRScheduler], steps: int, lr: float = 2.0
) -> list[float]:
    optimizer = optim.SGD([parameter(1.0)], lr=lr)
    made = schedule(optimizer)
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        assert made.get_last_lr() == found[-1:]
        made.step()
    return found


def test_constant() -> None:
    assert rates(lr_scheduler.LRScheduler, 3) == [2, 2, 2]


def test_steps() -> None:
    assert rates(lambda o: lr_scheduler.StepLR(o, 2, gamma=0.5), 6) == [2, 2, 1, 1, 0.5, 0.5]


def test_poly() -> None:
    assert rates(lambda o: lr_scheduler.PolynomialLR(o, 4), 7) == [2, 1.5, 1, 0.5, 0, 0, 0]
    assert rates(lambda o: lr_scheduler.PolynomialLR(o, 10, power=0.9), 6)[5] == pytest.approx(2 * 0.5**0.9)


def test_cosine() -> None:
    wanted = [2, 1 + math.sqrt(0.5), 1, 1 - math.sqrt(0.5), 0, 1 - math.sqrt(0.5)]
    assert rates(lambda o: lr_scheduler.CosineAnnealingLR(o, 4), 6) == pytest.approx(wanted, abs=1e-15)


def test_each_group_keeps_its_own_rate() -> None:
    optimizer = optim.SGD([{"params": [parameter(1.0)]}, {"params": [parameter(1.0)], "lr": 4.0}], lr=2.0)
    schedule = lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    schedule.step()
    assert schedule.get_last_lr() == [1, 2]


def test_a_schedule_resumes() -> None:
    def make() -> tuple[optim.Optimizer, lr_scheduler.LRScheduler]:
        optimizer = optim.SGD([parameter(1.0)], lr=2.0)
        return optimizer, lr_scheduler.PolynomialLR(optimizer, 10, power=0.9)

    optimizer, schedule = make()
    for _ in range(3):
        schedule.step()
    resumed_optimizer, resumed = make()
    resumed_optimizer.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(schedule.state_dict())
    assert resumed.get_last_lr() == schedule.get_last_lr()
    for one in (schedule, resumed):
        one.step()
    assert resumed.get_last_lr() == schedule.get_last_lr() == pytest.approx([2 * 0.6**0.9])


@pytest.mark.parametrize(
    "make",
    [
        lambda o: lr_scheduler.StepLR(o, 0),
        lambda o: lr_scheduler.PolynomialLR(o, 0),
        lambda o: lr_scheduler.CosineAnnealingLR(o, 0),
    ],
)
def test_schedules_take_at_least_one_step(make: Callable[[optim.Optimizer], Any]) -> None:
    with pytest.raises(ValueError, match="must be at least 1, got 0"):
        make(optim.SGD([parameter(1.0)]))


def _torch() -> Any:
    return pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")


SCHEDULES: list[Callable[[Any, Any], Any]] = [
    lambda m, o: m.StepLR(o, 3),
    lambda m, o: m.MultiStepLR(o, [5, 2, 5], gamma=0.5),
    lambda m, o: m.ConstantLR(o),
    lambda m, o: m.LinearLR(o, 0.1, 0.8, total_iters=6),
    lambda m, o: m.ExponentialLR(o, 0.9),
    lambda m, o: m.LambdaLR(o, lambda t: 1 / (1 + t)),
    lambda m, o: m.PolynomialLR(o, 8, power=0.9),
    lambda m, o: m.CosineAnnealingLR(o, 9, eta_min=0.1),
    lambda m, o: m.OneCycleLR(o, 3.0, 12),
    lambda m, o: m.OneCycleLR(o, [3.0, 5.0], 12, pct_start=0.4, three_phase=True),
    lambda m, o: m.OneCycleLR(o, 3.0, 12, anneal_strategy="linear", base_momentum=0.5, pct_start=0.0),
    lambda m, o: m.OneCycleLR(o, 3.0, 12, cycle_momentum=False, div_factor=4, final_div_factor=10),
    lambda m, o: m.SequentialLR(o, [m.LinearLR(o, 0.1, total_iters=4), m.CosineAnnealingLR(o, 8)], [4]),
    lambda m, o: m.SequentialLR(o, [m.ConstantLR(o, 0.5), m.StepLR(o, 2), m.ExponentialLR(o, 0.5)], [3, 7]),
]


@pytest.mark.parametrize("kind", ["SGD", "Adam"])
@pytest.mark.parametrize("make", SCHEDULES)
# PyTorch's SequentialLR calls step(0) of its parts, and tells itself not to.
@pytest.mark.filterwarnings("ignore:The epoch parameter in .scheduler.step.*:UserWarning")
def test_schedules_are_pytorch_s(make: Callable[[Any, Any], Any], kind: str) -> None:
    """Rates and momenta of two groups at every step."""
    torch = _torch()
    options = {"momentum": 0.9} if kind == "SGD" else {}
    found = []
    for module, ones in ((optim, tinyseg.ones), (torch.optim, torch.ones)):
        groups = [{"params": [ones(1, requires_grad=True)]}, {"params": [ones(1, requires_grad=True)], "lr": 4.0}]
        optimizer = getattr(module, kind)(groups, lr=2.0, **options)
        schedule = make(module.lr_scheduler, optimizer)
        rows = []
        for _ in range(12):
            rows += [group["lr"] for group in optimizer.param_groups]
            rows += [group["momentum"] if kind == "SGD" else group["betas"][0] for group in optimizer.param_groups]
            optimizer.step()
            schedule.step()
        found.append(rows)
    assert found[0] == pytest.approx(found[1], rel=1e-12, abs=1e-15)


@pytest.mark.parametrize(
    "options",
    [
        {"patience": 1},
        {"mode": "max", "factor": 0.5, "patience": 2, "threshold": 0.05, "threshold_mode": "abs"},
        {"patience": 0, "cooldown": 2, "min_lr": 0.03, "factor": 0.3},
    ],
)
def test_a_plateau_is_pytorch_s(options: dict[str, Any]) -> None:
    torch = _torch()
    scores = [3.0, 2.0, 2.0, 1.9999, 2.5, 2.5, 2.5, 1.0, 1.0, 1.1, 1.2, 1.3, math.nan, 5.0, 0.5, 0.6, 0.7, 0.8]
    found = []
    for module, ones in ((optim, tinyseg.ones), (torch.optim, torch.ones)):
        optimizer = module.SGD([ones(1, requires_grad=True)], lr=2.0)
        schedule = module.lr_scheduler.ReduceLROnPlateau(optimizer, **options)
        rows = []
        for score in scores:
            schedule.step(score)
            rows.append(optimizer.param_groups[0]["lr"])
        found.append(rows)
    assert len(set(found[0])) > 2
    assert found[0] == pytest.approx(found[1], rel=1e-14)


def test_a_plateau_resumes() -> None:
    def make(lr: float) -> tuple[optim.Optimizer, lr_scheduler.ReduceLROnPlateau]:
        optimizer = optim.SGD([parameter(1.0)], lr=lr)
        return optimizer, lr_scheduler.ReduceLROnPlateau(optimizer, patience=1, cooldown=1)

    _, schedule = make(2.0)
    scores = [3.0, 2.0, 2.5, 2.5, 2.5, 2.5, 2.5, 2.5]
    for score in scores[:4]:
        schedule.step(score)
    _, resumed = make(2.0)
    resumed.load_state_dict(schedule.state_dict())
    for score in scores[4:]:
        schedule.step(score)
        resumed.step(score)
        assert resumed.get_last_lr() == schedule.get_last_lr()
    assert resumed.get_last_lr() == pytest.approx([0.02])


OPTIONS: list[tuple[str, dict[str, Any]]] = [
    ("SGD", {"lr": 0.1}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.3, "weight_decay": 0.01}),
    ("SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01}),
    ("Adam", {"lr": 0.1, "weight_decay": 0.01}),
    ("AdamW", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.1}),
    ("RMSprop", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.01, "centered": True}),
]


@pytest.mark.parametrize(("kind", "options"), OPTIONS)
def test_thirty_steps_are_pytorch_s(kind: str, options: dict[str, Any], device: str) -> None:
    """Several parameters in two groups; one of them has no gradient at first, so that its steps lag behind."""
    torch = _torch()
    rng = np.random.default_rng(5)
    shapes = [(3, 4), (7,), (2, 3, 5, 5), ()]
    start = [rng.normal(size=shape) for shape in shapes]
    slopes = [[rng.normal(size=shape) for shape in shapes] for _ in range(30)]

    def run(optimizers: Any, tensor: Callable[..., Any]) -> list[list[Any]]:
        xs = [tensor(x).requires_grad_() for x in start]
        groups = [{"params": xs[:2]}, {"params": xs[2:], "lr": 0.05, "weight_decay": 0.0}]
        optimizer = getattr(optimizers, kind)(groups, **options)
        found = []
        for step, gradients in enumerate(slopes):
            for number, (x, g) in enumerate(zip(xs, gradients, strict=True)):
                x.grad = None if number == 1 and step < 4 else tensor(g)
            optimizer.step()
            found.append([x.detach().numpy().copy() for x in xs])
        return found

    wanted = run(torch.optim, torch.tensor)
    for ours, theirs in zip(run(optim, tinyseg.tensor), wanted, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, 0), "total_steps must be at least 1, got 0"),
        (lambda o: lr_scheduler.OneCycleLR(o, 1.0, 5), "has no momentum to change"),
        (lambda o: lr_scheduler.OneCycleLR(o, [1.0, 2.0], 5, cycle_momentum=False), "2 rates in max_lr for 1 groups"),
        (lambda o: lr_scheduler.LinearLR(o, start_factor=0.0), r"start_factor must be in \(0, 1\]"),
        (lambda o: lr_scheduler.SequentialLR(o, [lr_scheduler.LRScheduler(o)], [3]), "need 0 milestones"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, factor=1.0), "factor must be less than 1"),
        (lambda o: lr_scheduler.ReduceLROnPlateau(o, mode="most"), "mode must be 'min' or 'max'"),
        (lambda o: lr_scheduler.LRScheduler(o).load_state_dict({"base_lrs": []}), "for 0 groups of parameters"),
    ],
)
def test_schedules_refuse(make: Callable[[Any], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(optim.RMSprop([parameter(1.0)]) if "momentum" not in message else _Without([parameter(1.0)]))


class _Without(optim.Optimizer):
    """An optimiser that knows no momentum."""

    def __init__(self, params: list[Any]) -> None:
        super().__init__(params, {"lr": 1.0, "weight_decay": 0.0})


def test_a_cycle_has_an_end() -> None:
    schedule = lr_scheduler.OneCycleLR(optim.SGD([parameter(1.0)], momentum=0.9), 1.0, 3)
    for _ in range(3):
        schedule.step()
    with pytest.raises(ValueError, match="step 4 of a schedule of 3 steps"):
        schedule.step()


def test_a_parameter_that_is_given_twice_is_refused() -> None:
    x = tinyseg.ones(2, requires_grad=True)
    with pytest.raises(ValueError, match="SGD: a parameter is given twice"):
        tinyseg.optim.SGD([x, x], lr=0.1)


@pytest.mark.parametrize(
    ("gradient", "error", "message"),
    [
        (tinyseg.ones(100), ValueError, r"the gradient has shape \(100,\) but the tensor has shape \(2,\)"),
        (tinyseg.ones(1), ValueError, r"shape \(1,\)"),
        (tinyseg.ones(1, 2), ValueError, r"shape \(1, 2\)"),
        (tinyseg.tensor([1.0, 2.0], dtype="float64"), TypeError, r"is float64 but the tensor is float32; cast it"),
        (tinyseg.tensor([1, 2]), TypeError, "is int64"),
        (np.ones(2, np.float32), TypeError, "expected a Tensor or None, got ndarray"),
        (1.0, TypeError, "got float"),
        (tinyseg.ones(2, device="reference"), ValueError, "is on 'reference' but the tensor is on 'cpu'"),
    ],
    ids=["100", "1", "1x2", "float64", "int64", "array", "number", "device"],
)
def test_a_gradient_that_does_not_fit_is_refused(gradient: Any, error: type[Exception], message: str) -> None:
    """An optimiser reads it as it reads the parameter: of another shape or type it would be memory beyond its end."""
    x = tinyseg.zeros(2, requires_grad=True)
    with pytest.raises(error, match=message):
        x.grad = gradient
    assert x.grad is None
    x.grad = tinyseg.tensor([1.0, 2.0])
    optim.SGD([x], lr=0.5).step()
    assert x.tolist() == [-0.5, -1.0]
    x.grad = None
