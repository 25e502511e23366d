"""Numba's kernels for CPUs: the fast versions, on channels-last activations."""

from .. import spec

globals().update(spec.gather(__name__))
