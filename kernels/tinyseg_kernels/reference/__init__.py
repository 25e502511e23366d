"""The definition of right: short, plain NumPy, any float type, any strides."""

from .. import spec

globals().update(spec.gather(__name__))
