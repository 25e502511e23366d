"""A vector of the CPU as a type that kernels can compute with.

A vector register holds ``VECTOR_BYTES`` bytes: 16 float32 with AVX-512, 8 with AVX2, 4 with NEON or SSE. With
``load``, ``store``, ``splat``, ``fma`` and the operators + - * a kernel reads like the formula it computes, for a
whole vector of channels at a time::

    store(out, i, fma(splat(two), load(x, i), load(y, i)))      # out[i : i + lanes] = 2 x[...] + y[...]
"""

from __future__ import annotations

import operator
from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer_global, signature
from numba.extending import intrinsic, lower_builtin, register_model

from ..runtime.llvm import INT, pointer
from ..runtime.processor import VECTOR_BYTES


class Vectors:
    """LLVM instructions on vectors of one floating type, at the place where ``builder`` stands."""

    def __init__(self, builder: Any, scalar: Any) -> None:
        self.builder = builder
        self.element = ir.FloatType() if scalar == types.float32 else ir.DoubleType()
        self.alignment = 4 if scalar == types.float32 else 8
        self.lanes = VECTOR_BYTES // self.alignment
        self.type = ir.VectorType(self.element, self.lanes)
        suffix = f"v{self.lanes}f{8 * self.alignment}"
        signature = ir.FunctionType(self.type, [self.type] * 3)
        self._fma = cgutils.get_or_insert_function(builder.module, signature, f"llvm.fma.{suffix}")

    def zero(self) -> Any:
        """All 0."""
        return ir.Constant(self.type, [0.0] * self.lanes)

    def load(self, pointer: Any, offset: int = 0) -> Any:
        """The numbers from ``pointer + offset`` on, which need not be aligned to a vector."""
        vector = self.builder.load(self._at(pointer, offset))
        vector.align = self.alignment
        return vector

    def store(self, vector: Any, pointer: Any, offset: int = 0) -> None:
        """Write them there."""
        self.builder.store(vector, self._at(pointer, offset)).align = self.alignment

    def load_first(self, count: Any, pointer: Any, offset: int = 0) -> Any:
        """The numbers from ``pointer + offset`` on that belong to the first ``count`` places from ``pointer`` on, 0
        for others, which are not touched.
        """
        place = self._at(pointer, offset)
        mask = self._first(count, offset)
        signature_ = ir.FunctionType(self.type, [place.type, ir.IntType(32), mask.type, self.type])
        function = self._masked("load", signature_)
        return self.builder.call(function, [place, ir.IntType(32)(self.alignment), mask, self.zero()])

    def store_first(self, count: Any, vector: Any, pointer: Any, offset: int = 0) -> None:
        """Write the numbers that belong to the first ``count`` places from ``pointer`` on."""
        place = self._at(pointer, offset)
        mask = self._first(count, offset)
        signature_ = ir.FunctionType(ir.VoidType(), [self.type, place.type, ir.IntType(32), mask.type])
        function = self._masked("store", signature_)
        self.builder.call(function, [vector, place, ir.IntType(32)(self.alignment), mask])

    def _first(self, count: Any, offset: int) -> Any:
        """Which lanes of a vector at ``offset`` are among the first ``count`` places."""
        lane = ir.Constant(ir.VectorType(INT, self.lanes), list(range(offset, offset + self.lanes)))
        return self.builder.icmp_signed("<", lane, self.splat(count))

    def _masked(self, what: str, signature_: Any) -> Any:
        name = f"llvm.masked.{what}.v{self.lanes}f{8 * self.alignment}.p0"
        return cgutils.get_or_insert_function(self.builder.module, signature_, name)

    def _at(self, pointer: Any, offset: int) -> Any:
        place = self.builder.gep(pointer, [ir.Constant(INT, offset)])
        return self.builder.bitcast(place, self.type.as_pointer())

    def prefetch(self, pointer: Any, offset: int) -> None:
        """Ask for the cache line at ``pointer + offset``, which will be read soon."""
        byte, int32 = ir.IntType(8).as_pointer(), ir.IntType(32)
        signature_ = ir.FunctionType(ir.VoidType(), [byte, int32, int32, int32])
        function = cgutils.get_or_insert_function(self.builder.module, signature_, "llvm.prefetch")
        place = self.builder.bitcast(self.builder.gep(pointer, [ir.Constant(INT, offset)]), byte)
        to_read, keep_close, data = int32(0), int32(3), int32(1)
        self.builder.call(function, [place, to_read, keep_close, data])

    def splat(self, number: Any) -> Any:
        """One number in every lane."""
        undefined = ir.Constant(ir.VectorType(number.type, self.lanes), ir.Undefined)
        first = self.builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        order = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), [0] * self.lanes)
        return self.builder.shuffle_vector(first, undefined, order)

    def fma(self, a: Any, b: Any, c: Any) -> Any:
        """a * b + c, rounded once."""
        return self.builder.call(self._fma, [a, b, c])

    def at_least(self, a: Any, low: Any) -> Any:
        """The larger of a and low, lane by lane; a NaN in a stays."""
        return self.builder.select(self.builder.fcmp_ordered("<", a, low), low, a)

    def any_nan(self, a: Any) -> Any:
        """True if a lane of a is NaN."""
        lanes = ir.IntType(self.lanes)
        unordered = self.builder.bitcast(self.builder.fcmp_unordered("uno", a, a), lanes)
        return self.builder.icmp_unsigned("!=", unordered, lanes(0))

    def add(self, a: Any, b: Any) -> Any:
        """a + b."""
        return self.builder.fadd(a, b)


class VectorType(types.Type):
    """Numba's type of a vector of float32 or float64 numbers."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.lanes = VECTOR_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"vector({dtype} x {self.lanes})")


@register_model(VectorType)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: Any) -> None:
        element = ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType()
        super().__init__(manager, vector, ir.VectorType(element, vector.lanes))


@intrinsic
def load(typingctx, array, i):
    """array[i : i + lanes] as a vector; the place need not be aligned."""

    def codegen(context, builder, sig, args):
        place = pointer(context, builder, sig.args[0], args[0], args[1])
        return Vectors(builder, sig.args[0].dtype).load(place)

    return VectorType(array.dtype)(array, types.intp), codegen


@intrinsic
def store(typingctx, array, i, vector):
    """array[i : i + lanes] = vector."""

    def codegen(context, builder, sig, args):
        place = pointer(context, builder, sig.args[0], args[0], args[1])
        Vectors(builder, sig.args[0].dtype).store(args[2], place)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector), codegen


@intrinsic
def load_first(typingctx, array, i, count):
    """array[i : i + count], and 0 in the other lanes; what lies beyond is not touched."""

    def codegen(context, builder, sig, args):
        place = pointer(context, builder, sig.args[0], args[0], args[1])
        return Vectors(builder, sig.args[0].dtype).load_first(args[2], place)

    return VectorType(array.dtype)(array, types.intp, types.intp), codegen


@intrinsic
def store_first(typingctx, array, i, vector, count):
    """array[i : i + count] = the first numbers of vector; count may be larger than that has."""

    def codegen(context, builder, sig, args):
        place = pointer(context, builder, sig.args[0], args[0], args[1])
        Vectors(builder, sig.args[0].dtype).store_first(args[3], args[2], place)
        return context.get_dummy_value()

    return types.void(array, types.intp, vector, types.intp), codegen


@intrinsic
def splat(typingctx, number):
    """The number in every lane."""

    def codegen(context, builder, sig, args):
        return Vectors(builder, sig.args[0]).splat(args[0])

    return VectorType(number)(number), codegen


@intrinsic
def at_least(typingctx, a, low):
    """The larger of a and low, lane by lane; a NaN in a stays. With low = 0 this is ReLU, with -inf nothing."""

    def codegen(context, builder, sig, args):
        return Vectors(builder, sig.args[0].dtype).at_least(*args)

    return a(a, a), codegen


@intrinsic
def any_nan(typingctx, a):
    """True if a lane of a is NaN."""

    def codegen(context, builder, sig, args):
        return Vectors(builder, sig.args[0].dtype).any_nan(args[0])

    return types.boolean(a), codegen


@intrinsic
def fma(typingctx, a, b, c):
    """a * b + c."""

    def codegen(context, builder, sig, args):
        return Vectors(builder, sig.args[0].dtype).fma(*args)

    return a(a, a, a), codegen


@intrinsic
def copy_numbers(typingctx, source, i, target, j, count):
    """target[j : j + count] = source[i : i + count].

    Numba's own loops look at every index for a negative one and are several times slower.
    """

    def codegen(context, builder, sig, args):
        here = pointer(context, builder, sig.args[0], args[0], args[1])
        there = pointer(context, builder, sig.args[2], args[2], args[3])
        cgutils.raw_memcpy(builder, there, here, args[4], INT(sig.args[0].dtype.bitwidth // 8))
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp, types.intp), codegen


@intrinsic
def clear(typingctx, target, j, count):
    """target[j : j + count] = 0."""

    def codegen(context, builder, sig, args):
        there = pointer(context, builder, sig.args[0], args[0], args[1])
        size = builder.mul(args[2], INT(sig.args[0].dtype.bitwidth // 8))
        cgutils.memset(builder, there, size, 0)
        return context.get_dummy_value()

    return types.void(target, types.intp, types.intp), codegen


@intrinsic
def number(typingctx, array, i):
    """array[i], i not being negative."""

    def codegen(context, builder, sig, args):
        return builder.load(pointer(context, builder, sig.args[0], args[0], args[1]))

    return array.dtype(array, types.intp), codegen


@intrinsic
def put(typingctx, array, i, value):
    """array[i] = value, i not being negative."""

    def codegen(context, builder, sig, args):
        builder.store(args[2], pointer(context, builder, sig.args[0], args[0], args[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, array.dtype), codegen


class _Arithmetic(AbstractTemplate):
    """Types of a + b, a - b, a * b for two vectors, and of number * vector."""

    def generic(self, args: Any, kws: Any) -> Any:
        a, b = args
        if isinstance(b, VectorType) and a == b:
            return signature(b, a, b)
        if isinstance(b, VectorType) and isinstance(a, types.Float) and self.key is operator.mul:
            return signature(b, types.float64, b)
        return None


for _operator, _instruction in ((operator.add, "fadd"), (operator.sub, "fsub"), (operator.mul, "fmul")):
    infer_global(_operator)(type("_Arithmetic", (_Arithmetic,), {}))

    # "contract": may be fused with another instruction, as a multiplication and an addition are.
    def _lower(context, builder, sig, args, instruction=_instruction):
        return getattr(builder, instruction)(*args, flags=("contract",))

    lower_builtin(_operator, VectorType, VectorType)(_lower)


@lower_builtin(operator.mul, types.float64, VectorType)
def _times(context, builder, sig, args):
    v = Vectors(builder, sig.args[1].dtype)
    factor = args[0] if sig.args[1].dtype == types.float64 else builder.fptrunc(args[0], v.element)
    return builder.fmul(v.splat(factor), args[1], flags=("contract",))
