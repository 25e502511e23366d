"""The tape as a picture: which operators, on which parameters, a tensor was computed by."""

from collections.abc import Mapping

import numpy as np

from ..autograd import Edge, Node
from ..files import PathLike
from ..tensor import Tensor
from ..tensor_base import TensorBase
from .boxes import Arrow, Box, save_boxes
from .figures import as_array

MOST = 300
"""Boxes that are drawn at most: a picture of more is looked at by nobody."""
SHORT = 3
"""A tensor of so many elements shows them."""

# What stands for a box: a node, one of its results that has a name, or a leaf.
Key = tuple[int, int | None]


def save_tape(
    path: PathLike,
    tensor: Tensor,
    names: Mapping[str, Tensor] | None = None,
    gradients: Mapping[str, Tensor | None] | None = None,
) -> None:
    """Draw the graph that ``tensor`` was computed by, as the tape recorded it: operators in rounded boxes, tensors in
    square ones, arrows from what goes in to what comes out.

    Args:
        path: the file.
        tensor: any result that requires a gradient, before or after ``backward``.
        names: name -> tensor. A leaf (a parameter) without a name is called ``leaf``. A named result of an operator
            gets a box of its own. For a network: ``dict(net.named_parameters())``.
        gradients: name -> gradient, which is written below the value; leaves have theirs in ``grad``, those of
            results come from ``tinyseg.grad``.

    A tensor of up to three elements shows its value, another its shape. What needs no gradient is not on the tape, so
    it is not in the picture: inputs, labels, constants. Small graphs run from left to right, long ones downwards.
    Raises ``ValueError`` for a tensor without a graph, one of more than 300 boxes, or gradients without a name.

    >>> import tempfile, tinyseg
    >>> from pathlib import Path
    >>> a, b = (tinyseg.tensor([value], requires_grad=True) for value in (2.0, 3.0))
    >>> path = Path(tempfile.mkdtemp()) / "tape.png"
    >>> save_tape(path, (a * b).tanh(), {"a": a, "b": b})
    >>> path.stat().st_size > 1000
    True
    """
    unknown = sorted(set(gradients or {}) - set(names or {}))
    if unknown:
        raise ValueError(f"save_tape: gradients of {', '.join(unknown)}, which names does not have")
    graph = _Graph(tensor, names or {}, gradients or {})
    save_boxes(path, graph.boxes, graph.arrows)


class _Graph:
    """The boxes of a tape, and the arrows between their numbers."""

    def __init__(self, output: Tensor, names: Mapping[str, Tensor], gradients: Mapping[str, Tensor | None]) -> None:
        if output.node is None:
            raise ValueError("save_tape: the tensor was not computed from one that requires a gradient: no graph")
        self.boxes: list[Box] = []
        self.arrows: list[Arrow] = []
        self.gradients = gradients
        self.named = {_key(output): ("result", output)}
        self.named |= {_key(value): (name, value) for name, value in names.items()}
        self.numbers: dict[Key, int] = {}
        self.waiting: list[Node] = []
        self._source((output.node, output.output_index))
        while self.waiting:
            node = self.waiting.pop()
            end = self._operator(node)
            self.arrows += [(self._source(edge), end) for edge in node.edges if edge is not None]

    def _source(self, edge: Edge) -> int:
        """The box of a tensor that goes into an operator: its own, or that of the operator that made it."""
        key = _key(edge)
        if key in self.numbers:
            return self.numbers[key]
        if isinstance(edge, TensorBase):
            name, _ = self.named.get(key, ("leaf", edge))
            return self._add(key, Box(_value_text(name, edge, edge.grad), "leaf"))
        if key not in self.named:
            return self._operator(edge[0])
        name, value = self.named[key]
        number = self._add(key, Box(_value_text(name, value, self.gradients.get(name)), "result"))
        self.arrows.append((self._operator(edge[0]), number))
        return number

    def _operator(self, node: Node) -> int:
        key = (id(node), None)
        if key not in self.numbers:
            self.waiting.append(node)
            self._add(key, Box(_operator_text(node), "operator"))
        return self.numbers[key]

    def _add(self, key: Key, box: Box) -> int:
        if len(self.boxes) == MOST:
            raise ValueError(f"save_tape: the graph has more than {MOST} boxes; draw that of a smaller network")
        self.numbers[key] = len(self.boxes)
        self.boxes.append(box)
        return self.numbers[key]


def _key(edge: Edge) -> Key:
    if not isinstance(edge, TensorBase):
        return id(edge[0]), edge[1]
    return (id(edge), None) if edge.node is None else (id(edge.node), edge.output_index)


def _operator_text(node: Node) -> str:
    """The operator's name, and the shapes of its results if they are no single numbers."""
    shapes = [str(tuple(shape)) for shape, *_ in node.outputs if int(np.prod(shape)) > 1]
    return "\n".join([node.op.__name__.lstrip("_"), *dict.fromkeys(shapes)])


def _value_text(name: str, value: TensorBase, gradient: TensorBase | None) -> str:
    if value.numel() > SHORT:
        return f"{name}\n{tuple(value.shape)}"
    lines = [f"{name} = {_short(value)}"]
    return "\n".join(lines if gradient is None else [*lines, f"grad {_short(gradient)}"])


def _short(value: TensorBase) -> str:
    """A few numbers in four digits."""
    numbers = [f"{number:.4g}" for number in as_array(value).ravel()]
    return numbers[0] if len(numbers) == 1 else f"[{', '.join(numbers)}]"
