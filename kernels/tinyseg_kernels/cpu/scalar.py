"""exp, log, tanh and a * b + c of numbers, written so that LLVM makes vector code of a loop over them.

A call of the C library's functions would keep such a loop scalar. In single precision all three go by these, in
double precision exp alone: the last digits of the others would suffer.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic, overload

# "contract" alone: were sums reordered, the two steps of the range reduction would collapse into one.
_exact = numba.njit(nogil=True, fastmath={"contract"}, error_model="numpy", forceinline=True)


@intrinsic
def multiply_add(typingctx, a, b, c):
    """a * b + c of three numbers of one type, rounded once: the same bits in whatever kernel it stands."""

    def codegen(context, builder, sig, args):
        return builder.fma(*args)

    return a(a, a, a), codegen


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
def hyperbolic_tangent32(x: Any) -> Any:
    """(1 - e^-2|x|) / (1 + e^-2|x|), in double precision against the cancellation."""
    size = np.float64(abs(x))
    t = _exponential64(-2 * size)
    y = (1 - t) / (1 + t) if not size < 1e-6 else size  # the series' next term is size^3 / 3
    return np.float32(-y if x < 0 else y)
