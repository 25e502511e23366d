"""Tensor operators where the table does not reach: types of results, single numbers, no elements, ties, views."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from op_cases import TINYSEG, Api

import tinyseg

# What comes out must have the type, shape and values that PyTorch gives it.
SAME: list[tuple[str, Callable[[Any], Any]]] = [
    ("prod of bools", lambda t: t.tensor([True, False]).prod()),
    ("prod of bytes", lambda t: t.tensor([200, 2], dtype=t.uint8).prod()),
    ("prod of nothing", lambda t: t.zeros(0).prod()),
    ("prod along nothing", lambda t: t.zeros(2, 0).prod(1)),
    ("prod of a number", lambda t: t.tensor(2.0).prod(0)),
    ("prod in floats", lambda t: t.arange(1, 4).prod(dtype=t.float32)),
    ("sum of bytes", lambda t: t.tensor([200, 100], dtype=t.uint8).sum()),
    ("sum of int32", lambda t: t.arange(3).int().sum(0)),
    ("sum of bools as floats", lambda t: t.tensor([True, True]).sum(dtype=t.float32)),
    ("cumsum of int32", lambda t: t.arange(3).int().cumsum(0)),
    ("cumsum of a number", lambda t: t.tensor(2.0).cumsum(0)),
    ("cumsum of nothing", lambda t: t.zeros(0, 3).cumsum(0)),
    ("cumsum of NaN", lambda t: t.tensor([1.0, math.nan, 2.0]).cumsum(0)),
    ("var of a number", lambda t: t.tensor(2.0).var(correction=0)),
    ("std of NaN", lambda t: t.tensor([1.0, math.nan]).std()),
    ("std of infinity", lambda t: t.tensor([1.0, math.inf]).std()),
    ("norm of a number", lambda t: t.tensor(-2.0).norm()),
    ("norm of nothing", lambda t: t.zeros(0).norm()),
    ("all of nothing", lambda t: t.zeros(2, 0).all(1)),
    ("any of nothing", lambda t: t.zeros(0).any()),
    ("all of NaN", lambda t: t.tensor([math.nan, 1.0]).all()),
    ("amax of bools", lambda t: t.tensor([[True, False]]).amax(0)),
    ("amax beside nothing", lambda t: t.zeros(0, 3).amax(1)),
    ("clamp of integers by a float", lambda t: t.arange(3).clamp(0.5)),
    ("clamp of integers by floats", lambda t: t.arange(3).clamp(t.tensor(1), t.tensor([0.5, 1.5, 2.5]))),
    ("clamp of bools", lambda t: t.tensor([True, False]).clamp(0, 1)),
    ("clamp of nothing", lambda t: t.zeros(0, 2).clamp(0.0, 1.0)),
    ("sin of integers", lambda t: t.arange(3).sin()),
    ("reciprocal of integers", lambda t: t.arange(3).reciprocal()),
    ("sign of bools", lambda t: t.sign(t.tensor([True, False]))),
    ("floor of int32", lambda t: t.arange(3).int().floor()),
    ("masked_fill of integers", lambda t: t.arange(3).masked_fill(t.tensor([True, False, True]), 7)),
    ("masked_fill beyond its shape", lambda t: t.zeros(1).masked_fill(t.tensor([True, False]), 1.0)),
    ("masked_select of nothing", lambda t: t.zeros(2).masked_select(t.tensor([False, False]))),
    ("masked_select beyond its shape", lambda t: t.arange(2).masked_select(t.tensor([[True], [False]]))),
    ("tril of bools", lambda t: t.tensor([[True, True]] * 2).tril()),
    ("triu of int32", lambda t: t.arange(6).int().reshape(2, 3).triu(1)),
    ("flip of a number", lambda t: t.tensor(2.0).flip(0)),
    ("roll of a number", lambda t: t.tensor(2.0).roll(1)),
    ("roll of nothing", lambda t: t.zeros(0, 2).roll(1, 0)),
    ("repeat of a number", lambda t: t.tensor(2.0).repeat(2, 2)),
    ("repeat of a number, once", lambda t: t.tensor(2.0).repeat(())),
    ("repeat_interleave of a number", lambda t: t.tensor(2.0).repeat_interleave(3)),
    ("split of nothing", lambda t: t.zeros(0, 3).split(2)),
    ("chunk of nothing", lambda t: t.zeros(0, 3).chunk(3)),
    ("chunk of few", lambda t: t.arange(5).chunk(4)),
    ("unbind of nothing", lambda t: t.zeros(2, 0).unbind(1)),
    ("movedim of a number", lambda t: t.tensor(2.0).movedim(0, 0)),
    ("gather from a number", lambda t: t.tensor(2.0).gather(0, t.tensor(0))),
    ("index_select from a number", lambda t: t.index_select(t.tensor(2.0), 0, t.tensor([0]))),
    ("scatter_add of nothing", lambda t: t.ones(2).scatter_add(0, t.zeros(0, dtype=t.int64), t.zeros(0))),
    ("scatter_add of integers", lambda t: t.arange(3).scatter_add(0, t.tensor([1, 1]), t.tensor([5, 6]))),
    ("linspace of none", lambda t: t.linspace(0, 1, 0)),
    ("linspace of one", lambda t: t.linspace(3, 5, 1)),
    ("linspace of integers", lambda t: t.linspace(0, 5, 3, dtype=t.int64)),
    ("eye of integers", lambda t: t.eye(2, 3, dtype=t.int64)),
    ("einsum of a number", lambda t: t.einsum("", t.tensor(2.0))),
    ("einsum over nothing", lambda t: t.einsum("ij,jk", t.zeros(2, 0), t.zeros(0, 3))),
    ("einsum of a size 1", lambda t: t.einsum("ij,j->i", t.arange(2).float().reshape(2, 1), t.arange(3).float())),
    ("einsum of a list", lambda t: t.einsum("i,i", [t.ones(3), t.ones(3)])),
    ("einsum to an ellipsis that nobody has", lambda t: t.einsum("i->i...", t.arange(3))),
    ("einsum of int32", lambda t: t.einsum("i,i", t.arange(3).int(), t.arange(3).int())),
]


@pytest.mark.parametrize(("name", "call"), SAME, ids=[name for name, _ in SAME])
def test_types_shapes_and_corner_cases_are_those_of_pytorch(
    device: str, name: str, call: Callable[[Any], Any]
) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    ours, theirs = call(TINYSEG), call(Api(torch, torch.nn.functional))
    ours, theirs = (y if isinstance(y, tuple) else (y,) for y in (ours, theirs))
    assert len(ours) == len(theirs)
    for found, wanted in zip(ours, theirs, strict=True):
        values = wanted.numpy()
        assert (found.shape, found.dtype) == (values.shape, values.dtype)
        np.testing.assert_allclose(found.numpy(), values, rtol=1e-6)


def test_too_few_degrees_of_freedom(device: str) -> None:
    assert math.isnan(tinyseg.ones(1).var().item())
    assert math.isnan(tinyseg.zeros(0).std().item())
    assert tinyseg.tensor([1.0, 2.0]).var(correction=5).item() == math.inf


def test_std_and_norm_have_a_gradient_of_0_where_they_have_none(device: str) -> None:
    """PyTorch's choice: all elements equal, or 0."""
    x = tinyseg.ones(2, 3, requires_grad=True)
    (x.std() + (x - 1.0).norm()).backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 0, 0], [0, 0, 0]]


def test_clamp_gives_the_gradient_to_elements_at_their_bounds(device: str) -> None:
    x, low, high = (tinyseg.tensor(v, requires_grad=True) for v in ([1.0, 2.0, 0.0, 5.0, math.nan], 1.0, 2.0))
    x.clamp(low, high).backward(tinyseg.tensor([1.0, 2.0, 4.0, 8.0, 16.0]))
    assert x.grad is not None
    assert low.grad is not None
    assert high.grad is not None
    assert (x.grad.tolist(), low.grad.item(), high.grad.item()) == ([1, 2, 0, 0, 0], 4, 8)


def test_prod_beside_zeros(device: str) -> None:
    """By hand: one zero, two, and none."""
    x = tinyseg.tensor([[2.0, 0.0, 3.0], [0.0, 0.0, 5.0], [1.0, 2.0, 4.0]], requires_grad=True)
    x.prod(1).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 6, 0], [0, 0, 0], [8, 4, 2]]


def test_copies_and_views(device: str) -> None:
    """As in PyTorch: pieces share memory with the whole, what is flipped or rolled does not."""
    x = tinyseg.arange(6).reshape(2, 3)
    for piece in (x.split(1)[0], x.chunk(2)[0], x.unbind(0)[0], x.movedim(0, 1), x.unflatten(1, (3, 1))):
        piece.fill_(7)
        assert x[0].tolist() == [7, 7, 7]
        x.zero_()
    for copy in (x.flip(0), x.roll(1), x.repeat(1, 1), x.repeat_interleave(1, 0), x.tril(), x.floor()):
        copy.fill_(7)
        assert not x.any()
    with pytest.raises(ValueError, match="the tensor was expanded"):
        x.broadcast_to((2, 2, 3)).fill_(7)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: x.flip(3),
        lambda x: x.roll(1, 2),
        lambda x: x.repeat(1, 1, 2, 2),
        lambda x: x.repeat_interleave(2, 3),
        lambda x: x.clamp(0.0, 1.0).floor().masked_fill(x > 0.5, 2.0),
        lambda x: x.cumsum(1),
        lambda x: x.split(2, 3)[0].sin(),
        lambda x: tinyseg.grad(x.requires_grad_().split(1, 1), x, [x.detach()[:, :1]] * 3)[0],
        lambda x: tinyseg.grad(x.requires_grad_().var(1), x, x.detach()[:, 0])[0],
    ],
)
def test_activations_stay_channels_last(call: Callable[[Any], Any]) -> None:
    x = tinyseg.tensor(np.random.default_rng(0).random((2, 4, 5, 3)).transpose(0, 3, 1, 2), device="cpu")
    assert call(x).permute(0, 2, 3, 1).array.flags.c_contiguous


def test_masked_fill_in_place_is_noticed_by_saved_tensors(device: str) -> None:
    x = tinyseg.ones(3, requires_grad=True)
    y = x * 2.0
    square = y * y
    y.detach().masked_fill_(tinyseg.tensor([True, False, False]), 0.0)
    with pytest.raises(tinyseg.errors.GraphError, match="changed in place"):
        square.sum().backward()
    with pytest.raises(tinyseg.errors.GraphError, match="masked_fill_: changes in place are not recorded"):
        x.masked_fill_(x > 0, 0.0)


def test_running_sums_do_not_lose_small_numbers(device: str) -> None:
    """Float32 alone would stop to grow at 2^24."""
    x = tinyseg.full((3,), 2.0**24)
    x[1:] = 1.0
    assert x.cumsum(0).tolist() == [2.0**24, 2.0**24, 2.0**24 + 2]


def test_running_sums_and_products_do_not_depend_on_threads(threads: None) -> None:
    x = tinyseg.randn(40, 3000)
    found = []
    for count in (1, 3):
        tinyseg.set_num_threads(count)
        results = (x.cumsum(0), x.cumsum(1), (x * 0.01 + 1.0).prod(0), x.prod(1))
        found.append([y.numpy().tobytes() for y in results])
    assert found[0] == found[1]


def test_a_scale_factor_may_be_numpy_s() -> None:
    doubled = tinyseg.nn.functional.interpolate(tinyseg.ones(1, 1, 2, 3), scale_factor=np.int64(2))
    assert doubled.shape == (1, 1, 4, 6)
