"""What all figures share: an empty one, how it is saved, and arrays from tensors."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..files import PathLike, write_bytes
from ..tensor import Tensor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI = 100


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of this many inches, drawn in memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


@contextmanager
def _without_glyph_warnings() -> Iterator[None]:
    """Letters that the font lacks are drawn as boxes; a name is no reason to warn."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        yield


def save(figure: "Figure", path: PathLike) -> None:
    """Write a figure: a PNG of 256 colours - a third of the bytes, and hardly a difference to the eye - or, if
    ``path`` ends so, another kind that matplotlib writes.
    """
    kind = Path(path).suffix.lower().removeprefix(".") or "png"
    buffer = BytesIO()
    with _without_glyph_warnings():
        figure.savefig(buffer, format=kind, dpi=DPI)
    if kind == "png":
        picture = Image.open(buffer).convert("RGB")
        few = picture.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        buffer = BytesIO()
        few.save(buffer, format="PNG", optimize=True)
    write_bytes(path, buffer.getvalue())


def literal(name: str) -> str:
    r"""A name of a class or a file as matplotlib takes it: what stands between dollars is no formula.

    >>> print(literal("$x$"))
    \$x\$
    """
    return name.replace("$", r"\$")


def text_width(text: str, size: float) -> float:
    """Inches that the longest line of a text takes in letters of ``size`` points.

    >>> 0.4 < text_width("prediction", 10) / text_width("prediction", 20) < 0.6
    True
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(size=size)
    with _without_glyph_warnings():
        points = [text_to_path.get_text_width_height_descent(line, font, False)[0] for line in text.split("\n")]
    return float(max(points)) / 72


def plain_axes(axes: "Axes", xlabel: str, ylabel: str) -> None:
    """Labels, a faint grid, and no frame above and to the right."""
    axes.set_xlabel(xlabel)
    axes.set_ylabel(ylabel)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)


def as_array(values: Any) -> NDArray[Any]:
    """The array of a tensor, or of anything that NumPy takes for one."""
    return np.asarray(values.detach().numpy() if isinstance(values, Tensor) else values)


def as_column(values: Sequence[Any]) -> NDArray[np.float64]:
    """Numbers, or texts of numbers, as floats; NaN for None and for an empty text."""
    return np.array([np.nan if value is None or value == "" else float(value) for value in values])
