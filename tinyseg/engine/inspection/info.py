"""A model layer by layer: shapes, parameters, strides, receptive fields, multiply-adds.

One forward pass over zeros is recorded. The graph that autograd keeps of it *is* the network, skip connections and
all; walking it forward from the input gives the receptive field of every operator, each from those of its inputs, and
how many convolutions lie on the longest path to it. Hooks tell which operators belong to which layer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce
from typing import Any

from ... import models
from ...autograd import Edge, Node
from ...creation import zeros
from ...files import PathLike
from ...geometry import Field
from ...models import Classifier, Network
from ...nn import Module
from ...nn.init import skip
from ...options import Size
from ...tensor import Tensor
from ...tensor_base import TensorBase
from ..parts.pipeline import check_size, create_model
from ..storage.run import open_run
from .memory import saved_bytes

Fields = tuple[Field, Field]

DEFAULT_SIZE = (224, 224)
CONVOLUTIONS = ("Conv2d", "ConvTranspose2d")


@dataclass(frozen=True)
class LayerInfo:
    """A layer, or an operator outside of layers (then ``name`` is empty: a concatenation, a sum, a crop).

    ``shape``: of its output, without N. ``stride``: input pixels from one unit to the next, (down, across); less
    than 1 where a layer is finer than the image. ``field``: pixels, (high, wide), that a unit depends on; the most
    there are for a unit away from the borders, where units differ.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int
    stride: tuple[float, float]
    field: tuple[int, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "type": self.kind,
            "output_shape": list(self.shape),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "stride": list(self.stride),
            "receptive_field": list(self.field),
        }


@dataclass(frozen=True)
class ModelInfo:
    """A model at one image size.

    ``buffers``: numbers that belong to it and are not trained (running statistics, fixed bilinear weights); they are
    no ``parameters``. ``convolutions`` and ``transposed_convolutions`` lie on the longest path from the image to the
    result, which is how papers count layers; ``all_convolutions`` are those of both kinds wherever they lie.

    ``coarsest``: the last layer before anything is upsampled; of those with the largest stride the one that sees the
    most. Its stride and its field are what papers call the network's; ``output_stride`` and ``output_field`` are
    those of what comes out in the end.

    ``multiply_adds`` are those of one image. ``activation_bytes`` is what one image keeps in memory in training, from
    the forward pass to the backward one; gradients and the optimiser's state come on top.
    """

    model: str
    size: Size
    in_channels: int
    num_classes: int
    layers: tuple[LayerInfo, ...]
    parameters: int
    trainable_parameters: int
    buffers: int
    convolutions: int
    transposed_convolutions: int
    all_convolutions: int
    multiply_adds: int
    activation_bytes: int
    coarsest: LayerInfo
    output_stride: tuple[float, float]
    output_field: tuple[int, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "model": self.model,
            "size": list(self.size),
            "in_channels": self.in_channels,
            "num_classes": self.num_classes,
            "layers": [layer.as_dict() for layer in self.layers],
            "totals": {
                "parameters": self.parameters,
                "trainable_parameters": self.trainable_parameters,
                "buffers": self.buffers,
                "convolution_layers": self.convolutions,
                "transposed_convolution_layers": self.transposed_convolutions,
                "all_convolution_layers": self.all_convolutions,
                "multiply_adds": self.multiply_adds,
                "activation_bytes": self.activation_bytes,
                "maximum_stride": list(self.coarsest.stride),
                "receptive_field": list(self.coarsest.field),
                "output_stride": list(self.output_stride),
                "output_receptive_field": list(self.output_field),
            },
        }


def describe(
    name: str, *, size: Size | None = None, num_classes: int = 21, in_channels: int = 3, **options: Any
) -> ModelInfo:
    """Describe ``models.create(name, ...)`` for images of ``size`` = (height, width), or of 224x224.

    Raises ``InputError`` for an unknown name or option, and for a size that is too small.

    >>> info = describe("fcn32s", size=(64, 64), num_classes=2)
    >>> info.layers[0].name, info.layers[0].field
    ('backbone.stage1.0', (3, 3))
    >>> info.coarsest.name, info.coarsest.stride, info.coarsest.field
    ('score5', (32, 32), (156, 156))
    """
    with skip():  # what is said does not depend on weights
        model = models.create(name, num_classes=num_classes, in_channels=in_channels, **options)
    if size is None and isinstance(model, Classifier):
        size = model.training_size, model.training_size
    return describe_model(model, size or DEFAULT_SIZE)


def describe_run(path: PathLike, size: Size | None = None) -> ModelInfo:
    """Describe the network of the run at ``path`` (a folder, or a checkpoint in it), for images of ``size``.

    Without one it is the size that the run's images are resized to, else that of its windows in training. Raises
    ``InputError`` as ``open_run`` does, and for a size that is too small.
    """
    config = open_run(path).config
    with skip():
        model = create_model(config)
    return describe_model(model, size or config.data.size or config.data.crop or DEFAULT_SIZE)


def describe_model(model: Module, size: Size = DEFAULT_SIZE, in_channels: int = 3) -> ModelInfo:
    """Describe any network that takes images N,C,H,W; one for segmentation says itself how many channels.

    It is set to evaluation. Raises ``InputError`` for a size that is too small for a ``Network``.

    >>> from tinyseg import nn
    >>> describe_model(nn.Sequential(nn.Conv2d(1, 4, 3), nn.MaxPool2d(2)), (8, 8), in_channels=1).coarsest.field
    (4, 4)
    """
    if isinstance(model, Network):
        check_size(model, size, "a size")
        in_channels = model.in_channels
    model.eval()  # so that batch norm takes a single image of a single deep pixel
    survey = _Survey(model, in_channels, size)
    parameters, buffers = list(model.parameters()), list(model.buffers())
    convolutions, transposed = survey.longest
    return ModelInfo(
        model=getattr(model, "name", type(model).__name__),
        size=size,
        in_channels=in_channels,
        num_classes=getattr(model, "num_classes", survey.channels),
        layers=tuple(survey.layers),
        parameters=sum(p.numel() for p in parameters),
        trainable_parameters=sum(p.numel() for p in parameters if p.requires_grad),
        buffers=sum(b.numel() for b in buffers if b.is_floating_point),
        convolutions=convolutions,
        transposed_convolutions=transposed,
        all_convolutions=sum(node.op.__name__ in CONVOLUTIONS for node in survey.fields),
        multiply_adds=sum(_multiply_adds(node) for node in survey.fields),
        activation_bytes=saved_bytes(survey.fields, [*parameters, *buffers]),
        coarsest=_coarsest(survey.layers),
        output_stride=_strides(survey.output),
        output_field=_sizes(survey.output),
    )


def _coarsest(layers: Iterable[LayerInfo]) -> LayerInfo:
    """Of the layers that give maps, the one that sees the most of those with the largest stride; the last of several.

    A sum or a concatenation sees what the layers before it do, so that only layers with a name are asked.
    """
    maps = [(layer.stride, layer.field, place, layer) for place, layer in enumerate(layers) if len(layer.shape) == 3]
    return max(entry for entry in maps if entry[3].name or all(not other[3].name for other in maps))[3]


class _Survey:
    """Runs the model once and collects its layers, in the order of their work."""

    def __init__(self, model: Module, in_channels: int, size: Size) -> None:
        self.input = zeros(1, in_channels, *size, requires_grad=True)
        self.layers: list[LayerInfo] = []
        self.fields: dict[Node, Fields | None] = {}
        self.depths: dict[Node, tuple[int, int]] = {}  # convolutions, transposed ones on the longest path to a node
        handles = [
            module.register_forward_hook(self._hook(name))
            for name, module in model.named_modules()
            if not any(True for _ in module.children())
        ]
        try:
            output = model(self.input)
        finally:
            for handle in handles:
                handle.remove()
        self._enter_operators([output])
        self.output, self.channels = self._field(output) or (Field(), Field()), output.shape[1]
        self.longest = (0, 0) if output.node is None else self.depths[output.node]

    def _hook(self, name: str) -> Any:
        def look(layer: Module, inputs: tuple[Any, ...], outputs: Any) -> None:
            output = outputs[0] if isinstance(outputs, tuple) else outputs
            # What lies between the layers before and this one was not done by any layer.
            self._enter_operators([x for x in inputs if isinstance(x, Tensor)])
            own = self._visit([output])
            parameters = sum(p.numel() for p in layer.parameters())
            self._enter(name, type(layer).__name__, output, parameters, sum(_multiply_adds(node) for node in own))

        return look

    def _enter(self, name: str, kind: str, output: Tensor, parameters: int, multiply_adds: int) -> None:
        fields = self._field(output) or (Field(), Field())
        shape = output.shape[1:]
        strides, sizes = _strides(fields), _sizes(fields)
        self.layers.append(LayerInfo(name, kind, shape, parameters, multiply_adds, strides, sizes))

    def _enter_operators(self, outputs: Iterable[Tensor]) -> None:
        """A row for each operator that leads to ``outputs`` and was not seen before."""
        for node in self._visit(outputs):
            fields = self.fields[node] or (Field(), Field())
            kind, shape = node.op.__name__.lower(), node.outputs[0][0][1:]
            strides, sizes = _strides(fields), _sizes(fields)
            self.layers.append(LayerInfo("", kind, shape, 0, _multiply_adds(node), strides, sizes))

    def _visit(self, outputs: Iterable[Tensor]) -> list[Node]:
        """The operators that lead to ``outputs`` and are new, each after those it depends on; finds their fields."""
        new: list[Node] = []
        stack: list[tuple[Node, bool]] = [(x.node, False) for x in outputs if x.node is not None]
        while stack:
            node, inputs_done = stack.pop()
            if node in self.fields:
                continue
            if inputs_done:
                self.fields[node], self.depths[node] = self._through(node), self._depth(node)
                new.append(node)
                continue
            stack.append((node, True))
            stack.extend((edge[0], False) for edge in node.edges if isinstance(edge, tuple))
        return new

    def _depth(self, node: Node) -> tuple[int, int]:
        """The longest path to a node: most convolutions first, then most transposed ones."""
        convolutions, transposed = max(
            (self.depths[e[0]] for e in node.edges if isinstance(e, tuple)), default=(0, 0)
        )
        kind = node.op.__name__
        return convolutions + (kind == "Conv2d"), transposed + (kind == "ConvTranspose2d")

    def _field(self, x: Tensor) -> Fields | None:
        return self._field_of(x if x.node is None else (x.node, x.output_index))

    def _field_of(self, edge: Edge | None) -> Fields | None:
        """The field at an edge; None for what does not depend on the image (a parameter)."""
        if isinstance(edge, tuple):
            return self.fields[edge[0]]
        return (Field(), Field()) if edge is self.input else None

    def _through(self, node: Node) -> Fields | None:
        """The field behind an operator, from those of its inputs."""
        found = [(edge, fields) for edge in node.edges if edge is not None and (fields := self._field_of(edge))]
        if not found:
            return None
        # Where maps meet, those of the output's size say what the stride is.
        found.sort(key=lambda entry: _shape(entry[0])[2:] != node.outputs[0][0][2:])
        before, image = _shape(found[0][0]), self.input.shape
        rows, columns = (
            _behind(node, reduce(Field.joined, [fields[axis] for _, fields in found]), axis, before, image[2 + axis])
            for axis in (0, 1)
        )
        return rows, columns


def _shape(edge: Edge) -> tuple[int, ...]:
    return edge.shape if isinstance(edge, TensorBase) else edge[0].outputs[edge[1]][0]


def _behind(node: Node, field: Field, axis: int, before: tuple[int, ...], image: int) -> Field:
    """``field`` behind ``node`` along ``axis``, for an input of shape ``before``, in an image of size ``image``."""
    context: Any = node.context
    kind, after = node.op.__name__, node.outputs[0][0]
    if kind in CONVOLUTIONS:
        (stride, padding, dilation, _), kernel = context.window, context.saved_tensors[1].shape[2 + axis]
        through = field.through if kind == "Conv2d" else field.through_transposed
        return through(kernel, stride[axis], dilation[axis], padding[axis])
    if kind in ("MaxPool2d", "AvgPool2d"):
        kernel_size, stride, padding, dilation = context.window
        return field.through(kernel_size[axis], stride[axis], dilation[axis], padding[axis])
    if kind == "MaxUnpool2d":  # a unit may have come from any window that it lies in
        kernel_size, stride, padding = context.window
        return field.through_transposed(kernel_size[axis], stride[axis], 1, padding[axis])
    if kind == "Nearest":
        return field.nearest(_step(context.step[axis]))
    if kind == "Bilinear":
        return field.bilinear(_step(context.step[axis]), context.align_corners)
    if kind == "BedOfNails":
        return field.through_transposed(1, stride=context.factors[axis])
    if len(before) != 4 or len(after) != 4:  # no map any more: it may depend on every pixel
        return field.widened(image)
    if kind == "Pad":
        return field.through(1, padding=context.inside[2 + axis].start - context.taken[2 + axis].start)
    if kind == "PadFromInside":  # the image is taken to go on, so what the border repeats does not matter
        return field.through(1, padding=context.inside[2 + axis].start)
    if kind == "PixelUnshuffle":
        return field.through(context.factor, stride=context.factor)
    if kind == "Slice" and all(item is Ellipsis or isinstance(item, slice) for item in context.index):
        start, _, step = _slices(context.index)[axis].indices(before[2 + axis])
        return field.through(1, stride=step, padding=-start)
    if before[2 + axis] == after[2 + axis]:
        return field
    spread = field.nearest(Fraction(before[2 + axis], after[2 + axis]))
    return spread if kind == "PixelShuffle" else spread.widened(image)


def _step(step: float) -> Fraction:
    """The ratio of two sizes that ``step`` is."""
    return Fraction(step).limit_denominator(10_000)


def _slices(index: tuple[Any, ...]) -> list[slice]:
    """The slices of rows and columns in an index of a map N,C,H,W."""
    place = index.index(Ellipsis) if Ellipsis in index else len(index)
    before, after = index[:place], index[place + 1 :]
    return [*before, *[slice(None)] * (4 - len(before) - len(after)), *after][2:]


def _multiply_adds(node: Node) -> int:
    """Multiplications, each with an addition, of convolutions and matrix products; others are few and not counted."""
    kind, result = node.op.__name__, math.prod(node.outputs[0][0])
    if kind == "Conv2d":  # each output is a sum over a window of C / groups channels
        return result * math.prod(node.context.saved_tensors[1].shape[1:])
    if kind == "ConvTranspose2d":  # each input is spread over a window of O / groups channels
        x, weight = node.context.saved_tensors[:2]
        return x.numel() * math.prod(weight.shape[1:])
    if kind == "Matmul":
        return result * node.context.saved_tensors[0].shape[-1]
    return 0


def _strides(fields: Fields) -> tuple[float, float]:
    return _plain(fields[0].stride), _plain(fields[1].stride)


def _sizes(fields: Fields) -> tuple[int, int]:
    return fields[0].size, fields[1].size


def _plain(value: float) -> float:
    """A whole number as an int, which prints better."""
    return int(value) if value == int(value) else value
