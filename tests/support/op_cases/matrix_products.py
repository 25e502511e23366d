"""Matrix products."""

from __future__ import annotations

import numpy as np

from tinyseg.op_calls.table import spread

from .table import case, expect

case("matmul", lambda t, a, b: a @ b, spread(4, 3), spread(3, 5), expected=np.matmul, tolerance=2e-5)
case("matmul of batches", lambda t, a, b: a @ b, spread(2, 4, 3), spread(2, 3, 5), expected=np.matmul, batch=(0, 1))
case("matmul, broadcast", lambda t, a, b: a @ b, spread(2, 1, 4, 3), spread(5, 3, 2), expected=np.matmul)
expect("matmul, one matrix for all", np.matmul, batch=(0,))
case("matmul of vectors", lambda t, a, b: t.matmul(a, b), spread(6), spread(6, seed=1), expected=np.matmul)
case("matrix times vector", lambda t, a, b: a.matmul(b), spread(4, 3), spread(3), expected=np.matmul)
case("vector times matrices", lambda t, a, b: a.matmul(b), spread(3), spread(2, 3, 4), expected=np.matmul)
case("matmul, larger", lambda t, a, b: a @ b, spread(37, 65), spread(65, 43), expected=np.matmul, gradient=False)
for _left, _right in (
    ((2, 0), (0, 3)),
    ((0, 2), (2, 3)),
    ((2, 3), (3, 0)),
    ((0,), (0,)),
    ((2, 0), (0,)),
    ((0,), (0, 3)),
    ((2, 3, 0), (2, 0, 4)),
    ((2, 3, 0), (0, 4)),
    ((3, 0), (2, 0, 4)),
    ((0, 3, 2), (2, 4)),
    ((1, 3, 2), (0, 2, 4)),
):
    case(
        f"matmul of {_left} and {_right}",
        lambda t, a, b: a @ b,
        np.zeros(_left),
        np.zeros(_right),
        expected=np.matmul,
    )
case(
    "linear without features",
    lambda t, x, w, b: t.F.linear(x, w, b),
    np.zeros((2, 3, 0)),
    np.zeros((4, 0)),
    spread(4),
    expected=lambda x, w, b: np.broadcast_to(b, (2, 3, 4)),
)
expect("linear", lambda x, w, b: x @ w.T + b, batch=(0,))
case(
    "linear without bias",
    lambda t, x, w: t.F.linear(x, w),
    spread(3, 4),
    spread(2, 4),
    expected=lambda x, w: x @ w.T,
    batch=(0,),
)
