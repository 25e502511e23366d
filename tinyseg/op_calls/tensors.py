"""Operators of tensors."""

from __future__ import annotations

from ..ops import (
    clamp,
    einsum,
    elementwise,
    functions,
    masked,
    order,
    pieces,
    repeat,
    scan,
    shape,
    statistics,
)
from ..tensor_base import float64
from .table import example, spread

_A, _B, _ROW = spread(2, 3, 4), spread(2, 3, 4, seed=1), spread(4, seed=2)
_POSITIVE = spread(3, 4, low=0.2, high=3.0)

for _other in (_B, _ROW):
    example("add", lambda a, b: a + b, _A, _other)
    example("subtract", lambda a, b: a - b, _A, _other)
    example("multiply", lambda a, b: a * b, _A, _other)
    example("divide", lambda a, b: a / b, _A, _other)
    example("add_", lambda a, b: a.clone().add_(b), _A, _other)
    example("sub_", lambda a, b: a.clone().sub_(b), _A, _other)
    example("mul_", lambda a, b: a.clone().mul_(b), _A, _other)
    example("div_", lambda a, b: a.clone().div_(b), _A, _other)
    example("maximum", elementwise.maximum, _A, _other)
    example("minimum", elementwise.minimum, _A, _other)
    example("where", lambda a, b: elementwise.where(a > 0.5, a, b), _A, _other)
for _name, _remainder in (("remainder", lambda a, b: a % b), ("remainder_", lambda a, b: a.clone().remainder_(b))):
    example(_name, _remainder, spread(3, 4, low=3.1, high=4.9), spread(4, low=1.3, high=1.45))
example("pow", lambda a, b: a**b, _POSITIVE, _ROW)
example("pow_", lambda a, b: a.clone().pow_(b), _POSITIVE, _ROW)
example("negative", lambda a: -a, _A)
example("abs", elementwise.abs, _A)
example("relu", elementwise.relu, _A)
example("exp", elementwise.exp, _A)
example("log", elementwise.log, _POSITIVE)
example("sqrt", elementwise.sqrt, _POSITIVE)
example("tanh", elementwise.tanh, _A)
example("matmul", lambda a, b: a @ b, spread(2, 4, 3), spread(3, 2))
for _dim in (None, 1):
    example("sum", lambda a, d=_dim: a.sum(d), _A)
    example("mean", lambda a, d=_dim: a.mean(d), _A)
    example("amax", lambda a, d=_dim: a.amax(d), _A)
    example("amin", lambda a, d=_dim: a.amin(d), _A)
example("max", lambda a: a.max(1), _A)
example("min", lambda a: a.min(1), _A)
example("reshape", lambda a: a.reshape(4, -1), _A)
example("flatten", lambda a: a.flatten(1), _A)
example("permute", lambda a: a.permute(2, 0, 1), _A)
example("transpose", lambda a: a.transpose(0, 2), _A)
example("squeeze", lambda a: a.squeeze(0), spread(1, 3))
example("unsqueeze", lambda a: a.unsqueeze(1), _A)
example("expand", lambda a: a.expand(2, -1, 3), spread(2, 1))
example("getitem", lambda a: a[1:, [2, 0, 0]], _A)
example("gather", lambda a, i: a.gather(1, i), spread(2, 3), [[2, 0, 0, 1], [1, 1, 1, 0]])
example("index_select", lambda a, i: a.index_select(1, i), _A, [2, 0, 0])
example("cat", lambda a, b: shape.cat([a, b], 1), _A, spread(2, 1, 4))
example("stack", lambda a, b: shape.stack([a, b], 1), _A, _B)
example("clone", lambda a: a.clone(), _A)
example("contiguous", lambda a: a.T.contiguous(), _A)
example("to", lambda a: a.to(float64) * 2.0, _A)
example("prod", lambda a: a.prod(1), _A)
example("var", lambda a: a.var(1), _A)
example("std", lambda a: a.std(1), _A)
example("norm", lambda a: statistics.norm(a, 2, 1), _A)
example("cumsum", lambda a: scan.cumsum(a, 1), _A)
example("clamp", lambda a: clamp.clamp(a, -1.03, 1.07), _A)
example("clip", lambda a: clamp.clip(a, -1.03, 1.07), _A)
example("sin", functions.sin, _A)
example("cos", functions.cos, _A)
example("log1p", functions.log1p, _POSITIVE)
example("expm1", functions.expm1, _A)
example("reciprocal", functions.reciprocal, _POSITIVE)
example("rsqrt", functions.rsqrt, _POSITIVE)
example("masked_fill", lambda a: masked.masked_fill(a, a > 0.5, 2.0), _A)
example("masked_select", lambda a: masked.masked_select(a, a > 0.5), _A)
example("tril", masked.tril, _POSITIVE)
example("triu", masked.triu, _POSITIVE)
example("flip", lambda a: order.flip(a, (0, 2)), _A)
example("roll", lambda a: order.roll(a, 1, 2), _A)
example("movedim", lambda a: order.movedim(a, 0, 2), _A)
example("chunk", lambda a: tuple(pieces.chunk(a, 2, 2)), _A)
example("split", lambda a: tuple(pieces.split(a, [1, 3], 2)), _A)
example("unbind", lambda a: tuple(pieces.unbind(a, 1)), _A)
example("unflatten", lambda a: pieces.unflatten(a, 2, (2, 2)), _A)
example("repeat", lambda a: a.repeat(2, 1, 3), _A)
example("repeat_interleave", lambda a: repeat.repeat_interleave(a, 2, 1), _A)
example("broadcast_to", lambda a: repeat.broadcast_to(a, (3, 4)), spread(4))
example("expand_as", lambda a, b: a.expand_as(b) * b, spread(4), spread(3, 4))
example("scatter_add", lambda a, i, b: a.scatter_add(1, i, b), spread(2, 3), [[2, 0], [1, 1]], spread(2, 2))
example("einsum", lambda a, b: einsum.einsum("ijk,kl->jil", a, b), _A, spread(4, 2))
example("bmm", einsum.bmm, spread(2, 3, 4), spread(2, 4, 2))
example("tensordot", lambda a, b: einsum.tensordot(a, b, 2), _A, spread(3, 4, 2))
