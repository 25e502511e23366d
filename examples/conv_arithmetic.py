"""Which input pixels meet which output pixel: convolutions as animated pictures.

Without padding, with padding, strided, dilated, and transposed with stride 1 and 2. On the left is what the window
goes over: the input with the zeros put around it and, if transposed, between its pixels; small numbers are the
weights that they meet. Which ones these are is not drawn from a rule but asked of the operators: row i of an
operator's matrix says what output i is made of.

Source: Dumoulin and Visin 2016, "A guide to convolution arithmetic for deep learning": figures 1.1 and 1.2 (its 5x5
input and kernel are used here), chapters 2, 4 and 5.

Run:  python examples/conv_arithmetic.py --out pictures
"""

# %%
from typing import NamedTuple

import numpy as np
from example_options import example_options
from grids import (
    DARK_BLUE,
    GREY,
    INK,
    LIGHT_BLUE,
    LIGHT_GREEN,
    ORANGE,
    PALE,
    WHITE,
    above,
    beside,
    grid,
    save,
    save_animation,
    sheet,
    tint,
    words,
)
from PIL import Image

import tinyseg
from tinyseg.linear_maps import matrix_of
from tinyseg.nn import functional as F

options = example_options(__doc__)

# %% [markdown]
# ## The six
# The output is (size + 2 padding - dilation (k - 1) - 1) / stride + 1 wide, rounded down; that of a transposed
# convolution (size - 1) stride - 2 padding + k.

# %%
five = np.array([[3, 3, 2, 1, 0], [0, 0, 1, 3, 1], [3, 1, 2, 2, 3], [2, 0, 0, 2, 2], [2, 0, 0, 0, 1]])
seven = np.add.outer(3 * np.arange(7), 2 * np.arange(7)) % 5
three = np.arange(1, 10).reshape(3, 3)
kernel = np.array([[0, 1, 2], [2, 2, 0], [0, 1, 2]])
numbered = np.arange(1, 10).reshape(3, 3)  # a kernel whose weights say which they are


class Arithmetic(NamedTuple):
    """One of the six: a convolution or a transposed one of an image (H, W)."""

    title: str
    image: np.ndarray
    stride: int = 1
    padding: int = 0
    dilation: int = 1
    transposed: bool = False


SIX = {
    "no_padding": Arithmetic("Convolution without padding", five),
    "padding": Arithmetic("Convolution with padding 1", five, padding=1),
    "strided": Arithmetic("Convolution with stride 2, padding 1", five, stride=2, padding=1),
    "dilated": Arithmetic("Convolution with dilation 2", seven, dilation=2),
    "transposed": Arithmetic("Transposed convolution with stride 1", three, transposed=True),
    "transposed_strided": Arithmetic(
        "Transposed convolution with stride 2, padding 1", three, stride=2, padding=1, transposed=True
    ),
}

# %% [markdown]
# ## What the window goes over
# A convolution goes over the image with `padding` zeros around it. A transposed one goes, with stride 1 and the
# kernel turned by 180 degrees, over the image with stride - 1 zeros between its pixels and 2 - padding around.


# %%
def images(values: np.ndarray) -> tinyseg.Tensor:
    """An array (H, W) as a batch of one image of one channel."""
    return tinyseg.tensor(values[None, None], dtype=tinyseg.float32)


def operate(case: Arithmetic, image: tinyseg.Tensor, weight: np.ndarray) -> tinyseg.Tensor:
    """The operator itself, on the image."""
    if case.transposed:
        return F.conv_transpose2d(image, images(weight), stride=case.stride, padding=case.padding)
    return F.conv2d(image, images(weight), stride=case.stride, padding=case.padding, dilation=case.dilation)


def slide(case: Arithmetic, ground: tinyseg.Tensor, weight: np.ndarray) -> tinyseg.Tensor:
    """A window that goes over the ground, which has all its zeros."""
    if case.transposed:
        return F.conv2d(ground, images(np.rot90(weight, 2).copy()))
    return F.conv2d(ground, images(weight), stride=case.stride, dilation=case.dilation)


def lay_out(case: Arithmetic) -> tuple[np.ndarray, np.ndarray]:
    """The ground, (H', W'), and where on it the pixels of the image are."""
    apart = case.stride if case.transposed else 1
    around = 2 - case.padding if case.transposed else case.padding
    size = (len(case.image) - 1) * apart + 1 + 2 * around
    ground, is_pixel = np.zeros((size, size), int), np.zeros((size, size), bool)
    places = around + apart * np.arange(len(case.image))
    ground[np.ix_(places, places)] = case.image
    is_pixel[np.ix_(places, places)] = True
    return ground, is_pixel


# %% [markdown]
# ## Which pixel meets which weight
# The kernel's weights are 1 to 9, so that the matrix of the operator, found by trying, says which of them meets each
# pixel; 0 says that they never meet. The matrix of the window on its ground has to say the same where pixels are, and
# both have to give the same numbers: a picture that disagrees with the operator is refused.


# %%
class Meetings(NamedTuple):
    """What goes into the pictures of one case."""

    ground: np.ndarray
    is_pixel: np.ndarray
    output: np.ndarray
    weights: np.ndarray  # (outputs, H', W'): the number, 1 to 9, of the weight that meets a place of the ground; or 0
    by_operator: np.ndarray  # (outputs, H, W): the same for the pixels of the image, from the operator itself


def find_meetings(case: Arithmetic) -> Meetings:
    """From the operators' matrices."""
    ground, is_pixel = lay_out(case)
    by_window = matrix_of(lambda a: slide(case, a, numbered), (1, 1, *ground.shape)).toarray()
    by_operator = matrix_of(lambda a: operate(case, a, numbered), (1, 1, *case.image.shape)).toarray()
    weights = by_window.reshape(-1, *ground.shape).astype(int)
    output = operate(case, images(case.image), kernel).numpy()[0, 0].astype(int)
    same_places = (weights[:, is_pixel] == by_operator).all()
    same_numbers = (slide(case, images(ground), kernel).numpy()[0, 0] == output).all()
    if not (same_places and same_numbers):
        raise RuntimeError(f"{case.title}: the window is not the operator")
    return Meetings(ground, is_pixel, output, weights, by_operator.reshape(-1, *case.image.shape).astype(int))


def sum_of_products(meeting: Meetings, which: int) -> str:
    """Pixel times weight, for the pixels that output ``which`` is made of."""
    chosen = (meeting.weights[which] > 0) & meeting.is_pixel
    pairs = zip(meeting.ground[chosen], kernel.ravel()[meeting.weights[which][chosen] - 1], strict=True)
    return " + ".join(f"{pixel}·{weight}" for pixel, weight in pairs) + f" = {meeting.output.ravel()[which]}"


meetings = {name: find_meetings(case) for name, case in SIX.items()}
for name, (ground, _, output, _, by_operator) in meetings.items():
    case, met = SIX[name], (by_operator > 0).sum((1, 2))
    print(f"\n{case.title}: {case.image.shape} to {output.shape}, the window goes over {ground.shape}")
    print(f"an output is made of {met.min()} to {met.max()} pixels")
    print(output)
    middle = output.size // 2
    print(f"the one in the middle, pixels times weights: {sum_of_products(meetings[name], middle)}")

# %% [markdown]
# ## The pictures


# %%
def input_picture(meeting: Meetings, which: int) -> Image.Image:
    """The ground, with the window of output ``which`` framed and its weights in the corners."""
    weights = meeting.weights[which]
    first, *_, last = np.flatnonzero(meeting.is_pixel.any(1))
    fill, frame, corner, ink = (np.full(weights.shape, None, object) for _ in range(4))
    for place in np.ndindex(weights.shape):
        in_window, pixel = weights[place] > 0, meeting.is_pixel[place]
        around = min(place) < first or max(place) > last
        if pixel:
            fill[place] = tint(ORANGE, 0.45) if in_window else LIGHT_BLUE
        else:
            fill[place] = PALE if around else WHITE
        frame[place] = ORANGE if in_window else None
        corner[place] = kernel.ravel()[weights[place] - 1] if in_window else ""
        ink[place] = INK if pixel else GREY
    return grid(meeting.ground, fill, frame, corner, cell=40, ink=ink)


def output_picture(meeting: Meetings, which: int) -> Image.Image:
    """The outputs up to number ``which``, which is framed."""
    known = np.arange(meeting.output.size).reshape(meeting.output.shape)
    cells = np.where(known <= which, meeting.output, "")
    fill = np.where(known == which, ORANGE, np.where(known < which, LIGHT_GREEN, WHITE))
    frame = np.where(known == which, INK, None)
    return grid(cells, fill, frame, cell=40)


def picture(case: Arithmetic, meeting: Meetings, which: int) -> Image.Image:
    """One frame: how output ``which`` comes about."""
    size, result = len(case.image), len(meeting.output)
    shown_kernel = np.rot90(kernel, 2) if case.transposed else kernel
    zeros = "input with zeros around" + (" and between" if case.transposed and case.stride > 1 else "")
    plain = meeting.is_pixel.all()
    return above(
        words(f"{case.title}: {size}x{size} to {result}x{result}", 19, bold=True),
        beside(
            above(words("input" if plain else zeros), input_picture(meeting, which)),
            above(
                words("kernel, turned" if case.transposed else "kernel"),
                grid(shown_kernel, tint(ORANGE, 0.2), cell=32, ink=DARK_BLUE),
            ),
            above(words("output"), output_picture(meeting, which)),
            gap=34,
        ),
        words(sum_of_products(meeting, which), 16, width=620),
        gap=14,
    )


frames = {
    name: [picture(case, meetings[name], which) for which in range(meetings[name].output.size)]
    for name, case in SIX.items()
}
for name, pictures in frames.items():
    save_animation(options.out / f"{name}.gif", pictures)

# %% [markdown]
# For paper, which does not move: one frame of each; and the transposed convolution with stride 2 step by step. Its
# outputs are of four kinds: made of one pixel, of two beside each other, of two above each other, of four.

# %%
save(options.out / "conv_arithmetic.png", sheet([pictures[len(pictures) // 2] for pictures in frames.values()]))
steps = [frames["transposed_strided"][which] for which in (0, 1, 2, 5, 6, 7)]
save(options.out / "transposed_strided_steps.png", sheet(steps))
