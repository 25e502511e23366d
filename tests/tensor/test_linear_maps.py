"""Operators as matrices: the lectures' tables entry by entry, and each matrix against its operator."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from lecture_tables import STRIDE_1, STRIDE_1_TRANSPOSED, STRIDE_2, STRIDE_2_TRANSPOSED
from op_cases import spread
from scipy import sparse

import tinyseg
from tinyseg import linear_maps
from tinyseg.linear_maps import SymbolicMatrix, symbolic_conv1d
from tinyseg.nn import functional as F


def table(text: str) -> SymbolicMatrix:
    """Lines of letters, as a lecture prints a matrix."""
    return SymbolicMatrix(tuple(tuple(line.split()) for line in text.strip().splitlines()))


def assert_equal(matrix: Any, wanted: Any) -> None:
    assert isinstance(matrix, sparse.csr_array)
    np.testing.assert_array_equal(matrix.toarray(), wanted)


# --- The lectures' examples: kernel (x, y, z), padding 1, on (0, a, b, c, d, 0)

X1, X2 = symbolic_conv1d("xyz", 4, stride=1, padding=1), symbolic_conv1d("xyz", 4, stride=2, padding=1)
XYZ = {"x": 11.0, "y": 13.0, "z": 17.0}
KERNEL = np.array([[list(XYZ.values())]])


def test_the_tables_are_the_lectures() -> None:
    assert table(STRIDE_1) == X1
    assert table(STRIDE_1_TRANSPOSED) == X1.T
    assert table(STRIDE_2) == X2
    assert table(STRIDE_2_TRANSPOSED) == X2.T
    assert str(X1) == STRIDE_1.strip()
    assert X1.shape == (4, 6)


def test_the_products_are_the_lectures() -> None:
    assert X1 @ "0abcd0" == ["ay+bz", "ax+by+cz", "bx+cy+dz", "cx+dy"]
    # Printed notes have bx+cy+dz in the fourth place; the table beside them says bz+cy+dx.
    assert X1.T @ "abcd" == ["ax", "ay+bx", "az+by+cx", "bz+cy+dx", "cz+dy", "dz"]
    assert X2 @ "0abcd0" == ["ay+bz", "bx+cy+dz"]
    assert X2.T @ "ab" == ["ax", "ay", "az+bx", "by", "bz", "0"]
    upsampling = symbolic_conv1d("xyz", 5, stride=2).T  # a 1-D transposed convolution, stride 2, padding 0
    assert upsampling @ "ab" == ["ax", "ay", "az+bx", "by", "bz"]


@pytest.mark.parametrize(("stride", "lecture"), [(1, STRIDE_1), (2, STRIDE_2)])
def test_the_operators_matrices_are_the_lectures(device: str, stride: int, lecture: str) -> None:
    """Entry by entry, from the operators and from the definition; without the border's columns if it is padding."""
    whole = table(lecture).numbers(**XYZ)
    kernel = tinyseg.tensor(KERNEL)
    padded = linear_maps.matrix_of(lambda a: F.conv1d(a, kernel, None, stride), (1, 1, 6), tinyseg.float64)
    inner = linear_maps.matrix_of(lambda a: F.conv1d(a, kernel, None, stride, 1), (1, 1, 4), tinyseg.float64)
    assert_equal(padded, whole)
    assert_equal(inner, whole[:, 1:5])
    assert_equal(linear_maps.convolution(KERNEL, 6, stride), whole)
    assert_equal(linear_maps.convolution(KERNEL, 4, stride, 1), whole[:, 1:5])
    np.testing.assert_array_equal(symbolic_conv1d("xyz", 4, stride, 1, border=False).numbers(**XYZ), whole[:, 1:5])

    rest = stride - 1  # of the two lengths that lead to so many outputs, the longer one
    back = linear_maps.matrix_of(
        lambda a: F.conv_transpose1d(a, kernel, None, stride, output_padding=rest),
        (1, 1, len(whole)),
        tinyseg.float64,
    )
    assert_equal(back, whole.T)
    assert_equal(linear_maps.transposed_convolution(KERNEL, len(whole), stride, output_padding=rest), whole.T)


def test_with_stride_1_the_transpose_is_a_convolution_with_other_padding() -> None:
    """Its kernel is turned round; padding p becomes (kernel - 1) - p."""
    assert symbolic_conv1d("zyx", 4, padding=2, border=False) == X1.T
    without_border = symbolic_conv1d("xyz", 4, padding=1, border=False)
    assert symbolic_conv1d("zyx", 4, padding=1, border=False) == without_border.T
    for length, kernel, padding in itertools.product((6, 9), ("xyz", "vwxyz"), (0, 1, 2)):
        there = symbolic_conv1d(kernel, length, padding=padding, border=False)
        other = symbolic_conv1d(kernel[::-1], there.shape[0], padding=len(kernel) - 1 - padding, border=False)
        assert other == there.T


def _is_shift_invariant(matrix: SymbolicMatrix) -> bool:
    """An entry depends on column - row alone: that is what a convolution with stride 1 is, whatever its kernel."""
    by_distance: dict[int, set[str]] = {}
    for i, row in enumerate(matrix.rows):
        for j, entry in enumerate(row):
            by_distance.setdefault(j - i, set()).add(entry)
    return all(len(entries) == 1 for entries in by_distance.values())


def test_with_stride_2_the_transpose_is_no_convolution() -> None:
    """No kernel and no padding give it: every second of its rows sees other weights than the one above. It is one
    only of the signal with zeros put between its elements, (a, 0, b, 0): the lectures' two steps."""
    assert _is_shift_invariant(X1.T)
    assert not _is_shift_invariant(X2.T)
    longer = symbolic_conv1d("xyz", 9, stride=2)
    assert not _is_shift_invariant(longer.T)
    # Its outputs at even and at odd places are two convolutions, with the kernels (z, x) and (y).
    assert longer.T.rows[2:-1:2] == symbolic_conv1d("zx", 4).rows
    assert longer.T.rows[1::2] == symbolic_conv1d("y", 4).rows
    ordinary = symbolic_conv1d("zyx", 4, padding=2, border=False)
    assert ordinary @ "a0b0" == X2.T @ "ab"


@pytest.mark.parametrize(("signal", "error"), [("abcd", "takes 6 letters, got 'abcd'"), ("", "takes 6 letters")])
def test_a_signal_of_another_length_is_refused(signal: str, error: str) -> None:
    with pytest.raises(ValueError, match=error):
        X1 @ signal


@pytest.mark.parametrize("arguments", [{"kernel": ""}, {"length": 2}, {"length": 4, "dilation": 2}])
def test_a_kernel_that_does_not_fit_is_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"symbolic_conv1d: kernel .* does not fit"):
        symbolic_conv1d(**arguments)


# --- Each matrix against its operator

CONVOLUTIONS: list[tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = [
    ((2, 3, 3, 3), (5, 6), {}),
    ((2, 2, 3, 2), (5, 4), {"stride": 2, "padding": 1}),
    ((1, 2, 2, 3), (6, 7), {"stride": (1, 3), "padding": (2, 0), "dilation": (3, 2)}),
    ((4, 2, 3, 3), (4, 5), {"padding": 1, "groups": 2}),
    ((3, 1, 2, 2), (4, 4), {"dilation": 2, "groups": 3}),
]


@pytest.mark.parametrize(("weight", "size", "window"), CONVOLUTIONS)
def test_convolutions(device: str, weight: tuple[int, ...], size: tuple[int, ...], window: dict[str, Any]) -> None:
    """The matrix from the definition, the operator's values, its matrix by trying, and the transposed operator."""
    w = tinyseg.tensor(spread(*weight))
    a = tinyseg.tensor(spread(1, weight[1] * window.get("groups", 1), *size, seed=1))
    X = linear_maps.convolution(w, size, **window)
    y = F.conv2d(a, w, **window)
    np.testing.assert_allclose(X @ a.numpy().ravel(), y.numpy().ravel(), atol=1e-13)
    found = linear_maps.matrix_of(lambda a: F.conv2d(a, w, **window), a.shape, tinyseg.float64)
    np.testing.assert_allclose(found.toarray(), X.toarray(), atol=1e-13)

    least = F.conv_transpose2d(y, w, **window).shape
    rest = (size[0] - least[2], size[1] - least[3])
    back = linear_maps.matrix_of(
        lambda y: F.conv_transpose2d(y, w, **window, output_padding=rest), y.shape, tinyseg.float64
    )
    np.testing.assert_allclose(back.toarray(), X.T.toarray(), atol=1e-13)
    assert_equal(linear_maps.transposed_convolution(w, y.shape[2:], **window, output_padding=rest), X.T.toarray())


@pytest.mark.parametrize(
    ("weight", "length", "window"),
    [((2, 3, 3), 6, {}), ((2, 2, 2), 7, {"stride": 2, "padding": 1}), ((4, 1, 3), 8, {"dilation": 2, "groups": 2})],
)
def test_convolutions_of_signals(device: str, weight: tuple[int, ...], length: int, window: dict[str, Any]) -> None:
    w = tinyseg.tensor(spread(*weight))
    X = linear_maps.convolution(w, length, **window)
    shape = (1, weight[1] * window.get("groups", 1), length)
    found = linear_maps.matrix_of(lambda a: F.conv1d(a, w, **window), shape, tinyseg.float64)
    np.testing.assert_allclose(found.toarray(), X.toarray(), atol=1e-13)
    outputs = X.shape[0] // weight[0]
    T = linear_maps.transposed_convolution(w, outputs, **window)
    back = linear_maps.matrix_of(
        lambda y: F.conv_transpose1d(y, w, **window), (1, weight[0], outputs), tinyseg.float64
    )
    np.testing.assert_allclose(back.toarray(), T.toarray(), atol=1e-13)


@pytest.mark.parametrize("window", [{"kernel_size": 2}, {"kernel_size": 3, "stride": 1, "padding": 1}])
def test_pooling_with_its_places_fixed(device: str, window: dict[str, Any]) -> None:
    a = tinyseg.tensor(spread(2, 2, 4, 6), requires_grad=True)
    values, places = F.max_pool2d(a, **window, return_indices=True)
    X = linear_maps.max_pooling(places, (4, 6))
    np.testing.assert_array_equal(X @ a.detach().numpy().ravel(), values.detach().numpy().ravel())
    other = spread(*values.shape, seed=1)
    values.backward(tinyseg.tensor(other))  # the gradient adds where windows overlap: the transpose
    assert a.grad is not None
    np.testing.assert_allclose(X.T @ other.ravel(), a.grad.numpy().ravel(), atol=1e-14)


def test_unpooling(device: str) -> None:
    places = tinyseg.tensor([[[[5, 2], [12, 15]], [[0, 3], [9, 10]]]])
    found = linear_maps.matrix_of(lambda a: F.max_unpool2d(a, places, 2), (1, 2, 2, 2))
    X = linear_maps.max_unpooling(places, (4, 4))
    assert_equal(found, X.toarray())
    assert_equal(linear_maps.max_pooling(places, (4, 4)), X.T.toarray())


def test_unpooling_where_places_repeat(device: str) -> None:
    """The last one stands; the transpose of pooling would add them."""
    places = tinyseg.tensor([[[[3, 3], [3, 0]]]])
    X = linear_maps.max_unpooling(places, (2, 2))
    assert_equal(X, [[0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 0]])
    assert_equal(linear_maps.matrix_of(lambda a: F.max_unpool2d(a, places, 1), (1, 1, 2, 2)), X.toarray())
    assert linear_maps.max_pooling(places, (2, 2)).T.sum() == 4


SIZES = [((3, 4), (6, 8)), ((3, 4), (7, 5)), ((4, 5), (2, 3)), ((1, 1), (3, 2)), ((5, 3), (1, 1))]


@pytest.mark.parametrize(("size", "target"), SIZES)
def test_resizing(device: str, size: tuple[int, int], target: tuple[int, int]) -> None:
    X = linear_maps.nearest(size, target, channels=2)
    assert_equal(linear_maps.matrix_of(lambda a: F.interpolate(a, target), (1, 2, *size)), X.toarray())
    for align in (False, True):
        X = linear_maps.bilinear(size, target, align, channels=2)
        found = linear_maps.matrix_of(
            lambda a, align=align: F.interpolate(a, target, mode="bilinear", align_corners=align),
            (1, 2, *size),
            tinyseg.float64,
        )
        np.testing.assert_allclose(found.toarray(), X.toarray(), atol=1e-14)
        np.testing.assert_allclose(X.sum(axis=1), 1)


def test_average_pooling_is_separable(device: str) -> None:
    rows, columns = np.kron(np.eye(2), [[0.5, 0.5]]), np.kron(np.eye(3), [[0.5, 0.5]])
    found = linear_maps.matrix_of(lambda a: F.avg_pool2d(a, 2), (1, 1, 4, 6))
    assert_equal(found, np.kron(rows, columns))


def test_a_batch_is_a_block_for_each_image() -> None:
    w = tinyseg.tensor(spread(2, 1, 2, 2))
    X = linear_maps.convolution(w, (3, 3))
    found = linear_maps.matrix_of(lambda a: F.conv2d(a, w), (3, 1, 3, 3), tinyseg.float64)
    np.testing.assert_allclose(found.toarray(), sparse.kron(sparse.eye_array(3), X).toarray(), atol=1e-14)


# --- What is refused


@pytest.mark.parametrize(
    ("function", "error", "message"),
    [
        (lambda a: a + 2.0, ValueError, "it gives up to 2 where its argument is 0"),
        (lambda a: a.relu(), ValueError, "not linear: it is not the sum of what it does to each element"),
        (lambda a: a * a, ValueError, "not linear"),
        (lambda a: F.max_pool2d(a, 2), ValueError, "not linear"),
        (lambda a: a.long(), TypeError, "must give a tensor of float32, it gave a tensor of int64"),
        (lambda a: a.numpy(), TypeError, "it gave a ndarray"),
    ],
)
def test_what_is_not_linear_has_no_matrix(function: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"matrix_of: .*{message}"):
        linear_maps.matrix_of(function, (1, 1, 2, 4))


W = np.ones((2, 1, 3, 3))


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: linear_maps.convolution(W, (2, 5)), ValueError, r"size \(2, 5\) is too small for kernel \(3, 3\)"),
        (lambda: linear_maps.convolution(W, (5, 5, 5)), ValueError, "size must be an int or 2 of them"),
        (lambda: linear_maps.convolution(W, 5, groups=3), ValueError, "a multiple of groups=3"),
        (lambda: linear_maps.convolution(W[0, 0], 5), ValueError, r"got shape \(3, 3\)"),
        (lambda: linear_maps.transposed_convolution(W, 1, padding=2), ValueError, r"gives one of size \(-1, -1\)"),
        (lambda: linear_maps.max_pooling(np.array([[0, 6]]), (6,)), IndexError, "go from 0 to 6, planes of size"),
        (lambda: linear_maps.max_unpooling(np.array([[-1, 5]]), (6,)), IndexError, "go from -1 to 5"),
        (lambda: linear_maps.bilinear((3, 3), (0, 3)), ValueError, "sizes must be positive"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(call: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        call()
