"""Small calls of every operator that has a gradient, by the operator's name: what ``tinyseg gradcheck`` checks.

Names are those of ``nn.functional`` and of tensors' operators. Inputs are small, without ties and away from kinks, so
that the gradient can be compared with differences.
"""

from . import activations, networks, tensors  # noqa: F401 - they fill the table
from .table import EXAMPLES, Example, spread
from .without_gradient import WITHOUT_GRADIENT

__all__ = ["EXAMPLES", "WITHOUT_GRADIENT", "Example", "spread"]
