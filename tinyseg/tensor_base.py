"""What lies below the operators: an array on a device, its version, its gradient, and where it came from.

Operators (``ops/``) are functions of such tensors; ``Tensor`` (``tensor.py``) is this class with the operators as its
methods. So everything here can be read without knowing a single operator.
"""

from __future__ import annotations

import copy
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

import numpy as np

from . import backend, late_checks
from .errors import GraphError

if TYPE_CHECKING:
    from tinyseg_kernels.spec import Backend

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
bool_ = np.dtype(np.bool_)
DTYPES = (float32, float64, int32, int64, uint8, bool_)

Number = int | float | bool
Dims = int | Sequence[int] | None

Tensor = TypeVar("Tensor", bound="TensorBase")
"""In the signatures of operators: the class of the tensor arguments. Results are always of the class ``Tensor``, also
those of a ``Parameter``, which type checkers do not know.
"""


def check_dtype(dtype: Any, who: str, or_device: bool = False) -> np.dtype[Any]:
    """``dtype`` as NumPy's, if tensors may have it; raises ``TypeError`` if not, and speaks of devices if there could
    have been one.
    """
    try:
        known = np.dtype(dtype)
    except TypeError:
        known = None
    if known is None or known not in DTYPES:  # NumPy takes None for float64, also when it compares
        names = ", ".join(str(d) for d in DTYPES)
        if or_device and known is None and isinstance(dtype, str):
            devices = ", ".join(map(repr, backend.DEVICES))
            raise TypeError(f"{who}: {dtype!r} is no type and no device; devices are {devices}, types are {names}")
        raise TypeError(f"{who}: dtype {dtype!r} is not supported; there are {names}")
    return known


def type_and_device(first: Any, second: Any, who: str) -> tuple[np.dtype[Any] | None, str | None]:
    """What ``to`` is given, in either order; a Tensor in the first place stands for its type and its device.

    Raises ``TypeError`` for what is no type that tensors can have, ``ValueError`` for an unknown device.
    """
    if isinstance(first, TensorBase):
        first, second = first.dtype, first.device if second is None else second
    if backend.names_device(first):
        if backend.names_device(second):
            raise ValueError(f"{who}: expected a type and a device, got two devices, {first!r} and {second!r}")
        first, second = second, first
    device = None if second is None else backend.resolve(second)
    return None if first is None else check_dtype(first, who, or_device=True), device


class Version:
    """Counts in-place changes of one piece of memory; shared by all tensors that are views of it."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Kin:
    """A tensor and its views, which share gradients as well as memory; a detached tensor shares memory only.

    References are weak: when only one of the tensors is left, it is treated like a tensor without views.
    """

    __slots__ = ("_base", "_members", "_most")

    def __init__(self, base: TensorBase) -> None:
        self._base = weakref.ref(base)
        self._members = [self._base]
        self._most = 16

    def add(self, view: TensorBase) -> None:
        """Enter one more view."""
        if len(self._members) == self._most:  # the dead are dropped now and then
            self._members = [member for member in self._members if member() is not None]
            self._most = 2 * len(self._members) + 16
        self._members.append(weakref.ref(view))

    def is_base(self, x: TensorBase) -> bool:
        """True for the tensor that the others are views of."""
        return self._base() is x

    def others(self, x: TensorBase) -> list[TensorBase]:
        """Those that are still in use, but ``x``."""
        alive = [member() for member in self._members]
        return [member for member in alive if member is not None and member is not x]


class Memo(dict[Any, Any]):
    """What kernels made of a tensor's values alone, good for one ``version`` of them.

    Copies, deep ones and pickles too, are empty: it can be made again, and belongs to one tensor's memory.
    """

    __slots__ = ("version",)

    def __init__(self, version: int = -1) -> None:
        super().__init__()
        self.version = version

    def __reduce__(self) -> Any:
        return Memo, ()


class Node:
    """One recorded call of an operator: which one it was, what it saved, and where its inputs came from.

    ``edges[i]`` says where the i-th input's gradient goes, None if nowhere; ``outputs`` are the shape, type and
    device of each result.
    """

    __slots__ = ("__weakref__", "context", "edges", "op", "outputs")

    def __init__(self, op: Any, context: Any, edges: tuple[Edge | None, ...], outputs: Sequence[TensorBase]) -> None:
        self.op = op
        self.context = context
        self.edges = edges
        self.outputs = tuple((x.shape, x.dtype, x.device) for x in outputs)

    def free(self) -> None:
        """Let go of what was saved."""
        self.context.saved = None


class TensorBase:
    """An array on a device, with a gradient. Operators take tensors of this class and make them by ``wrap``.

    ``array`` is the backend's array and belongs to the tensor. ``grad`` is a tensor or None: the sum of what
    ``backward`` has brought to this leaf since it was last set to None.
    """

    __slots__ = (
        "__weakref__",
        "_grad",
        "_requires_grad",
        "array",
        "device",
        "is_view",
        "kin",
        "memo",
        "node",
        "output_index",
        "repeats",
        "stale",
        "version",
    )

    result_class: ClassVar[type[Any]]
    """What operators make of such tensors: ``Tensor``, also of those of a derived class."""

    # NumPy must leave `ndarray + Tensor` to Tensor, which refuses it by name, instead of looping over elements.
    __array_ufunc__ = None

    def __init__(self, array: Any, device: str, version: Version | None = None) -> None:
        self.array = array
        self.device = device
        self.version = version or Version()
        self.is_view = version is not None
        self.kin: Kin | None = None
        self.stale = False  # True for a view whose memory got other values by a recorded change of another tensor
        self.memo: Memo | None = None
        self.repeats = False  # True for what expand() made: one place in memory is several elements
        self._grad: Any = None
        self.node: Node | None = None
        self.output_index = 0
        self._requires_grad = False

    # What it is

    @property
    def backend(self) -> Backend:
        """The kernels of the tensor's device: what the contract lists, from ``tinyseg_kernels/DEVICE/STEM.py``."""
        return backend.kernels(self.device)

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of the dimensions; N, C, H, W for images."""
        return tuple(self.array.shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy's type of the elements."""
        dtype: np.dtype[Any] = self.array.dtype
        return dtype

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.array.shape)

    @property
    def is_floating_point(self) -> bool:
        """True for float32 and float64, the types that can have gradients."""
        return self.dtype.kind == "f"

    @property
    def is_leaf(self) -> bool:
        """True if no recorded operator made it."""
        return self.node is None

    @property
    def requires_grad(self) -> bool:
        """True if gradients flow to or through this tensor."""
        return self._requires_grad or self.node is not None or self.stale

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def grad(self: Tensor) -> Tensor | None:
        """The gradient that ``backward`` has added up in this leaf, or None.

        It can be set to None or to a tensor of the same shape, type and device. Raises ``ValueError`` for another
        shape or device, ``TypeError`` for another type and for what is no tensor.

        >>> import tinyseg
        >>> x = tinyseg.zeros(2, requires_grad=True)
        >>> x.grad = tinyseg.ones(3)
        Traceback (most recent call last):
        ValueError: grad: the gradient has shape (3,) but the tensor has shape (2,); they must be equal
        """
        return self._grad

    @grad.setter
    def grad(self, value: TensorBase | None) -> None:
        if value is not None:
            self._check_grad(value)
        self._grad = value

    def _check_grad(self, value: TensorBase) -> None:
        """Optimisers read a gradient's memory as they read the tensor's own."""
        if not isinstance(value, TensorBase):
            raise TypeError(f"grad: expected a Tensor or None, got {type(value).__name__}; use tinyseg.tensor(...)")
        if value.shape != self.shape:
            raise ValueError(
                f"grad: the gradient has shape {value.shape} but the tensor has shape {self.shape}; they must be "
                "equal"
            )
        if value.device != self.device:
            raise ValueError(
                f"grad: the gradient is on {value.device!r} but the tensor is on {self.device!r}; copy it by "
                f".to({self.device!r})"
            )
        if value.dtype != self.dtype:
            raise TypeError(
                f"grad: the gradient is {value.dtype} but the tensor is {self.dtype}; cast it by .to({self.dtype})"
            )

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the size of one dimension."""
        return self.shape if dim is None else self.shape[dim]

    def numel(self) -> int:
        """Number of elements."""
        return int(self.array.size)

    def dim(self) -> int:
        """Number of dimensions."""
        return self.ndim

    # Values

    def host_values(self) -> np.ndarray[Any, Any]:
        """As the host sees them; on a GPU this waits for all that was asked of it before, and for its checks."""
        values: np.ndarray[Any, Any] = self.backend.to_numpy(self.array)
        late_checks.run_checks(self.device)
        return values

    def numpy(self) -> np.ndarray[Any, Any]:
        """The values as a NumPy array that shares memory and cannot be written to (take ``.copy()`` for that).

        Read-only, so that no change can go unseen by the gradients that are still to be computed.
        Raises ``RuntimeError`` if the tensor requires a gradient: ``x.detach().numpy()`` says that it is left behind.
        """
        if self.requires_grad:
            raise RuntimeError("numpy: the tensor requires a gradient; use x.detach().numpy()")
        view = self.host_values().view()
        view.flags.writeable = False
        return view

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        values = self.numpy()
        if dtype is not None and np.dtype(dtype) != values.dtype:
            return values.astype(dtype)
        return values.copy() if copy else values

    def item(self) -> Any:
        """The only element as a Python number; raises ``ValueError`` if there is more than one."""
        if self.numel() != 1:
            raise ValueError(f"item: only a tensor of one element has one, this one has shape {self.shape}")
        return self.host_values().item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self.host_values().tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __bool__(self) -> bool:
        return bool(self.item())

    def __index__(self) -> int:
        if self.is_floating_point:
            raise TypeError("only integer tensors of one element can be used as an index")
        return int(self.item())

    def __len__(self) -> int:
        if not self.shape:
            raise TypeError("len() of a tensor without dimensions")
        return self.shape[0]

    def __repr__(self) -> str:
        text = np.array2string(self.host_values(), separator=", ", prefix="tensor(")
        notes = [] if self.dtype in (float32, int64, bool_) else [f"dtype={self.dtype}"]
        if self.device != "cpu":
            notes.append(f"device={self.device!r}")
        if self.node is not None:
            notes.append(f"op={self.node.op.__name__}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([text, *notes])})"

    __hash__ = object.__hash__

    # Gradients

    def requires_grad_(self: Tensor, requires_grad: bool = True) -> Tensor:
        """Record (or no longer record) what is computed from this leaf; returns it.

        Raises ``TypeError`` for integers and ``ValueError`` for what an operator made.
        """
        if requires_grad and not self.is_floating_point:
            raise TypeError(f"requires_grad_: only floating types have gradients, this tensor is {self.dtype}")
        if not requires_grad and self.node is not None:
            raise ValueError("requires_grad_(False): an operator made this tensor; use detach() instead")
        self._requires_grad = bool(requires_grad)
        return self

    # Tensors made of this one

    def wrap(self: Tensor, array: Any, device: str | None = None, version: Version | None = None) -> Tensor:
        """A backend's array, of this tensor's device unless another is named, as an operator's result."""
        made: Tensor = self.result_class(array, device or self.device, version)
        return made

    def wrap_numpy(self: Tensor, values: np.ndarray[Any, Any], device: str | None = None) -> Tensor:
        """A copy of a NumPy array as a tensor on this tensor's device, unless another is named."""
        place = device or self.device
        return self.wrap(backend.kernels(place).from_numpy(values), place)

    def detach(self: Tensor) -> Tensor:
        """The same memory, cut off from the graph; in-place changes of either are seen by both."""
        detached = self.wrap(self.array, version=self.version)
        detached.repeats = self.repeats
        return detached

    def alias(self: Tensor, array: Any) -> Tensor:
        """A view: ``array``, which the backend made of this tensor's without a copy, as a tensor of the same kin."""
        if self.kin is None:
            self.kin = Kin(self)
        view = self.wrap(array, version=self.version)
        view.repeats, view.kin = self.repeats, self.kin
        self.kin.add(view)
        return view

    def copied(self: Tensor) -> Tensor:
        """The same values in memory of their own, in the same memory order; not recorded."""
        values = self.backend.empty_like(self.array, self.dtype)
        self.backend.assign(self.array, values)
        return self.wrap(values)

    def need_own_memory(self, who: str) -> None:
        """Raises ``ValueError`` if a change in place of one element would change others, too."""
        if self.repeats:
            raise ValueError(
                f"{who}: the tensor was expanded, several of its elements are one; change a clone() of it"
            )

    # Copies and pickles: of the values and the gradient, never of the graph

    def __getstate__(self) -> Any:
        """The state as that of a leaf: what is unpickled requires a gradient if this tensor does. Its memory is
        dense, also where ``expand`` made this tensor.
        """
        state: Any = object.__getstate__(self)
        leaf = {"node": None, "output_index": 0, "kin": None, "stale": False, "_requires_grad": self.requires_grad}
        return state[0], {**state[1], **leaf, "repeats": False}

    def __copy__(self: Tensor) -> Tensor:
        """A leaf with the same memory."""
        return self._twin(object.__new__(type(self)), self.__getstate__(), self.repeats)

    @staticmethod
    def _twin(twin: Tensor, state: Any, repeats: bool) -> Tensor:
        """``twin``, which has no attributes yet, with those of a state."""
        own, slots = state
        for name, value in {**(own or {}), **slots, "repeats": repeats}.items():
            setattr(twin, name, value)
        return twin

    def __deepcopy__(self: Tensor, memo: dict[int, Any]) -> Tensor:
        """A leaf with memory of its own; raises ``GraphError`` for what an operator made."""
        if self.node is not None or self.stale:
            how = (
                f"was computed by {self.node.op.__name__}" if self.node else "is a view of a tensor that was changed"
            )
            raise GraphError(
                f"deepcopy: only leaves can be copied with all they refer to, and this tensor of shape {self.shape} "
                f"{how}; use x.detach().clone()"
            )
        twin = object.__new__(type(self))
        memo[id(self)] = twin
        return self._twin(twin, copy.deepcopy(self.__getstate__(), memo), repeats=False)


# Where a gradient goes: to an output of a node, or to a leaf.
Edge = tuple[Node, int] | TensorBase
