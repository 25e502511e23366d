"""One table of operator cases: what drives the tests of operators.

A row is a call of an operator and what comes out according to somebody else: SciPy, NumPy, or a sum done by hand. It
is handed the API it is to use, ``t``, first: tinyseg's, or PyTorch's, whose names are the same; so a row is also a
differential test.

The calls that ``tinyseg gradcheck`` checks stand in ``tinyseg.op_calls``; ``expect`` adds the value of one, by its
name, and a test fails as long as a call has none. Rows for the tests alone are whole (``case``): odd inputs, other
options, operators without a gradient. To add an operator, add a call there and its value here. ``test_ops.py`` and
``test_torch.py`` do the rest, and a test there fails as long as a kernel of the contract is in no row.
"""

from tinyseg.op_calls.table import TINYSEG, Api, Array, spread

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
from .table import BAD_CALLS, CASES, BadCall, Case

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
