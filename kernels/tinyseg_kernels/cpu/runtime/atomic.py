"""Intrinsics for a thread that waits for another one without the operating system."""

from __future__ import annotations

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from .llvm import pointer
from .processor import ON_ARM


@intrinsic
def load_acquire(typingctx, array, i):
    """array[i], read from memory anew: another thread may have changed it."""

    def codegen(context, builder, sig, args):
        place = pointer(context, builder, sig.args[0], args[0], args[1])
        return builder.load_atomic(place, "acquire", array.dtype.bitwidth // 8)

    return array.dtype(array, types.intp), codegen


@intrinsic
def pause(typingctx):
    """Hint to the CPU that this thread is only waiting."""

    def codegen(context, builder, sig, args):
        name, hint = ("llvm.aarch64.hint", [ir.IntType(32)(1)]) if ON_ARM else ("llvm.x86.sse2.pause", [])
        signature_ = ir.FunctionType(ir.VoidType(), [argument.type for argument in hint])
        builder.call(cgutils.get_or_insert_function(builder.module, signature_, name), hint)
        return context.get_dummy_value()

    return types.void(), codegen
