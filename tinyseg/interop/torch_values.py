"""What PyTorch puts into its pickles, as values of ours: tensors, the storages they look into, and plain things.

A tensor in a file is a view: an offset, a shape and strides, counted in elements, into a storage that several tensors
may share. A storage's numbers are not in the pickle, which only names it. So a tensor is here a ``TensorView``, a
description that has been checked against the size its storage claims, and becomes an array when that storage is read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .pickle_machine import Function, PickleError

# NumPy has no bfloat16: its bits are read as uint16, and are the upper half of a float32's.
BFLOAT16 = "bfloat16"
DTYPES: Mapping[str, str] = {
    "float64": "f8", "float32": "f4", "float16": "f2", BFLOAT16: "u2",
    "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1",
    "uint64": "u8", "uint32": "u4", "uint16": "u2", "uint8": "u1", "bool": "u1",
    "complex64": "c8", "complex128": "c16",
}  # fmt: skip

_STORAGES = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": BFLOAT16,
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
    "ComplexFloat": "complex64", "ComplexDouble": "complex128",
}  # fmt: skip

MAX_DIMENSIONS = 32
ByteOrder = Literal["<", ">"]


@dataclass(frozen=True)
class DType:
    """A type of numbers, by PyTorch's name."""

    name: str

    @property
    def itemsize(self) -> int:
        """Bytes of a number."""
        return np.dtype(DTYPES[self.name]).itemsize


@dataclass(frozen=True)
class Storage:
    """``count`` numbers in a row, kept outside of the pickle under ``key``."""

    key: str
    dtype: DType
    count: int

    @property
    def nbytes(self) -> int:
        """Its size."""
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class TensorView:
    """A tensor as a file describes it; ``offset`` and ``strides`` count elements."""

    storage: Storage
    dtype: DType
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def array(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """The tensor, which looks into the ``numbers`` of its storage."""
        steps = tuple(numbers.itemsize * stride for stride in self.strides)
        return np.ndarray(self.shape, numbers.dtype, numbers, self.offset * numbers.itemsize, steps)


def numbers_of(memory: memoryview, dtype: DType, byteorder: ByteOrder) -> NDArray[Any]:
    """The bytes of a storage as a row of numbers: without a copy where NumPy has their type and the machine their
    ``byteorder`` (``<`` or ``>``). bfloat16 becomes float32, which holds it exactly.
    """
    whole = memory[: len(memory) // dtype.itemsize * dtype.itemsize]
    numbers = np.frombuffer(whole, np.dtype(DTYPES[dtype.name]).newbyteorder(byteorder))
    if not numbers.dtype.isnative:
        numbers = numbers.astype(numbers.dtype.newbyteorder("="))
    if dtype.name == BFLOAT16:
        return (numbers.astype(np.uint32) << 16).view(np.float32)
    # Bytes other than 0 and 1 are no bools, and would break what NumPy does with them.
    return numbers != 0 if dtype.name == "bool" else numbers


def storage_from_id(description: Any) -> Storage:
    """The storage that a pickle names by ``("storage", type, key, device, count)``; before PyTorch 1.6 a sixth entry
    could make it a part of another one, which has long gone out of use and is refused.
    """
    if isinstance(description, tuple) and description and description[0] == "module":
        raise PickleError("holds a whole pickled model, which is code; save its state_dict() instead")
    match description:
        case ("storage", DType() as dtype, str(key), str(), int(count), *rest) if rest in ([], [None]):
            return Storage(key, dtype, _size(count, "a storage's size"))
    raise PickleError("its pickle is damaged (an object outside of it is not described as a storage)")


def build(value: Any, state: Any) -> Any:
    """Complete what the pickle made: the versions of modules that PyTorch hangs on a state dict are of no use here,
    and NumPy's types get their byte order.
    """
    if isinstance(value, dict) and isinstance(state, dict) and state.keys() <= {"_metadata"}:
        return value
    if isinstance(value, np.dtype) and isinstance(state, tuple) and state[1:2] in (("<",), (">",), ("|",)):
        return value.newbyteorder(">" if state[1] == ">" else "<")
    raise PickleError(f"sets the state of a {type(value).__name__}, which is not allowed")


def _size(value: Any, what: str) -> int:
    if type(value) is not int or not 0 <= value < 2**62:
        shown = value if type(value) is int and abs(value) < 2**64 else type(value).__name__
        raise PickleError(f"{what} is {shown}, which cannot be")
    return value


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any, dtype: DType | None = None) -> TensorView:
    """``torch._utils._rebuild_tensor``: a view, all of which must lie in its storage."""
    if not isinstance(storage, Storage) or not isinstance(shape, tuple) or not isinstance(strides, tuple):
        raise PickleError("its pickle is damaged (a tensor is not described as a view of a storage)")
    if len(shape) != len(strides) or len(shape) > MAX_DIMENSIONS:
        raise PickleError(f"a tensor has {len(shape)} dimensions and {len(strides)} strides, which cannot be")
    dtype = dtype or storage.dtype
    offset = _size(offset, "a tensor's offset")
    shape = tuple(_size(n, "a tensor's size") for n in shape)
    strides = tuple(_size(n, "a tensor's stride") for n in strides)
    available = storage.nbytes // dtype.itemsize
    numel = math.prod(shape)
    end = offset + 1 + sum((n - 1) * stride for n, stride in zip(shape, strides, strict=True)) if numel else offset
    if numel > available or end > available:
        raise PickleError(
            f"a tensor of shape {_shown(shape)} has {numel} elements up to number {end} of its storage, which has "
            f"{available}"
        )
    if math.prod(n for n in shape if n) * dtype.itemsize >= 2**62:  # no elements, and beyond what NumPy counts
        raise PickleError(f"a tensor of shape {_shown(shape)} has more than any memory")
    # Of what is one element, or none, a stride is never taken, and may be beyond all bounds.
    strides = tuple(stride if numel and n > 1 else 0 for n, stride in zip(shape, strides, strict=True))
    return TensorView(storage, dtype, offset, shape, strides)


def _shown(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in shape)


def _tensor_v3(storage: Any, offset: Any, shape: Any, strides: Any, grad: Any, hooks: Any, dtype: Any) -> TensorView:
    """The same for types without a storage class of their own."""
    if not isinstance(dtype, DType):
        raise PickleError("its pickle is damaged (a tensor has no type)")
    return _tensor(storage, offset, shape, strides, dtype)


def _parameter(data: Any, *rest: Any) -> TensorView:
    """A parameter is its tensor."""
    if not isinstance(data, TensorView):
        raise PickleError("its pickle is damaged (a parameter is no tensor)")
    return data


def _ordered_dict(items: Any = ()) -> dict[Any, Any]:
    """Python's dicts keep their order. PyTorch writes items afterwards, Python 2 gave a list of pairs."""
    result: dict[Any, Any] = {}
    for pair in items if isinstance(items, list) else ():
        if not isinstance(pair, list) or len(pair) != 2 or not isinstance(pair[0], (str, int)):
            raise PickleError("its pickle is damaged (an OrderedDict is made of what are no pairs)")
        result[pair[0]] = pair[1]
    return result


def _bytes(text: Any, encoding: Any) -> bytes:
    """Protocol 2 has no bytes: Python 3 writes them as a text to be encoded."""
    if not isinstance(text, str) or encoding != "latin1":
        raise PickleError("its pickle is damaged (bytes are not given as a text in latin1)")
    return text.encode("latin1")


def _numpy_dtype(text: Any, *rest: Any) -> np.dtype[Any]:
    if not isinstance(text, str) or not re.fullmatch("[fiu][1248]|b1", text) or text == "f1":
        raise PickleError("has a number of a NumPy type that is not among what may be read")
    return np.dtype(text)


def _numpy_scalar(dtype: Any, content: Any) -> Any:
    """A NumPy number, such as the best score that a training script keeps, as Python's."""
    raw = content.encode("latin1") if isinstance(content, str) else content  # Python 2's bytes
    if not isinstance(dtype, np.dtype) or not isinstance(raw, bytes) or len(raw) != dtype.itemsize:
        raise PickleError("its pickle is damaged (a NumPy number is not one)")
    return np.frombuffer(raw, dtype)[0].item()


def _first(value: Any, *rest: Any) -> Any:
    return value


NAMES: Mapping[str, Any] = {
    "collections.OrderedDict": Function(_ordered_dict),
    "torch._utils._rebuild_tensor": Function(_tensor),
    "torch._utils._rebuild_tensor_v2": Function(lambda *view_and_gradient: _tensor(*view_and_gradient[:4])),
    "torch._utils._rebuild_tensor_v3": Function(_tensor_v3),
    "torch._utils._rebuild_parameter": Function(_parameter),
    "torch._utils._rebuild_parameter_with_state": Function(_parameter),
    "torch.Size": Function(_first),
    "torch.device": Function(_first),
    "_codecs.encode": Function(_bytes),
    "numpy.dtype": Function(_numpy_dtype),
    "numpy.core.multiarray.scalar": Function(_numpy_scalar),
    "numpy._core.multiarray.scalar": Function(_numpy_scalar),
    "torch.storage.UntypedStorage": DType("uint8"),
    **{f"torch.{name}": DType(name) for name in DTYPES},
    **{f"torch.{name}Storage": DType(dtype) for name, dtype in _STORAGES.items()},
    **{f"torch.cuda.{name}Storage": DType(dtype) for name, dtype in _STORAGES.items()},
}
"""All that a PyTorch file may name."""
