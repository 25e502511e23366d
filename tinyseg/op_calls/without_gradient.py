"""Operators without a gradient."""

WITHOUT_GRADIENT = {
    "a truth value": (
        "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
        "eq", "ne", "lt", "le", "gt", "ge", "isnan", "isinf", "isfinite",
        "logical_and", "logical_or", "logical_not", "logical_xor", "all", "any",
        "bitwise_and", "bitwise_or", "bitwise_not", "bitwise_xor",
    ),
    "an index": ("argmax", "argmin"),
    "made of labels": ("one_hot", "signed_distance"),
    "constant between its jumps": ("floor_divide", "floor", "ceil", "round", "sign"),
    "a change in place, which is not recorded": (
        "lerp_", "copy_", "fill_", "masked_fill_", "setitem_", "uniform_", "normal_",
        "floor_divide_", "bitwise_and_", "bitwise_or_", "bitwise_xor_",
    ),
    "a new tensor": (
        "arange", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like",
        "eye", "linspace", "rand", "rand_like", "randn", "randn_like",
    ),
    "the backward pass itself": ("backward",),
}  # fmt: skip
"""Public functions that have no gradient, by what they give."""
