"""Tensors: made, cast, indexed, changed in place, printed; types that promote and types that refuse to."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import hypothesis.extra.numpy as npst
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import tinyseg
from tinyseg import Tensor
from tinyseg.errors import GraphError
from tinyseg.nn import functional as F

# Creation


@pytest.mark.parametrize(
    ("data", "dtype"),
    [
        (1.5, np.float32),
        ([1, 2], np.int64),
        ([1, 2.5], np.float32),
        ([True, False], np.bool_),
        ([], np.float32),
        (np.float64(1), np.float64),
        (np.zeros(2, np.uint8), np.uint8),
        (np.zeros((2, 0), np.int32), np.int32),
        (range(3), np.int64),
    ],
)
def test_type_of_what_is_given(data: Any, dtype: Any, device: str) -> None:
    x = tinyseg.tensor(data)
    assert (x.dtype, x.device, x.requires_grad, x.is_leaf) == (dtype, device, False, True)
    np.testing.assert_array_equal(x.numpy(), np.asarray(data))


def test_tensor_copies_what_it_is_given(device: str) -> None:
    array = np.ones(3)
    x = tinyseg.tensor(array)
    y = tinyseg.tensor(x)
    array[:] = 5
    x.add_(1.0)
    assert (x.tolist(), y.tolist()) == ([2, 2, 2], [1, 1, 1])


@pytest.mark.parametrize(
    "data", [np.zeros(2, np.float16), np.zeros(2, complex), [None], "abc", np.zeros(1, np.uint64)]
)
def test_types_that_tensors_cannot_have(data: Any) -> None:
    with pytest.raises(TypeError, match="is not supported; there are float32, float64, int32, int64, uint8, bool"):
        tinyseg.tensor(data)


def test_an_array_does_not_know_tensors() -> None:
    with pytest.raises(TypeError):
        np.ones(2) * tinyseg.ones(2)


def test_unknown_devices() -> None:
    for call in (lambda: tinyseg.ones(1, device="gpu"), lambda: tinyseg.set_default_device("gpu")):
        with pytest.raises(ValueError, match="expected one of 'cpu', 'reference', 'cuda', got 'gpu'"):
            call()


def test_default_device() -> None:
    tinyseg.set_default_device("reference")
    made = [tinyseg.ones(1), tinyseg.rand(1), tinyseg.arange(1), tinyseg.tensor([1.0]), tinyseg.full(1, 2.0)]
    assert {x.device for x in made} == {"reference"}
    assert tinyseg.ones_like(tinyseg.ones(1, device="cpu")).device == "cpu"


@pytest.mark.parametrize(
    ("made", "values", "dtype"),
    [
        (lambda: tinyseg.zeros(2, 3), np.zeros((2, 3)), np.float32),
        (lambda: tinyseg.zeros((2, 3), dtype="uint8"), np.zeros((2, 3)), np.uint8),
        (lambda: tinyseg.ones(()), np.ones(()), np.float32),
        (lambda: tinyseg.ones(0, 2), np.ones((0, 2)), np.float32),
        (lambda: tinyseg.full((2,), 7), np.full(2, 7), np.int64),
        (lambda: tinyseg.full(2, 7.5), np.full(2, 7.5), np.float32),
        (lambda: tinyseg.full((2,), True), np.full(2, True), np.bool_),
        (lambda: tinyseg.full((2,), np.int64(7)), np.full(2, 7), np.int64),
        (lambda: tinyseg.full((), 1, dtype="float64"), np.ones(()), np.float64),
        (lambda: tinyseg.arange(5), [0, 1, 2, 3, 4], np.int64),
        (lambda: tinyseg.arange(2, 9, 3), [2, 5, 8], np.int64),
        (lambda: tinyseg.arange(3, 0, -1), [3, 2, 1], np.int64),
        (lambda: tinyseg.arange(np.int64(3)), [0, 1, 2], np.int64),
        (lambda: tinyseg.arange(0, 1, 0.25), [0, 0.25, 0.5, 0.75], np.float32),
        (lambda: tinyseg.arange(2, dtype="float64"), [0, 1], np.float64),
        (lambda: tinyseg.zeros_like(tinyseg.arange(3)), [0, 0, 0], np.int64),
        (lambda: tinyseg.ones_like(tinyseg.arange(3), dtype="float32"), [1, 1, 1], np.float32),
        (lambda: tinyseg.full_like(tinyseg.zeros(2), 4), [4, 4], np.float32),
    ],
)
def test_constants_and_ranges(made: Callable[[], Tensor], values: Any, dtype: Any, device: str) -> None:
    x = made()
    assert (x.dtype, x.device) == (dtype, device)
    np.testing.assert_array_equal(x.numpy(), values)


def test_random_tensors(device: str) -> None:
    for x in (tinyseg.rand(3, 4), tinyseg.randn(3, 4), tinyseg.rand_like(tinyseg.zeros(3, 4))):
        assert (x.shape, x.dtype, x.device) == ((3, 4), np.float32, device)
        assert len(np.unique(x.numpy())) == 12
    assert tinyseg.randn_like(tinyseg.zeros(3, dtype="float64")).dtype == np.float64
    assert tinyseg.rand(2, requires_grad=True).requires_grad


# Types


def test_python_numbers_take_the_tensor_s_type(device: str) -> None:
    for dtype in ("float32", "float64"):
        x = tinyseg.ones(2, dtype=dtype)
        for y in (x + 1, 1 + x, x * 2.5, 2 / x, x**2, 2**x, x - True, tinyseg.maximum(x, 0.5)):
            assert y.dtype == dtype


@pytest.mark.parametrize(
    ("left", "right", "result"),
    [
        ("int64", "float32", "float32"),
        ("float64", "int32", "float64"),
        ("bool", "float32", "float32"),
        ("int32", "int64", "int64"),
        ("uint8", "int32", "int32"),
        ("bool", "bool", "int64"),
        ("bool", "uint8", "int64"),
    ],
)
def test_promotion_of_two_tensors(left: str, right: str, result: str, device: str) -> None:
    a, b = tinyseg.ones(2, dtype=left), tinyseg.ones(2, dtype=right)
    for y in (a + b, b + a, a * b):
        assert y.dtype == result
    assert (a + b).tolist() == [2, 2]


def test_an_integer_tensor_and_a_float_number(device: str) -> None:
    x = tinyseg.arange(3)
    assert ((x + 1).dtype, (x + 0.5).dtype, (x / 2).dtype, x.exp().dtype) == ("int64", *["float32"] * 3)
    assert ((x + 0.5).tolist(), (x / 2).tolist()) == ([0.5, 1.5, 2.5], [0, 0.5, 1])
    assert (x > 0.5).tolist() == [False, True, True]


def test_two_float_types_never_mix() -> None:
    a, b = tinyseg.ones(2), tinyseg.ones(2, dtype="float64")
    for call in (lambda: a + b, lambda: b * a, lambda: a < b, lambda: tinyseg.cat([a, b]), lambda: a.add_(b)):
        with pytest.raises(TypeError, match=r"types differ: .*convert one with .to\(\)"):
            call()


@pytest.mark.parametrize("target", ["float32", "float64", "int32", "int64", "uint8", "bool"])
def test_casts(target: str, device: str) -> None:
    values = np.array([0.0, 1.7, 2.0, 200.9])
    for source in ("float32", "float64", "int64"):
        given = values.astype(source)
        x = tinyseg.tensor(given)
        assert x.to(target).dtype == target
        np.testing.assert_array_equal(x.to(target).numpy(), given.astype(target))
    assert x.to(x.dtype) is x


def test_methods_that_cast() -> None:
    x = tinyseg.tensor([0.0, 1.9])
    made = {"float": x.float(), "double": x.double(), "long": x.long(), "int": x.int(), "bool": x.bool()}
    assert [str(y.dtype) for y in made.values()] == ["float32", "float64", "int64", "int32", "bool"]


def test_to_takes_a_type_and_a_device_in_either_order() -> None:
    x = tinyseg.ones(2)
    for moved in (
        x.to("reference", "float64"),
        x.to("float64", "reference"),
        x.to(dtype="float64", device="reference"),
        x.to(tinyseg.zeros(1, dtype="float64", device="reference")),
    ):
        assert (moved.dtype, moved.device) == (np.float64, "reference")
    assert x.to("cpu") is x.to("cpu:0") is x.to(None) is x
    layer = tinyseg.nn.Linear(1, 1).to("reference", "float64")
    assert (layer.weight.dtype, layer.weight.device) == (np.float64, "reference")


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (("mps",), ValueError, "device: expected one of 'cpu', 'reference', 'cuda', got 'mps'"),
        (
            ("gpu",),
            TypeError,
            "'gpu' is no type and no device; devices are 'cpu', 'reference', 'cuda', types are float32",
        ),
        (("cpu", "reference"), ValueError, "expected a type and a device, got two devices, 'cpu' and 'reference'"),
        (("float32", 0), ValueError, "device: expected one of 'cpu', 'reference', 'cuda', got 0"),
    ],
)
def test_a_device_that_is_none_is_called_so(given: Any, error: type[Exception], message: str) -> None:
    for place in (tinyseg.ones(1), tinyseg.nn.Linear(1, 1)):
        with pytest.raises(error, match=message):
            place.to(*given)


def test_a_network_is_not_cast_to_integers() -> None:
    with pytest.raises(TypeError, match="can only be cast to float32 or float64, got int64"):
        tinyseg.nn.Linear(1, 1).to("int64")


# Copies


def test_deep_copies_are_leaves_with_memory_of_their_own(device: str) -> None:
    x = tinyseg.tensor([1.0, 2.0], requires_grad=True)
    (x * 3.0).sum().backward()
    twin, expanded = copy.deepcopy(x), copy.deepcopy(tinyseg.ones(1).expand(3))
    with tinyseg.no_grad():
        twin += 1.0
        expanded += 1.0
    assert (x.tolist(), twin.tolist(), expanded.tolist()) == ([1.0, 2.0], [2.0, 3.0], [2.0] * 3)
    assert twin.requires_grad
    assert twin.grad is not x.grad
    assert twin.grad is not None
    assert twin.grad.tolist() == [3.0, 3.0]
    pair = copy.deepcopy([x, x, x.detach()])
    assert pair[0] is pair[1]
    with tinyseg.no_grad():
        pair[0] += 1.0
    assert pair[2].tolist() == [2.0, 3.0]


def test_what_an_operator_made_cannot_be_copied_deeply() -> None:
    """As in PyTorch: it would be a copy of the whole graph."""
    y = tinyseg.ones(2, requires_grad=True)
    for _ in range(2000):
        y = y * 1.0
    with pytest.raises(
        GraphError, match=r"only leaves can be .* was computed by Multiply; use x.detach\(\).clone\(\)"
    ):
        copy.deepcopy(y)
    layer = tinyseg.nn.Linear(1, 1)
    layer.register_buffer("last", y)
    with pytest.raises(GraphError, match="only leaves can be copied"):
        copy.deepcopy(layer)


def test_a_view_of_what_was_changed_in_place_is_not_deep_copied() -> None:
    """Its values depend on ``w``, though no operator made it: a copy would be a leaf that knows nothing of that."""
    w, y = tinyseg.ones(3, requires_grad=True), tinyseg.zeros(3)
    view = y[0:1]
    y += w
    with pytest.raises(GraphError, match=r"shape \(1,\) is a view of a tensor that was changed; use x\.detach"):
        copy.deepcopy(view)
    assert copy.deepcopy(view.detach().clone()).tolist() == [1.0]


def test_an_unpickled_tensor_is_not_expanded_any_more() -> None:
    """Its memory is dense and may be changed; that of a shallow copy is still one place for all elements."""
    expanded = tinyseg.ones(1).expand(3)
    pickled = pickle.loads(pickle.dumps(expanded))
    pickled[0] = 5.0
    pickled += 1
    assert pickled.tolist() == [6.0, 2.0, 2.0]
    with pytest.raises(ValueError, match="the tensor was expanded"):
        copy.copy(expanded).add_(1)
    assert expanded.tolist() == [1.0, 1.0, 1.0]


def test_pickles_and_shallow_copies_have_no_graph() -> None:
    """As PyTorch's, they are leaves that require a gradient if the tensor does; only a pickle has other memory."""
    y = tinyseg.ones(2, requires_grad=True) * 2.0
    view = y[1:]
    shallow, pickled = copy.copy(y), pickle.loads(pickle.dumps(y))
    y += 1.0
    for twin, values in ((shallow, [3.0, 3.0]), (pickled, [2.0, 2.0])):
        assert (twin.is_leaf, twin.requires_grad) == (True, True)
        assert twin.detach().tolist() == values
    (shallow * 2.0).sum().backward()
    assert shallow.grad.tolist() == [2.0, 2.0]
    assert pickle.loads(pickle.dumps(view.detach())).tolist() == [3.0]


# Leaving tensors


def test_numpy_is_a_view_that_cannot_be_written_to(device: str) -> None:
    x = tinyseg.ones(3)
    view = x.numpy()
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 5
    x.add_(1.0)
    assert view.tolist() == [2, 2, 2]
    copy = view.copy()
    copy[0] = 5
    assert x.tolist() == [2, 2, 2]


def test_numpy_of_what_requires_a_gradient_is_refused() -> None:
    x = tinyseg.ones(1, requires_grad=True)
    for y in (x, x * 2):
        with pytest.raises(RuntimeError, match=r"use x.detach\(\).numpy\(\)"):
            y.numpy()
        with pytest.raises(RuntimeError, match="requires a gradient"):
            np.asarray(y)


def test_asarray(device: str) -> None:
    x = tinyseg.tensor([[1.0, 2.0]])
    assert np.asarray(x).dtype == np.float32
    assert np.asarray(x, dtype=np.float64).dtype == np.float64
    copy = np.array(x)
    copy[0, 0] = 9
    assert x.tolist() == [[1, 2]]


def test_single_elements() -> None:
    x = tinyseg.tensor([2])
    assert (x.item(), int(x), float(x), bool(x), [10, 20, 30][x]) == (2, 2, 2.0, True, 30)
    assert type(tinyseg.tensor(2.5).item()) is float
    for call in (lambda: bool(tinyseg.ones(2)), lambda: float(tinyseg.ones(0))):
        with pytest.raises(ValueError, match="only a tensor of one element has one"):
            call()
    with pytest.raises(TypeError, match="only integer tensors"):
        [0][tinyseg.tensor(0.0)]


def test_length_and_iteration() -> None:
    x = tinyseg.arange(6).reshape(3, 2)
    assert (len(x), [row.tolist() for row in x]) == (3, [[0, 1], [2, 3], [4, 5]])
    for call in (lambda: len(tinyseg.tensor(1)), lambda: iter(tinyseg.tensor(1))):
        with pytest.raises(TypeError, match="without dimensions"):
            call()
    assert (x.size(), x.size(-1), x.numel(), x.dim(), x.ndim) == ((3, 2), 2, 6, 2, 2)


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (lambda: tinyseg.tensor([1.0, 2.5]), "tensor([1. , 2.5])"),
        (lambda: tinyseg.tensor([[1], [2]]), "tensor([[1],\n        [2]])"),
        (lambda: tinyseg.tensor([1.0], dtype="float64"), "tensor([1.], dtype=float64)"),
        (lambda: tinyseg.tensor(3, dtype="uint8"), "tensor(3, dtype=uint8)"),
        (lambda: tinyseg.tensor([True]), "tensor([ True])"),
        (lambda: tinyseg.zeros(0), "tensor([])"),
        (lambda: tinyseg.zeros(1, device="reference"), "tensor([0.], device='reference')"),
        (lambda: tinyseg.zeros(1, requires_grad=True), "tensor([0.], requires_grad=True)"),
        (lambda: tinyseg.zeros(1, requires_grad=True) + 1, "tensor([1.], op=Add)"),
    ],
)
def test_repr(x: Callable[[], Tensor], text: str) -> None:
    assert repr(x()) == text


def test_tensors_are_hashed_by_identity() -> None:
    x, y = tinyseg.ones(1), tinyseg.ones(1)
    assert len({x, y, x}) == 2


# Indexing, against NumPy


def _numbered(shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    return np.arange(1.0, 1 + np.prod(shape, dtype=int)).reshape(shape)


@given(st.data())
def test_basic_index(data: st.DataObject) -> None:
    """Values, views, gradients and assignment are as NumPy's."""
    shape = data.draw(npst.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4))
    index = data.draw(npst.basic_indices(shape, allow_newaxis=True))
    array = _numbered(shape)
    device = data.draw(st.sampled_from(["cpu", "reference"]))
    x = tinyseg.tensor(array, device=device, requires_grad=True)
    y = x[index]
    np.testing.assert_array_equal(y.detach().numpy(), array[index])
    weight = 1 + _numbered(y.shape)
    y.backward(tinyseg.tensor(weight, device=device))
    wanted = np.zeros(shape)
    wanted[index] = weight
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), wanted)
    z = tinyseg.tensor(array, device=device)
    z[index] = -1.0
    array[index] = -1
    np.testing.assert_array_equal(z.numpy(), array)


@given(st.data())
def test_index_with_one_vector(data: st.DataObject) -> None:
    shape = data.draw(npst.array_shapes(min_dims=1, max_dims=4, max_side=4))
    axis = data.draw(st.integers(0, len(shape) - 1))
    picks = data.draw(st.lists(st.integers(-shape[axis], shape[axis] - 1), max_size=5))
    slices = data.draw(npst.basic_indices(shape, allow_ellipsis=False, min_dims=len(shape), max_dims=len(shape)))
    slices = slices if isinstance(slices, tuple) else (slices,)
    assume(len(slices) == len(shape) and all(isinstance(s, slice) for s in slices))
    kind = data.draw(st.sampled_from([list, np.array, lambda values: tinyseg.tensor(np.array(values, np.int64))]))
    vector = kind(picks) if picks or kind is list else picks
    array = _numbered(shape)
    x = tinyseg.tensor(array, requires_grad=True)
    y = x[(*slices[:axis], vector, *slices[axis + 1 :])]
    rest = (*slices[:axis], slice(None), *slices[axis + 1 :])
    wanted = np.take(array[rest], np.array(picks, int), axis)
    np.testing.assert_array_equal(y.detach().numpy(), wanted)
    y.backward(tinyseg.ones_like(y))
    counted = np.zeros(shape)
    np.add.at(
        counted,
        np.ix_(*(np.array(picks, int) if i == axis else range(shape[i])[slices[i]] for i in range(len(shape)))),
        1,
    )
    assert x.grad is not None
    np.testing.assert_array_equal(x.grad.numpy(), counted)


def test_an_int_before_a_vector_drops_its_dimension_first() -> None:
    """As PyTorch does, where NumPy would move the vector's dimension to the front."""
    array = _numbered((2, 3, 4))
    found = tinyseg.tensor(array)[1, :, [0, 2]]
    np.testing.assert_array_equal(found.numpy(), array[1][:, [0, 2]])


def test_indices_may_be_numpy_s_and_tensors() -> None:
    x = tinyseg.arange(5)
    assert [x[np.int64(2)].item(), x[tinyseg.tensor(3)].item(), x[-1].item()] == [2, 3, 4]
    assert x[tinyseg.tensor(1) : np.int64(3)].tolist() == [1, 2]


def test_slices_are_views(device: str) -> None:
    x = tinyseg.zeros(3, 3)
    x[1:, ::2].add_(1.0)
    x.T[0].fill_(5.0)
    x.reshape(9)[4:5].mul_(0.0).add_(7.0)
    assert x.tolist() == [[5, 0, 0], [5, 7, 1], [5, 0, 1]]


# In place


def test_in_place_returns_the_tensor_and_keeps_its_memory(device: str) -> None:
    x = tinyseg.ones(3)
    view = x.numpy()
    assert x.add_(1.0).mul_(3).sub_(2).div_(4) is x
    assert view.tolist() == [1, 1, 1]


@pytest.mark.parametrize("size", [6, 300_000])
def test_in_place_with_an_overlapping_view_of_itself(device: str, size: int) -> None:
    """What is read is what stood there before."""
    values = np.arange(float(size))
    x = tinyseg.tensor(values)
    x[1:] = x[:-1]
    np.testing.assert_array_equal(x.numpy(), [0, *values[:-1]])
    x = tinyseg.tensor(values)
    x.add_(x[::-1])
    np.testing.assert_array_equal(x.numpy(), np.full(size, size - 1))
    x = tinyseg.tensor(values.reshape(2, -1))
    x.sub_(x[::-1])
    np.testing.assert_array_equal(x.numpy(), np.outer([-1, 1], np.full(size // 2, size // 2)))


def test_expanded_tensors_cannot_be_written_to(device: str) -> None:
    with pytest.raises(ValueError, match="was expanded"):
        tinyseg.zeros(1, 3).expand(4, 3).add_(1.0)


# Random numbers


def test_manual_seed_repeats(device: str) -> None:
    def draw() -> list[Tensor]:
        tinyseg.manual_seed(5)
        x = tinyseg.ones(2, 3, 4, 4)
        return [
            tinyseg.rand(7),
            tinyseg.randn(5),
            F.dropout(x),
            F.dropout2d(x),
            tinyseg.nn.Conv2d(2, 3, 3).weight.detach(),
        ]

    for one, other in zip(draw(), draw(), strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    tinyseg.manual_seed(6)
    assert not np.array_equal(tinyseg.rand(7).numpy(), draw()[0].numpy())


def test_consecutive_draws_differ() -> None:
    drawn = np.concatenate([tinyseg.rand(n).numpy() for n in (1, 3, 5, 4)])
    assert len(np.unique(drawn)) == 13


def test_both_devices_draw_the_same() -> None:
    drawn = {}
    for name in ("cpu", "reference"):
        tinyseg.manual_seed(3)
        drawn[name] = [tinyseg.rand(2000, device=name), F.dropout(tinyseg.ones(2, 3, 40, 5, device=name), 0.3)]
        drawn[name].append(tinyseg.randn(1999, device=name))
    for one, other in zip(drawn["cpu"], drawn["reference"], strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-6)
    np.testing.assert_array_equal(drawn["cpu"][0].numpy(), drawn["reference"][0].numpy())


# Threads


def _work() -> list[bytes]:
    """Kernels of all kinds on enough data to be shared out; the bits of what they make."""
    tinyseg.manual_seed(1)
    x = tinyseg.randn(3, 19, 40, 52, requires_grad=True)
    w = tinyseg.randn(33, 19, 3, 3, requires_grad=True)
    y = F.conv2d(x, w, padding=1)
    y = F.batch_norm(y, None, None, training=True).relu()
    y = F.dropout(F.max_pool2d(y, 2), 0.25)
    y = F.conv_transpose2d(y, tinyseg.randn(33, 5, 2, 2), stride=2)
    y = F.interpolate(y, (55, 47), mode="bilinear") + F.interpolate(y, (55, 47))
    loss = F.cross_entropy(y, (tinyseg.rand(3, 55, 47) * 5).long()) + F.log_softmax(y.exp(), 1).mean()
    loss.backward()
    product = tinyseg.rand(301, 210) @ tinyseg.rand(210, 133)
    assert x.grad is not None
    assert w.grad is not None
    results = [y, loss, x.grad, w.grad, product, x.sum((0, 2)), x.amax(1), x.argmax(3)]
    w.grad.add_(0.0)
    tinyseg.optim.Adam([w], lr=0.1).step()
    return [t.detach().numpy().tobytes() for t in [*results, w]]


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_changes_no_bit() -> None:
    found = []
    for count in (1, 2, 3, 7):
        tinyseg.set_num_threads(count)
        assert tinyseg.get_num_threads() == count
        found.append(_work())
    for other in found[1:]:
        assert [a == b for a, b in zip(found[0], other, strict=True)] == [True] * len(found[0])


@pytest.mark.parametrize("count", [0, -1, 2000, 2**63, 2**64, -(2**63)])
def test_the_number_of_threads_has_bounds(count: int) -> None:
    before = tinyseg.get_num_threads()
    with pytest.raises(ValueError, match=rf"set_num_threads: count must be from 1 to 1024, got {count}$"):
        tinyseg.set_num_threads(count)
    assert tinyseg.get_num_threads() == before


@pytest.mark.parametrize("count", [1.5, 2.0, True, "2", None, np.float32(2), np.bool_(True), [2]])
def test_the_number_of_threads_is_a_whole_number(count: Any) -> None:
    before = tinyseg.get_num_threads()
    with pytest.raises(TypeError, match="set_num_threads: count must be a whole number, from 1 to 1024, got "):
        tinyseg.set_num_threads(count)
    assert tinyseg.get_num_threads() == before


@pytest.mark.usefixtures("threads")
def test_the_number_of_threads_may_be_numpys() -> None:
    for count in (np.int8(3), np.uint64(2), np.array(1)):
        tinyseg.set_num_threads(count)  # type: ignore[arg-type]
        assert tinyseg.get_num_threads() == count


# --- Truth, and what must not be changed in place


def test_truth_tables() -> None:
    a, b = tinyseg.tensor([True, True, False, False]), tinyseg.tensor([True, False, True, False])
    assert (a & b).tolist() == [True, False, False, False]
    assert (a | b).tolist() == [True, True, True, False]
    assert (~a).tolist() == [False, False, True, True]
    assert (a & True).dtype == tinyseg.bool_
    with pytest.raises(TypeError, match="bitwise_and: expected bool tensors, got int64"):
        a.long() & b


def test_none_equals_no_tensor() -> None:
    x = tinyseg.ones(2)
    assert (x == None) is False  # noqa: E711
    assert (x != None) is True  # noqa: E711


def test_an_expanded_tensor_is_not_changed_in_place() -> None:
    x = tinyseg.ones(3).expand(2, 3)
    for change in (lambda: x.add_(1), lambda: x[0].fill_(2), lambda: x.detach().mul_(2)):
        with pytest.raises(ValueError, match=r"was expanded, several of its elements are one; change a clone\(\)"):
            change()
    assert x.clone().add_(1).tolist() == [[2.0] * 3] * 2


def test_a_number_that_does_not_fit_is_refused() -> None:
    x = tinyseg.tensor([1, 2], dtype="uint8")
    with pytest.raises(ValueError, match=r"add: 300 does not fit uint8; convert the tensor with \.long\(\)"):
        x + 300
    assert (x == 300).tolist() == [False, False]


def test_max_and_min_of_two_tensors() -> None:
    a, b = tinyseg.tensor([1.0, 5.0]), tinyseg.tensor([3.0, 2.0])
    assert tinyseg.max(a, b).tolist() == [3.0, 5.0]
    assert tinyseg.min(a, b).tolist() == [1.0, 2.0]
