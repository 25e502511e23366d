"""What intrinsics written in LLVM's language have in common: integers, and the address of an array's element."""

from __future__ import annotations

from typing import Any

from llvmlite import ir

INT = ir.IntType(64)


def pointer(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The address of element ``index`` of a one-dimensional array."""
    return builder.gep(context.make_array(array_type)(context, builder, array).data, [index])
