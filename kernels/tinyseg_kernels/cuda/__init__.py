"""Numba's CUDA kernels for NVIDIA GPUs; imported only when a GPU, or the simulator, is asked for."""

from .. import spec

globals().update(spec.gather(__name__))
