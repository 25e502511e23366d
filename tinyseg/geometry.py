"""Sizes of what windows make: integers in, integers out. Formulas as in Dumoulin and Visin 2016, "A guide to
convolution arithmetic for deep learning".
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

Pair = tuple[int, int]
Span = tuple[int, int]


def convolution_size(size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many windows fit: floor((size + 2 padding - dilation (kernel - 1) - 1) / stride) + 1; at least 0.

    >>> convolution_size(227, kernel=11, stride=4)
    55
    """
    return max((size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1, 0)


def pooled_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """As ``convolution_size``; with ``ceil_mode`` also a last window that sticks out, if it starts inside.

    >>> pooled_size(5, kernel=2, stride=2), pooled_size(5, kernel=2, stride=2, ceil_mode=True)
    (2, 3)
    """
    if not ceil_mode:
        return convolution_size(size, kernel, stride, padding, dilation)
    count = -(-(size + 2 * padding - dilation * (kernel - 1) - 1) // stride) + 1
    if (count - 1) * stride >= size + padding:
        count -= 1
    return max(count, 0)


def transposed_size(
    size: int, kernel: int, stride: int = 1, padding: int = 0, output_padding: int = 0, dilation: int = 1
) -> int:
    """The size that a convolution turns into ``size``: (size - 1) stride - 2 padding + dilation (kernel - 1) + 1;
    ``output_padding`` chooses among the several there are when stride > 1.

    >>> transposed_size(16, kernel=64, stride=32, padding=0)
    544
    """
    return (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1


def padding_to_multiple(size: int, multiple: int) -> int:
    """How much is missing to the next multiple.

    >>> padding_to_multiple(100, 32)
    28
    """
    return -size % multiple


@dataclass(frozen=True)
class Grid:
    """Where the units of a layer stand over the image, along one dimension: unit i at pixel ``start`` + i ``stride``.

    A window stands at its middle. Two layers fit on each other where their units stand at the same pixels; from that
    come the numbers of rows that a network crops.

    >>> Grid().through(3, padding=100).through(2, stride=2)
    Grid(start=Fraction(-197, 2), stride=Fraction(2, 1))
    """

    start: Fraction = Fraction(0)
    stride: Fraction = Fraction(1)

    def through(self, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0) -> Grid:
        """The grid one window further: that of unit i begins at unit i stride - padding."""
        middle = Fraction(dilation * (kernel - 1), 2) - padding
        return Grid(self.start + middle * self.stride, self.stride * stride)

    def through_transposed(self, kernel: int, stride: int = 1, padding: int = 0) -> Grid:
        """The grid after a transposed window.

        >>> Grid(stride=Fraction(2)).through_transposed(4, stride=2, padding=1)
        Grid(start=Fraction(-1, 2), stride=Fraction(1, 1))
        """
        finer = self.stride / stride
        return Grid(self.start + (padding - Fraction(kernel - 1, 2)) * finer, finer)

    def offset(self, other: Grid) -> int:
        """The unit of ``self`` that stands where unit 0 of ``other`` does; rounded down where that lies between two.

        Raises ``ValueError`` unless both have one stride.

        >>> Grid(Fraction(-19)).offset(Grid())
        19
        """
        if self.stride != other.stride:
            raise ValueError(f"Grid.offset: units {self.stride} and {other.stride} pixels apart never fit")
        return math.floor((other.start - self.start) / self.stride)


@dataclass(frozen=True)
class Field:
    """What the units of a layer see of the input, along one dimension: their receptive fields.

    After upsampling neighbouring units may see different numbers of pixels, but in a pattern that comes again:
    ``spans`` has the first and the last pixel that unit 0, 1, ... of one period depends on (None: on no pixel), and
    each period later these lie ``shift`` pixels further. The image is taken to go on without end, so that every unit
    is as one far from its borders.

    >>> Field().through(3, stride=2).through_transposed(2, stride=2)
    Field(spans=((0, 2), (0, 2)), shift=2)
    """

    spans: tuple[Span | None, ...] = ((0, 0),)
    shift: int = 1

    @property
    def size(self) -> int:
        """Pixels between the first and the last that a unit depends on, for the unit that sees the most."""
        return max((high - low + 1 for low, high in filter(None, self.spans)), default=0)

    @property
    def stride(self) -> float:
        """Input pixels from one unit to the next; a fraction where units lie closer than pixels."""
        return abs(self.shift) / len(self.spans)

    def at(self, unit: int) -> Span | None:
        """The first and the last pixel that ``unit`` depends on."""
        periods, place = divmod(unit, len(self.spans))
        span = self.spans[place]
        return None if span is None else (span[0] + periods * self.shift, span[1] + periods * self.shift)

    def through(self, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0) -> Field:
        """The field one window further: unit i meets i stride - padding + r dilation for r = 0 .. kernel - 1.

        >>> Field().through(3).through(2, stride=2).through(3).size
        8
        """
        return self._after(Fraction(stride), lambda i: (i * stride - padding + r * dilation for r in range(kernel)))

    def through_transposed(self, kernel: int, stride: int = 1, dilation: int = 1, padding: int = 0) -> Field:
        """The field after a transposed window: unit i meets those j with i = j stride - padding + r dilation.

        >>> Field().through_transposed(3, stride=2).spans
        ((-1, 0), (0, 0))
        """

        def met(i: int) -> Iterable[int]:
            copies = (i + padding - r * dilation for r in range(kernel))
            return (copy // stride for copy in copies if copy % stride == 0)

        return self._after(Fraction(1, stride), met)

    def nearest(self, step: Fraction) -> Field:
        """The field after resizing: unit i copies the one at floor(i step)."""
        return self._after(step, lambda i: (math.floor(i * step),))

    def bilinear(self, step: Fraction, align_corners: bool = False) -> Field:
        """The field after resizing: unit i mixes the two about i step, or about (i + 1/2) step - 1/2 where
        corners are not aligned; where one lies right there, it has all the weight.

        >>> Field().bilinear(Fraction(1, 2)).spans
        ((-1, 0), (0, 1))
        """
        offset = Fraction(0) if align_corners else (step - 1) / 2
        return self._after(step, lambda i: (math.floor(i * step + offset), math.ceil(i * step + offset)))

    def joined(self, other: Field) -> Field:
        """The field where two layers meet (added or concatenated), unit by unit.

        Where ``other`` has another stride (a mean over the image, say, that is handed to every unit), positions do
        not compare: then each unit sees as many pixels as ``other`` does, at least.
        """
        if self.stride != other.stride:
            return self.widened(other.size)
        period = math.lcm(len(self.spans), len(other.spans))
        spans = tuple(_hull((self.at(i), other.at(i))) for i in range(period))
        return Field(spans, self.shift * period // len(self.spans))

    def widened(self, size: int) -> Field:
        """Every unit sees ``size`` pixels at least."""
        spans = tuple((0, size - 1) if s is None else (s[0], max(s[1], s[0] + size - 1)) for s in self.spans)
        return Field(spans, self.shift)

    def _after(self, step: Fraction, met: Callable[[int], Iterable[int]]) -> Field:
        """The field of units that depend on those that ``met`` gives, ``step`` units further from one to the next."""
        periods = step / len(self.spans)  # for each new unit; the pattern comes again after a whole number of them
        spans = tuple(_hull(self.at(j) for j in met(i)) for i in range(periods.denominator))
        return Field(spans, self.shift * periods.numerator)


@dataclass(frozen=True)
class InputField:
    """The receptive field of an operator's inputs along one dimension of the image: ``Op.receptive_field`` takes it,
    and returns that of the result.

    ``axis`` is 0 for rows, 1 for columns. ``field`` is the receptive field of the inputs' units; of several inputs
    that depend on the image it is joined. ``before`` is the shape of the input (of several the first that has the
    height and width of the result, if one has), ``after`` that of the result, ``image`` the size of the image.

    >>> map_of_units = InputField(axis=0, field=Field().through(3), before=(1, 8, 6, 6), after=(1, 8, 6, 6), image=8)
    >>> map_of_units.unit_by_unit().size, map_of_units.mixed_along(2).size
    (3, 8)
    """

    axis: int
    field: Field
    before: tuple[int, ...]
    after: tuple[int, ...]
    image: int

    @property
    def size(self) -> int:
        """The number of the input's units along the axis."""
        return self.before[2 + self.axis]

    @property
    def is_map(self) -> bool:
        """True if input and result are N,C,H,W; the places of units are followed in no other tensors."""
        return len(self.before) == len(self.after) == 4

    def unit_by_unit(self) -> Field:
        """Of a result whose units depend on the input's units at the same place, in any channel, and on no others.

        Where the size differs, the input is broadcast or reduced: then, and where it is no map, ``whole_image``.
        """
        kept = self.is_map and self.size == self.after[2 + self.axis]
        return self.field if kept else self.whole_image()

    def whole_image(self) -> Field:
        """Of a result each of whose units may depend on every pixel."""
        if not self.is_map:
            return self.field.widened(self.image)
        return self.field.nearest(Fraction(self.size, self.after[2 + self.axis])).widened(self.image)

    def moved(self, padding: int, stride: int = 1) -> Field:
        """Of a result whose unit i is the input's unit i stride - padding."""
        return self.field.through(1, stride, padding=padding)

    def mixed_along(self, *dims: int) -> Field:
        """Of a result whose units may depend on any unit along the dimensions ``dims`` of the tensor (2 is H, 3 is
        W), and along the others depend on those at the same place.
        """
        return self.field.widened(self.image) if 2 + self.axis in dims else self.unit_by_unit()


def _hull(spans: Iterable[Span | None]) -> Span | None:
    """From the first pixel of all spans to the last."""
    found = [span for span in spans if span is not None]
    return (min(low for low, _ in found), max(high for _, high in found)) if found else None
