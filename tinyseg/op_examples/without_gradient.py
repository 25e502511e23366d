"""Operators without a gradient."""

WITHOUT_GRADIENT = {
    "a truth value": (
        "equal", "not_equal", "less", "less_equal", "greater", "greater_equal",
        "logical_and", "logical_or", "logical_not", "all", "any",
    ),
    "an index": ("argmax", "argmin"),
    "constant between its jumps": ("floor_divide",),
    "a change in place, which is not recorded": (
        "add_", "sub_", "mul_", "div_", "lerp_", "copy_", "fill_", "setitem_", "uniform_", "normal_",
    ),
    "a new tensor": (
        "arange", "full", "full_like", "ones", "ones_like", "zeros", "zeros_like",
        "rand", "rand_like", "randn", "randn_like",
    ),
    "the backward pass itself": ("backward",),
}  # fmt: skip
"""Public functions that have no gradient, by what they give."""
