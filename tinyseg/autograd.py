"""Reverse-mode differentiation: the tape, and the walk back along it.

An operator is a class with a ``forward`` and a ``backward``. ``Op.apply`` runs the first and, if a gradient may be
asked for, leaves a ``Node`` on the result: which operator it was, what it saved, and where its inputs came from.
``backward`` visits these nodes, each one after all that used its result, and hands gradients on by the chain rule::

    dL/dx = sum over the operators that x went into of   backward(dL/d(their output))

Operators receive and return tensors; while they run nothing is recorded, so there are no gradients of gradients.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import ContextDecorator
from typing import Any, ClassVar, Literal

from .backend import kernels
from .errors import GraphError
from .geometry import Field, InputField
from .tensor_base import Edge, Node, Tensor, TensorBase, Version


class _Mode(threading.local):
    """Whether operators are recorded, and what to go back to; each thread has its own."""

    def __init__(self) -> None:
        self.recording = True
        self.before: list[bool] = []


_mode = _Mode()


def is_grad_enabled() -> bool:
    """True if operators are recorded in this thread."""
    return _mode.recording


class set_grad_enabled(ContextDecorator):
    """A ``with`` block (or decorated function) in which operators are recorded or not."""

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled

    def __enter__(self) -> None:
        # Not kept on self: one decorator serves all calls of its function, also recursive ones and other threads'.
        _mode.before.append(_mode.recording)
        _mode.recording = self.enabled

    def __exit__(self, *exception: object) -> None:
        _mode.recording = _mode.before.pop()


class no_grad(set_grad_enabled):
    """A ``with`` block (or decorated function) in which nothing is recorded.

    >>> import tinyseg
    >>> x = tinyseg.ones(2, requires_grad=True)
    >>> with tinyseg.no_grad():
    ...     (x * 2).requires_grad
    False
    """

    def __init__(self) -> None:
        super().__init__(False)


class Context:
    """What an operator's forward leaves for its backward: saved tensors, and any attribute set on it.

    ``needs_input_grad[i]`` says whether the i-th input's gradient will be used. ``into`` is None, or the input that
    is to become the result: an operator that does not save it may write there, and return it.
    """

    def __init__(self, op: type[Op], inputs: Sequence[Any], into: TensorBase | None = None) -> None:
        self.op = op
        self.into = into
        self.needs_input_grad = tuple(isinstance(x, TensorBase) and x.requires_grad for x in inputs)
        self.saved: tuple[tuple[TensorBase, int] | None, ...] | None = ()

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{self.op.__name__}: forward did not set ctx.{name}")

    def save_for_backward(self, *tensors: TensorBase | None) -> None:
        """Keep tensors (inputs or outputs) until backward; a change in place before then is an error there."""
        # Detached, lest an output that is saved by its own node keeps itself alive in a circle.
        self.saved = tuple(None if t is None else (t.detach(), t.version.count) for t in tensors)

    def part_from(self, x: TensorBase) -> None:
        """Before x's memory is written to: what was saved of it, and is as it was, is copied."""
        if self.saved is not None:
            now = x.version, x.version.count
            self.saved = tuple(
                (entry[0].copied(), 0) if entry is not None and (entry[0].version, entry[1]) == now else entry
                for entry in self.saved
            )

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What ``save_for_backward`` kept; raises ``GraphError`` if it was changed in place since, or freed."""
        if self.saved is None:
            raise GraphError(_FREED.format(self.op.__name__))
        for entry in self.saved:
            if entry is not None and entry[0].version.count != entry[1]:
                saved, times = entry[0], entry[0].version.count - entry[1]
                raise GraphError(
                    f"backward: a tensor of shape {saved.shape} that {self.op.__name__} saved was changed in place "
                    f"{times} times since; work on a clone() of it"
                )
        return tuple(None if entry is None else entry[0] for entry in self.saved)


_FREED = (
    "backward: the graph was freed by an earlier backward (at {}); call backward(retain_graph=True) "
    "the first time if you need it twice"
)


class Op:
    """An operator that can be differentiated. Subclass it, write the two methods, call ``apply``.

    ``forward(ctx, *inputs)`` gets tensors and other arguments and returns a tensor or a tuple of them.
    ``backward(ctx, *grads)`` gets the gradient of each output and returns one for each input, None where there is
    none. Check it with ``gradcheck``.

    What ``tinyseg info`` prints of a network comes from its operators, too. An element-wise one sets ``elementwise``;
    another writes ``receptive_field`` and ``multiply_adds``. One that does neither works, but its receptive field and
    its multiply-adds are unknown, and so are the receptive fields of all layers behind it.

    >>> import tinyseg
    >>> class Square(Op):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return grad * x * 2
    >>> x = tinyseg.tensor([3.0], requires_grad=True)
    >>> Square.apply(x).sum().backward()
    >>> x.grad
    tensor([6.])
    """

    # True if backward needs the result where PyTorch's needs the input. PyTorch allows such a result to be changed in
    # place, so it is allowed here, too: the saved result is copied before the change.
    lends_result: ClassVar[bool] = False

    elementwise: ClassVar[bool] = False
    """True if each element of the result depends on the elements at the same place of the inputs (which may be
    broadcast), and on no others: then the result has the receptive field of the inputs, and multiply-adds are few.
    """

    multiplies_little: ClassVar[bool] = False
    """True for an operator whose multiply-adds are few and not counted, as they are not in papers."""

    layer_kind: ClassVar[Literal["convolution", "transposed convolution"] | None] = None
    """What papers count it as when they count the layers of a network; None if they do not."""

    # Overridden with other signatures by every operator, so only their names are known here.
    forward: ClassVar[Any]
    backward: ClassVar[Any]

    @staticmethod
    def receptive_field(ctx: Any, inputs: InputField) -> Field | None:
        """The receptive field of the result along one dimension of the image, from that of the inputs; None if it is
        unknown, which it is for an operator that neither overrides this method nor is ``elementwise``.

        ``ctx`` is what ``forward`` left. ``inputs.axis`` is 0 for rows and 1 for columns; ``inputs.field`` has a
        method for each kind of window, and ``inputs`` has some for operators without windows::

            return inputs.field.through(3, stride=2, padding=1)  # a window of 3 units
            return inputs.unit_by_unit()                         # channels are mixed, places are not
            return inputs.whole_image()                          # each unit may depend on every pixel
        """
        return inputs.unit_by_unit() if ctx.op.elementwise else None

    @staticmethod
    def multiply_adds(ctx: Any, shape: tuple[int, ...]) -> int | None:
        """The number of multiplications, each with an addition, that a result of ``shape`` takes. None if it is
        unknown.

        Counted are those of convolutions and matrix products. An operator with far fewer (a few for each element)
        does not override this method, but is ``elementwise`` or sets ``multiplies_little``: then the number is 0. It
        is never 0 by default, because the total of a network would then be too small and nobody would notice.
        """
        return 0 if ctx.op.elementwise or ctx.op.multiplies_little else None

    @classmethod
    def apply(cls, *inputs: Any) -> Any:
        """Run ``forward``; record it if an input requires a gradient and recording is on."""
        tensors = _on_one_device(cls, inputs)
        context = Context(cls, inputs)
        with no_grad():
            result = cls.forward(context, *inputs)
        if not (_mode.recording and any(context.needs_input_grad)):
            return result
        # An input that is handed on gets a tensor of its own: it must not become the operator's result itself.
        outputs = tuple(
            y.alias(y.array) if any(y is x for x in tensors) else y
            for y in (result if isinstance(result, tuple) else (result,))
        )
        node = _record(cls, context, inputs, outputs)
        for index, output in enumerate(outputs):
            if output.is_floating_point:
                output.node, output.output_index = node, index
        return outputs if isinstance(result, tuple) else outputs[0]

    @classmethod
    def apply_(cls, target: Tensor, *inputs: Any) -> Tensor:
        """``apply``, and let ``target`` become the result: its memory takes the values, itself the node; returns it.

        Operators that saved what was in its memory will miss it in their backward. Whether ``target`` may be changed
        and can hold the result has been checked: see ``ops/inplace.py``.
        """
        tensors = _on_one_device(cls, inputs)
        context = Context(cls, inputs, target if any(x is target for x in tensors) else None)
        recorded = _mode.recording and any(context.needs_input_grad)
        node = _record(cls, context, inputs, (target,)) if recorded else None
        with no_grad():
            if target.node is not None and target.node.op.lends_result:
                target.node.context.part_from(target)
            result = cls.forward(context, *inputs)
            if result is not target:
                if recorded:
                    context.part_from(target)
                target.backend.assign(result.array, target.array)
        target.version.count += 1
        if node is not None:
            target.node, target.output_index = node, 0
            for view in [] if target.kin is None else target.kin.others(target):
                view.stale = True
        return target


def _on_one_device(cls: type[Op], inputs: Sequence[Any]) -> list[TensorBase]:
    """The tensors among the inputs; raises ``ValueError`` for two devices."""
    tensors = [x for x in inputs if isinstance(x, TensorBase)]
    for other in tensors[1:]:
        if other.device != tensors[0].device:
            raise ValueError(
                f"{cls.__name__}: its inputs are on two devices, {tensors[0].device!r} and {other.device!r}; "
                "move one with .to()"
            )
    return tensors


def _record(op: type[Op], context: Context, inputs: Sequence[Any], outputs: Sequence[TensorBase]) -> Node:
    edges = tuple(_edge(x) if needed else None for x, needed in zip(inputs, context.needs_input_grad, strict=True))
    return Node(op, context, edges, outputs)


def _edge(x: TensorBase) -> Edge:
    if x.stale:
        raise GraphError(
            f"a view of shape {x.shape} is used whose memory was changed in place by a recorded operator since it "
            "was taken; take the view again, after the change"
        )
    return x if x.node is None else (x.node, x.output_index)


def _key(edge: Edge) -> Any:
    return id(edge) if isinstance(edge, TensorBase) else (id(edge[0]), edge[1])


def _count_users(roots: Sequence[Node]) -> dict[Node, int]:
    """For each node that can be reached from the roots, how many edges lead to it."""
    users = dict.fromkeys(roots, 0)
    stack = list(users)
    while stack:  # a loop, not recursion: graphs may be tens of thousands of operators deep
        for edge in stack.pop().edges:
            if isinstance(edge, tuple):
                if edge[0] not in users:
                    users[edge[0]] = 0
                    stack.append(edge[0])
                users[edge[0]] += 1
    return users


class _Pass:
    """One backward pass: gradients on their way, and what has arrived at leaves and at watched edges."""

    def __init__(self, retain_graph: bool, watched: Sequence[Edge] = ()) -> None:
        self.retain_graph = retain_graph
        self.pending: dict[Any, TensorBase] = {}
        self.leaves: dict[int, TensorBase] = {}
        self.arrived: dict[Any, TensorBase | None] = {_key(edge): None for edge in watched}

    def bring(self, edge: Edge, gradient: TensorBase) -> None:
        """Add a gradient to what is waiting at its destination."""
        key = _key(edge)
        if isinstance(edge, TensorBase):
            self.leaves[key] = edge
        waiting = self.pending.get(key)
        self.pending[key] = gradient if waiting is None else _sum(waiting, gradient)

    def run(self, roots: Sequence[Node]) -> None:
        """Visit every node after all its users."""
        users = _count_users(roots)
        ready = [node for node, count in users.items() if count == 0]
        while ready:
            node = ready.pop()
            self._visit(node)
            for edge in node.edges:
                if isinstance(edge, tuple):
                    users[edge[0]] -= 1
                    if users[edge[0]] == 0:
                        ready.append(edge[0])

    def _visit(self, node: Node) -> None:
        if node.context.saved is None:
            raise GraphError(_FREED.format(node.op.__name__))
        keys = [(id(node), index) for index in range(len(node.outputs))]
        grads = [self.pending.pop(key, None) for key in keys]
        self.arrived.update((key, grad) for key, grad in zip(keys, grads, strict=True) if key in self.arrived)
        if any(grad is not None for grad in grads):
            for edge, gradient in zip(node.edges, self._chain_rule(node, grads), strict=True):
                if edge is not None and gradient is not None:
                    self.bring(edge, gradient)
        if not self.retain_graph:
            node.free()

    def _chain_rule(self, node: Node, grads: list[TensorBase | None]) -> tuple[TensorBase | None, ...]:
        like = next(grad for grad in grads if grad is not None)
        filled = [
            _filled(like, *output, 0) if grad is None and output[1].kind == "f" else grad
            for grad, output in zip(grads, node.outputs, strict=True)
        ]
        result = node.op.backward(node.context, *filled)
        result = result if isinstance(result, tuple) else (result,)
        if len(result) != len(node.edges):
            raise ValueError(
                f"{node.op.__name__}.backward returned {len(result)} gradients; forward has {len(node.edges)} inputs"
            )
        for number, (edge, gradient) in enumerate(zip(node.edges, result, strict=True)):
            if edge is not None and gradient is not None:
                _check_gradient(f"{node.op.__name__}.backward", number, edge, gradient)
        return result


def _filled(like: TensorBase, shape: tuple[int, ...], dtype: Any, device: str, value: float) -> TensorBase:
    """A tensor of that shape, type and device, each element ``value``."""
    array = kernels(device).empty(shape, dtype)
    kernels(device).fill(array, value)
    return like.wrap(array, device)


def _sum(a: TensorBase, b: TensorBase) -> TensorBase:
    """The sum of two gradients of one tensor."""
    array = a.backend.empty_like(a.array, a.dtype)
    a.backend.add(a.array, b.array, array)
    return a.wrap(array)


def _check_gradient(name: str, number: int, edge: Edge, gradient: Any) -> None:
    if not isinstance(gradient, TensorBase):
        raise TypeError(f"{name}: the gradient of input {number} must be a Tensor, got {type(gradient).__name__}")
    shape, dtype, device = (
        (edge.shape, edge.dtype, edge.device) if isinstance(edge, TensorBase) else edge[0].outputs[edge[1]]
    )
    if (gradient.shape, gradient.dtype, gradient.device) != (shape, dtype, device):
        raise ValueError(
            f"{name}: the gradient of input {number} must be {dtype} of shape {shape} on {device!r}, "
            f"got {gradient.dtype} of shape {gradient.shape} on {gradient.device!r}"
        )


def _run(work: _Pass, outputs: Sequence[TensorBase], gradients: Sequence[TensorBase | None]) -> None:
    """Let the gradients of the outputs flow back."""
    for output, gradient in zip(outputs, gradients, strict=True):
        if not output.requires_grad:
            raise GraphError(
                "backward: the tensor does not require a gradient and was not computed from one that does"
            )
        if gradient is None:
            if output.numel() != 1:
                raise ValueError(
                    f"backward: a tensor of shape {output.shape} needs a gradient of that shape; only a tensor of "
                    "one element has 1 by default"
                )
            gradient = _filled(output, output.shape, output.dtype, output.device, 1)
        _check_gradient("backward", 0, _edge(output), gradient)
        work.bring(_edge(output), gradient.detach())
    work.run(list(dict.fromkeys(output.node for output in outputs if output.node is not None)))


def _refuse_create_graph(create_graph: bool) -> None:
    if create_graph:
        raise NotImplementedError(
            "backward(create_graph=True): there is no double backward in tinyseg, gradients are not recorded"
        )


def backward(
    output: TensorBase, gradient: TensorBase | None = None, retain_graph: bool = False, create_graph: bool = False
) -> None:
    """Add d(output)/d(leaf) to ``grad`` of each leaf that requires it.

    ``gradient`` is dL/d(output), of the output's shape and type; 1 for a single element if left out. What operators
    saved is freed on the way unless ``retain_graph``. Raises ``GraphError`` for a tensor without a graph, a graph
    that is freed already, and saved tensors that were changed in place; ``NotImplementedError`` for ``create_graph``.
    """
    _refuse_create_graph(create_graph)
    with no_grad():
        work = _Pass(retain_graph)
        _run(work, [output], [gradient])
        given: set[Version] = set()
        for key, leaf in work.leaves.items():
            arrived = work.pending[key]
            if leaf.grad is not None:
                _add_to(leaf.grad, arrived)
            else:
                leaf.grad = _owned(arrived, given)


def _add_to(total: TensorBase, gradient: TensorBase) -> None:
    """In place, so that whoever holds ``grad`` sees the sum."""
    total.need_own_memory("backward")
    if gradient.version is total.version:  # another view of the memory that is written to
        gradient = gradient.copied()
    total.backend.add(total.array, gradient.array, total.array)
    total.version.count += 1


def _owned(gradient: Tensor, given: set[Version]) -> Tensor:
    """The gradient in memory that nobody else holds; an addition, say, hands one gradient on to both its inputs."""
    if gradient.is_view or gradient.version in given:
        return gradient.copied()
    given.add(gradient.version)
    return gradient


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool = False,
    create_graph: bool = False,
    allow_unused: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of the sum of ``outputs`` by ``inputs``, leaves or not; nobody's ``grad`` is touched.

    Raises ``GraphError`` if an input was not used, unless ``allow_unused`` (then its gradient is None); for the rest
    see ``backward``.

    >>> import tinyseg
    >>> x = tinyseg.tensor([2.0], requires_grad=True)
    >>> y = x * x
    >>> grad((y * 3).sum(), [x, y])
    (tensor([12.]), tensor([3.]))
    """
    _refuse_create_graph(create_graph)
    outputs = [outputs] if isinstance(outputs, TensorBase) else list(outputs)
    inputs = [inputs] if isinstance(inputs, TensorBase) else list(inputs)
    if grad_outputs is None or isinstance(grad_outputs, TensorBase):
        grad_outputs = [grad_outputs] * len(outputs)
    edges = [_edge(x) for x in inputs]
    with no_grad():
        work = _Pass(retain_graph, edges)
        _run(work, outputs, grad_outputs)
    gradients: list[Any] = []
    given: set[Version] = set()
    for x, edge in zip(inputs, edges, strict=True):
        gradient = work.pending.get(_key(edge)) if x.is_leaf else work.arrived[_key(edge)]
        if gradient is None and not allow_unused:
            raise GraphError(f"grad: an input of shape {x.shape} was not used to compute the outputs")
        gradients.append(None if gradient is None else _owned(gradient, given))
    return tuple(gradients)
