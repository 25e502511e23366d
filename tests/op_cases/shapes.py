"""Shapes."""

from __future__ import annotations

from typing import Any

import numpy as np

from .table import (
    COLUMN,
    IMAGES,
    POSITIVE,
    A,
    B,
    case,
    integers,
    spread,
)

case("reshape", lambda t, x: x.reshape(4, -1), A, expected=lambda x: x.reshape(4, 6))
case(
    "view",
    lambda t, x: x.view(6, 4),
    A,
    expected=lambda x: x.reshape(6, 4),
    torch="PyTorch's view asks for contiguity",
)
case("flatten", lambda t, x: t.flatten(x, 1), IMAGES, expected=lambda x: x.reshape(len(x), 60), batch=(0,))
case("permute", lambda t, x: x.permute(2, 0, 1), A, expected=lambda x: x.transpose(2, 0, 1))
case("transpose", lambda t, x: x.transpose(-1, 0), A, expected=lambda x: x.swapaxes(-1, 0))
case("T", lambda t, x: x.T, POSITIVE, expected=lambda x: x.T)
case("squeeze", lambda t, x: t.squeeze(x), spread(1, 3, 1, 2), expected=lambda x: x.reshape(3, 2))
case("squeeze one", lambda t, x: x.squeeze(0), spread(1, 3, 1, 2), expected=lambda x: x.reshape(3, 1, 2))
case("unsqueeze", lambda t, x: x.unsqueeze(-1), A, expected=lambda x: x[..., None], batch=(0,))
case("expand", lambda t, x: x.expand(2, -1, 5), COLUMN, expected=lambda x: np.broadcast_to(x, (2, 3, 5)))
case("expand and reshape", lambda t, x: x.expand(3, 4).reshape(12), spread(4), expected=lambda x: np.tile(x, 3))
case(
    "cat",
    lambda t, a, b: t.cat([a, b, a], 1),
    A,
    spread(2, 1, 4),
    expected=lambda a, b: np.concatenate([a, b, a], 1),
    batch=(0, 1),
)
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
case("stack", lambda t, a, b: t.stack([a, b], 1), A, B, expected=lambda a, b: np.stack([a, b], 1), batch=(0, 1))
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
case(
    "index backwards",
    lambda t, x: x[:, ::-1],
    A,
    expected=lambda x: x[:, ::-1],
    torch="PyTorch has no negative steps",
)
case("index of images", lambda t, x: x[:, :, 1:-1, 2:], IMAGES, expected=lambda x: x[:, :, 1:-1, 2:], batch=(0,))
case("index by a tensor", lambda t, x, i: x[i], A, integers(4, high=2), expected=lambda x, i: x[i])
case(
    "gather",
    lambda t, x, i: t.gather(x, 1, i),
    A,
    integers(2, 5, 4, high=3),
    expected=lambda x, i: np.take_along_axis(x, i, 1),
    batch=(0, 1),
)
case(
    "gather from images",
    lambda t, x, i: x.gather(1, i),
    IMAGES,
    integers(2, 1, 4, 5, high=3),
    expected=lambda x, i: np.take_along_axis(x, i, 1),
    batch=(0, 1),
)
case(
    "index_select",
    lambda t, x, i: t.index_select(x, 1, i),
    A,
    [2, 0, 2, 2],
    expected=lambda x, i: x[:, i],
    batch=(0,),
)
case(
    "index_select from the end",
    lambda t, x, i: x.index_select(0, i),
    A,
    [-1, 0],
    expected=lambda x, i: x[i],
    torch="PyTorch counts only from the front",
)
case("clone", lambda t, x: x.clone(), IMAGES, expected=lambda x: x, batch=(0,))
case("contiguous", lambda t, x: x.transpose(0, 1).contiguous(), A, expected=lambda x: x.swapaxes(0, 1))
case("to and fro", lambda t, x: x.to(t.float64) * 2.0, A, expected=lambda x: x * 2, dtypes=("float64",))
case("as integers", lambda t, x: x.long(), [-1.7, 0.0, 2.9], expected=[-1, 0, 2], gradient=False)
case("as bools", lambda t, x: x.bool(), [-1.7, 0.0, np.nan], expected=[True, False, True], gradient=False)
