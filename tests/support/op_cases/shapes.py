"""Shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinyseg.op_calls.table import IMAGES, POSITIVE, A, B, integers, spread

from .table import case, expect

expect("reshape", lambda x: x.reshape(4, 6))
case(
    "view",
    lambda t, x: x.view(6, 4),
    A,
    expected=lambda x: x.reshape(6, 4),
    torch="PyTorch's view asks for contiguity",
)
expect("flatten", lambda x: x.reshape(len(x), 60), batch=(0,))
expect("permute", lambda x: x.transpose(2, 0, 1))
expect("transpose", lambda x: x.swapaxes(-1, 0))
case("T", lambda t, x: x.T, POSITIVE, expected=lambda x: x.T)
case("squeeze", lambda t, x: t.squeeze(x), spread(1, 3, 1, 2), expected=lambda x: x.reshape(3, 2))
expect("squeeze one", lambda x: x.reshape(3, 1, 2))
expect("unsqueeze", lambda x: x[..., None], batch=(0,))
expect("expand", lambda x: np.broadcast_to(x, (2, 3, 5)))
case("expand and reshape", lambda t, x: x.expand(3, 4).reshape(12), spread(4), expected=lambda x: np.tile(x, 3))
expect("cat", lambda a, b: np.concatenate([a, b, a], 1), batch=(0, 1))
case(
    "cat of images",
    lambda t, a, b: t.cat((a, b), 1),
    IMAGES,
    spread(2, 2, 4, 5),
    expected=lambda a, b: np.concatenate([a, b], 1),
    batch=(0, 1),
)
case(
    "cat along the last",
    lambda t, a, b: t.cat((a, b), -1),
    A,
    B,
    expected=lambda a, b: np.concatenate([a, b], -1),
    batch=(0, 1),
)
expect("stack", lambda a, b: np.stack([a, b], 1), batch=(0, 1))
case("stack at the end", lambda t, a, b: t.stack([a, b], -1), A, B, expected=lambda a, b: np.stack([a, b], -1))
INDICES: list[tuple[str, Any]] = [
    ("int", 1),
    ("negative int", -1),
    ("slice", slice(0, 1)),
    ("steps", (slice(None), slice(None, None, 2))),
    ("ellipsis", (..., slice(1, 3))),
    ("first and last", (1, ..., 3)),
    ("new axis", (slice(None), None, 2)),
    ("empty slice", (slice(None), slice(2, 2))),
    ("list", (slice(None), [2, 0, 0])),
]
for _name, _index in INDICES:
    case(f"index {_name}", lambda t, x, i=_index: x[i], A, expected=lambda x, i=_index: x[i])
expect("index slice and list", lambda x: x[1:, [2, 0, 0]])
case(
    "index backwards",
    lambda t, x: x[:, ::-1],
    A,
    expected=lambda x: x[:, ::-1],
    torch="PyTorch has no negative steps",
)
case("index of images", lambda t, x: x[:, :, 1:-1, 2:], IMAGES, expected=lambda x: x[:, :, 1:-1, 2:], batch=(0,))
case("index by a tensor", lambda t, x, i: x[i], A, integers(4, high=2), expected=lambda x, i: x[i])
expect("gather", lambda x, i: np.take_along_axis(x, i, 1), batch=(0, 1))
case(
    "gather from images",
    lambda t, x, i: x.gather(1, i),
    IMAGES,
    integers(2, 1, 4, 5, high=3),
    expected=lambda x, i: np.take_along_axis(x, i, 1),
    batch=(0, 1),
)
expect("index_select", lambda x, i: x[:, i], batch=(0,))
case(
    "index_select from the end",
    lambda t, x, i: x.index_select(0, i),
    A,
    [-1, 0],
    expected=lambda x, i: x[i],
    torch="PyTorch counts only from the front",
)
expect("clone", lambda x: x, batch=(0,))
expect("contiguous", lambda x: x.swapaxes(0, 1))
expect("to and fro", lambda x: x * 2, dtypes=("float64",))
case("as integers", lambda t, x: x.long(), [-1.7, 0.0, 2.9], expected=[-1, 0, 2], gradient=False)
case("as bools", lambda t, x: x.bool(), [-1.7, 0.0, np.nan], expected=[True, False, True], gradient=False)
