"""Numba's kernels for CPUs: the fast versions, on channels-last activations. A file for each stem of the contract.

The folders hold what the stems share. Imports go down: stems -> conv -> patterns -> vector -> runtime.
"""

from .activation import *
from .array import *
from .avg_pool2d import *
from .batch_norm import *
from .conv2d import *
from .cross_entropy import *
from .device import *
from .elementwise import *
from .gather import *
from .group_norm import *
from .interpolate import *
from .layer_norm import *
from .local_response_norm import *
from .loss import *
from .matmul import *
from .optimizer import *
from .pixel_shuffle import *
from .pool2d import *
from .random import *
from .reduce import *
from .scan import *
from .softmax import *
from .unfold import *
