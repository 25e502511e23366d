"""Tensor: an array on a device, its gradient, and the operators as methods.

The operators themselves live in ``ops/`` and enter themselves here by ``operator``; so this file can be read as the
list of what a tensor can do, and nothing below it has to be known.
"""

from __future__ import annotations

import builtins
import copy
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import numpy as np

from . import backend, late_checks
from .errors import GraphError

if TYPE_CHECKING:
    from tinyseg_kernels.spec import Backend

    from .autograd import Node

float32 = np.dtype(np.float32)
float64 = np.dtype(np.float64)
int32 = np.dtype(np.int32)
int64 = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
bool_ = np.dtype(np.bool_)
DTYPES = (float32, float64, int32, int64, uint8, bool_)

Number = int | float | bool
Dims = int | Sequence[int] | None
F = TypeVar("F", bound=Callable[..., Any])

_operators: dict[str, Callable[..., Any]] = {}


def operator(function: F) -> F:
    """Enter ``function`` as the operator of its name, so that Tensor's methods find it."""
    _operators[function.__name__] = function
    return function


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
    if isinstance(first, Tensor):
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

    def __init__(self, base: Tensor) -> None:
        self._base = weakref.ref(base)
        self._members = [self._base]
        self._most = 16

    def add(self, view: Tensor) -> None:
        """Enter one more view."""
        if len(self._members) == self._most:  # the dead are dropped now and then
            self._members = [member for member in self._members if member() is not None]
            self._most = 2 * len(self._members) + 16
        self._members.append(weakref.ref(view))

    def is_base(self, x: Tensor) -> bool:
        """True for the tensor that the others are views of."""
        return self._base() is x

    def others(self, x: Tensor) -> list[Tensor]:
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


class MaxResult(NamedTuple):
    """What ``max`` and ``min`` over one dimension give."""

    values: Tensor
    indices: Tensor


class Tensor:
    """An array with a gradient. Make one with ``tinyseg.tensor``, ``zeros``, ``rand`` and their like.

    ``array`` is the backend's array and belongs to the tensor. ``grad`` is a Tensor or None: the sum of what
    ``backward`` has brought to this leaf since it was last set to None.

    >>> import tinyseg
    >>> x = tinyseg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
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
        self._grad: Tensor | None = None
        self.node: Node | None = None
        self.output_index = 0
        self._requires_grad = False

    # What it is

    @property
    def backend(self) -> Backend:
        """The kernels of the tensor's device."""
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
    def grad(self) -> Tensor | None:
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
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            self._check_grad(value)
        self._grad = value

    def _check_grad(self, value: Tensor) -> None:
        """Optimisers read a gradient's memory as they read the tensor's own."""
        if not isinstance(value, Tensor):
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

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        return self.permute(*reversed(range(self.ndim)))

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

    def _values(self) -> np.ndarray[Any, Any]:
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
        view = self._values().view()
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
        return self._values().item()

    def tolist(self) -> Any:
        """Nested lists of Python numbers."""
        return self._values().tolist()

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

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iteration over a tensor without dimensions")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        text = np.array2string(self._values(), separator=", ", prefix="tensor(")
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

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Record (or no longer record) what is computed from this leaf; returns it.

        Raises ``TypeError`` for integers and ``ValueError`` for what an operator made.
        """
        if requires_grad and not self.is_floating_point:
            raise TypeError(f"requires_grad_: only floating types have gradients, this tensor is {self.dtype}")
        if not requires_grad and self.node is not None:
            raise ValueError("requires_grad_(False): an operator made this tensor; use detach() instead")
        self._requires_grad = bool(requires_grad)
        return self

    def detach(self) -> Tensor:
        """The same memory, cut off from the graph; in-place changes of either are seen by both."""
        detached = Tensor(self.array, self.device, self.version)
        detached.repeats = self.repeats
        return detached

    def alias(self, array: Any) -> Tensor:
        """A view: ``array``, which the backend made of this tensor's without a copy, as a tensor of the same kin."""
        if self.kin is None:
            self.kin = Kin(self)
        view = Tensor(array, self.device, self.version)
        view.repeats, view.kin = self.repeats, self.kin
        self.kin.add(view)
        return view

    # Copies and pickles: of the values and the gradient, never of the graph

    def __getstate__(self) -> Any:
        """The state as that of a leaf: what is unpickled requires a gradient if this tensor does. Its memory is
        dense, also where ``expand`` made this tensor.
        """
        state: Any = object.__getstate__(self)
        leaf = {"node": None, "output_index": 0, "kin": None, "stale": False, "_requires_grad": self.requires_grad}
        return state[0], {**state[1], **leaf, "repeats": False}

    def __copy__(self) -> Tensor:
        """A leaf with the same memory."""
        return self._twin(object.__new__(type(self)), self.__getstate__(), self.repeats)

    @staticmethod
    def _twin(twin: Tensor, state: Any, repeats: bool) -> Tensor:
        """``twin``, which has no attributes yet, with those of a state."""
        own, slots = state
        for name, value in {**(own or {}), **slots, "repeats": repeats}.items():
            setattr(twin, name, value)
        return twin

    def __deepcopy__(self, memo: dict[builtins.int, Any]) -> Tensor:
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

    def backward(
        self, gradient: Tensor | None = None, retain_graph: bool = False, create_graph: bool = False
    ) -> None:
        """Add d(self)/d(leaf), times ``gradient``, to ``grad`` of every leaf; see ``autograd.backward``."""
        _operators["backward"](self, gradient, retain_graph, create_graph)

    # Arithmetic

    def __add__(self, other: Tensor | Number) -> Tensor:
        return _operators["add"](self, other)

    def __radd__(self, other: Number) -> Tensor:
        return _operators["add"](other, self)

    def __sub__(self, other: Tensor | Number) -> Tensor:
        return _operators["subtract"](self, other)

    def __rsub__(self, other: Number) -> Tensor:
        return _operators["subtract"](other, self)

    def __mul__(self, other: Tensor | Number) -> Tensor:
        return _operators["multiply"](self, other)

    def __rmul__(self, other: Number) -> Tensor:
        return _operators["multiply"](other, self)

    def __truediv__(self, other: Tensor | Number) -> Tensor:
        return _operators["divide"](self, other)

    def __rtruediv__(self, other: Number) -> Tensor:
        return _operators["divide"](other, self)

    def __floordiv__(self, other: Tensor | Number) -> Tensor:
        return _operators["floor_divide"](self, other)

    def __rfloordiv__(self, other: Number) -> Tensor:
        return _operators["floor_divide"](other, self)

    def __mod__(self, other: Tensor | Number) -> Tensor:
        return _operators["remainder"](self, other)

    def __rmod__(self, other: Number) -> Tensor:
        return _operators["remainder"](other, self)

    def __pow__(self, other: Tensor | Number) -> Tensor:
        return _operators["pow"](self, other)

    def __rpow__(self, other: Number) -> Tensor:
        return _operators["pow"](other, self)

    def __neg__(self) -> Tensor:
        return _operators["negative"](self)

    def __abs__(self) -> Tensor:
        return _operators["abs"](self)

    def __matmul__(self, other: Tensor) -> Tensor:
        return _operators["matmul"](self, other)

    def abs(self) -> Tensor:
        """``|x|``."""
        return _operators["abs"](self)

    def exp(self) -> Tensor:
        """e ** x."""
        return _operators["exp"](self)

    def log(self) -> Tensor:
        """Natural logarithm."""
        return _operators["log"](self)

    def sqrt(self) -> Tensor:
        """Square root."""
        return _operators["sqrt"](self)

    def tanh(self) -> Tensor:
        """Hyperbolic tangent."""
        return _operators["tanh"](self)

    def pow(self, exponent: Tensor | Number) -> Tensor:
        """x ** exponent."""
        return _operators["pow"](self, exponent)

    def relu(self) -> Tensor:
        """max(x, 0)."""
        return _operators["relu"](self)

    def sigmoid(self) -> Tensor:
        """1 / (1 + exp(-x))."""
        return _operators["sigmoid"](self)

    def prelu(self, weight: Tensor) -> Tensor:
        """x where x > 0, else weight * x."""
        return _operators["prelu"](self, weight)

    def softmax(self, dim: int, dtype: Any = None) -> Tensor:
        """exp(x) / sum exp(x) along ``dim``."""
        return _operators["softmax"](self, dim, dtype)

    def log_softmax(self, dim: int, dtype: Any = None) -> Tensor:
        """The logarithm of that."""
        return _operators["log_softmax"](self, dim, dtype)

    def matmul(self, other: Tensor) -> Tensor:
        """Matrix product over the last two dimensions."""
        return _operators["matmul"](self, other)

    def bmm(self, mat2: Tensor) -> Tensor:
        """Matrix products of two batches."""
        return _operators["bmm"](self, mat2)

    def sin(self) -> Tensor:
        """Sine."""
        return _operators["sin"](self)

    def cos(self) -> Tensor:
        """Cosine."""
        return _operators["cos"](self)

    def log1p(self) -> Tensor:
        """log(1 + x)."""
        return _operators["log1p"](self)

    def expm1(self) -> Tensor:
        """e ** x - 1."""
        return _operators["expm1"](self)

    def reciprocal(self) -> Tensor:
        """1 / x."""
        return _operators["reciprocal"](self)

    def rsqrt(self) -> Tensor:
        """1 / sqrt(x)."""
        return _operators["rsqrt"](self)

    def sign(self) -> Tensor:
        """-1, 0 or 1."""
        return _operators["sign"](self)

    def floor(self) -> Tensor:
        """The largest whole number that is not above x."""
        return _operators["floor"](self)

    def ceil(self) -> Tensor:
        """The smallest whole number that is not below x."""
        return _operators["ceil"](self)

    def round(self, *, decimals: int = 0) -> Tensor:
        """The nearest whole number (or multiple of 10 ** -decimals), the even one of two."""
        return _operators["round"](self, decimals=decimals)

    def clamp(self, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
        """min(max(x, ``min``), ``max``)."""
        return _operators["clamp"](self, min, max)

    def clip(self, min: Tensor | Number | None = None, max: Tensor | Number | None = None) -> Tensor:
        """The same as ``clamp``."""
        return _operators["clamp"](self, min, max)

    def maximum(self, other: Tensor | Number) -> Tensor:
        """The larger of the two."""
        return _operators["maximum"](self, other)

    def minimum(self, other: Tensor | Number) -> Tensor:
        """The smaller of the two."""
        return _operators["minimum"](self, other)

    def where(self, condition: Tensor, other: Tensor | Number) -> Tensor:
        """x where the condition holds, else other."""
        return _operators["where"](condition, self, other)

    def masked_fill(self, mask: Tensor, value: Tensor | Number) -> Tensor:
        """``value`` where the mask holds, else x."""
        return _operators["masked_fill"](self, mask, value)

    def masked_select(self, mask: Tensor) -> Tensor:
        """The elements where the mask holds, as a vector."""
        return _operators["masked_select"](self, mask)

    def tril(self, diagonal: int = 0) -> Tensor:
        """The lower triangles of matrices."""
        return _operators["tril"](self, diagonal)

    def triu(self, diagonal: int = 0) -> Tensor:
        """The upper triangles of matrices."""
        return _operators["triu"](self, diagonal)

    # Comparison: element by element, bool tensors

    def __eq__(self, other: Any) -> Any:
        if other is None:
            return False
        return _operators["equal"](self, other)

    def __ne__(self, other: Any) -> Any:
        if other is None:
            return True
        return _operators["not_equal"](self, other)

    def __lt__(self, other: Tensor | Number) -> Tensor:
        return _operators["less"](self, other)

    def __le__(self, other: Tensor | Number) -> Tensor:
        return _operators["less_equal"](self, other)

    def __gt__(self, other: Tensor | Number) -> Tensor:
        return _operators["greater"](self, other)

    def __ge__(self, other: Tensor | Number) -> Tensor:
        return _operators["greater_equal"](self, other)

    def __and__(self, other: Tensor | Number) -> Tensor:
        return _operators["bitwise_and"](self, other)

    def __or__(self, other: Tensor | Number) -> Tensor:
        return _operators["bitwise_or"](self, other)

    def __xor__(self, other: Tensor | Number) -> Tensor:
        return _operators["bitwise_xor"](self, other)

    def __rand__(self, other: Number) -> Tensor:
        return _operators["bitwise_and"](self, other)

    def __ror__(self, other: Number) -> Tensor:
        return _operators["bitwise_or"](self, other)

    def __rxor__(self, other: Number) -> Tensor:
        return _operators["bitwise_xor"](self, other)

    def __invert__(self) -> Tensor:
        return _operators["bitwise_not"](self)

    def eq(self, other: Tensor | Number) -> Tensor:
        """``x == other``."""
        return _operators["equal"](self, other)

    def ne(self, other: Tensor | Number) -> Tensor:
        """``x != other``."""
        return _operators["not_equal"](self, other)

    def lt(self, other: Tensor | Number) -> Tensor:
        """x < other."""
        return _operators["less"](self, other)

    def le(self, other: Tensor | Number) -> Tensor:
        """``x <= other``."""
        return _operators["less_equal"](self, other)

    def gt(self, other: Tensor | Number) -> Tensor:
        """x > other."""
        return _operators["greater"](self, other)

    def ge(self, other: Tensor | Number) -> Tensor:
        """``x >= other``."""
        return _operators["greater_equal"](self, other)

    def isnan(self) -> Tensor:
        """True where an element is not a number."""
        return _operators["isnan"](self)

    def isinf(self) -> Tensor:
        """True where an element is infinite."""
        return _operators["isinf"](self)

    def isfinite(self) -> Tensor:
        """True where an element is neither infinite nor NaN."""
        return _operators["isfinite"](self)

    def logical_and(self, other: Tensor | Number) -> Tensor:
        """True where both are not 0."""
        return _operators["logical_and"](self, other)

    def logical_or(self, other: Tensor | Number) -> Tensor:
        """True where one or both are not 0."""
        return _operators["logical_or"](self, other)

    def logical_xor(self, other: Tensor | Number) -> Tensor:
        """True where one and only one is not 0."""
        return _operators["logical_xor"](self, other)

    def logical_not(self) -> Tensor:
        """True where x is 0."""
        return _operators["logical_not"](self)

    def all(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """True where every element over ``dim`` is not 0."""
        return _operators["all"](self, dim, keepdim)

    def any(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """True where some element over ``dim`` is not 0."""
        return _operators["any"](self, dim, keepdim)

    # Reductions

    def sum(self, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Sum over ``dim`` (an int, several, or all)."""
        return _operators["sum"](self, dim, keepdim, dtype=dtype)

    def mean(self, dim: Dims = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Mean over ``dim`` (an int, several, or all)."""
        return _operators["mean"](self, dim, keepdim, dtype=dtype)

    def prod(self, dim: int | None = None, keepdim: bool = False, *, dtype: Any = None) -> Tensor:
        """Product along ``dim``, or of all elements."""
        return _operators["prod"](self, dim, keepdim, dtype=dtype)

    def var(
        self,
        dim: Dims | bool = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: Number | None = None,
    ) -> Tensor:
        """Variance over ``dim`` (an int, several, or all)."""
        return _operators["var"](self, dim, unbiased, keepdim, correction=correction)

    def std(
        self,
        dim: Dims | bool = None,
        unbiased: bool | None = None,
        keepdim: bool = False,
        *,
        correction: Number | None = None,
    ) -> Tensor:
        """Standard deviation over ``dim`` (an int, several, or all)."""
        return _operators["std"](self, dim, unbiased, keepdim, correction=correction)

    def norm(self, p: Number | str = "fro", dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Length over ``dim``: Euclidean unless ``p`` says so."""
        return _operators["norm"](self, p, dim, keepdim)

    def cumsum(self, dim: int, *, dtype: Any = None) -> Tensor:
        """Sums of all elements so far along ``dim``."""
        return _operators["cumsum"](self, dim, dtype=dtype)

    def max(self, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
        """The largest element; with ``dim`` the pair (values, indices) along it; with a tensor the larger one."""
        return _operators["max"](self, dim, keepdim)

    def min(self, dim: int | Tensor | None = None, keepdim: bool = False) -> Any:
        """The smallest element; with ``dim`` the pair (values, indices) along it; with a tensor the smaller one."""
        return _operators["min"](self, dim, keepdim)

    def amax(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Largest elements over ``dim`` (an int, several, or all); equal ones share the gradient."""
        return _operators["amax"](self, dim, keepdim)

    def amin(self, dim: Dims = None, keepdim: bool = False) -> Tensor:
        """Smallest elements over ``dim`` (an int, several, or all); equal ones share the gradient."""
        return _operators["amin"](self, dim, keepdim)

    def argmax(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first largest element, of the flat tensor or along ``dim``."""
        return _operators["argmax"](self, dim, keepdim)

    def argmin(self, dim: int | None = None, keepdim: bool = False) -> Tensor:
        """Index of the first smallest element, of the flat tensor or along ``dim``."""
        return _operators["argmin"](self, dim, keepdim)

    # Shape

    def __getitem__(self, index: Any) -> Tensor:
        return _operators["getitem"](self, index)

    def reshape(self, *shape: Any) -> Tensor:
        """The same elements in row-major order under another shape; one size may be -1."""
        return _operators["reshape"](self, *shape)

    def view(self, *shape: Any) -> Tensor:
        """The same as ``reshape``: a view where the strides allow it, else a copy."""
        return _operators["reshape"](self, *shape)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Tensor:
        """Dimensions start_dim .. end_dim as one."""
        return _operators["flatten"](self, start_dim, end_dim)

    def permute(self, *dims: Any) -> Tensor:
        """The dimensions in another order; a view."""
        return _operators["permute"](self, *dims)

    def transpose(self, dim0: int, dim1: int) -> Tensor:
        """Two dimensions exchanged; a view."""
        return _operators["transpose"](self, dim0, dim1)

    def squeeze(self, dim: Dims = None) -> Tensor:
        """Without dimensions of size 1 (or without those of ``dim`` whose size is 1)."""
        return _operators["squeeze"](self, dim)

    def unsqueeze(self, dim: int) -> Tensor:
        """With a new dimension of size 1."""
        return _operators["unsqueeze"](self, dim)

    def expand(self, *sizes: Any) -> Tensor:
        """Dimensions of size 1 repeated without copying; -1 leaves a size as it is."""
        return _operators["expand"](self, *sizes)

    def expand_as(self, other: Tensor) -> Tensor:
        """Repeated without copying to other's shape."""
        return _operators["expand_as"](self, other)

    def broadcast_to(self, size: Any) -> Tensor:
        """The same as ``expand``."""
        return _operators["broadcast_to"](self, size)

    def repeat(self, *repeats: Any) -> Tensor:
        """The whole so many times along each dimension."""
        return _operators["repeat"](self, *repeats)

    def repeat_interleave(self, repeats: int | Tensor, dim: int | None = None) -> Tensor:
        """Each element so many times in a row."""
        return _operators["repeat_interleave"](self, repeats, dim)

    def flip(self, *dims: Any) -> Tensor:
        """In reverse order along ``dims``; a copy."""
        return _operators["flip"](self, *dims)

    def roll(self, shifts: int | Sequence[int], dims: int | Sequence[int] | None = None) -> Tensor:
        """Moved on along ``dims``, around the end."""
        return _operators["roll"](self, shifts, dims)

    def movedim(self, source: int | Sequence[int], destination: int | Sequence[int]) -> Tensor:
        """Some dimensions at other places; a view."""
        return _operators["movedim"](self, source, destination)

    def unflatten(self, dim: int, sizes: Sequence[int]) -> Tensor:
        """One dimension as several."""
        return _operators["unflatten"](self, dim, sizes)

    def split(self, split_size: int | Sequence[int], dim: int = 0) -> tuple[Tensor, ...]:
        """Pieces of so many elements, or of these lengths, along ``dim``; views."""
        return _operators["split"](self, split_size, dim)

    def chunk(self, chunks: int, dim: int = 0) -> tuple[Tensor, ...]:
        """At most so many pieces along ``dim``; views."""
        return _operators["chunk"](self, chunks, dim)

    def unbind(self, dim: int = 0) -> tuple[Tensor, ...]:
        """The slices along ``dim``; views."""
        return _operators["unbind"](self, dim)

    def gather(self, dim: int, index: Tensor) -> Tensor:
        """out[..., i, ...] = x[..., index[..., i, ...], ...] along ``dim``."""
        return _operators["gather"](self, dim, index)

    def index_select(self, dim: int, index: Tensor) -> Tensor:
        """The slices of ``dim`` that the one-dimensional ``index`` names."""
        return _operators["index_select"](self, dim, index)

    def scatter_add(self, dim: int, index: Tensor, src: Tensor) -> Tensor:
        """A copy with out[..., index[..., i, ...], ...] += src[..., i, ...] along ``dim``."""
        return _operators["scatter_add"](self, dim, index, src)

    # Types, devices, copies

    def to(self, dtype: Any = None, device: str | None = None) -> Tensor:
        """Cast to a type, or copy to a device, in either order; to another tensor's; itself if nothing changes."""
        return _operators["to"](self, dtype, device)

    def cuda(self) -> Tensor:
        """On the GPU."""
        return _operators["to"](self, None, "cuda")

    def cpu(self) -> Tensor:
        """On the CPU."""
        return _operators["to"](self, None, "cpu")

    def float(self) -> Tensor:
        """As float32."""
        return _operators["to"](self, float32, None)

    def double(self) -> Tensor:
        """As float64."""
        return _operators["to"](self, float64, None)

    def long(self) -> Tensor:
        """As int64."""
        return _operators["to"](self, int64, None)

    def int(self) -> Tensor:
        """As int32."""
        return _operators["to"](self, int32, None)

    def bool(self) -> Tensor:
        """As bool: True where not 0."""
        return _operators["to"](self, bool_, None)

    def clone(self) -> Tensor:
        """A copy; gradients flow through."""
        return _operators["clone"](self)

    def contiguous(self) -> Tensor:
        """A copy in row-major order; gradients flow through."""
        return _operators["contiguous"](self)

    # In place: arithmetic is recorded; the rest is refused while the tensor is part of a graph (see ops/inplace.py)

    def __iadd__(self, other: Tensor | Number) -> Tensor:
        return _operators["add_"](self, other)

    def __isub__(self, other: Tensor | Number) -> Tensor:
        return _operators["sub_"](self, other)

    def __imul__(self, other: Tensor | Number) -> Tensor:
        return _operators["mul_"](self, other)

    def __itruediv__(self, other: Tensor | Number) -> Tensor:
        return _operators["div_"](self, other)

    def __ifloordiv__(self, other: Tensor | Number) -> Tensor:
        return _operators["floor_divide_"](self, other)

    def __imod__(self, other: Tensor | Number) -> Tensor:
        return _operators["remainder_"](self, other)

    def __ipow__(self, other: Tensor | Number) -> Tensor:
        return _operators["pow_"](self, other)

    def __iand__(self, other: Tensor | Number) -> Tensor:
        return _operators["bitwise_and_"](self, other)

    def __ior__(self, other: Tensor | Number) -> Tensor:
        return _operators["bitwise_or_"](self, other)

    def __ixor__(self, other: Tensor | Number) -> Tensor:
        return _operators["bitwise_xor_"](self, other)

    def __setitem__(self, index: Any, value: Tensor | Number) -> None:
        _operators["setitem_"](self, index, value)

    def copy_(self, source: Tensor) -> Tensor:
        """Take over the values of ``source``, broadcast and cast."""
        return _operators["copy_"](self, source)

    def fill_(self, value: Number) -> Tensor:
        """Set every element to ``value``."""
        return _operators["fill_"](self, value)

    def zero_(self) -> Tensor:
        """Set every element to 0."""
        return _operators["fill_"](self, 0)

    def add_(self, other: Tensor | Number) -> Tensor:
        """``x += other``."""
        return _operators["add_"](self, other)

    def sub_(self, other: Tensor | Number) -> Tensor:
        """``x -= other``."""
        return _operators["sub_"](self, other)

    def mul_(self, other: Tensor | Number) -> Tensor:
        """``x *= other``."""
        return _operators["mul_"](self, other)

    def div_(self, other: Tensor | Number) -> Tensor:
        """``x /= other``."""
        return _operators["div_"](self, other)

    def floor_divide_(self, other: Tensor | Number) -> Tensor:
        """x //= other; not recorded."""
        return _operators["floor_divide_"](self, other)

    def remainder_(self, other: Tensor | Number) -> Tensor:
        """``x %= other``."""
        return _operators["remainder_"](self, other)

    def pow_(self, exponent: Tensor | Number) -> Tensor:
        """``x **= exponent``."""
        return _operators["pow_"](self, exponent)

    def bitwise_and_(self, other: Tensor | builtins.bool) -> Tensor:
        """``x &= other``, of bools."""
        return _operators["bitwise_and_"](self, other)

    def bitwise_or_(self, other: Tensor | builtins.bool) -> Tensor:
        """``x |= other``, of bools."""
        return _operators["bitwise_or_"](self, other)

    def bitwise_xor_(self, other: Tensor | builtins.bool) -> Tensor:
        """``x ^= other``, of bools."""
        return _operators["bitwise_xor_"](self, other)

    def masked_fill_(self, mask: Tensor, value: Tensor | Number) -> Tensor:
        """Set the elements where the mask holds."""
        return _operators["masked_fill_"](self, mask, value)

    def lerp_(self, end: Tensor, weight: builtins.float) -> Tensor:
        """x = (1 - weight) * x + weight * end."""
        return _operators["lerp_"](self, end, weight)

    def uniform_(self, low: builtins.float = 0.0, high: builtins.float = 1.0, generator: Any = None) -> Tensor:
        """Random numbers, equally likely in [low, high)."""
        return _operators["uniform_"](self, low, high, generator)

    def normal_(self, mean: builtins.float = 0.0, std: builtins.float = 1.0, generator: Any = None) -> Tensor:
        """Normally distributed random numbers."""
        return _operators["normal_"](self, mean, std, generator)


def tensor(data: Any, dtype: Any = None, device: str | None = None, requires_grad: bool = False) -> Tensor:
    """A tensor with a copy of ``data``: numbers, nested lists, a NumPy array or a Tensor.

    Python floats become float32; NumPy arrays keep their type and memory order. Raises ``TypeError`` for types that
    tensors cannot have and ``ValueError`` for an unknown device or lists of unequal lengths.

    >>> import tinyseg
    >>> tinyseg.tensor([[1, 2], [3, 4]])
    tensor([[1, 2],
           [3, 4]])
    >>> tinyseg.tensor([0.5]).dtype
    dtype('float32')
    """
    if isinstance(data, Tensor):
        data = data._values()
    given_array = isinstance(data, (np.ndarray, np.generic))
    try:
        values = np.asarray(data)
    except ValueError as error:
        raise ValueError("tensor: the nested lists are of unequal lengths") from error
    if dtype is None and values.dtype == np.float64 and not given_array:
        dtype = float32
    dtype = check_dtype(values.dtype if dtype is None else dtype, "tensor")
    if values.dtype != dtype:
        values = values.astype(dtype)
    device = backend.resolve(device)
    result = Tensor(backend.kernels(device).from_numpy(values), device)
    return result.requires_grad_() if requires_grad else result
