"""The page of a comparison: one HTML file with all that it shows in it, for light, dark, narrow and wide screens.

What stands around the tables and pictures is in ``pages/compare.html``.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from io import BytesIO
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ... import viz
from ...data import IGNORE_INDEX
from ...version import __version__
from ...viz.overlays import as_rgb
from ..storage.history import EpochRow
from .compare_pictures import FeatureMaps, Pictures
from .comparison import Comparison, Contender, Reached

SIDE = 352
"""Pictures are made smaller than this, twice what they are shown at, so that pages of photographs are not huge."""

Cell = tuple[str, float | None]
"""Of a table: HTML, and what it is worth beside others of its column; None where nothing is the best."""


def page(comparison: Comparison, pictures: Pictures) -> str:
    """The page as HTML."""

    data = comparison.config.data
    names = [contender.name for contender in comparison.contenders]
    epochs = comparison.common_epochs
    template = Template((resources.files(__package__) / "pages" / "compare.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=f"{escape(_listed(names))} compared",
        subject=f"{len(names)} networks on {escape(data.name)}: {comparison.train_images} training and "
        f"{comparison.val_images} validation images, {data.num_classes} classes.",
        results=_results(comparison),
        classes=_iu_of_classes(comparison),
        share=f"{comparison.share:.0%}",
        common_epochs=f"{epochs} epochs" if epochs > 1 else "1 epoch",
        convergence=_convergence(comparison),
        legend=_legend((viz.line_key(place), escape(name)) for place, name in enumerate(names)),
        charts="\n".join(_charts(comparison)),
        class_legend=_class_legend(comparison, pictures),
        predictions=_predictions(comparison, pictures),
        seen=_figure(_photo(pictures.seen), "The image whose feature maps are shown", "the image", "photo"),
        features="\n".join(_features(contender, pictures.features) for contender in comparison.contenders),
        differences=_differences(comparison),
        alike=_table(["option", "value"], _escaped(comparison.alike()), "texts"),
        version=escape(__version__),
    )


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _escaped(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(escape(name), escape(value)) for name, value in table.items()]


# Tables


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """Headings and cells are HTML; the first cell of a row is its heading."""
    head = "".join(f'<th scope="col">{heading}</th>' for heading in headings)
    body = "\n".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    )
    # A box that scrolls has to be reached by the keyboard, too.
    return (
        f'<div class="box" tabindex="0"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _ranked(comparison: Comparison, columns: dict[str, Callable[[Contender], Cell]]) -> str:
    """A table with a row for each contender, in which the best of each column is bold."""
    cells = [[column(one) for one in comparison.contenders] for column in columns.values()]
    names = [f"{viz.line_key(place)}{escape(one.name)}" for place, one in enumerate(comparison.contenders)]
    rows = zip(names, *map(_marked, cells), strict=True)
    return _table(["network", *columns], rows)


def _marked(cells: Sequence[Cell]) -> list[str]:
    """What is the best of ``cells`` is bold."""
    top = max((worth for _, worth in cells if worth is not None), default=None)
    return [f"<strong>{text}</strong>" if worth is not None and worth == top else text for text, worth in cells]


def _plain(text: Any) -> Cell:
    return escape(str(text)), None


def _score(value: float) -> Cell:
    """Three decimals; the more the better."""
    return (f"{value:.3f}", round(value, 3)) if np.isfinite(value) else ("-", None)


def _time(reached: Reached | None) -> Cell:
    """The less the better."""
    if reached is None:
        return "never", None
    return f"epoch {reached.epoch}, {reached.seconds:.1f}&nbsp;s", -round(reached.seconds, 1)


def _results(comparison: Comparison) -> str:
    return _ranked(
        comparison,
        {
            "model": lambda one: _plain(one.config.model.name),
            "parameters": lambda one: _plain(f"{one.parameters:,}"),
            "of them trained": lambda one: _plain(f"{one.trainable_parameters:,}"),
            "epochs": lambda one: _plain(len(one.history)),
            "seconds": lambda one: _plain(f"{one.seconds:.1f}"),
            "best epoch": lambda one: _plain(one.best.epoch),
            "pixel accuracy": lambda one: _score(one.scores.pixel_accuracy),
            "mean accuracy": lambda one: _score(one.scores.mean_accuracy),
            "mean IU": lambda one: _score(one.scores.mean_iu),
            "frequency-weighted IU": lambda one: _score(one.scores.frequency_weighted_iu),
        },
    )


def _iu_of_classes(comparison: Comparison) -> str:
    """A row for each class: there may be hundreds."""
    columns = [[_score(float(iu)) for iu in contender.scores.iu] for contender in comparison.contenders]
    rows = [
        [escape(name), *_marked(cells)]
        for name, cells in zip(comparison.config.data.class_names, zip(*columns, strict=True), strict=True)
    ]
    headings = [f"{viz.line_key(place)}{escape(one.name)}" for place, one in enumerate(comparison.contenders)]
    return f"<h3>IU of each class</h3>\n{_table(['class', *headings], rows)}"


def _convergence(comparison: Comparison) -> str:
    share = f"{comparison.share:.0%}"
    return _ranked(
        comparison,
        {
            f"{share} of its own best": lambda one: _time(comparison.reached_own(one)),
            f"{share} of the best of all": lambda one: _time(comparison.reached_best(one)),
            "area": lambda one: _score(comparison.area(one)),
            "seconds an epoch": lambda one: _plain(f"{one.seconds / len(one.history):.1f}"),
        },
    )


def _differences(comparison: Comparison) -> str:
    headings = ["option", *(escape(contender.name) for contender in comparison.contenders)]
    rows = [[escape(name), *map(escape, values)] for name, values in comparison.differences().items()]
    return _table(headings, rows, "texts") if rows else "<p>No option.</p>"


# Curves


_CURVES: dict[str, Callable[[EpochRow], float | None]] = {
    "training loss": lambda row: row.train_loss,
    "validation loss": lambda row: row.val_loss,
    "pixel accuracy": lambda row: row.pixel_accuracy,
    "mean IU": lambda row: row.mean_iu,
}


def _charts(comparison: Comparison) -> Iterator[str]:
    """Losses and scores against epochs, then against seconds."""
    for unit in ("epochs", "seconds"):
        yield f'<h3>By {unit}</h3>\n<div class="charts">'
        for label, value in _CURVES.items():
            lines = {
                one.name: (
                    one.elapsed if unit == "seconds" else [row.epoch for row in one.history],
                    [value(row) for row in one.history],
                )
                for one in comparison.contenders
            }
            values = [value(row) or 0.0 for one in comparison.contenders for row in one.history]
            low = 0.0 if min(values) >= 0 else None  # a boundary loss may be negative
            high = None if "loss" in label else 1.0
            yield f"<figure>{viz.inline_lines(lines, unit, label, f'{label} by {unit}', low=low, high=high)}</figure>"
        yield "</div>"


def _legend(entries: Iterable[tuple[str, str]]) -> str:
    """Keys and what they stand for."""
    return f'<ul class="legend">{"".join(f"<li>{key}{text}</li>" for key, text in entries)}</ul>'


# Pictures


def _class_legend(comparison: Comparison, pictures: Pictures) -> str:
    classes = comparison.config.data.classes
    masks = [sample.mask for sample in pictures.samples]
    masks += [mask for predicted in pictures.predictions.values() for mask in predicted]
    used = sorted({int(value) for mask in masks for value in np.unique(mask)})
    entries = []
    for value in used:
        ignored = value == IGNORE_INDEX
        color, name = (classes.void_color, "ignored") if ignored else (classes.colors[value], classes.names[value])
        entries.append((f'<span class="swatch" style="background: rgb{color}"></span>', escape(name)))
    return _legend(entries)


def _predictions(comparison: Comparison, pictures: Pictures) -> str:
    classes = comparison.config.data.classes
    rows = []
    for place, sample in enumerate(pictures.samples):
        name = escape(sample.name)
        row = [
            f'{_image(_photo(sample.image), f"The image {name}", "photo")}<span class="quiet">{name}</span>',
            _image(_small(viz.colorize(sample.mask, classes)), f"The true classes of {name}"),
        ]
        for contender, predicted in pictures.predictions.items():
            counted = sample.mask != IGNORE_INDEX
            right = (predicted[place] == sample.mask)[counted]
            note = f'<span class="quiet">{right.mean():.1%} right</span>' if right.size else ""
            picture = _small(viz.colorize(predicted[place], classes))
            row.append(f"{_image(picture, f'What {escape(contender)} makes of {name}')}{note}")
        rows.append(row)
    return _table(["image", "truth", *map(escape, pictures.predictions)], rows, "pictures")


def _features(contender: Contender, features: Iterable[FeatureMaps]) -> str:
    figures = []
    for one in features:
        if one.contender != contender.name:
            continue
        height, width = one.maps.shape[1:]
        shown = f"{len(one.maps)} of {one.channels} maps" if len(one.maps) < one.channels else f"{one.channels} maps"
        note = f"{escape(one.layer)}: {shown} of {height}x{width}"
        figures.append(_figure(viz.feature_maps(one.maps), f"Feature maps of {escape(contender.name)}, {note}", note))
    body = "\n".join(figures) or "<p>It has none of the layers.</p>"
    return f'<h3>{escape(contender.name)}</h3>\n<div class="maps">\n{body}\n</div>'


def _figure(pixels: NDArray[np.uint8], alt: str, caption: str, kind: str = "") -> str:
    return f"<figure>{_image(pixels, alt, kind)}<figcaption>{caption}</figcaption></figure>"


def _image(pixels: NDArray[np.uint8], alt: str, kind: str = "") -> str:
    """A picture that is part of the page; ``kind`` "photo" is stored as a JPEG, others as PNG."""
    buffer = BytesIO()
    picture = Image.fromarray(pixels)
    if kind == "photo":
        picture.save(buffer, "JPEG", quality=90)
    else:
        picture.save(buffer, "PNG", optimize=True)
    form = "jpeg" if kind == "photo" else "png"
    text = base64.b64encode(buffer.getvalue()).decode("ascii")
    return (
        f'<img class="{kind}" alt="{alt}" width="{picture.width}" height="{picture.height}" '
        f'src="data:image/{form};base64,{text}">'
    )


def _photo(image: NDArray[Any]) -> NDArray[np.uint8]:
    """An image (H, W, 1 or 3) as bytes, made smaller."""
    picture = Image.fromarray(as_rgb(image))
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(picture)


def _small(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A picture of a mask, made smaller as ``_photo`` makes the image."""
    picture = Image.fromarray(mask)
    picture.thumbnail((SIDE, SIDE), Image.Resampling.NEAREST)
    return np.asarray(picture)
