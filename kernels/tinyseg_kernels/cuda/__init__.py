"""Numba's CUDA kernels for NVIDIA GPUs; imported only when a GPU, or the simulator, is asked for.

Beyond the contract this backend has what only a device has: ``gpu`` (and with it its name and its pool),
``synchronize``, ``copies``, the counts of copies between host and device, ``empty_report``,
``send``, and ``set_float32_matmul_precision``.
"""

from .. import spec
from .patterns.array import empty_report, send
from .runtime.launch import copies, get_float32_matmul_precision, gpu, set_float32_matmul_precision, synchronize

__all__ = [
    "copies",
    "empty_report",
    "get_float32_matmul_precision",
    "gpu",
    "send",
    "set_float32_matmul_precision",
    "synchronize",
]

globals().update(spec.gather(__name__))
