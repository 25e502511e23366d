"""exp, log, tanh and their like of numbers, written so that LLVM makes vector code of a loop over them.

A call of the C library's functions would keep such a loop scalar. In single precision all go by these, in double
precision exp alone and what is made of it: the last digits of the others would suffer.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import intrinsic, overload

# "contract" alone: were sums reordered, the two steps of the range reduction would collapse into one.
_EXACT = {"fastmath": {"contract"}, "error_model": "numpy", "forceinline": True}
_exact = numba.njit(nogil=True, **_EXACT)


@intrinsic
def multiply_add(typingctx, a, b, c):
    """a * b + c of three numbers of one type, rounded once: the same bits in whatever kernel it stands."""

    def codegen(context, builder, sig, args):
        return builder.fma(*args)

    return a(a, a, a), codegen


def typed(value: Any, x: Any) -> Any:
    """The constant ``value`` in the precision of x: beside a float32, Numba takes a bare 1 for a float64."""
    return type(x)(value)


@overload(typed)
def _typed(value: Any, x: Any) -> Any:
    def single(value: Any, x: Any) -> Any:
        return np.float32(value)

    def double(value: Any, x: Any) -> Any:
        return np.float64(value)

    return single if x == numba.float32 else double


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


@overload(exponential, jit_options=_EXACT)
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


@_exact
def sigmoid_of(x: Any) -> Any:
    """1 / (1 + e^-x), by e^-|x|, which cannot overflow."""
    one, t = typed(1, x), exponential(-abs(x))
    return (t if x < 0 else one) / (one + t)


def log1p_of(x: Any) -> Any:
    """ln(1 + x) of a number x >= -1."""
    return np.log1p(x)


@overload(log1p_of, jit_options=_EXACT)
def _log1p_of(x: Any) -> Any:
    def single(x: Any) -> Any:
        wide = np.float64(x)
        series = wide * (1 - 0.5 * wide)  # the next term is x^3 / 3
        whole = logarithm(1 + wide)
        return np.float32(series if abs(wide) < 1e-4 else whole)

    def double(x: Any) -> Any:
        return math.log1p(x)

    return single if x == numba.float32 else double


def expm1_of(x: Any) -> Any:
    """e^x - 1 of a number."""
    return np.expm1(x)


@overload(expm1_of, jit_options=_EXACT)
def _expm1_of(x: Any) -> Any:
    def single(x: Any) -> Any:
        wide = np.float64(x)
        whole = _exponential64(wide) - 1
        return np.float32(wide if abs(wide) < 1e-8 else whole)

    def double(x: Any) -> Any:
        return math.expm1(x)

    return single if x == numba.float32 else double


def log_of(x: Any) -> Any:
    """ln x of a number."""
    return np.log(x)


@overload(log_of, jit_options=_EXACT)
def _log_of(x: Any) -> Any:
    def single(x: Any) -> Any:
        return np.float32(logarithm(x))

    def double(x: Any) -> Any:
        return math.log(x)

    return single if x == numba.float32 else double


def softplus_rest(x: Any) -> Any:
    """ln(1 + e^-|x|), what a softplus is above max(x, 0)."""
    return np.log1p(np.exp(-np.abs(x)))


@overload(softplus_rest, jit_options=_EXACT)
def _softplus_rest(x: Any) -> Any:
    def single(x: Any) -> Any:
        # ln(1 + t) = 2 artanh(s) = 2 (s + s^3 / 3 + ...) with s = t / (2 + t), at most 1 / 3
        t = _exponential32(-abs(x))
        s = t / (np.float32(2) + t)
        z = s * s
        p = np.float32(2 / 15)
        p = p * z + np.float32(2 / 13)
        p = p * z + np.float32(2 / 11)
        p = p * z + np.float32(2 / 9)
        p = p * z + np.float32(2 / 7)
        p = p * z + np.float32(2 / 5)
        p = p * z + np.float32(2 / 3)
        return s * (p * z) + np.float32(2) * s

    def double(x: Any) -> Any:
        return math.log1p(_exponential64(-abs(x)))

    return single if x == numba.float32 else double


@_exact
def _normal_tail32(size: Any) -> Any:
    """P(X > size) and density of a normal X: t Q(t) e^(-size^2 / 2) with t = 1 / (1 + size / 5).

    Q is a fit of degree 10 to 1 / 2 e^(z^2) erfc(z) / t, z = size / sqrt(2), at Chebyshev's points for size up to
    14.5, where float32 ends; the error of the fit is below 3e-9 of it.
    """
    square = size * size
    lost = multiply_add(size, size, -square)  # what the rounding of the square took would show in the exponent
    power = _exponential32(np.float32(-0.5) * square)
    power = np.float32(0) if square > np.float32(400) else power - power * (np.float32(0.5) * lost)
    t = np.float32(1) / (np.float32(1) + np.float32(0.2) * size)
    q = np.float32(0.019827185768413354)
    q = q * t - np.float32(0.16394548979390927)
    q = q * t + np.float32(0.47055240479375104)
    q = q * t - np.float32(0.625876374718759)
    q = q * t + np.float32(0.6241533860557498)
    q = q * t - np.float32(0.30327157331570653)
    q = q * t + np.float32(0.20568930228946852)
    q = q * t + np.float32(0.030300016294167273)
    q = q * t + np.float32(0.08369527791317347)
    q = q * t + np.float32(0.07905381862706147)
    q = q * t + np.float32(0.07982204514738793)
    return q * t * power, power * np.float32(0.3989422804014327)


def normal_share(x: Any) -> Any:
    """P(X < x) of a normal X, and its density at x."""
    raise NotImplementedError


@overload(normal_share, jit_options=_EXACT)
def _normal_share(x: Any) -> Any:
    def single(x: Any) -> Any:
        tail, density = _normal_tail32(abs(x))
        return tail if x < 0 else np.float32(1) - tail, density

    def double(x: Any) -> Any:
        return 0.5 * math.erfc(x * -0.7071067811865476), _exponential64(-0.5 * x * x) * 0.3989422804014327

    return single if x == numba.float32 else double
