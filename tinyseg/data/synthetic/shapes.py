"""The built-in data set: overlapping shapes, drawn on the fly from a seed. Nothing to download.

Only form tells the five kinds apart. Colours and textures of the shapes and of the background come from the
same distributions, and all kinds have the same area at the same radius: what a pixel looks like, and what its
neighbours look like, says next to nothing about its class. A network has to see the outline.

Each shape is a *signed distance*: a function that is negative inside, positive outside, and grows by one a
pixel. One formula then gives the mask (distance < 0), the antialiased edge and the soft shadow.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..dataset import Classes, Sample
from .generated import Generated

Array = NDArray[np.float32]

MAX_TURN = math.radians(20)
"""Forms are tilted by up to this much: enough to need a network, and learned in minutes."""


# --- Forms: signed distances in units of the radius, scaled so that each covers an area of pi ---------------


def _disk(u: Array, v: Array) -> Array:
    return np.sqrt(u * u + v * v) - np.float32(1)


def _square(u: Array, v: Array) -> Array:
    return np.maximum(np.abs(u), np.abs(v)) - np.float32(math.sqrt(math.pi) / 2)


def _triangle(u: Array, v: Array) -> Array:
    """Equilateral, pointing up: the largest distance to the three sides; inradius a has area 3 sqrt(3) a^2."""
    slanted = np.float32(math.sqrt(0.75)) * np.abs(u) - np.float32(0.5) * v
    return np.maximum(slanted, v) - np.float32(math.sqrt(math.pi / (3 * math.sqrt(3))))


def _ring(u: Array, v: Array, hole: float = 0.45) -> Array:
    """A disk of radius R without the disk of radius hole * R; its area is pi R^2 (1 - hole^2)."""
    outer = 1 / math.sqrt(1 - hole**2)
    middle, half_width = outer * (1 + hole) / 2, outer * (1 - hole) / 2
    return np.abs(np.sqrt(u * u + v * v) - np.float32(middle)) - np.float32(half_width)


def _cross(u: Array, v: Array, thickness: float = 0.46) -> Array:
    """Two bars of half-length a and half-width b = thickness * a; the area is 4 (2 a b - b^2)."""
    a = math.sqrt(math.pi / (4 * (2 * thickness - thickness**2)))
    u, v = np.abs(u), np.abs(v)
    long, short = np.maximum(u, v), np.minimum(u, v)
    return np.maximum(long - np.float32(a), short - np.float32(thickness * a))


class Form(NamedTuple):
    """A signed distance, and how many radii its farthest point is from its centre (rounded up)."""

    distance: Callable[[Array, Array], Array]
    reach: float


FORMS = {
    "disk": Form(_disk, 1.0),
    "square": Form(_square, 1.26),
    "triangle": Form(_triangle, 1.56),
    "ring": Form(_ring, 1.12),
    "cross": Form(_cross, 1.17),
}

CLASSES = Classes(
    ("background", *FORMS),
    ((0, 0, 0), (230, 80, 60), (70, 150, 230), (250, 190, 50), (90, 190, 110), (170, 100, 200)),
)


# --- Textures: a pattern in 0..1 that mixes two colours; one list for background and shapes ------------------


def _wave(rng: np.random.Generator, x: Array, y: Array, unit: float, angle: float) -> Array:
    """A sine of random period and phase that runs across the plane at ``angle``."""
    frequency = 2 * math.pi / (unit * rng.uniform(6, 20))
    along_x, along_y = frequency * math.cos(angle), frequency * math.sin(angle)
    phase = rng.uniform(0, 2 * math.pi)
    # In rows and columns: sin of a sum would cost a sine for each pixel, this costs one for each line.
    turn_x, turn_y = along_x * x + phase, along_y * y
    return np.sin(turn_x) * np.cos(turn_y) + np.cos(turn_x) * np.sin(turn_y)


def _stripes(rng: np.random.Generator, x: Array, y: Array, unit: float) -> Array:
    wave = _wave(rng, x, y, unit, rng.uniform(0, math.pi))
    return np.clip(wave * np.float32(2) + np.float32(0.5), 0, 1)


def _checks(rng: np.random.Generator, x: Array, y: Array, unit: float) -> Array:
    angle = rng.uniform(0, math.pi)
    wave = _wave(rng, x, y, unit, angle) * _wave(rng, x, y, unit, angle + math.pi / 2)
    return np.clip(wave * np.float32(4) + np.float32(0.5), 0, 1)


def _blotches(rng: np.random.Generator, x: Array, y: Array, unit: float) -> Array:
    """Random values on a coarse grid, smoothly enlarged."""
    height, width = y.shape[0], x.shape[1]
    cell = unit * rng.uniform(5, 16)
    coarse = rng.random((math.ceil(height / cell) + 1, math.ceil(width / cell) + 1), np.float32)
    smooth = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    return np.clip(np.asarray(smooth), 0, 1)


def _gradient(rng: np.random.Generator, x: Array, y: Array, unit: float) -> Array:
    angle = rng.uniform(0, 2 * math.pi)
    length = unit * rng.uniform(40, 120)
    across = np.float32(math.cos(angle) / length) * x + np.float32(math.sin(angle) / length) * y
    return np.clip(across - across.mean() + np.float32(0.5), 0, 1)


TEXTURES = (_stripes, _checks, _blotches, _gradient)


def _paint(rng: np.random.Generator, x: Array, y: Array, unit: float, color: Array) -> Array:
    """A textured patch ``(3, h, w)``: ``color`` mixed with another, as a random texture says."""
    texture = TEXTURES[rng.integers(len(TEXTURES))](rng, x, y, unit)
    other = color + np.float32(rng.uniform(0.05, 0.3)) * (rng.random(3, np.float32) - color)
    patch: Array = texture * (other - color)[:, None, None]
    patch += color[:, None, None]
    return patch


# --- The data set --------------------------------------------------------------------------------------------


class Shapes(Generated):
    """Images of textured, overlapping disks, squares, triangles, rings and crosses on a textured ground.

    Sample ``index`` depends on ``(seed, split, index)`` alone: not on the order of asking, nor on threads. The
    splits draw from separate streams.

    Args:
        split: ``"train"``, ``"val"`` or ``"test"``.
        count: number of images; 2000 for train and 200 for the others when not given.
        size: height and width, 32 or more. Everything scales with the shorter side.
        seed: a whole number, 0 or more.

    Raises ``InputError`` for any other value.

    >>> shapes = Shapes("val", count=10, size=(64, 96))
    >>> sample = shapes[3]
    >>> sample.image.shape, sample.image.dtype, sample.mask.shape, sample.name
    ((64, 96, 3), dtype('uint8'), (64, 96), 'shapes-val-3')
    >>> shapes.classes.names
    ('background', 'disk', 'square', 'triangle', 'ring', 'cross')
    """

    name = "shapes"
    classes = CLASSES
    in_channels = 3
    counts: ClassVar = {"train": 2000, "val": 200, "test": 200}
    stream = 5

    def __getitem__(self, index: int) -> Sample:
        image, mask = draw(self._generator(index), self.image_size)
        return Sample(image, mask, self.sample_name(index))

    def instances(self, index: int) -> None:
        """Shapes are not told apart."""


class _Scene(NamedTuple):
    """A picture while it is drawn.

    In planes ``(3, H, W)``: NumPy is several times slower where the innermost axis has only 3 elements. ``unit``
    is what textures and shapes are measured in: 1 pixel of a 128x128 image.
    """

    image: Array
    mask: NDArray[np.uint8]
    unit: float
    ground: Array
    light: float


def draw(rng: np.random.Generator, size: tuple[int, int]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """One image ``(H, W, 3)`` and its mask ``(H, W)``, both ``uint8``."""
    height, width = size
    unit = min(size) / 128
    y, x = np.arange(height, dtype=np.float32)[:, None], np.arange(width, dtype=np.float32)[None, :]
    ground = rng.random(3, np.float32)
    image = _paint(rng, x, y, unit, ground)
    scene = _Scene(image, np.zeros(size, np.uint8), unit, ground, rng.uniform(0, 2 * math.pi))
    for place in _places(rng, size, unit):
        _draw_shape(rng, scene, place)

    # In place from here on: fresh memory costs more than the arithmetic.
    noise = rng.random(image.shape, np.float32)
    noise -= np.float32(0.5)
    noise *= np.float32(rng.uniform(0.02, 0.08))
    image += noise
    np.clip(image, 0, 1, out=image)
    image *= np.float32(255)
    image += np.float32(0.5)
    return image.transpose(1, 2, 0).astype(np.uint8, order="C"), scene.mask


def _places(rng: np.random.Generator, size: tuple[int, int], unit: float) -> list[tuple[float, float, float]]:
    """Centres and radii (row, column, radius) in pixels: they may overlap, but none hides another."""
    height, width = size
    wanted = round(rng.integers(2, 5) * height * width / min(size) ** 2)
    places: list[tuple[float, float, float]] = []
    for down, along, large in rng.random((4 * wanted, 3)).tolist():
        radius = unit * (22 + 10 * large)
        margin = 0.8 * radius
        row, column = margin + down * (height - 2 * margin), margin + along * (width - 2 * margin)
        if all(math.hypot(row - r, column - c) > 0.92 * (radius + other) for r, c, other in places):
            places.append((row, column, radius))
        if len(places) == wanted:
            break
    return places


def _draw_shape(rng: np.random.Generator, scene: _Scene, place: tuple[float, float, float]) -> None:
    """Draw a random form at ``place`` = (row, column, radius), its shadow first."""
    row, column, radius = place
    label = int(rng.integers(len(FORMS))) + 1
    form = FORMS[CLASSES.names[label]]
    distance_at = partial(_distance, form, radius, rng.uniform(-MAX_TURN, MAX_TURN))
    shift, softness = radius * rng.uniform(0.1, 0.3), radius * rng.uniform(0.1, 0.3)

    # Only the window that the form and its shadow can touch is worked on.
    reach = form.reach * radius + shift + softness
    top, left = max(0, int(row - reach)), max(0, int(column - reach))
    window = slice(top, int(row + reach) + 1), slice(left, int(column + reach) + 1)
    image, mask = scene.image[:, *window], scene.mask[window]
    y = (top - row) + np.arange(mask.shape[0], dtype=np.float32)[:, None]
    x = (left - column) + np.arange(mask.shape[1], dtype=np.float32)[None, :]

    along_x, along_y = shift * math.cos(scene.light), shift * math.sin(scene.light)
    beyond = distance_at(x - np.float32(along_x), y - np.float32(along_y))
    shadow = np.clip(np.float32(0.5) - beyond / np.float32(softness), 0, 1)
    image *= 1 - np.float32(rng.uniform(0.1, 0.3)) * shadow

    distance = distance_at(x, y)
    cover = np.clip(np.float32(0.5) - distance, 0, 1)
    paint = _paint(rng, x, y, scene.unit, _color_unlike(rng, scene.ground))
    paint -= image
    paint *= cover
    image += paint
    mask[distance < 0] = label


def _distance(form: Form, radius: float, angle: float, x: Array, y: Array) -> Array:
    """Signed distance in pixels to ``form``, turned by ``angle``, at offsets ``(x, y)`` from its centre."""
    cos, sin = np.float32(math.cos(angle) / radius), np.float32(math.sin(angle) / radius)
    return np.float32(radius) * form.distance(cos * x + sin * y, cos * y - sin * x)


def _color_unlike(rng: np.random.Generator, other: Array, apart: float = 0.5) -> Array:
    """A random colour that can be told from ``other``."""
    while True:
        color = rng.random(3, np.float32)
        if np.abs(color - other).max() > apart:
            return color
