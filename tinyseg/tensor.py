"""Tensor: what a user computes with; a ``TensorBase`` with the operators as its methods.

Each operator is declared once, in ``ops/``, as a function whose first argument is a tensor. Here it becomes a method
of that name: ``x.exp()`` is ``exp(x)``. So this file is the list of what a tensor can do.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from . import autograd as _autograd
from . import backend
from .ops import clamp as _clamp
from .ops import copying as _copying
from .ops import einsum as _einsum
from .ops import elementary as _elementary
from .ops import elementwise as _elementwise
from .ops import flipping as _flipping
from .ops import gather as _gather
from .ops import indexing as _indexing
from .ops import inplace as _inplace
from .ops import logic as _logic
from .ops import masked as _masked
from .ops import matmul as _matmul
from .ops import reduce as _reduce
from .ops import repeat as _repeat
from .ops import rounding as _rounding
from .ops import scan as _scan
from .ops import shape as _shape
from .ops import splitting as _splitting
from .ops import statistics as _statistics
from .ops import triangles as _triangles
from .ops.network import activation as _activation
from .ops.network import softmax as _softmax
from .tensor_base import Number, TensorBase, bool_, check_dtype, float32, float64, int32, int64


class Tensor(TensorBase):
    """An array with a gradient. Make one with ``tinyseg.tensor``, ``zeros``, ``rand`` and their like.

    ``array`` is the backend's array and belongs to the tensor. ``grad`` is a Tensor or None: the sum of what
    ``backward`` has brought to this leaf since it was last set to None.

    >>> import tinyseg
    >>> x = tinyseg.tensor([1.0, 2.0, 3.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4., 6.])
    """

    __slots__ = ()

    backward = _autograd.backward

    # Arithmetic

    def __add__(self, other: Tensor | Number) -> Tensor:
        return _elementwise.add(self, other)

    def __radd__(self, other: Number) -> Tensor:
        return _elementwise.add(other, self)

    def __sub__(self, other: Tensor | Number) -> Tensor:
        return _elementwise.subtract(self, other)

    def __rsub__(self, other: Number) -> Tensor:
        return _elementwise.subtract(other, self)

    def __mul__(self, other: Tensor | Number) -> Tensor:
        return _elementwise.multiply(self, other)

    def __rmul__(self, other: Number) -> Tensor:
        return _elementwise.multiply(other, self)

    def __truediv__(self, other: Tensor | Number) -> Tensor:
        return _elementwise.divide(self, other)

    def __rtruediv__(self, other: Number) -> Tensor:
        return _elementwise.divide(other, self)

    def __floordiv__(self, other: Tensor | Number) -> Tensor:
        return _elementwise.floor_divide(self, other)

    def __rfloordiv__(self, other: Number) -> Tensor:
        return _elementwise.floor_divide(other, self)

    def __mod__(self, other: Tensor | Number) -> Tensor:
        return _elementwise.remainder(self, other)

    def __rmod__(self, other: Number) -> Tensor:
        return _elementwise.remainder(other, self)

    def __pow__(self, other: Tensor | Number) -> Tensor:
        return _elementwise.pow(self, other)

    def __rpow__(self, other: Number) -> Tensor:
        return _elementwise.pow(other, self)

    __neg__ = _elementwise.negative
    __abs__ = _elementwise.abs
    __matmul__ = _matmul.matmul

    # Comparison and logic by operators

    def __eq__(self, other: Any) -> Any:
        return False if other is None else _elementwise.equal(self, other)

    def __ne__(self, other: Any) -> Any:
        return True if other is None else _elementwise.not_equal(self, other)

    __hash__ = TensorBase.__hash__
    __lt__ = _elementwise.less
    __le__ = _elementwise.less_equal
    __gt__ = _elementwise.greater
    __ge__ = _elementwise.greater_equal
    __and__ = __rand__ = _logic.bitwise_and
    __or__ = __ror__ = _logic.bitwise_or
    __xor__ = __rxor__ = _logic.bitwise_xor
    __invert__ = _logic.bitwise_not

    # Functions of each element

    abs = _elementwise.abs
    exp = _elementwise.exp
    log = _elementwise.log
    sqrt = _elementwise.sqrt
    tanh = _activation.tanh
    pow = _elementwise.pow
    relu = _activation.relu
    sigmoid = _activation.sigmoid
    prelu = _activation.prelu
    sin = _elementary.sin
    cos = _elementary.cos
    log1p = _elementary.log1p
    expm1 = _elementary.expm1
    reciprocal = _elementary.reciprocal
    rsqrt = _elementary.rsqrt
    sign = _rounding.sign
    floor = _rounding.floor
    ceil = _rounding.ceil
    round = _rounding.round
    clamp = _clamp.clamp
    clip = _clamp.clip
    maximum = _elementwise.maximum
    minimum = _elementwise.minimum
    masked_fill = _masked.masked_fill
    masked_select = _masked.masked_select
    tril = _triangles.tril
    triu = _triangles.triu

    def where(self, condition: Tensor, other: Tensor | Number) -> Tensor:
        """The elements where the condition holds, else ``other``."""
        return _elementwise.where(condition, self, other)

    # Comparison and logic: bool tensors

    eq = _logic.eq
    ne = _logic.ne
    lt = _logic.lt
    le = _logic.le
    gt = _logic.gt
    ge = _logic.ge
    isnan = _logic.isnan
    isinf = _logic.isinf
    isfinite = _logic.isfinite
    logical_and = _logic.logical_and
    logical_or = _logic.logical_or
    logical_xor = _logic.logical_xor
    logical_not = _logic.logical_not
    all = _reduce.all
    any = _reduce.any

    # Products

    matmul = _matmul.matmul
    bmm = _einsum.bmm

    # Reductions and what runs along a dimension

    sum = _reduce.sum
    mean = _reduce.mean
    prod = _reduce.prod
    max = _reduce.max
    min = _reduce.min
    amax = _reduce.amax
    amin = _reduce.amin
    argmax = _reduce.argmax
    argmin = _reduce.argmin
    var = _statistics.var
    std = _statistics.std
    norm = _statistics.norm
    cumsum = _scan.cumsum
    softmax = _softmax.softmax
    log_softmax = _softmax.log_softmax

    # Shape

    reshape = _shape.reshape
    view = _shape.reshape  # a view where the strides allow it, else a copy
    flatten = _shape.flatten
    permute = _shape.permute
    transpose = _shape.transpose
    squeeze = _shape.squeeze
    unsqueeze = _shape.unsqueeze
    expand = _shape.expand
    expand_as = _repeat.expand_as
    broadcast_to = _repeat.broadcast_to
    repeat = _repeat.repeat
    repeat_interleave = _repeat.repeat_interleave
    flip = _flipping.flip
    roll = _flipping.roll
    movedim = _shape.movedim
    unflatten = _shape.unflatten
    chunk = _splitting.chunk
    unbind = _splitting.unbind
    gather = _gather.gather
    index_select = _gather.index_select
    scatter_add = _gather.scatter_add

    def split(self, split_size: builtins.int | Sequence[builtins.int], dim: builtins.int = 0) -> tuple[Tensor, ...]:
        """Pieces of ``split_size`` elements, or of these lengths, along ``dim``; views."""
        return _splitting.split(self, split_size, dim)

    __getitem__ = _indexing.getitem

    @property
    def T(self) -> Tensor:
        """The dimensions in reverse order."""
        return _shape.permute(self, *reversed(range(self.ndim)))

    def __iter__(self) -> Iterator[Tensor]:
        if not self.shape:
            raise TypeError("iteration over a tensor without dimensions")
        return (self[i] for i in range(len(self)))

    # Types, devices, copies

    to = _copying.to
    clone = _copying.clone
    contiguous = _copying.contiguous

    def cuda(self) -> Tensor:
        """On the GPU."""
        return _copying.to(self, None, "cuda")

    def cpu(self) -> Tensor:
        """On the CPU."""
        return _copying.to(self, None, "cpu")

    def float(self) -> Tensor:
        """As float32."""
        return _copying.to(self, float32)

    def double(self) -> Tensor:
        """As float64."""
        return _copying.to(self, float64)

    def long(self) -> Tensor:
        """As int64."""
        return _copying.to(self, int64)

    def int(self) -> Tensor:
        """As int32."""
        return _copying.to(self, int32)

    def bool(self) -> Tensor:
        """As bool: True where not 0."""
        return _copying.to(self, bool_)

    # In place: arithmetic is recorded; the rest is refused while the tensor is part of a graph (see ops/inplace.py)

    add_ = _inplace.add_
    sub_ = _inplace.sub_
    mul_ = _inplace.mul_
    div_ = _inplace.div_
    floor_divide_ = _inplace.floor_divide_
    remainder_ = _inplace.remainder_
    pow_ = _inplace.pow_
    bitwise_and_ = _inplace.bitwise_and_
    bitwise_or_ = _inplace.bitwise_or_
    bitwise_xor_ = _inplace.bitwise_xor_
    lerp_ = _inplace.lerp_
    copy_ = _inplace.copy_
    fill_ = _inplace.fill_
    uniform_ = _inplace.uniform_
    normal_ = _inplace.normal_
    masked_fill_ = _masked.masked_fill_
    __iadd__ = _inplace.add_
    __isub__ = _inplace.sub_
    __imul__ = _inplace.mul_
    __itruediv__ = _inplace.div_
    __ifloordiv__ = _inplace.floor_divide_
    __imod__ = _inplace.remainder_
    __ipow__ = _inplace.pow_
    __iand__ = _inplace.bitwise_and_
    __ior__ = _inplace.bitwise_or_
    __ixor__ = _inplace.bitwise_xor_
    __setitem__ = _inplace.setitem_

    def zero_(self) -> Tensor:
        """Set every element to 0."""
        return _inplace.fill_(self, 0)


Tensor.result_class = Tensor


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
        data = data.host_values()
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
