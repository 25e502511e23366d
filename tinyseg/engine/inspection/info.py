"""A model layer by layer: shapes, parameters, strides, receptive fields, multiply-adds.

One forward pass over zeros is recorded. The graph that autograd keeps of it *is* the network, skip connections and
all; walking it forward from the input gives the receptive field of every operator, each from those of its inputs, and
how many convolutions lie on the longest path to it. Hooks tell which operators belong to which layer. What is behind
an operator, and how many multiply-adds it takes, its ``Op`` says; what that does not know is None here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce
from numbers import Integral
from typing import Any

from ... import models
from ...autograd import Edge, Node
from ...creation import zeros
from ...files import PathLike
from ...geometry import Field, InputField
from ...models import Classifier, Network
from ...nn import Module
from ...nn.init import skip
from ...options import Size
from ...tensor import Tensor
from ...tensor_base import TensorBase
from ..parts.pipeline import check_size, create_model
from ..storage.run import open_run
from .memory import saved_bytes

# Along rows and along columns; None is unknown.
Fields = tuple[Field | None, Field | None]

DEFAULT_SIZE = (224, 224)


@dataclass(frozen=True)
class LayerInfo:
    """A layer, or an operator outside of layers (then ``name`` is empty: a concatenation, a sum, a crop).

    ``shape``: of its output, without N. ``stride``: input pixels from one unit to the next, (down, across); less
    than 1 where a layer is finer than the image. ``field``: pixels, (high, wide), that a unit depends on; the most
    there are for a unit away from the borders, where units differ. Both are None, unknown, behind an operator that
    does not say its receptive field; ``multiply_adds`` is None if one of the layer's does not say these.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int
    multiply_adds: int | None
    stride: tuple[float, float] | None
    field: tuple[int, int] | None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.name,
            "type": self.kind,
            "output_shape": list(self.shape),
            "parameters": self.parameters,
            "multiply_adds": self.multiply_adds,
            "stride": _listed(self.stride),
            "receptive_field": _listed(self.field),
        }


@dataclass(frozen=True)
class ModelInfo:
    """A model at one image size.

    ``buffers``: numbers that belong to it and are not trained (running statistics, fixed bilinear weights); they are
    no ``parameters``. ``convolutions`` and ``transposed_convolutions`` lie on the longest path from the image to the
    result, which is how papers count layers; ``all_convolutions`` are those of both kinds wherever they lie.

    ``coarsest``: the last layer before anything is upsampled; of those with the largest stride the one that sees the
    most. Its stride and its field are what papers call the network's; ``output_stride`` and ``output_field`` are
    those of what comes out in the end. All three are None where they are unknown, ``coarsest`` as soon as the stride
    or the field of any layer is.

    ``multiply_adds`` are those of one image. ``activation_bytes`` is what one image keeps in memory in training, from
    the forward pass to the backward one; gradients and the optimiser's state come on top.

    ``unknown_fields`` and ``unknown_multiply_adds`` name the operators that do not say these of themselves.
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
    multiply_adds: int | None
    activation_bytes: int
    coarsest: LayerInfo | None
    output_stride: tuple[float, float] | None
    output_field: tuple[int, int] | None
    unknown_fields: tuple[str, ...] = ()
    unknown_multiply_adds: tuple[str, ...] = ()

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
                "maximum_stride": _listed(None if self.coarsest is None else self.coarsest.stride),
                "receptive_field": _listed(None if self.coarsest is None else self.coarsest.field),
                "output_stride": _listed(self.output_stride),
                "output_receptive_field": _listed(self.output_field),
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

    It is set to evaluation. Raises ``InputError`` for a size that is too small for a ``Network``, and ``TypeError``
    for an operator whose ``receptive_field`` or ``multiply_adds`` returns something else.

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
        all_convolutions=sum(node.op.layer_kind is not None for node in survey.fields),
        multiply_adds=_total(survey.fields),
        activation_bytes=saved_bytes(survey.fields, [*parameters, *buffers]),
        coarsest=_coarsest(survey.layers),
        output_stride=_strides(survey.output),
        output_field=_sizes(survey.output),
        unknown_fields=tuple(survey.unknown),
        unknown_multiply_adds=tuple(
            dict.fromkeys(node.op.__name__ for node in survey.fields if _multiply_adds(node) is None)
        ),
    )


def _coarsest(layers: Iterable[LayerInfo]) -> LayerInfo | None:
    """Of the layers that give maps, the one that sees the most of those with the largest stride; the last of several.
    None if any is unknown: it may be that one.

    A sum or a concatenation sees what the layers before it do, so that only layers with a name are candidates.
    """
    maps = [layer for layer in layers if len(layer.shape) == 3]
    candidates = [layer for layer in maps if layer.name] or maps
    known = [
        (layer.stride, layer.field, place)
        for place, layer in enumerate(candidates)
        if layer.stride is not None and layer.field is not None
    ]
    return candidates[max(known)[2]] if len(known) == len(candidates) else None


class _Survey:
    """Runs the model once and collects its layers, in the order of their work."""

    def __init__(self, model: Module, in_channels: int, size: Size) -> None:
        self.input = zeros(1, in_channels, *size, requires_grad=True)
        self.layers: list[LayerInfo] = []
        self.fields: dict[Node, Fields | None] = {}  # None for what does not depend on the image
        self.unknown: dict[str, None] = {}  # names of operators that do not say their receptive field
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
        def enter_layer(layer: Module, inputs: tuple[Any, ...], outputs: Any) -> None:
            output = outputs[0] if isinstance(outputs, tuple) else outputs
            # What lies between the layers before and this one was not done by any layer.
            self._enter_operators([x for x in inputs if isinstance(x, Tensor)])
            own = self._visit([output])
            parameters = sum(p.numel() for p in layer.parameters())
            self._enter(name, type(layer).__name__, output, parameters, _total(own))

        return enter_layer

    def _enter(self, name: str, kind: str, output: Tensor, parameters: int, multiply_adds: int | None) -> None:
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
        kind = node.op.layer_kind
        return convolutions + (kind == "convolution"), transposed + (kind == "transposed convolution")

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
        before = _shape(found[0][0])
        rows, columns = (self._behind(node, axis, [fields[axis] for _, fields in found], before) for axis in (0, 1))
        return rows, columns

    def _behind(self, node: Node, axis: int, fields: list[Field | None], before: tuple[int, ...]) -> Field | None:
        """The field behind an operator along one axis, from those of its inputs, the first of shape ``before``."""
        known = [field for field in fields if field is not None]
        if len(known) < len(fields):
            return None
        inputs = InputField(axis, reduce(Field.joined, known), before, node.outputs[0][0], self.input.shape[2 + axis])
        field = node.op.receptive_field(node.context, inputs)
        if field is None:
            self.unknown[node.op.__name__] = None
        elif not isinstance(field, Field):
            raise TypeError(
                f"{node.op.__name__}.receptive_field returned {field!r:.60}; it must be a Field, such as "
                "inputs.field.through(3) and inputs.unit_by_unit() return, or None if it is unknown"
            )
        return field


def _shape(edge: Edge) -> tuple[int, ...]:
    return edge.shape if isinstance(edge, TensorBase) else edge[0].outputs[edge[1]][0]


def _multiply_adds(node: Node) -> int | None:
    """What the operator says of itself; raises ``TypeError`` if that is no number."""
    count = node.op.multiply_adds(node.context, node.outputs[0][0])
    if count is None:
        return None
    if not isinstance(count, Integral):
        raise TypeError(
            f"{node.op.__name__}.multiply_adds returned {count!r:.60}; it must be an int, or None if it is unknown"
        )
    return int(count)


def _total(nodes: Iterable[Node]) -> int | None:
    """Of all operators together; None if one does not say its own."""
    counts = [_multiply_adds(node) for node in nodes]
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None


def _strides(fields: Fields) -> tuple[float, float] | None:
    rows, columns = fields
    return None if rows is None or columns is None else (_plain(rows.stride), _plain(columns.stride))


def _sizes(fields: Fields) -> tuple[int, int] | None:
    rows, columns = fields
    return None if rows is None or columns is None else (rows.size, columns.size)


def _plain(value: float) -> float:
    """A whole number as an int, which prints better."""
    return int(value) if value == int(value) else value


def _listed(pair: tuple[float, float] | None) -> list[float] | None:
    return None if pair is None else list(pair)
