"""Making pictures larger: copies, nails, remembered maxima, bilinear weights, transposed convolution in two steps.

A network that says what each pixel is has to get back to the size of the picture. Three ways have no weights: copy
the nearest pixel, put zeros beside it, weigh the neighbours (bilinear). Max-unpooling puts values back to where a
pooling found its maxima. A transposed convolution learns its weights; it is "put zeros between the pixels, then
convolve". Its other names are upconvolution, fractionally strided and backward strided convolution.

Source: Long, Shelhamer and Darrell 2015, section 3.3 (bilinear, transposed); Dumoulin and Visin 2016, chapter 4 (the
two steps); Zeiler and Fergus 2014, section 2.1 (unpooling); Odena, Dumoulin and Olah 2016, "Deconvolution and
Checkerboard Artifacts".

Run:  python examples/upsampling.py --out pictures
"""

# %%
import numpy as np
from example_options import example_options
from grids import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LIGHT_BLUE,
    ORANGE,
    PALE,
    PURPLE,
    WHITE,
    above,
    beside,
    grid,
    save,
    tint,
    words,
)
from PIL import Image

import tinyseg
from tinyseg import nn, viz
from tinyseg.nn import functional as F

options = example_options(__doc__)


def image(rows: list[list[float]]) -> tinyseg.Tensor:
    """One picture of one channel, (1, 1, H, W)."""
    return tinyseg.tensor([[rows]], dtype=tinyseg.float32)


def show(title: str, picture: tinyseg.Tensor) -> None:
    """The numbers of one picture under a title."""
    print(f"\n{title}:")
    for row in picture.numpy()[0, 0]:
        print("  ", *(f"{value:5.4g}" for value in row))


# %% [markdown]
# ## Without weights
# Nearest neighbour copies each pixel to a block; bed of nails puts it into the block's upper left corner and leaves
# the rest at zero; bilinear weighs the four pixels around each place. `align_corners` decides where pixels are:
# without it they are squares whose middles are at 1/2; with it the corner pixels of both pictures coincide.

# %%
x = image([[1, 2], [3, 4]])
nearest = F.interpolate(x, scale_factor=2, mode="nearest")
nails = F.bed_of_nails(x, 2)
bilinear = F.interpolate(x, scale_factor=2, mode="bilinear")
bilinear_corners = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
show("x", x)
show("nearest neighbour", nearest)
show("bed of nails", nails)
show("bilinear", bilinear)
show("bilinear, corners aligned", bilinear_corners)

# %% [markdown]
# ## Max pooling that remembers, and max-unpooling
# The pooling says where it found each maximum: a number for each, counted row by row. Unpooling puts other values to
# the same places, zeros elsewhere. A network with corresponding pairs of both knows where in a block things were.

# %%
before = image([[1, 2, 6, 3], [3, 5, 2, 1], [1, 2, 2, 1], [7, 3, 4, 8]])
pooled, places = F.max_pool2d(before, 2, return_indices=True)
unpooled = F.max_unpool2d(x, places, 2)
show("before pooling", before)
show("max pooling, 2x2", pooled)
print("\nplaces of the maxima, counted row by row from 0:", *places.numpy().ravel())
show("x, max-unpooled to these places", unpooled)

# %% [markdown]
# ## Transposed convolution in two steps
# Each pixel lays down the kernel times itself, `stride` apart, and what overlaps is added. The same comes out by
#
# 1. putting stride - 1 zeros between rows and columns,
# 2. convolving, with stride 1, with the kernel turned by 180 degrees and k - 1 - padding zeros around.
#
# So padding makes the output of a transposed convolution smaller: it is that of the convolution that leads back.

# %%
kernel = image([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
turned = tinyseg.flip(kernel, (2, 3))


def zeros_between(picture: tinyseg.Tensor, stride: int) -> tinyseg.Tensor:
    """Step 1: a bed of nails without the zeros behind the last row and column."""
    height, width = picture.shape[2:]
    return F.bed_of_nails(picture, stride)[:, :, : (height - 1) * stride + 1, : (width - 1) * stride + 1]


show("kernel", kernel)
show("kernel, turned by 180 degrees", turned)
steps = {}
for stride in (1, 2):
    for padding in (0, 1):
        spread = zeros_between(x, stride)
        around = 3 - 1 - padding
        bordered = F.pad(spread, (around, around, around, around))
        two_steps = F.conv2d(bordered, turned)
        at_once = F.conv_transpose2d(x, kernel, stride=stride, padding=padding)
        steps[stride, padding] = spread, bordered, two_steps, at_once
        print(f"\n--- stride {stride}, padding {padding}")
        show(f"step 1, zeros put between rows and columns ({stride - 1})", spread)
        show(f"and zeros around ({around})", bordered)
        show("step 2, convolved with the turned kernel", two_steps)
        print("conv_transpose2d gives the same:", (two_steps.numpy() == at_once.numpy()).all())

# %% [markdown]
# ## Checkerboards
# A kernel of 3 with stride 2 overlaps unevenly: along a line every second output gets one weight, the others two. In
# two dimensions 1, 2 and 4 weights meet. Where the kernel is a multiple of the stride (4 with stride 2) four weights
# meet everywhere; but the four groups of outputs still have weights of their own, so that random or trained ones can
# draw a checkerboard. Two remedies: begin with bilinear weights, as FCN does; or resize first, then convolve.

# %%
flat = tinyseg.ones(1, 1, 8, 8)
rows, columns = np.mgrid[-1:1:8j, -1:1:8j]
disc = tinyseg.tensor(np.exp(-3 * (rows**2 + columns**2))[None, None].astype(np.float32))


def enlarge_3(picture: tinyseg.Tensor, weight: tinyseg.Tensor) -> tinyseg.Tensor:
    """Transposed convolution, kernel 3, stride 2, to twice the size."""
    return F.conv_transpose2d(picture, weight[:, :, :3, :3], stride=2, padding=1, output_padding=1)


def enlarge_4(picture: tinyseg.Tensor, weight: tinyseg.Tensor) -> tinyseg.Tensor:
    """Transposed convolution, kernel 4, stride 2, to twice the size."""
    return F.conv_transpose2d(picture, weight, stride=2, padding=1)


def resize_and_convolve(picture: tinyseg.Tensor, weight: tinyseg.Tensor) -> tinyseg.Tensor:
    """Bilinear to twice the size, then a convolution with kernel 3; the border is repeated."""
    resized = F.interpolate(picture, scale_factor=2, mode="bilinear")
    return F.conv2d(F.pad(resized, (1, 1, 1, 1), mode="replicate"), weight[:, :, :3, :3])


def inside(picture: tinyseg.Tensor) -> np.ndarray:
    """The 2x2 outputs that come again and again, far from the border."""
    return picture.numpy()[0, 0, 6:8, 6:8]


def unevenness(picture: tinyseg.Tensor) -> float:
    """Largest minus smallest value, by their mean, away from the border: 0 where a flat picture stays flat."""
    middle = picture.numpy()[0, 0, 2:-2, 2:-2]
    return float((middle.max() - middle.min()) / middle.mean())


tinyseg.manual_seed(5)
ones, random_weight = tinyseg.ones(1, 1, 4, 4), tinyseg.rand(1, 1, 4, 4)
ways = {
    "kernel 3, stride 2": enlarge_3,
    "kernel 4, stride 2": enlarge_4,
    "bilinear, then kernel 3": resize_and_convolve,
}
overlaps = {name: inside(way(flat, ones)) for name, way in ways.items()}
uneven = {name: (unevenness(way(flat, ones)), unevenness(way(flat, random_weight))) for name, way in ways.items()}
print("\na flat picture of ones, enlarged, all weights 1: the 2x2 outputs that repeat inside")
for name, block in overlaps.items():
    print(f"   {name:24}", *block.astype(int).tolist())
print("(largest - smallest) / mean inside:       weights 1    random weights")
for name, (equal, random) in uneven.items():
    print(f"   {name:36} {equal:11.2f} {random:17.2f}")

bilinear_weight = nn.init.bilinear_(tinyseg.zeros(1, 1, 4, 4))
by_transposed = enlarge_4(disc, bilinear_weight).numpy()[0, 0, 1:-1, 1:-1]
by_resizing = F.interpolate(disc, scale_factor=2, mode="bilinear").numpy()[0, 0, 1:-1, 1:-1]
show("bilinear weights of a kernel of 4", bilinear_weight)
print(f"with them a flat picture stays flat, unevenness {unevenness(enlarge_4(flat, bilinear_weight)):.2f};", end=" ")
print("largest difference from bilinear resizing, inside:", f"{np.abs(by_transposed - by_resizing).max():.1e}")

# %% [markdown]
# ## The pictures

# %%
COLORS = {1: BLUE, 2: ORANGE, 3: GREEN, 4: PURPLE}


def boxes(
    picture: tinyseg.Tensor, fill: str | list[list[str]] = WHITE, cell: int | tuple[int, int] = 44
) -> Image.Image:
    """The numbers of one picture in boxes; zeros in grey."""
    values = picture.numpy()[0, 0]
    ink = [[GREY if value == 0 else INK for value in row] for row in values]
    return grid([[f"{value:.4g}" for value in row] for row in values], fill, cell=cell, ink=ink)


def by_value(picture: tinyseg.Tensor) -> list[list[str]]:
    """A colour for each of 1, 2, 3, 4; white for zero."""
    return [[tint(COLORS[int(value)], 0.5) if value else WHITE for value in row] for row in picture.numpy()[0, 0]]


def titled(title: str, picture: Image.Image) -> Image.Image:
    """A picture under its title."""
    return above(words(title), picture)


values = bilinear.numpy()[0, 0]
shades = [[tint(BLUE, (value - 1) / 3) for value in row] for row in values]
winners = np.isin(np.arange(16).reshape(4, 4), places.numpy())
winner_fill = [[tint(ORANGE, 0.5) if winner else WHITE for winner in row] for row in winners]
save(
    options.out / "upsampling.png",
    above(
        beside(
            titled("x", boxes(x, by_value(x))),
            titled("nearest neighbour", boxes(nearest, by_value(nearest))),
            titled("bed of nails", boxes(nails, by_value(nails))),
            titled("bilinear", boxes(bilinear, shades, cell=(56, 44))),
            gap=44,
        ),
        beside(
            titled("before pooling", boxes(before, winner_fill)),
            titled("max pooling", boxes(pooled, tint(ORANGE, 0.5))),
            words("the network\ngoes on ..."),
            titled("x", boxes(x, by_value(x))),
            titled("unpooled to the\nplaces of the maxima", boxes(unpooled, by_value(unpooled))),
            gap=44,
        ),
        gap=36,
    ),
)

# %%
lines = []
for (stride, padding), (spread, bordered, two_steps, _) in steps.items():
    around = 2 - padding
    last = around + spread.shape[2]
    fill = [[PALE] * bordered.shape[3] for _ in range(bordered.shape[2])]
    for i in range(around, last):
        for j in range(around, last):
            on_pixel = (i - around) % stride == 0 and (j - around) % stride == 0
            fill[i][j] = LIGHT_BLUE if on_pixel else WHITE
    lines.append(
        beside(
            words(f"stride {stride}\npadding {padding}", bold=True, width=90),
            titled("x", boxes(x, LIGHT_BLUE, cell=34)),
            above(words(f"zeros between: {stride - 1}, around: {around}", width=242), boxes(bordered, fill, cell=34)),
            titled("kernel, turned", boxes(turned, tint(ORANGE, 0.4), cell=34)),
            words("=", 24),
            boxes(two_steps, tint(GREEN, 0.3), cell=(42, 36)),
            gap=30,
        )
    )
save(options.out / "two_steps.png", above(*lines, gap=24))

# %%
panels = [(flat, ones), (flat, random_weight), (disc, random_weight)]
panel_rows = []
for picture, weight in panels:
    outputs = [way(picture, weight).numpy()[0, 0] for way in ways.values()]
    panel_rows.append([viz.heatmap(output / output[2:-2, 2:-2].mean(), low=0, high=2.4) for output in outputs])
viz.save_pictures(
    options.out / "checkerboard.png",
    panel_rows,
    titles=list(ways),
    labels=["flat picture,\nequal weights", "flat picture,\nrandom weights", "soft disc,\nrandom weights"],
)
