"""A 2-D convolution by hand: a filter that looks for a diagonal, and a sum over three channels.

A convolution lays the filter over each place of the picture, multiplies number by number, and adds. Divided by the
number of pixels it is an average of agreements: 1 where the picture is exactly the filter. With several channels each
has its own kernel; the sums are added, and the bias.

Source: the two pictures that lectures on convolutional networks work through: an X of +1 on -1 with a 3x3 diagonal
filter, and a picture of three channels with zeros around it.

Run:  python examples/conv2d_by_hand.py --out pictures
"""

# %%
import numpy as np
from example_options import example_options
from grids import BLUE, GREY, INK, ORANGE, PALE, WHITE, above, beside, grid, save, tint, words

import tinyseg
from tinyseg.nn import functional as F

options = example_options(__doc__)

# %% [markdown]
# ## The picture of an X, and a filter for one of its strokes
# The picture is 9x9, -1 with an X of +1; the filter is +1 along the diagonal that falls to the right.

# %%
image = np.full((9, 9), -1.0, np.float32)
for i in range(1, 8):
    image[i, i] = image[i, 8 - i] = 1.0
diagonal = np.array([[1, -1, -1], [-1, 1, -1], [-1, -1, 1]], np.float32)
print("the picture:", image.astype(int), "the filter:", diagonal.astype(int), sep="\n")

# %% [markdown]
# ## One place by hand
# At the upper left the 3x3 patch and the filter agree in eight pixels and differ in one, the corner: 8 - 1 = 7,
# and 7 / 9 is 0.77.

# %%
patch = image[:3, :3]
products = patch * diagonal
first = products.sum() / 9
print("\nthe upper left patch times the filter:", products.astype(int), sep="\n")
print(f"sum {products.sum():.0f}, divided by 9: {first:.4f}")

# %% [markdown]
# ## All places
# The table is 7x7: the filter fits into nine pixels seven times. Numbers are cut to two digits, not rounded, as the
# lectures print them. On the stroke that falls to the right the filter finds 1, on the other stroke 0.11, and 0.55
# where they cross.


# %%
def convolve(picture: np.ndarray, kernel: np.ndarray, padding: int = 0) -> np.ndarray:
    """conv2d of one picture (H, W) of one channel."""
    weight = tinyseg.tensor(kernel[None, None])
    return F.conv2d(tinyseg.tensor(picture[None, None]), weight, padding=padding).numpy()[0, 0]


def cut(value: float) -> str:
    """Two digits behind the point; the others are left out."""
    return f"{np.trunc(100 * value) / 100:.2f}"


sums = convolve(image, diagonal)  # whole numbers, which are exact; dividing last keeps 9/9 from becoming 0.999...
averages = sums / 9
table = "\n".join(" ".join(f"{cut(value):>5}" for value in row) for row in averages)
print("\nthe average agreement at each place:", table, sep="\n")

# %% [markdown]
# ## Three channels
# Zeros are put around each channel (padding 1), each is multiplied with a kernel of its own, and the three sums and
# the bias are added: one number of the output.

# %%
red = [[156, 155, 156, 158, 158], [153, 154, 157, 159, 159], [149, 151, 155, 158, 159], [146, 146, 149, 153, 158]]
red += [[145, 143, 143, 148, 158]]
green = [[167, 166, 167, 169, 169], [164, 165, 168, 170, 170], [160, 162, 166, 169, 170], [156, 156, 159, 163, 168]]
green += [[155, 153, 153, 158, 168]]
blue = [[163, 162, 163, 165, 165], [160, 161, 164, 166, 166], [156, 158, 162, 165, 166], [155, 155, 158, 162, 167]]
blue += [[154, 152, 152, 157, 167]]
channels = np.array([red, green, blue], np.float32)
kernels = np.array(
    [
        [[-1, -1, 1], [0, 1, -1], [0, 1, 1]],
        [[1, 0, 0], [1, -1, -1], [1, 0, -1]],
        [[0, 1, 1], [0, 1, 0], [1, -1, 1]],
    ],
    np.float32,
)
bias = 1.0

padded = np.pad(channels, ((0, 0), (1, 1), (1, 1)))
by_channel = [convolve(channel, kernel, padding=1) for channel, kernel in zip(channels, kernels, strict=True)]
corner_sums = [int(one[0, 0]) for one in by_channel]
for name, channel, kernel, corner_sum in zip(("red", "green", "blue"), padded, kernels, corner_sums, strict=True):
    print(f"\n{name}: upper left patch, kernel, and the sum of their products:")
    for left, right in zip(channel[:3, :3].astype(int), kernel.astype(int), strict=True):
        print("  ", *(f"{value:4d}" for value in left), "   ", *(f"{value:3d}" for value in right))
    print(f"   {corner_sum}")
corner = sum(corner_sums) + int(bias)
print(f"\n{corner_sums[0]} - {-corner_sums[1]} + {corner_sums[2]} + {bias:.0f} = {corner}")

# %% [markdown]
# `conv2d` does it for all places at once: its weight has the shape (output channels, input channels, 3, 3). The last
# row and the last column are those of a picture that ends where the numbers end.

# %%
output = F.conv2d(
    tinyseg.tensor(channels[None]), tinyseg.tensor(kernels[None]), tinyseg.tensor([bias]), padding=1
).numpy()[0, 0]
print("the whole output:", output.astype(int), sep="\n")

# %% [markdown]
# ## The pictures


# %%
def shades(values: np.ndarray) -> list[list[str]]:
    """Blue for what is above zero, orange for what is below; the paler, the closer to it."""
    return [[tint(BLUE if value > 0 else ORANGE, abs(value)) for value in row] for row in values]


pixels, weights = image.astype(int), diagonal.astype(int)
blue_ones = [[BLUE if value > 0 else WHITE for value in row] for row in pixels]
blue_weights = [[BLUE if value > 0 else WHITE for value in row] for row in weights]
window = [[ORANGE if i < 3 and j < 3 else None for j in range(9)] for i in range(9)]
first_frame = [[INK if (i, j) == (0, 0) else None for j in range(7)] for i in range(7)]
digits = [[cut(value) for value in row] for row in averages]
save(
    options.out / "conv2d_by_hand.png",
    beside(
        above(words("the picture", bold=True), grid(pixels, blue_ones, window, cell=38)),
        above(
            words("the filter", bold=True),
            grid(weights, blue_weights, cell=38),
            words("products at the upper left:"),
            grid(products.astype(int), shades(0.6 * products), cell=38),
            words(f"sum {products.sum():.0f}\n{products.sum():.0f} / 9 = {cut(first)}"),
        ),
        above(
            words("the average of the products, at each place", bold=True),
            grid(digits, shades(averages), first_frame, cell=(62, 48), size=16),
        ),
        gap=28,
    ),
)

# %%
TINTS = {"red": "#d55e00", "green": "#009e73", "blue": "#0072b2"}
rows = []
for name, channel, kernel, corner_sum in zip(
    TINTS, padded.astype(int), kernels.astype(int), corner_sums, strict=True
):
    color = TINTS[name]
    fill = [[PALE if 0 in (i, j) or 6 in (i, j) else tint(color, 0.25) for j in range(7)] for i in range(7)]
    frame = [[color if i < 3 and j < 3 else None for j in range(7)] for i in range(7)]
    ink = [[GREY if value == 0 else INK for value in row] for row in channel]
    rows.append(
        beside(
            words(name, bold=True, color=color, width=60),
            grid(channel, fill, frame, cell=(44, 30), ink=ink, size=14),
            words("x", 22),
            grid(kernel, tint(color, 0.25), cell=(40, 34), size=15),
            words(f"{corner_sum:+d}", 24, width=90),
        )
    )
fill_first = [[tint("#f0e442", 0.7) if (i, j) == (0, 0) else WHITE for j in range(5)] for i in range(5)]
save(
    options.out / "three_channels.png",
    beside(
        above(*rows, gap=16),
        above(
            words(f"{corner_sums[0]} - {-corner_sums[1]} + {corner_sums[2]} + {bias:.0f} = {corner}", 20, bold=True),
            words("bias 1; the whole output:"),
            grid(output.astype(int), fill_first, cell=(64, 50), size=17),
        ),
        gap=30,
    ),
)
