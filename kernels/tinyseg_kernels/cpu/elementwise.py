"""Element by element: one loop an operation, over blocks of memory.

Every operand is brought to one of two forms, both plain memory in the order of ``out``:

- a *full* operand has as many elements as ``out``: block i of it meets block i of ``out``;
- a *repeated* one (a number, a bias per channel, anything broadcast along leading dimensions) is written out for
  one block, and every block of ``out`` meets that same block, which stays in the cache.

So a single contiguous loop serves them all, also where a pixel has three channels.
"""

from __future__ import annotations

import math
import types
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
from numba.extending import overload

from . import parallel
from .array import Array, shares_memory
from .compiler import helper, kernel

_BLOCK = 4096  # elements: a few blocks fit the first-level cache
_GRAIN = 65536  # elements a thread takes at a time


# --- Functions of which LLVM makes vector code, as it cannot of a call of the C library. In single
# precision exp, log and tanh go by them, in double precision exp alone: the others' last digits would suffer.
# "contract" alone: were sums reordered, the two steps of the range reduction would collapse into one.

_exact = numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy", forceinline=True)


@_exact
def _exponential32(x: Any) -> Any:
    """e^x = 2^n e^r with |r| <= ln(2) / 2, and a polynomial for e^r (Cephes, expf); error below 1 ulp."""
    one = np.float32(1)
    x = np.float32(-104) if x < np.float32(-104) else x  # 0 and infinity lie beyond; a NaN passes
    x = np.float32(89) if x > np.float32(89) else x
    n = np.rint(x * np.float32(1.44269504088896341))
    r = x - n * np.float32(0.693359375)
    r = r - n * np.float32(-2.12194440e-4)
    p = np.float32(1.9875691500e-4)
    p = p * r + np.float32(1.3981999507e-3)
    p = p * r + np.float32(8.3334519073e-3)
    p = p * r + np.float32(4.1665795894e-2)
    p = p * r + np.float32(1.6666665459e-1)
    p = p * r + np.float32(5.0000001201e-1)
    p = p * r * r + r + one
    exponent = np.int32(n)
    half = exponent >> 1  # 2^n in two factors: 2^n itself may be too small or too large for a float
    first = np.int32((half + 127) << 23).view(np.float32)
    second = np.int32((exponent - half + 127) << 23).view(np.float32)
    return p * first * second


@_exact
def _exponential64(x: Any) -> Any:
    """The same in double precision, with Taylor's polynomial; error below 1 ulp."""
    x = -746.0 if x < -746.0 else x
    x = 710.0 if x > 710.0 else x
    n = np.rint(x * 1.44269504088896341)
    r = x - n * 6.93145751953125e-1
    r = r - n * 1.42860682030941723212e-6
    p = 1 / 6227020800
    p = p * r + 1 / 479001600
    p = p * r + 1 / 39916800
    p = p * r + 1 / 3628800
    p = p * r + 1 / 362880
    p = p * r + 1 / 40320
    p = p * r + 1 / 5040
    p = p * r + 1 / 720
    p = p * r + 1 / 120
    p = p * r + 1 / 24
    p = p * r + 1 / 6
    p = p * r + 1 / 2
    p = p * r * r + r + 1
    exponent = np.int64(n)
    half = exponent >> 1
    first = np.int64((half + 1023) << 52).view(np.float64)
    second = np.int64((exponent - half + 1023) << 52).view(np.float64)
    return p * first * second


def exponential(x: Any) -> Any:
    """e^x of a number inside a kernel, in the number's own precision."""
    return np.exp(x)


@overload(exponential, jit_options={"fastmath": {"contract"}, "error_model": "numpy"})
def _exponential(x: Any) -> Any:
    def single(x: Any) -> Any:
        return _exponential32(x)

    def double(x: Any) -> Any:
        return _exponential64(x)

    return single if x == numba.float32 else double


@_exact
def logarithm(x: Any) -> Any:
    """ln x in double precision: x = 2^n m with m around 1, and ln m = 2 artanh((m - 1) / (m + 1)) as a series."""
    tiny = 0 < x < 2.2250738585072014e-308  # below this the bits hold no exponent
    scaled = x * 18014398509481984.0 if tiny else x  # 2^54
    bits = np.float64(scaled).view(np.int64)
    n = (bits >> 52) - 1023
    m = np.int64((bits & 0xFFFFFFFFFFFFF) | 0x3FF0000000000000).view(np.float64)
    large = m > 1.4142135623730951
    m = m * 0.5 if large else m
    power = np.float64(n + 1 if large else n) - (54.0 if tiny else 0.0)
    s = (m - 1) / (m + 1)
    z = s * s
    p = 2 / 23
    p = p * z + 2 / 21
    p = p * z + 2 / 19
    p = p * z + 2 / 17
    p = p * z + 2 / 15
    p = p * z + 2 / 13
    p = p * z + 2 / 11
    p = p * z + 2 / 9
    p = p * z + 2 / 7
    p = p * z + 2 / 5
    p = p * z + 2 / 3
    result: Any = power * 6.93145751953125e-1 + (power * 1.42860682030941723212e-6 + s * z * p + 2 * s)
    result = result if 0 < x < np.inf else x  # infinity and NaN
    result = -np.inf if x == 0 else result
    return np.nan if x < 0 else result


@_exact
def _tanh32(x: Any) -> Any:
    """(1 - e^-2|x|) / (1 + e^-2|x|), in double precision against the cancellation."""
    size = np.float64(abs(x))
    t = _exponential64(-2 * size)
    y = (1 - t) / (1 + t) if not size < 1e-6 else size  # the series' next term is size^3 / 3
    return np.float32(-y if x < 0 else y)


# --- Loops over blocks. A step is the distance of an operand's blocks: the
# block's length, or 0 where the operand is repeated.


def _unary(start: int, stop: int, block: int, x: Array, x_step: int, out: Array) -> None:
    for item in range(start, stop):
        o = out[item * block : (item + 1) * block]
        p = x[item * x_step : item * x_step + block]
        for i in range(o.size):
            o[i] = operation(p[i])


def _binary(start: int, stop: int, block: int, a: Array, a_step: int, b: Array, b_step: int, out: Array) -> None:
    for item in range(start, stop):
        o = out[item * block : (item + 1) * block]
        p = a[item * a_step : item * a_step + block]
        q = b[item * b_step : item * b_step + block]
        for i in range(o.size):
            o[i] = operation(p[i], q[i])


def _ternary(
    start: int, stop: int, block: int, a: Array, a_step: int, b: Array, b_step: int, c: Array, c_step: int, out: Array
) -> None:
    for item in range(start, stop):
        o = out[item * block : (item + 1) * block]
        p = a[item * a_step : item * a_step + block]
        q = b[item * b_step : item * b_step + block]
        r = c[item * c_step : item * c_step + block]
        for i in range(o.size):
            o[i] = operation(p[i], q[i], r[i])


def operation(*operands: Any) -> Any:
    """Stands in the loops above for what ``bind`` puts there."""
    raise NotImplementedError


def bind(template: Callable[..., None], name: str, **names: Any) -> Callable[..., None]:
    """A kernel with the code of ``template`` in which the global ``names`` have these values.

    Numba's cache tells kernels apart by their qualified name; a closure would not do, since a compiled function in
    a closure looks new to the cache in every process.
    """
    function = types.FunctionType(template.__code__, {**template.__globals__, **names}, name)
    function.__qualname__ = name
    return kernel(function)


def _compile(name: str, operation: Callable[..., Any]) -> Callable[..., None]:
    """The kernel that applies ``operation`` element by element."""
    template = (_unary, _binary, _ternary)[operation.__code__.co_argcount - 1]
    return bind(template, f"_{name}", operation=helper(operation))


_add = _compile("add", lambda a, b: a + b)
_subtract = _compile("subtract", lambda a, b: a - b)
_multiply = _compile("multiply", lambda a, b: a * b)
_divide = _compile("divide", lambda a, b: a / b)
_power = _compile("power", lambda a, b: a**b)
_maximum = _compile("maximum", lambda a, b: a if a >= b or a != a else b)
_minimum = _compile("minimum", lambda a, b: a if a <= b or a != a else b)
_equal = _compile("equal", lambda a, b: a == b)
_not_equal = _compile("not_equal", lambda a, b: a != b)
_less = _compile("less", lambda a, b: a < b)
_less_equal = _compile("less_equal", lambda a, b: a <= b)
_greater = _compile("greater", lambda a, b: a > b)
_greater_equal = _compile("greater_equal", lambda a, b: a >= b)
_negative = _compile("negative", lambda x: -x)
_absolute = _compile("absolute", lambda x: -x if x < 0 else x)
_sign = _compile("sign", lambda x: x if x != x else (x > 0) - (x < 0))
_exp = _compile("exp", lambda x: exponential(x))
_log = _compile("log", lambda x: math.log(x))
_log_single = _compile("log32", lambda x: logarithm(x))
_sqrt = _compile("sqrt", lambda x: math.sqrt(x))
_tanh = _compile("tanh", lambda x: math.tanh(x))
_tanh_single = _compile("tanh32", lambda x: _tanh32(x))
_relu = _compile("relu", lambda x: x if x > 0 or x != x else 0)
_relu_backward = _compile("relu_backward", lambda grad, y: grad if y > 0 else 0)
_where = _compile("where", lambda condition, a, b: a if condition else b)
_lerp = _compile("lerp", lambda a, b, weight: (1 - weight) * a + weight * b)


# --- Bringing operands to the two forms.


def merged(arrays: Sequence[Array]) -> list[Array]:
    """Views of arrays of one shape with their axes in the first one's memory order, and merged where all allow it."""
    first = arrays[0]
    order = sorted(range(first.ndim), key=lambda axis: -abs(first.strides[axis]))
    arrays = [array.transpose(order) for array in arrays]
    shape: list[int] = []
    strides: list[tuple[int, ...]] = []
    for axis, size in enumerate(arrays[0].shape):
        if size == 1:
            continue
        here = tuple(array.strides[axis] for array in arrays)
        if shape and all(outer == size * inner for outer, inner in zip(strides[-1], here, strict=True)):
            shape[-1] *= size
            strides[-1] = here
        else:
            shape.append(size)
            strides.append(here)
    return [array.reshape(shape) for array in arrays]


def _period(array: Array, out: Array) -> int:
    """How many elements of an operand stand in memory before it repeats itself; 0 if it is of neither form."""
    if array.strides == out.strides and array.shape == out.shape:
        return out.size
    period, stride = 1, array.itemsize
    repeats = False
    for axis in range(out.ndim - 1, -1, -1):
        size = array.shape[axis]
        if out.shape[axis] == 1:
            continue
        if size == 1 or array.strides[axis] == 0:
            repeats = True
        elif repeats or array.strides[axis] != stride:
            return 0
        else:
            period *= size
            stride *= size
    return period


def _written_out(array: Array, period: int, block: int) -> Array:
    """One block of a repeated operand."""
    once = array[tuple(slice(1) if stride == 0 else slice(None) for stride in array.strides)].reshape(-1)
    return np.full(block, once[0]) if period == 1 else np.tile(once, block // period)


def _launch(compiled: Callable[..., None], out: Array, *operands: Array) -> bool:
    """Run a kernel over contiguous ``out`` if all operands are full or repeated; tells whether they are."""
    size, block = out.size, _BLOCK
    periods = [_period(operand, out) for operand in operands]
    shortest = min(periods)
    if shortest == 0:
        return False
    if shortest < size:
        longest = max([period for period in periods if period < size])  # the others divide it
        block = longest * max(1, _BLOCK // longest)
    arguments: list[Any] = []
    for array, period in zip(operands, periods, strict=True):
        if period == size:
            arguments += (array.reshape(-1), block)
        else:
            arguments += (_written_out(array, period, block), 0)
    parallel.run(compiled, -(-size // block), _GRAIN // block, block, *arguments, out.reshape(-1))
    return True


def _apply(compiled: Callable[..., None], out: Array, *operands: Array) -> None:
    """Run a kernel over ``out`` and operands of as many dimensions, of size 1 where they are to be broadcast."""
    if out.size == 0:
        return
    arrays = (out, *operands)
    contiguous = out.flags.c_contiguous
    if out.ndim == 4 and not contiguous:
        arrays = tuple([array.transpose(0, 2, 3, 1) for array in arrays])  # channels-last, most likely
        contiguous = arrays[0].flags.c_contiguous
    if not (contiguous and _launch(compiled, *arrays)):
        _apply_strided(compiled, *merged([_broadcast(array, out.shape) for array in (out, *operands)]))


def _apply_strided(compiled: Callable[..., None], out: Array, *operands: Array) -> None:
    """The same for any strides: slice by slice where slices are large, else through copies in out's order."""
    if out.flags.c_contiguous and _launch(compiled, out, *operands):
        return
    if out.ndim > 1 and out[0].size >= _BLOCK:
        for parts in zip(out, *operands, strict=True):
            _apply_strided(compiled, *parts)
        return
    result = np.ascontiguousarray(out)
    _launch(compiled, result, *(np.ascontiguousarray(operand) for operand in operands))
    if not shares_memory(result, out):
        out[...] = result


def _number(value: Any, partner: Any, out: Array) -> Any:
    """A number in the type in which NumPy would compute with it beside ``partner``."""
    if isinstance(value, np.generic):
        return np.asarray(value)
    kind = partner.dtype if isinstance(partner, np.ndarray) else out.dtype
    if kind.kind == "f":
        return np.asarray(value, kind)
    try:
        return np.asarray(value, np.result_type(kind, value))
    except OverflowError:  # a comparison with an integer that the partner's type cannot hold
        return np.asarray(value, np.int64)


def _broadcast(array: Array, shape: tuple[int, ...]) -> Array:
    """NumPy's broadcast_to without its read-only mark, which Numba takes for another type to compile for."""
    if array.shape == shape:
        return array
    strides = [0 if size == 1 else stride for size, stride in zip(array.shape, array.strides, strict=True)]
    return np.lib.stride_tricks.as_strided(array, shape, strides)


def _operands(out: Array, *values: Any) -> list[Array]:
    """Arrays of ``out``'s number of dimensions; of two values, either may be a number."""
    arrays = []
    for value, partner in zip(values, reversed(values), strict=True):
        array = value if isinstance(value, np.ndarray) else _number(value, partner, out)
        if array.ndim != out.ndim:
            array = array.reshape((1,) * (out.ndim - array.ndim) + array.shape)
        arrays.append(array)
    return arrays


# --- The contract.


def add(a: Any, b: Any, out: Array) -> None:
    """a + b; see ``spec.py``, as for every kernel here."""
    _apply(_add, out, *_operands(out, a, b))


def subtract(a: Any, b: Any, out: Array) -> None:
    """a - b."""
    _apply(_subtract, out, *_operands(out, a, b))


def multiply(a: Any, b: Any, out: Array) -> None:
    """a * b."""
    _apply(_multiply, out, *_operands(out, a, b))


def divide(a: Any, b: Any, out: Array) -> None:
    """a / b."""
    _apply(_divide, out, *_operands(out, a, b))


def power(a: Any, b: Any, out: Array) -> None:
    """a ** b; squares and square roots, which are common, go by their own kernels."""
    if isinstance(b, int | float) and isinstance(a, np.ndarray) and out.dtype.kind == "f":
        if b == 2:
            return multiply(a, a, out)
        if b == 0.5:
            return sqrt(a, out)
    return _apply(_power, out, *_operands(out, a, b))


def maximum(a: Any, b: Any, out: Array) -> None:
    """The larger; NaN if either is."""
    _apply(_maximum, out, *_operands(out, a, b))


def minimum(a: Any, b: Any, out: Array) -> None:
    """The smaller; NaN if either is."""
    _apply(_minimum, out, *_operands(out, a, b))


def equal(a: Any, b: Any, out: Array) -> None:
    """a == b."""
    _apply(_equal, out, *_operands(out, a, b))


def not_equal(a: Any, b: Any, out: Array) -> None:
    """a != b."""
    _apply(_not_equal, out, *_operands(out, a, b))


def less(a: Any, b: Any, out: Array) -> None:
    """a < b."""
    _apply(_less, out, *_operands(out, a, b))


def less_equal(a: Any, b: Any, out: Array) -> None:
    """a <= b."""
    _apply(_less_equal, out, *_operands(out, a, b))


def greater(a: Any, b: Any, out: Array) -> None:
    """a > b."""
    _apply(_greater, out, *_operands(out, a, b))


def greater_equal(a: Any, b: Any, out: Array) -> None:
    """a >= b."""
    _apply(_greater_equal, out, *_operands(out, a, b))


def negative(x: Array, out: Array) -> None:
    """-x."""
    _apply(_negative, out, *_operands(out, x))


def absolute(x: Array, out: Array) -> None:
    """The absolute value."""
    _apply(_absolute, out, *_operands(out, x))


def sign(x: Array, out: Array) -> None:
    """-1, 0 or 1; NaN of NaN."""
    _apply(_sign, out, *_operands(out, x))


def exp(x: Array, out: Array) -> None:
    """e ** x."""
    _apply(_exp, out, *_operands(out, x))


def log(x: Array, out: Array) -> None:
    """Natural logarithm."""
    _apply(_log_single if out.dtype == np.float32 else _log, out, *_operands(out, x))


def sqrt(x: Array, out: Array) -> None:
    """Square root."""
    _apply(_sqrt, out, *_operands(out, x))


def tanh(x: Array, out: Array) -> None:
    """Hyperbolic tangent."""
    _apply(_tanh_single if out.dtype == np.float32 else _tanh, out, *_operands(out, x))


def relu(x: Array, out: Array) -> None:
    """x where it is positive or NaN, else 0."""
    _apply(_relu, out, *_operands(out, x))


def relu_backward(grad: Array, y: Array, out: Array) -> None:
    """The gradient where relu's output y is positive, else 0."""
    _apply(_relu_backward, out, *_operands(out, grad, y))


def where(condition: Array, a: Any, b: Any, out: Array) -> None:
    """a where the condition holds, else b."""
    _apply(_where, out, *_operands(out, condition), *_operands(out, a, b))


def lerp(a: Array, b: Array, out: Array, weight: float) -> None:
    """From a (weight 0) to b (weight 1) on a straight line."""
    _apply(_lerp, out, *_operands(out, a, b), *_operands(out, out.dtype.type(weight)))


def assign(x: Array, out: Array) -> None:
    """x, broadcast and cast: NumPy's copy, which knows every pair of types, spread over threads."""
    if out.size == 0:
        return
    (operand,) = _operands(out, x)
    target, source = merged([out, _broadcast(operand, out.shape)])
    if target.ndim == 0:
        target, source = target.reshape(1), source.reshape(1)
    longest = target.shape.index(max(target.shape))
    target, source = np.moveaxis(target, longest, 0), np.moveaxis(source, longest, 0)

    def copy(start: int, stop: int) -> None:
        with np.errstate(all="ignore"):
            np.copyto(target[start:stop], source[start:stop], casting="unsafe")

    parallel.run(copy, len(target), max(1, _GRAIN * len(target) // target.size))


def fill(out: Array, value: float) -> None:
    """One value everywhere."""
    assign(np.asarray(value), out)


def deliver(memory: Array, out: Array) -> None:
    """``out`` = memory (N,H,W,C), unless that is ``out``'s own (``channels_last`` copies what has another order)."""
    if not shares_memory(memory, out):
        assign(memory.transpose(0, 3, 1, 2), out)
