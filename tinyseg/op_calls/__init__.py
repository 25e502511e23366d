"""Small calls of every operator that has a gradient, by the operator's name: the one place where they are written.

``tinyseg gradcheck`` checks the gradient of each. The tests of operators (``tests/support/op_cases/``) add what comes
out, and compare backends, layouts of memory, and PyTorch: a call is handed the API that it uses, ``t``, so that the
same call runs there. Calls are in the package because the command is; expected values are in the tests because they
come from SciPy, NumPy or a calculation by hand. Only the tests have odd inputs (NaN, ties, sizes of zero, large
numbers), other options of the same operators, and calls without a gradient.

Names of operators are those of ``nn.functional`` and of tensors' operators. Inputs are small, without ties and away
from kinks, so that the gradient can be compared with differences. Kernels have small calls of their own, next to
their contract; benchmarks have large ones, since a small call takes no time that is worth measuring.
"""

from . import activations, losses, networks, tensors  # noqa: F401 - they fill the table
from .table import CALLS, TINYSEG, Api, Call, spread
from .without_gradient import WITHOUT_GRADIENT

__all__ = ["CALLS", "TINYSEG", "WITHOUT_GRADIENT", "Api", "Call", "spread"]
