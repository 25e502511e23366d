"""The transforms of F(4x4, 3x3) and their adjoints, for vectors of channels: the matrices B, G and A in code.

Each matrix is applied to the columns and then to the rows of a patch; see ``forward.py`` and ``weight_gradient.py``.
"""

from __future__ import annotations

from ...runtime.compiler import helper
from ...vector.simd import load, store

FREQUENCIES = 36


@helper
def _input_transform(d0, d1, d2, d3, d4, d5):
    """B^T d."""
    a, b, e, f = d4 - 4.0 * d2, d3 - 4.0 * d1, d4 - d2, 2.0 * (d3 - d1)
    return 4.0 * d0 - 5.0 * d2 + d4, a + b, a - b, e + f, e - f, 4.0 * d1 - 5.0 * d3 + d5


@helper
def _output_transform(m0, m1, m2, m3, m4, m5):
    """A^T m."""
    s, t, u, v = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + s + u, t + 2.0 * v, s + 4.0 * u, t + 8.0 * v + m5


@helper
def weight_transform(g0, g1, g2):
    """G g."""
    s, t, u = g0 + g2, (1 / 24) * g0 + (1 / 6) * g2, (1 / 12) * g1
    return 0.25 * g0, (-1 / 6) * (s + g1), (1 / 6) * (g1 - s), t + u, t - u, g2


@helper
def store_six(array, place, step, vectors):
    """Six vectors, ``step`` apart."""
    store(array, place, vectors[0])
    store(array, place + step, vectors[1])
    store(array, place + 2 * step, vectors[2])
    store(array, place + 3 * step, vectors[3])
    store(array, place + 4 * step, vectors[4])
    store(array, place + 5 * step, vectors[5])


@helper
def _upper(x, o, row):
    """Row 0 of B^T d, for one column of a patch; an extra row further down, the last one."""
    return 4.0 * load(x, o) - 5.0 * load(x, o + 2 * row) + load(x, o + 4 * row)


@helper
def _inner(x, o, row):
    """Rows 1 and 2."""
    d1, d2, d3, d4 = load(x, o + row), load(x, o + 2 * row), load(x, o + 3 * row), load(x, o + 4 * row)
    a, b = d4 - 4.0 * d2, d3 - 4.0 * d1
    return a + b, a - b


@helper
def _outer(x, o, row):
    """Rows 3 and 4."""
    d1, d2, d3, d4 = load(x, o + row), load(x, o + 2 * row), load(x, o + 3 * row), load(x, o + 4 * row)
    e, f = d4 - d2, 2.0 * (d3 - d1)
    return e + f, e - f


@helper
def transform_patch(x, o, row, column, V, e, step):
    """V[6 p + q] = (B^T d B)[p, q] of the patch at x[o], row by row of B^T d.

    A row of B^T d is six vectors, which stay in registers; there is not room for all six rows.
    """
    o1, o2, o3, o4, o5 = o + column, o + 2 * column, o + 3 * column, o + 4 * column, o + 5 * column
    store_six(V, e, step, _input_transform(
        _upper(x, o, row), _upper(x, o1, row), _upper(x, o2, row),
        _upper(x, o3, row), _upper(x, o4, row), _upper(x, o5, row),
    ))  # fmt: skip
    s0, s1, s2 = _inner(x, o, row), _inner(x, o1, row), _inner(x, o2, row)
    s3, s4, s5 = _inner(x, o3, row), _inner(x, o4, row), _inner(x, o5, row)
    store_six(V, e + 6 * step, step, _input_transform(s0[0], s1[0], s2[0], s3[0], s4[0], s5[0]))
    store_six(V, e + 12 * step, step, _input_transform(s0[1], s1[1], s2[1], s3[1], s4[1], s5[1]))
    s0, s1, s2 = _outer(x, o, row), _outer(x, o1, row), _outer(x, o2, row)
    s3, s4, s5 = _outer(x, o3, row), _outer(x, o4, row), _outer(x, o5, row)
    store_six(V, e + 18 * step, step, _input_transform(s0[0], s1[0], s2[0], s3[0], s4[0], s5[0]))
    store_six(V, e + 24 * step, step, _input_transform(s0[1], s1[1], s2[1], s3[1], s4[1], s5[1]))
    store_six(V, e + 30 * step, step, _input_transform(
        _upper(x, o + row, row), _upper(x, o1 + row, row), _upper(x, o2 + row, row),
        _upper(x, o3 + row, row), _upper(x, o4 + row, row), _upper(x, o5 + row, row),
    ))  # fmt: skip


@helper
def output_column(M, e, row):
    """One column of A^T M."""
    return _output_transform(
        load(M, e), load(M, e + row), load(M, e + 2 * row),
        load(M, e + 3 * row), load(M, e + 4 * row), load(M, e + 5 * row),
    )  # fmt: skip


@helper
def _output_adjoint(y0, y1, y2, y3):
    """A y."""
    s, t, u, v = y0 + y2, y1 + y3, y0 + 4.0 * y2, 2.0 * y1 + 8.0 * y3
    return y0, s + t, s - t, u + v, u - v, y3


@helper
def weight_adjoint(u0, u1, u2, u3, u4, u5):
    """G^T u."""
    s, t = u1 + u2, u3 + u4
    return 0.25 * u0 - (1 / 6) * s + (1 / 24) * t, (1 / 6) * (u2 - u1) + (1 / 12) * (u3 - u4), (1 / 6) * (t - s) + u5


@helper
def _gradient_column(y, o, row):
    """One column of A dy."""
    return _output_adjoint(load(y, o), load(y, o + row), load(y, o + 2 * row), load(y, o + 3 * row))


@helper
def transform_gradient_patch(y, o, row, column, Z, e, step):
    """Z[6 p + q] = (A dy A^T)[p, q] of the 4x4 patch at y[o]."""
    s0, s1, s2, s3 = (
        _gradient_column(y, o, row), _gradient_column(y, o + column, row),
        _gradient_column(y, o + 2 * column, row), _gradient_column(y, o + 3 * column, row),
    )  # fmt: skip
    store_six(Z, e, step, _output_adjoint(s0[0], s1[0], s2[0], s3[0]))
    store_six(Z, e + 6 * step, step, _output_adjoint(s0[1], s1[1], s2[1], s3[1]))
    store_six(Z, e + 12 * step, step, _output_adjoint(s0[2], s1[2], s2[2], s3[2]))
    store_six(Z, e + 18 * step, step, _output_adjoint(s0[3], s1[3], s2[3], s3[3]))
    store_six(Z, e + 24 * step, step, _output_adjoint(s0[4], s1[4], s2[4], s3[4]))
    store_six(Z, e + 30 * step, step, _output_adjoint(s0[5], s1[5], s2[5], s3[5]))


@helper
def adjoint_column(u, place, row):
    """One column of G^T u."""
    return weight_adjoint(
        load(u, place), load(u, place + row), load(u, place + 2 * row),
        load(u, place + 3 * row), load(u, place + 4 * row), load(u, place + 5 * row),
    )  # fmt: skip
