"""One table of operator cases: what drives the tests of operators, and the benchmarks.

A row gives a function of tensors, its inputs, and what comes out according to somebody else: SciPy, NumPy, or a
sum done by hand. The function is handed the API it is to use, ``t``, first: tinyseg's, or PyTorch's, whose names are
the same; so a row is also a differential test. To add an operator, add rows here; ``test_ops.py`` and
``test_torch.py`` do the rest, and a test there fails as long as a kernel of the contract is in no row.
"""

from . import (  # noqa: F401 - they fill the table
    activations,
    bad_calls,
    convolution,
    elementwise,
    in_place,
    losses,
    matrix_products,
    normalization,
    optimizers,
    padding,
    pooling,
    random_numbers,
    reductions,
    resizing,
    segmentation_losses,
    shapes,
    softmax,
    tensor_functions,
    tensor_reductions,
    tensor_shapes,
)
from .random_numbers import philox, words
from .table import BAD_CALLS, CASES, TINYSEG, Api, Array, BadCall, Case, spread

__all__ = [
    "BAD_CALLS",
    "CASES",
    "TINYSEG",
    "Api",
    "Array",
    "BadCall",
    "Case",
    "philox",
    "spread",
    "words",
]
