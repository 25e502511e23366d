"""Weights from elsewhere, and to elsewhere.

``read`` opens files of PyTorch, safetensors and NumPy without executing anything in them; ``load`` brings what it
finds into a network of ours and tells of each weight what became of it. See ``file.py`` for the formats,
``names.py`` for the origins that are known.

>>> import tempfile, numpy as np, tinyseg
>>> path = f"{tempfile.mkdtemp()}/features.npz"
>>> classifier = tinyseg.models.create("vgg16", num_classes=10, width=2)
>>> np.savez(path, **{name: value.numpy() for name, value in classifier.state_dict().items()})
>>> fcn = tinyseg.models.create("fcn32s", num_classes=3, backbone="vgg16", width=2)
>>> report = load(fcn, path)
>>> for fate in ("renamed", "reshaped", "skipped", "missing"):
...     print(report.of(fate)[-1])
renamed    classifier.3.bias -> fc7.bias
reshaped   classifier.3.weight -> fc7.weight (128x128 as 128x128x1x1)
skipped    classifier.6.bias (a fully connected layer of the classifier, which has no place in this network)
missing    upscore.weight (starts as bilinear upsampling)
"""

from .file import Weights, read
from .loading import Entry, MisfitError, Report, load, source_of
from .names import Source

__all__ = ["Entry", "MisfitError", "Report", "Source", "Weights", "load", "read", "source_of"]
