"""The types that mypy knows results of operators to have. CI lets mypy check this file, and a test runs it."""

from __future__ import annotations

from typing import assert_type

import tinyseg
from tinyseg import Tensor
from tinyseg.nn import functional as F


def check() -> None:
    """Operators written as signs, as methods, and as functions."""
    x = tinyseg.ones(2, 2)
    images = tinyseg.ones(1, 1, 3, 3)
    assert_type(x + x, Tensor)
    assert_type(2.0 - x, Tensor)
    assert_type(-x, Tensor)
    assert_type(x**2.0, Tensor)
    assert_type(x @ x, Tensor)
    assert_type(x < 1.0, Tensor)
    assert_type(x[0], Tensor)
    assert_type(x.exp(), Tensor)
    assert_type(x.pow(2.0), Tensor)
    assert_type(x.sum(0, keepdim=True), Tensor)
    assert_type(x.reshape(4).softmax(0), Tensor)
    assert_type(x.to("float64"), Tensor)
    assert_type(x.clone().add_(1.0), Tensor)
    assert_type(x.split(1), tuple[Tensor, ...])
    assert_type(x.detach(), Tensor)
    assert_type(x.grad, Tensor | None)
    assert_type(tinyseg.where(x > 0.0, x, 0.0), Tensor)
    assert_type(tinyseg.cat([x, x]), Tensor)
    assert_type(tinyseg.einsum("ij,jk->ik", x, x), Tensor)
    assert_type(F.conv2d(images, images), Tensor)
    assert_type(F.relu(x), Tensor)
    assert_type(F.cross_entropy(x, tinyseg.tensor([0, 1])), Tensor)
