"""Every operator on both backends, driven by the table in ``op_cases/``."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_cases import BAD_CALLS, CASES, TINYSEG, Array, BadCall, Case, spread
from op_checks import (
    LAYOUTS,
    assert_close,
    assert_unchanged,
    check_value,
    gradients,
    in_layout,
    kernels_called,
    outputs,
    tensors,
    tolerance,
)

import tinyseg
from tinyseg import Tensor
from tinyseg.nn import functional as F
from tinyseg.op_calls import CALLS
from tinyseg_kernels import spec

DEVICES = ("reference", "cpu")
BY_NAME = pytest.mark.parametrize("case", CASES, ids=str)
WITH_GRADIENT = pytest.mark.parametrize("case", [case for case in CASES if case.gradient], ids=str)
WITH_BATCH = pytest.mark.parametrize("case", [case for case in CASES if case.batch], ids=str)


@BY_NAME
def test_value(case: Case) -> None:
    check_value(case, DEVICES)


@WITH_GRADIENT
def test_gradient_against_differences(case: Case) -> None:
    """The reference's element by element; the CPU's, which are compared with those below, along random directions d:
    f(x + s d) by the number s.
    """
    tinyseg.set_default_device("reference")
    inputs = tensors(case.arrays("float64"), gradient=True)
    assert tinyseg.gradcheck(lambda *given: case.function(TINYSEG, *given), inputs)
    tinyseg.set_default_device("cpu")
    inputs = tensors(case.arrays("float64"), gradient=False)
    for place, x in enumerate(inputs):
        if x.is_floating_point:
            direction = tinyseg.tensor(spread(*x.shape, seed=20 + place))
            step = tinyseg.zeros((), dtype="float64", requires_grad=True)

            def along(s: Tensor, place: int = place, d: Tensor = direction, inputs: Any = inputs) -> Any:
                return case.function(TINYSEG, *(x + s * d if i == place else x for i, x in enumerate(inputs)))

            assert tinyseg.gradcheck(along, [step])


@WITH_GRADIENT
def test_gradient_of_cpu_equals_the_reference(case: Case) -> None:
    for dtype in case.dtypes:
        found = {}
        for device in DEVICES:
            tinyseg.set_default_device(device)
            arrays = case.arrays(dtype)
            inputs = tensors(arrays, gradient=True)
            found[device] = gradients(case, inputs)
            assert_unchanged(inputs, arrays, f"{case} on {device}, backwards")
        for by_cpu, by_reference in zip(found["cpu"], found["reference"], strict=True):
            assert by_cpu.dtype == by_reference.dtype == dtype
            # The gradient's own sums are longer than the value's; so is the error of a float32.
            assert_close(by_cpu, by_reference, 3 * tolerance(case, dtype), f"{case} in {dtype}")


# --- Memory


@BY_NAME
def test_any_layout(case: Case) -> None:
    """Values and gradients do not depend on how inputs, and the gradients of outputs, lie in memory."""
    dtype = case.dtypes[0]
    arrays, wanted = case.arrays(dtype), case.wanted(dtype)
    for device in DEVICES:
        tinyseg.set_default_device(device)
        plain = gradients(case, tensors(arrays, True)) if case.gradient else []
        for layout in LAYOUTS:
            make, where = in_layout(layout), f"{case}, {layout}, on {device}"
            for y, answer in zip(outputs(case, tensors(arrays, False, make)), wanted, strict=True):
                assert_close(y.numpy(), answer, tolerance(case, dtype), where)
            strided = gradients(case, tensors(arrays, True, make), make) if case.gradient else []
            for one, other in zip(strided, plain, strict=True):
                assert_close(one, other, 3 * tolerance(case, dtype), f"gradient: {where}")


@WITH_BATCH
def test_no_images(case: Case) -> None:
    """A batch of 0 goes through, forwards and backwards; a weight's gradient is then 0."""
    dtype = case.dtypes[0]
    arrays = [x[:0] if i in case.batch else x for i, x in enumerate(case.arrays(dtype))]
    for device in DEVICES:
        tinyseg.set_default_device(device)
        inputs = tensors(arrays, case.gradient)
        for y, answer in zip(outputs(case, inputs), case.wanted(dtype), strict=True):
            assert y.shape == ((0, *answer.shape[1:]) if answer.ndim else ())
        for i, (x, gradient) in enumerate(zip(inputs, _all_gradients(case, inputs), strict=True)):
            assert (gradient is not None) == x.requires_grad
            if gradient is not None:
                assert gradient.shape == x.shape
                assert i in case.batch or not gradient.numpy().any()


def _all_gradients(case: Case, inputs: list[Tensor]) -> list[Tensor | None]:
    results = [y for y in outputs(case, inputs) if y.requires_grad]
    weights = [tinyseg.ones_like(y) for y in results]
    return [
        tinyseg.grad(results, [x], weights, retain_graph=True, allow_unused=True)[0] if x.requires_grad else None
        for x in inputs
    ]


def _one_pixel(case: Case) -> list[Array]:
    """The inputs with images, and kernels, cut to their first pixel."""
    return [np.ascontiguousarray(x[..., :1, :1]) if x.ndim > 2 else x for x in case.arrays("float64")]


def _takes_one_pixel(case: Case) -> bool:
    """Not where windows or indices reach further."""
    try:
        outputs(case, tensors(_one_pixel(case), gradient=False))
    except (ValueError, IndexError):
        return False
    return True


@pytest.mark.parametrize("case", [case for case in CASES if any(x.ndim > 2 for x in case.inputs)], ids=str)
def test_one_pixel(case: Case) -> None:
    """The backends agree where an image has a single pixel, in values and gradients."""
    tinyseg.set_default_device("reference")
    if not _takes_one_pixel(case):
        return
    found: dict[str, list[Array]] = {}
    for device in DEVICES:
        tinyseg.set_default_device(device)
        found[device] = [y.numpy() for y in outputs(case, tensors(_one_pixel(case), gradient=False))]
        if case.gradient:
            found[device] += gradients(case, tensors(_one_pixel(case), gradient=True))
    for by_cpu, by_reference in zip(found["cpu"], found["reference"], strict=True):
        assert_close(by_cpu, by_reference, 1e-12, str(case))


# --- Gradients in a graph


@WITH_GRADIENT
def test_gradient_of_inputs_that_are_not_leaves_and_used_twice(case: Case) -> None:
    """f(1 x) + f(1 x), backwards twice: four times the gradient of f(x), added up in the leaf."""
    dtype = case.dtypes[-1]
    for device in DEVICES:
        tinyseg.set_default_device(device)
        once = gradients(case, tensors(case.arrays(dtype), True))
        leaves = tensors(case.arrays(dtype), True)
        given = [x * 1.0 if x.requires_grad else x for x in leaves]
        loss = tinyseg.zeros((), dtype=dtype)
        for y in outputs(case, given) + outputs(case, given):
            if y.is_floating_point:
                loss = loss + (y * tinyseg.tensor(np.asarray(spread(*y.shape, seed=11), dtype))).sum()
        loss.backward(retain_graph=True)
        loss.backward()
        for x, gradient in zip([x for x in leaves if x.requires_grad], once, strict=True):
            assert x.grad is not None
            assert (x.grad.shape, x.grad.dtype, x.grad.device) == (x.shape, x.dtype, device)
            assert_close(x.grad.numpy(), 4 * gradient, 1e-11, f"{case} on {device}")


@WITH_GRADIENT
def test_gradient_of_what_was_broadcast(case: Case) -> None:
    """A number that is added to every element of an input gets the sum of their gradients."""
    dtype = case.dtypes[-1]
    for device in DEVICES:
        tinyseg.set_default_device(device)
        plain = gradients(case, tensors(case.arrays(dtype), True))
        numbers = [tinyseg.zeros((), dtype=dtype, requires_grad=True) for _ in plain]
        remaining = iter(numbers)
        given = [x + next(remaining) if x.is_floating_point else x for x in tensors(case.arrays(dtype), False)]
        results = [y for y in outputs(case, given) if y.is_floating_point]
        weights = [tinyseg.tensor(np.asarray(spread(*y.shape, seed=11), dtype)) for y in results]
        for found, whole in zip(tinyseg.grad(results, numbers, weights), plain, strict=True):
            assert found is not None
            assert found.item() == pytest.approx(whole.sum(), rel=1e-9, abs=1e-9 * max(1, np.abs(whole).sum()))


# --- The table itself


def test_names_are_unique() -> None:
    names = [case.name for case in CASES]
    assert len(set(names)) == len(names)


NO_IMAGES = {"linear"}  # of rows of features: an image of one pixel is nothing special


def test_every_function_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its gradient if it has one, a batch of 0 and an image of one pixel."""
    used: set[str] = set()

    class Recorder:
        def __getattr__(self, name: str) -> Any:
            used.add(name)
            return getattr(F, name)

    monkeypatch.setattr(TINYSEG, "F", Recorder())
    tinyseg.set_default_device("reference")
    rows: dict[str, list[Case]] = {name: [] for name in F.__all__}
    for case in CASES:
        used.clear()
        outputs(case, tensors(case.arrays("float64"), gradient=False))
        for name in used:
            rows[name].append(case)
    missing = {
        f"{name}: no row {what}"
        for name, found in rows.items()
        for what, has in (
            ("with a gradient", name not in CALLS or any(case.gradient for case in found)),
            ("whose batch may be 0", any(case.batch for case in found)),
            ("of one pixel", name in NO_IMAGES or any(map(_takes_one_pixel, found))),
        )
        if not has
    }
    assert not missing


def test_every_kernel_is_in_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    called = set().union(*kernels_called(CASES, monkeypatch).values())
    settings = {"empty_cache", "set_conv_algorithm"}  # they compute nothing; see test_conv_algorithms.py
    device = {name for name, kernel in spec.KERNELS.items() if kernel.stem == "device"}
    assert set(spec.KERNELS) - called - device == settings


# --- NaN, infinity, ties


def test_relu_lets_nan_through(device: str) -> None:
    x = tinyseg.tensor([np.nan, -np.inf, np.inf, -1.0, 2.0])
    np.testing.assert_array_equal(x.relu().numpy(), [np.nan, 0, np.inf, 0, 2])


@pytest.mark.parametrize("channels", [1, 17])
def test_max_pool_over_nan(device: str, channels: int) -> None:
    """A window with NaN gives NaN and its place, the first NaN's if there are more."""
    plane = np.array([[1, np.nan, 5, 6], [2, 3, 7, 4], [np.nan, 1, -np.inf, -np.inf], [np.nan, 9, -np.inf, -np.inf]])
    x = tinyseg.tensor(np.broadcast_to(plane, (1, channels, 4, 4)).copy())
    values, places = F.max_pool2d(x, 2, return_indices=True)
    for c in range(channels):
        np.testing.assert_array_equal(values.numpy()[0, c], [[np.nan, 7], [np.nan, -np.inf]])
        np.testing.assert_array_equal(places.numpy()[0, c], [[1, 6], [8, 10]])


def test_max_pool_ties_go_to_the_first(device: str) -> None:
    x = tinyseg.ones(1, 2, 4, 4, requires_grad=True)
    values, places = F.max_pool2d(x, 2, return_indices=True)
    np.testing.assert_array_equal(places.numpy()[0, 1], [[0, 2], [8, 10]])
    values.sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], [[1, 0, 1, 0], [0, 0, 0, 0], [1, 0, 1, 0], [0, 0, 0, 0]])


def test_gradient_of_overlapping_pooling_adds(device: str) -> None:
    x = tinyseg.tensor([[[[0.0, 1, 0], [0, 9, 0], [0, 1, 0]]]], requires_grad=True)
    F.max_pool2d(x, 2, stride=1).sum().backward()
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], [[0, 0, 0], [0, 4, 0], [0, 0, 0]])


def test_unpooling_assigns_the_last(device: str) -> None:
    places = tinyseg.tensor([[[[3, 3], [3, 0]]]])
    x = tinyseg.tensor([[[[1.0, 2], [5, 4]]]], requires_grad=True)
    y = F.max_unpool2d(x, places, 1)
    np.testing.assert_array_equal(y.detach().numpy()[0, 0], [[4, 0], [0, 5]])
    y.backward(tinyseg.tensor([[[[10.0, 20], [30, 40]]]]))
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy()[0, 0], [[0, 0], [40, 10]])


def test_ties_of_amax_and_maximum_share_the_gradient(device: str) -> None:
    x = tinyseg.tensor([3.0, 1.0, 3.0], requires_grad=True)
    x.amax().backward()
    y = tinyseg.tensor([3.0, 0.0, 4.0], requires_grad=True)
    tinyseg.maximum(x.detach(), y).sum().backward()
    assert x.grad is not None
    assert y.grad is not None
    assert x.grad.tolist() == [0.5, 0, 0.5]
    assert y.grad.tolist() == [0.5, 0, 1]


def test_max_along_a_dimension_gives_the_gradient_to_the_first(device: str) -> None:
    x = tinyseg.tensor([[3.0, 1.0, 3.0]], requires_grad=True)
    values, indices = x.max(1)
    values.sum().backward()
    assert indices.tolist() == [0]
    assert x.grad is not None
    assert x.grad.tolist() == [[1, 0, 0]]


@pytest.mark.parametrize(("name", "first"), [("max", 1), ("min", 1)])
def test_nan_is_found_by_reductions(device: str, name: str, first: int) -> None:
    x = tinyseg.tensor([[1.0, np.nan, 5.0, np.nan], [1.0, 2.0, -3.0, 2.0]])
    values, indices = getattr(x, name)(1)
    assert np.isnan(values.numpy()[0])
    assert indices.tolist() == [first, 1 if name == "max" else 2]
    assert np.isnan(getattr(x, f"a{name}")().item())
    assert np.isnan(x.sum().item())


@pytest.mark.parametrize("name", ["maximum", "minimum"])
def test_nan_wins_over_both_operands(device: str, name: str) -> None:
    a, b = tinyseg.tensor([np.nan, 1.0, 2.0]), tinyseg.tensor([1.0, np.nan, 3.0])
    found = getattr(tinyseg, name)(a, b).numpy()
    np.testing.assert_array_equal(found, [np.nan, np.nan, 3 if name == "maximum" else 2])


def test_nan_passes_through_a_convolution_only_where_it_is_seen(device: str) -> None:
    x = np.zeros((1, 2, 5, 5), np.float32)
    x[0, 1, 0, 0] = np.nan
    y = F.conv2d(tinyseg.tensor(x), tinyseg.ones(3, 2, 3, 3), padding=1).numpy()
    seen = np.zeros((5, 5), bool)
    seen[:2, :2] = True
    for plane in y[0]:
        np.testing.assert_array_equal(np.isnan(plane), seen)


def test_nan_stays_where_it_is_when_a_size_is_kept(device: str) -> None:
    """The neighbours' weights are 0 there, and 0 times NaN would be NaN; forwards and backwards."""
    rows = np.array([[1.0, 2.0, np.nan, 4.0], [5.0, 6.0, 7.0, 8.0]])
    x = tinyseg.tensor(rows.reshape(1, 1, 2, 4), requires_grad=True)
    y = F.interpolate(x, (4, 4), mode="bilinear")
    np.testing.assert_array_equal(np.isnan(y.detach().numpy()[0, 0]), np.isnan(rows[[0, 0, 0, 1]]))
    grad = np.ones((1, 1, 4, 4))
    grad[0, 0, 0, 1] = np.nan
    y.backward(tinyseg.tensor(grad))
    assert x.grad is not None
    np.testing.assert_array_equal(np.isnan(x.grad.numpy()[0, 0]), [[False, True, False, False], [False] * 4])


def test_ignored_pixels_count_nothing_whatever_they_hold(device: str) -> None:
    logits = tinyseg.tensor([[[[np.nan, 1.0]], [[np.inf, 3.0]]]], requires_grad=True)
    target = tinyseg.tensor([[[255, 1]]])
    loss = F.cross_entropy(logits, target, ignore_index=255)
    loss.backward()
    assert loss.item() == pytest.approx(np.log1p(np.exp(-2.0)), rel=1e-6)
    assert logits.grad is not None
    assert logits.grad.numpy()[0, :, 0, 0].tolist() == [0, 0]


def test_a_mean_over_no_pixel_is_nan(device: str) -> None:
    target = tinyseg.full((1, 2, 2), 255)
    assert np.isnan(F.cross_entropy(tinyseg.zeros(1, 3, 2, 2), target, ignore_index=255).item())
    assert np.isnan(tinyseg.zeros(0, 3).mean().item())


def test_slope_of_a_power_at_zero(device: str) -> None:
    """d(a ** 0) = 0 also where a = 0; so is the exponent's slope there, though log 0 is not finite."""
    base = tinyseg.tensor([0.0, 0.0, 2.0], requires_grad=True)
    exponent = tinyseg.tensor([0.0, 2.0, 0.0], requires_grad=True)
    (base**exponent).sum().backward()
    assert base.grad is not None
    assert exponent.grad is not None
    assert base.grad.tolist() == [0, 0, 0]
    assert exponent.grad.tolist() == pytest.approx([0, 0, np.log(2.0)])


def test_the_lowest_integer_by_minus_one_is_no_trap(device: str) -> None:
    """Its quotient does not fit, which some processors punish with a signal; it wraps, as NumPy's does."""
    x = tinyseg.tensor([-(2**63), 5])
    assert (x // -1).tolist() == [-(2**63), -5]
    assert (x % -1).tolist() == [0, 0]


# --- Calls that must be refused


@pytest.mark.parametrize("call", BAD_CALLS, ids=str)
def test_bad_call_is_refused(call: BadCall) -> None:
    for device in DEVICES:
        tinyseg.set_default_device(device)
        with pytest.raises(call.error, match=re.escape(call.message)) as caught:
            call.call()
        assert type(caught.value) is call.error, "another kind of mistake"


def _who_refuses(call: BadCall) -> str:
    try:
        call.call()
    except call.error as error:
        return str(error).split(":")[0]
    return "nobody"


def test_every_family_of_functions_has_bad_calls() -> None:
    """Five at least; a call's function is what its message starts with."""
    counts = {getattr(F, name).__module__: 0 for name in F.__all__}
    for call in BAD_CALLS:
        name = _who_refuses(call)
        if name in F.__all__:
            counts[getattr(F, name).__module__] += 1
    few = {module: count for module, count in counts.items() if count < 5 and module.startswith(F.__name__)}
    assert not few


def test_bad_calls_have_unique_names() -> None:
    names = [call.name for call in BAD_CALLS]
    assert len(set(names)) == len(names)


MIXED: dict[str, Callable[[Tensor, Tensor], Any]] = {
    "add": lambda a, b: a + b,
    "equal": lambda a, b: a == b,
    "maximum": tinyseg.maximum,
    "where": lambda a, b: tinyseg.where(a > 0, 1.0, b),
    "matmul": lambda a, b: a.reshape(2, 48) @ b.reshape(48, 2),
    "cat": lambda a, b: tinyseg.cat([a, b]),
    "add_": lambda a, b: a.add_(b),
    "clamp": lambda a, b: a.clamp(b, None),
    "masked_fill": lambda a, b: a.masked_fill(b > 0, 1.0),
    "scatter_add": lambda a, b: a.scatter_add(0, a.long(), b),
    "einsum": lambda a, b: tinyseg.einsum("abcd,abcd", a, b),
    "conv2d": lambda a, b: F.conv2d(a, b),
    "batch_norm": lambda a, b: F.batch_norm(a, None, None, b[0, :, 0, 0], training=True),
    "cross_entropy": lambda a, b: F.cross_entropy(a, b[:, 0].long()),
    "gather": lambda a, b: a.gather(0, b.long()),
    "backward": lambda a, b: (a * 1.0).requires_grad_().backward(b),
}


@pytest.mark.parametrize("name", MIXED)
def test_two_devices_do_not_mix(name: str) -> None:
    a, b = tinyseg.zeros(2, 3, 4, 4, device="cpu"), tinyseg.zeros(2, 3, 4, 4, device="reference")
    for pair in ((a, b), (b, a)):
        with pytest.raises(ValueError, match=r"'cpu'.*'reference'|'reference'.*'cpu'"):
            MIXED[name](*pair)


def test_copies_between_devices_are_asked_for_by_name() -> None:
    x = tinyseg.tensor([1.0, 2.0], device="reference", requires_grad=True)
    y = x.to("cpu")
    assert (y.device, y.tolist()) == ("cpu", [1, 2])
    (y * 3.0).sum().backward()
    assert x.grad is not None
    assert (x.grad.device, x.grad.tolist()) == ("reference", [3, 3])
    other = tinyseg.zeros(2, device="cpu").copy_(x.detach())
    assert (other.device, other.tolist()) == ("cpu", [1, 2])
