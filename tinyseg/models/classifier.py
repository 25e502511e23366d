"""Networks that say of an image what it shows, and how they are made to say it of every place.

A fully connected layer that sees maps of h x w is a convolution with a kernel of h x w: the same weights, the same
sums. As a convolution it also takes larger maps, and then gives an answer for each position of its window: the
network becomes a heat map of what the classifier would say of each window of the image, at the cost of one pass.
"""

from __future__ import annotations

from collections.abc import Iterator

from .. import nn
from ..nn import functional as F
from ..nn.module import Parameter
from ..tensor import Tensor
from .network import Network


class Classifier(Network):
    """Images N,in_channels,H,W in, scores N,num_classes out.

    ``training_size``: side of the images it was made for; ``window``: side of the maps that its head then sees.
    Images of other sizes are brought to it by adaptive average pooling, as torchvision does.
    """

    def __init__(self, name: str, num_classes: int, in_channels: int, training_size: int, window: int) -> None:
        super().__init__(name, num_classes, in_channels)
        self.training_size, self.window = training_size, window

    def body(self) -> nn.Sequential:
        """The layers that give maps."""
        raise NotImplementedError(f"{type(self).__name__} does not define body")

    def head(self) -> nn.Sequential:
        """The fully connected layers, and what lies between them."""
        raise NotImplementedError(f"{type(self).__name__} does not define head")

    def window_layers(self) -> Iterator[nn.Module]:
        """What stands between body and head in the dense network; nothing, where the head itself sees the window."""
        return iter(())

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes)."""
        self.check(input)
        return self.classify(self.body()(input))

    def classify(self, maps: Tensor) -> Tensor:
        """The head's answer to the body's maps."""
        if maps.shape[2:] != (self.window, self.window):
            maps = F.adaptive_avg_pool2d(maps, self.window)
        return self.head()(maps.flatten(1))


class DenseClassifier(Network):
    """A classifier as a convolutional network: images N,C,H,W in, scores N,num_classes,h,w out; one score for each
    position of a window of ``training_size``. Parameters are the classifier's own memory, under the names
    ``body`` and ``head``.
    """

    def __init__(self, classifier: Classifier) -> None:
        super().__init__(classifier.name, classifier.num_classes, classifier.in_channels)
        self.training_size, self.preprocessing = classifier.training_size, classifier.preprocessing
        self.body = classifier.body()
        self.head = nn.Sequential(*_convolutions(classifier))
        self.train(classifier.training)

    @property
    def min_size(self) -> tuple[int, int]:
        """One window."""
        return self.training_size, self.training_size

    def forward(self, input: Tensor) -> Tensor:
        """(N, in_channels, H, W) -> (N, num_classes, h, w); h = w = 1 at the training size."""
        self.check(input)
        return self.head(self.body(input))


def convolutionalize(classifier: Classifier) -> DenseClassifier:
    """``classifier`` with its fully connected layers as convolutions of the same weights (Long, Shelhamer and Darrell
    2015, section 3.1).

    At the training size the scores are the classifier's. On a larger image, unit (i, j) has the scores of the window
    that begins at pixel (s i, s j), s being the stride (32), as far as borders do not matter: layers that pad see
    zeros around a window that is cut out, and what lies beside it in the image.

    >>> import tinyseg
    >>> net = tinyseg.models.create("alexnet", num_classes=5, width=4).eval()
    >>> dense = convolutionalize(net)
    >>> dense(tinyseg.rand(1, 3, 227, 227)).shape, dense(tinyseg.rand(1, 3, 227, 291)).shape
    ((1, 5, 1, 1), (1, 5, 1, 3))
    """
    return DenseClassifier(classifier)


def _convolutions(classifier: Classifier) -> Iterator[nn.Module]:
    """The layers of the head, each fully connected one as a convolution over its window."""
    yield from classifier.window_layers()
    window = classifier.window
    for layer in classifier.head():
        if isinstance(layer, nn.Linear):
            yield as_convolution(layer, window)
            window = 1
        else:
            yield layer


def as_convolution(layer: nn.Linear, window: int) -> nn.Conv2d:
    """The convolution with a kernel of ``window`` x ``window`` that ``layer`` is, on the same memory."""
    with nn.init.skip():
        convolution = nn.Conv2d(1, 1, 1, bias=False)  # small: one of its own weights would be as large as the layer
    shape = layer.out_features, layer.in_features // window**2, window, window
    convolution.out_channels, convolution.in_channels, convolution.kernel_size = shape[0], shape[1], shape[2:]
    convolution.weight = Parameter(layer.weight.detach().reshape(shape), layer.weight.requires_grad)
    convolution.register_parameter("bias", layer.bias)
    return convolution
