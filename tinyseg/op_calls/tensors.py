"""Operators of tensors."""

from __future__ import annotations

from .table import COLUMN, IMAGES, POSITIVE, ROW, A, B, bools, call, integers, spread

# Quotients that are not whole: where they are, the floor makes a step and has no slope.
DIVIDEND, DIVISOR = spread(2, 3, 4, low=-5.03, high=4.9), spread(2, 3, 4, low=0.31, high=2.17, seed=1)
DIVISOR[:, 1] *= -1

for _other, _more, _of in ((B, "", ""), (ROW, " a row", " of a row")):
    call("add", lambda t, a, b: a + b, A, _other, name=f"add{_more}")
    call("subtract", lambda t, a, b: a - b, A, _other, name=f"subtract{_more}")
    call("multiply", lambda t, a, b: a * b, A, _other, name=f"multiply{_more}")
    call("divide", lambda t, a, b: a / b, A, _other, name=f"divide{_more}")
    call("add_", lambda t, a, b: a.clone().add_(b), A, _other, name=f"add_{_of}")
    call("sub_", lambda t, a, b: a.clone().sub_(b), A, _other, name=f"sub_{_of}")
    call("mul_", lambda t, a, b: a.clone().mul_(b), A, _other, name=f"mul_{_of}")
    call("div_", lambda t, a, b: a.clone().div_(b), A, _other, name=f"div_{_of}")
    call("maximum", lambda t, a, b: t.maximum(a, b), A, _other, name=f"maximum{_of}")
    call("minimum", lambda t, a, b: t.minimum(a, b), A, _other, name=f"minimum{_of}")
call("where", lambda t, c, a, b: t.where(c, a, b), bools(2, 3, 4), A, B)
call("where", lambda t, c, a, b: t.where(c, a, b), bools(3, 1), A, ROW, name="where broadcast")
call("remainder", lambda t, a, b: a % b, DIVIDEND, DIVISOR)
call("remainder_", lambda t, a, b: a.clone().remainder_(b), DIVIDEND, DIVISOR, name="remainder_ of quotients")
call("pow", lambda t, a, b: t.pow(a, b), POSITIVE, spread(5, seed=2), name="power of a row")
call("pow_", lambda t, a, b: a.clone().pow_(b), POSITIVE, spread(5, seed=4))
call("negative", lambda t, a: -a, A)
call("abs", lambda t, a: t.abs(a), A)
call("relu", lambda t, a: t.relu(a), A)
call("exp", lambda t, a: t.exp(a), A)
call("log", lambda t, a: t.log(a), POSITIVE)
call("sqrt", lambda t, a: t.sqrt(a), POSITIVE)
call("tanh", lambda t, a: t.tanh(a), A)
call("matmul", lambda t, a, b: a @ b, spread(2, 4, 3), spread(3, 2), name="matmul, one matrix for all")
call("sum", lambda t, a: a.sum(dim=None), A, name="sum over None")
call("sum", lambda t, a: a.sum(1), A, name="sum over 1")
call("mean", lambda t, a: a.mean(dim=None), A, name="mean over None")
call("mean", lambda t, a: a.mean(1), A, name="mean over 1")
call("amax", lambda t, a: a.amax(), A, name="amax over None")
call("amax", lambda t, a: a.amax(1), A, name="amax over 1")
call("amin", lambda t, a: a.amin(), A, name="amin over None")
call("amin", lambda t, a: a.amin(1), A, name="amin over 1")
call("max", lambda t, a: tuple(a.max(1)), A, name="max along 1")
call("min", lambda t, a: tuple(a.min(1)), A, name="min along 1")
call("reshape", lambda t, a: a.reshape(4, -1), A)
call("flatten", lambda t, a: t.flatten(a, 1), IMAGES)
call("permute", lambda t, a: a.permute(2, 0, 1), A)
call("transpose", lambda t, a: a.transpose(-1, 0), A)
call("squeeze", lambda t, a: a.squeeze(0), spread(1, 3, 1, 2), name="squeeze one")
call("unsqueeze", lambda t, a: a.unsqueeze(-1), A)
call("expand", lambda t, a: a.expand(2, -1, 5), COLUMN)
call("getitem", lambda t, a: a[1:, [2, 0, 0]], A, name="index slice and list")
call("gather", lambda t, a, i: t.gather(a, 1, i), A, integers(2, 5, 4, high=3))
call("index_select", lambda t, a, i: t.index_select(a, 1, i), A, [2, 0, 2, 2])
call("cat", lambda t, a, b: t.cat([a, b, a], 1), A, spread(2, 1, 4))
call("stack", lambda t, a, b: t.stack([a, b], 1), A, B)
call("clone", lambda t, a: a.clone(), IMAGES)
call("contiguous", lambda t, a: a.transpose(0, 1).contiguous(), A)
call("to", lambda t, a: a.to(t.float64) * 2.0, A, name="to and fro")
call("prod", lambda t, a: a.prod(1), IMAGES, name="prod of channels")
call("var", lambda t, a: t.var(a, 1, keepdim=True), A, name="var over 1")
call("std", lambda t, a: t.std(a, 1, keepdim=True), A, name="std over 1")
call("norm", lambda t, a: a.norm(2, (0, 2), True), A, name="norm over dims")
call("cumsum", lambda t, a: t.cumsum(a, 1), A, name="cumsum along 1")
call("clamp", lambda t, a: t.clamp(a, -0.71, 0.93), A)
call("clip", lambda t, a: t.clip(a, -0.71, 0.93), A)
call("sin", lambda t, a: t.sin(a), A)
call("cos", lambda t, a: t.cos(a), A)
call("log1p", lambda t, a: t.log1p(a), POSITIVE - 1)
call("expm1", lambda t, a: t.expm1(a), A)
call("reciprocal", lambda t, a: t.reciprocal(a), POSITIVE)
call("rsqrt", lambda t, a: t.rsqrt(a), POSITIVE)
call("masked_fill", lambda t, a, m: t.masked_fill(a, m, -1.5), A, bools(3, 1))
call("masked_select", lambda t, a, m: t.masked_select(a, m), A, bools(3, 1))
call("tril", lambda t, a: t.tril(a), A)
call("triu", lambda t, a: t.triu(a), A)
call("flip", lambda t, a: t.flip(a, (0, -1)), A)
call("roll", lambda t, a: a.roll((1, -6), (0, 2)), A, name="roll along two")
call("movedim", lambda t, a: t.movedim(a, 0, -1), A)
call("chunk", lambda t, a: a.chunk(3, 2), A)
call("split", lambda t, a: a.split([1, 0, 3], 2), A, name="split into sections")
call("unbind", lambda t, a: t.unbind(a, 1), A)
call("unflatten", lambda t, a: a.unflatten(2, (2, -1)), A)
call("repeat", lambda t, a: a.repeat(2, 1, 3), A)
call("repeat_interleave", lambda t, a: a.repeat_interleave(3, 1), A, name="repeat_interleave of a dim")
call("broadcast_to", lambda t, a: t.broadcast_to(a, (2, 3, 4)), COLUMN)
call("expand_as", lambda t, a, b: a.expand_as(b) * b, COLUMN, A, name="expand_as, multiplied")
call(
    "scatter_add",
    lambda t, a, i, source: t.scatter_add(a, 1, i, source),
    A,
    integers(2, 5, 4, high=3),
    spread(2, 5, 4),
)
call(
    "einsum",
    lambda t, a, b: t.einsum("nchw,oc->nohw", a, b),
    spread(2, 3, 2, 2),
    spread(4, 3, seed=1),
    name="einsum nchw,oc->nohw",
)
call("bmm", lambda t, a, b: t.bmm(a, b), A, spread(2, 4, 3))
call("tensordot", lambda t, a, b: t.tensordot(a, b), A, spread(3, 4, 5))
