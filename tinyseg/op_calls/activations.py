"""Activations beyond those of ``tensors.py``."""

from __future__ import annotations

from .table import IMAGES, A, call

call("leaky_relu", lambda t, x: t.F.leaky_relu(x), A)
call("leaky_relu", lambda t, x: t.F.leaky_relu(x, 0.3), A, name="leaky_relu with a slope")
call("elu", lambda t, x: t.F.elu(x), A)
call("elu", lambda t, x: t.F.elu(x, 1.7), A, name="elu with alpha")
call("gelu", lambda t, x: t.F.gelu(x), A)
call("gelu", lambda t, x: t.F.gelu(x, approximate="tanh"), A, name="gelu by tanh")
call("sigmoid", lambda t, x: t.F.sigmoid(x), A, name="F.sigmoid")
call("softplus", lambda t, x: t.F.softplus(x), A)
call("softplus", lambda t, x: t.F.softplus(x, 3.0, 1.5), A, name="softplus with options")
call("prelu", lambda t, x, weight: t.F.prelu(x, weight), IMAGES, [0.3, -0.2, 1.5], name="prelu of channels")
call("prelu", lambda t, x, weight: t.F.prelu(x, weight), IMAGES, [0.3], name="prelu of images with one slope")
