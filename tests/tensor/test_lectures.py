"""The numbers that the lectures work out by hand, on both backends."""

from __future__ import annotations

import numpy as np
import pytest
from lecture_tables import CROSS, SLIDE

import tinyseg
from tinyseg import Tensor
from tinyseg.nn import functional as F

# a, b, c, d and the kernel x, y, z: primes, so that every product shows where it comes from.
a, b, c, d = 2.0, 3.0, 5.0, 7.0
x, y, z = 11.0, 13.0, 17.0


def row(*values: float) -> Tensor:
    """A 1-D signal as an image of one row."""
    return tinyseg.tensor([[[list(values)]]])


KERNEL = (x, y, z)


def along(padding: int, stride: int) -> dict[str, tuple[int, int]]:
    return {"stride": (1, stride), "padding": (0, padding)}


# Convolution as a matrix


def test_convolution_with_stride_1(device: str) -> None:
    found = F.conv2d(row(a, b, c, d), row(*KERNEL), **along(padding=1, stride=1))
    rows = [[x, y, z, 0, 0, 0], [0, x, y, z, 0, 0], [0, 0, x, y, z, 0], [0, 0, 0, x, y, z]]
    assert found[0, 0, 0].tolist() == (np.array(rows) @ [0, a, b, c, d, 0]).tolist()
    assert found[0, 0, 0].tolist() == [a * y + b * z, a * x + b * y + c * z, b * x + c * y + d * z, c * x + d * y]


def test_convolution_with_stride_2(device: str) -> None:
    found = F.conv2d(row(a, b, c, d), row(*KERNEL), **along(padding=1, stride=2))
    assert found[0, 0, 0].tolist() == [a * y + b * z, b * x + c * y + d * z]


def test_transposed_convolution_with_stride_1(device: str) -> None:
    """On the padded signal, so nothing is cut off: padding 0 here."""
    found = F.conv_transpose2d(row(a, b, c, d), row(*KERNEL))
    wanted = [a * x, a * y + b * x, a * z + b * y + c * x, b * z + c * y + d * x, c * z + d * y, d * z]
    assert found[0, 0, 0].tolist() == wanted


def test_transposed_convolution_with_stride_1_is_an_ordinary_one(device: str) -> None:
    """With the kernel turned round and another padding."""
    found = F.conv_transpose2d(row(a, b, c, d), row(*KERNEL), **along(padding=1, stride=1))
    ordinary = F.conv2d(row(a, b, c, d), row(z, y, x), **along(padding=1, stride=1))
    assert found.tolist() == ordinary.tolist()
    assert found[0, 0, 0].tolist() == [a * y + b * x, a * z + b * y + c * x, b * z + c * y + d * x, c * z + d * y]


def test_transposed_convolution_with_stride_2(device: str) -> None:
    found = F.conv_transpose2d(row(a, b), row(*KERNEL), stride=(1, 2))
    assert found[0, 0, 0].tolist() == [a * x, a * y, a * z + b * x, b * y, b * z]
    # The transpose of the 2 x 6 matrix has a sixth row, which is 0: output_padding adds it.
    longer = F.conv_transpose2d(row(a, b), row(*KERNEL), stride=(1, 2), output_padding=(0, 1))
    matrix = np.array([[x, y, z, 0, 0, 0], [0, 0, x, y, z, 0]])
    assert longer[0, 0, 0].tolist() == (matrix.T @ [a, b]).tolist()
    assert longer[0, 0, 0].tolist() == [a * x, a * y, a * z + b * x, b * y, b * z, 0]


# 2-D convolution by hand


def test_a_filter_finds_the_strokes_of_an_x(device: str) -> None:
    image = np.full((9, 9), -1.0)
    image[tuple(np.transpose(CROSS))] = 1
    stroke = tinyseg.tensor([[[[1.0, -1, -1], [-1, 1, -1], [-1, -1, 1]]]], dtype="float64")
    found = F.conv2d(tinyseg.tensor(image).reshape(1, 1, 9, 9), stroke / 9)[0, 0].numpy()
    cut = np.trunc(np.round(found * 9) / 9 * 100) / 100
    np.testing.assert_array_equal(cut, np.loadtxt(SLIDE.split("\n")))


RED = "156 155 156 158 158 / 153 154 157 159 159 / 149 151 155 158 159 / 146 146 149 153 158 / 145 143 143 148 158"
GREEN = "167 166 167 169 169 / 164 165 168 170 170 / 160 162 166 169 170 / 156 156 159 163 168 / 155 153 153 158 168"
BLUE = "163 162 163 165 165 / 160 161 164 166 166 / 156 158 162 165 166 / 155 155 158 162 167 / 154 152 152 157 167"
KERNELS = [
    [[-1, -1, 1], [0, 1, -1], [0, 1, 1]],
    [[1, 0, 0], [1, -1, -1], [1, 0, -1]],
    [[0, 1, 1], [0, 1, 0], [1, -1, 1]],
]


def test_three_channels(device: str) -> None:
    planes = [[line.split() for line in plane.split("/")] for plane in (RED, GREEN, BLUE)]
    image = tinyseg.tensor(np.array([planes], np.float32))
    kernels = tinyseg.tensor(np.array([KERNELS], np.float32))
    assert image.shape == (1, 3, 5, 5)
    one_by_one = [
        F.conv2d(image[:, i : i + 1], kernels[:, i : i + 1], padding=1)[0, 0, 0, 0].item() for i in range(3)
    ]
    assert one_by_one == [308, -498, 164]
    whole = F.conv2d(image, kernels, tinyseg.tensor([1.0]), padding=1)
    assert whole.shape == (1, 1, 5, 5)
    assert whole[0, 0, 0, 0].item() == -25
    # The next one, by hand: (156, 155, 156; 153, 154, 157) under the second and third row of each kernel, and so on.
    red, green, blue = 155 - 156 + 154 + 157, 167 - 166 - 167 + 164 - 168, 162 + 160 - 161 + 164
    assert whole[0, 0, 0, 1].item() == red + green + blue + 1


# Upsampling without parameters

SMALL = [[[[1.0, 2], [3, 4]]]]
POOLED = [[[[1.0, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]]]]


def test_nearest(device: str) -> None:
    found = F.interpolate(tinyseg.tensor(SMALL), scale_factor=2)
    assert found[0, 0].tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_bed_of_nails(device: str) -> None:
    """A transposed convolution whose kernel is a single nail."""
    nail = tinyseg.tensor([[[[1.0, 0], [0, 0]]]])
    found = F.conv_transpose2d(tinyseg.tensor(SMALL), nail, stride=2)
    assert found[0, 0].tolist() == [[1, 0, 2, 0], [0, 0, 0, 0], [3, 0, 4, 0], [0, 0, 0, 0]]


def test_max_pooling_and_unpooling(device: str) -> None:
    largest, places = F.max_pool2d(tinyseg.tensor(POOLED), 2, return_indices=True)
    assert largest[0, 0].tolist() == [[5, 6], [7, 8]]
    assert places[0, 0].tolist() == [[5, 2], [12, 15]]
    found = F.max_unpool2d(tinyseg.tensor(SMALL), places, 2)
    assert found[0, 0].tolist() == [[0, 0, 2, 0], [0, 1, 0, 0], [0, 0, 0, 0], [3, 0, 0, 4]]


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_convolution_in_two_steps(device: str, stride: int, padding: int) -> None:
    """(1) put zeros between rows and columns, (2) convolve with the kernel turned round."""
    image = np.arange(1.0, 10).reshape(3, 3)
    kernel = np.array([[1.0, 2, 3], [4, 5, 6], [7, 8, 9]])
    apart = np.zeros((3 + 2 * (stride - 1), 3 + 2 * (stride - 1)))
    apart[::stride, ::stride] = image
    turned = tinyseg.tensor(kernel[::-1, ::-1].copy()).reshape(1, 1, 3, 3)
    two_steps = F.conv2d(tinyseg.tensor(apart).reshape(1, 1, *apart.shape), turned, padding=2 - padding)
    found = F.conv_transpose2d(
        tinyseg.tensor(image).reshape(1, 1, 3, 3), tinyseg.tensor(kernel).reshape(1, 1, 3, 3), None, stride, padding
    )
    assert found.tolist() == two_steps.tolist()
    size = 2 * stride + 3 - 2 * padding
    assert found.shape == (1, 1, size, size)
    if not padding:  # the first input pixel puts the kernel down, and nothing else reaches the corner
        assert found[0, 0, 0, 0].item() == 1 * 1
        assert found[0, 0, -1, -1].item() == 9 * 9


# Networks


@pytest.mark.parametrize(("dilations", "sees"), [([1], 3), ([1, 2], 7), ([1, 2, 4], 15)])
def test_dilated_convolutions_see_exponentially_more(device: str, dilations: list[int], sees: int) -> None:
    """What one output pixel depends on: the pixels where its gradient is not 0."""
    image = tinyseg.zeros(1, 1, 31, 31, requires_grad=True)
    out = image
    for dilation in dilations:
        out = F.conv2d(out, tinyseg.ones(1, 1, 3, 3), padding=dilation, dilation=dilation)
    out[0, 0, 15, 15].backward()
    assert image.grad is not None
    rows, columns = np.nonzero(image.grad.numpy()[0, 0])
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == sees
    assert len(rows) == sees**2


# Losses


def test_cross_entropy_of_two_classes(device: str) -> None:
    """CE = -(p log q + (1 - p) log(1 - q)), with q the softmax's share of class 1; WCE weighs p's part by beta."""
    q, beta = 0.8, 3.0
    logits = tinyseg.tensor([[0.0, np.log(q / (1 - q))]] * 2, dtype="float64")
    target = tinyseg.tensor([1, 0])
    each = F.cross_entropy(logits, target, reduction="none")
    assert each.tolist() == pytest.approx([-np.log(q), -np.log(1 - q)])
    weight = tinyseg.tensor([1.0, beta], dtype="float64")
    weighted = F.cross_entropy(logits, target, weight, reduction="sum")
    assert weighted.item() == pytest.approx(-(beta * np.log(q) + np.log(1 - q)))


def test_the_loss_of_an_image_is_the_sum_over_its_pixels(device: str) -> None:
    """l(x; theta) = sum over i, j of l(x_ij; theta)."""
    logits, target = tinyseg.rand(1, 3, 4, 5, dtype="float64"), tinyseg.full((1, 4, 5), 2)
    whole = F.cross_entropy(logits, target, reduction="sum").item()
    parts = [
        F.cross_entropy(logits[:, :, i, j], target[:, i, j], reduction="sum").item()
        for i in range(4)
        for j in range(5)
    ]
    assert whole == pytest.approx(sum(parts), rel=1e-12)
