"""Numba's CUDA kernels for NVIDIA GPUs; imported only when a GPU, or the simulator, is requested.

The files here are the contract's stems. What they are made of stands in folders, each of which imports from those
before it only: runtime <- vector <- patterns <- conv <- stems.

Beyond the contract this backend has ``gpu`` (and with it the device's name and its pool), ``copies``, the counts of
copies between host and device, and ``get_float32_matmul_precision``.
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
from .runtime.launch import copies as copies
from .runtime.launch import get_float32_matmul_precision as get_float32_matmul_precision
from .runtime.launch import gpu as gpu
from .scan import *
from .softmax import *
from .unfold import *
