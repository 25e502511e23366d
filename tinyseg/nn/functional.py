"""The operators as functions of tensors, with PyTorch's names, arguments and defaults.

Images are N,C,H,W. Arguments that are sizes take one int for both directions or a pair (vertical, horizontal).
Shapes, types and values are checked: ``ValueError`` for shapes and values, ``TypeError`` for types, ``IndexError``
for indices, each with a message that says what was expected and what came.

Of losses: where a ``weight`` is given, 'mean' divides by what the docstring says, which is not always the weights'
sum: PyTorch's conventions differ from loss to loss, and are kept.
"""

from ..ops.matmul import linear as linear
from ..ops.network.activation import *
from ..ops.network.avg_pool2d import *
from ..ops.network.batch_norm import *
from ..ops.network.conv2d import *
from ..ops.network.cross_entropy import *
from ..ops.network.dropout import *
from ..ops.network.group_norm import *
from ..ops.network.interpolate import *
from ..ops.network.layer_norm import *
from ..ops.network.local_response_norm import *
from ..ops.network.loss import *
from ..ops.network.one_hot import *
from ..ops.network.pad import *
from ..ops.network.pixel_shuffle import *
from ..ops.network.pool2d import *
from ..ops.network.softmax import *
from ..ops.network.unfold import *
from .losses.boundary import boundary_loss as boundary_loss
from .losses.boundary import dice_boundary_loss as dice_boundary_loss
from .losses.boundary import signed_distance as signed_distance
from .losses.lovasz import lovasz_softmax_loss as lovasz_softmax_loss
from .losses.overlap import dice_ce_loss as dice_ce_loss
from .losses.overlap import dice_focal_loss as dice_focal_loss
from .losses.overlap import dice_loss as dice_loss
from .losses.overlap import focal_tversky_loss as focal_tversky_loss
from .losses.overlap import jaccard_loss as jaccard_loss
from .losses.overlap import tversky_loss as tversky_loss
from .losses.pixel_losses import focal_loss as focal_loss
from .losses.pixel_losses import weighted_cross_entropy as weighted_cross_entropy

# All of them: what a file offers stands in its own ``__all__``, and nothing else is imported here.
__all__ = sorted(name for name in globals() if not name.startswith("_"))
