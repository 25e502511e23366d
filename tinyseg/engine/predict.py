"""Prediction: label maps of images of any size, as files for programs and for the eye."""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..checkpoint import replacing
from ..data import Classes, read_image, write_palette_png
from ..errors import DataError, InputError
from ..nn.utils import fuse
from ..paths import PathLike
from ..reading import read_text
from ..viz import overlay
from .probabilities import FORMATS, ProbabilityWriter, probability_files
from .run import load_model, open_run
from .segmenter import Segmenter, Tell, parse_views
from .tiles import OVERLAP

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".gif", ".ppm", ".pgm", ".jp2")
"""What counts as an image in a folder."""

_OVERLAY_ROWS = 256


@dataclass(frozen=True)
class PredictOptions:
    """How images are labelled.

    ``tile`` and ``overlap``: of ``Segmenter``. ``tta``: the views that are averaged, as ``parse_views`` takes them.
    ``probabilities``: "npy", "png" or None; see ``ProbabilityWriter``. ``overlay``: whether there is a picture to
    look at. ``max_pixels``: the largest image that is decoded; None for Pillow's own limit, 89,478,485.
    """

    tile: int | None = None
    overlap: int = OVERLAP
    tta: str | None = None
    probabilities: str | None = None
    overlay: bool = True
    max_pixels: int | None = None


@dataclass(frozen=True)
class Prediction:
    """One image that was labelled: its files, its size (height, width), the share of each class, and how long the
    network took, reading and writing aside.
    """

    image: Path
    mask: Path
    overlay: Path | None
    probabilities: tuple[Path, ...]
    size: tuple[int, int]
    shares: tuple[float, ...]
    seconds: float


class PredictionError(DataError):
    """Some images could not be labelled; the others are: ``done``.

    ``failures`` has an error for each that could not be, whose message begins with its file.
    """

    def __init__(self, done: list[Prediction], failures: list[DataError]) -> None:
        self.done, self.failures = done, failures
        count = len(failures) + len(done)
        reasons = "".join(f"\n  {failure}" for failure in failures)
        counted = f"{len(failures)} of {count} images could not be labelled:{reasons}"
        super().__init__(str(failures[0]) if count == 1 else counted)


@dataclass(frozen=True)
class _Job:
    """An image, and the files that are to be written."""

    image: Path
    mask: Path
    overlay: Path | None
    probabilities: tuple[Path, ...]

    @property
    def targets(self) -> list[Path]:
        return [self.mask, *([] if self.overlay is None else [self.overlay]), *self.probabilities]


def predict(
    path: PathLike,
    images: Sequence[PathLike],
    out: PathLike,
    progress: Callable[[Prediction], None] | None = None,
    options: PredictOptions | None = None,
    tell: Tell | None = None,
) -> list[Prediction]:
    """Label image files with the run at ``path`` (a folder, or a checkpoint in it).

    ``images`` are files, folders of them, and lists: ``NAME.txt`` with a file a line, relative to the list itself.
    For ``NAME.jpg`` the folder ``out`` gets ``NAME.png``, an indexed PNG whose pixel values are classes, and
    ``NAME_overlay.png``, the image with the classes' colours over it. ``progress`` is told of each, ``tell(done,
    total)`` of the tiles of one.

    Raises ``InputError`` before anything is written if an image is not there, or a file that would be written is one
    of the images or would be written twice; and at the end, with all others labelled, ``PredictionError`` for images
    that cannot be read or are too small.
    """
    options = options or PredictOptions()
    run = open_run(path)
    classes = run.config.data.classes
    if options.probabilities not in (None, *FORMATS):
        raise InputError(f"unknown --probabilities {options.probabilities!r}; there are {', '.join(FORMATS)}")
    planned = _plan(listed(images), Path(out), options, classes)
    views = parse_views(options.tta)
    segmenter = Segmenter(fuse(load_model(run)[0]), run.config, views, options.tile, options.overlap)
    _make_folder(Path(out))
    done: list[Prediction] = []
    failures: list[DataError] = []
    with pixel_limit(options.max_pixels):
        for job in planned:
            try:
                prediction = _predict_file(segmenter, job, options.probabilities, tell or (lambda done, total: None))
            except DataError as error:
                failures.append(error)
                continue
            done.append(prediction)
            if progress is not None:
                progress(prediction)
    if failures:
        raise PredictionError(done, failures)
    return done


@contextmanager
def pixel_limit(max_pixels: int | None) -> Iterator[None]:
    """Images of more pixels are refused: Pillow's guard against files that unpack to more than memory holds.

    None leaves its limit where it is. Raises ``InputError`` for less than 1.
    """
    if max_pixels is not None and max_pixels < 1:
        raise InputError(f"--max-pixels must be 1 or more, got {max_pixels}")
    before = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = before if max_pixels is None else max_pixels
    try:
        with warnings.catch_warnings():
            # Up to twice the limit Pillow only warns.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = before


def listed(images: Sequence[PathLike]) -> list[Path]:
    """The image files that ``images`` stand for: files, the images in folders, and those named in ``.txt`` lists.

    Raises ``InputError`` for what is not there, or stands for nothing. A folder's links that lead nowhere are among
    its images, so that they are told of like other damaged ones.
    """
    found: list[Path] = []
    for path in map(Path, images):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES and not p.is_dir())
            if not inside:
                raise InputError(f"{path}: no images in this folder; {', '.join(SUFFIXES)} are looked for")
            found += inside
            continue
        named = _of_list(path) if path.suffix.lower() == ".txt" and path.is_file() else [path]
        for name in named:
            if not name.is_file():
                raise InputError(f"{name}: no such file")
        found += named
    if not found:
        raise InputError("no images were given")
    return found


def _of_list(path: Path) -> list[Path]:
    lines = [line.strip() for line in read_text(path, "list of files").splitlines()]
    names = [line for line in lines if line and not line.startswith("#")]
    if not names:
        raise InputError(f"{path}: names no image; it is to have a file a line")
    return [path.parent / name for name in names]


def _plan(images: list[Path], out: Path, options: PredictOptions, classes: Classes) -> list[_Job]:
    """What is to be written for each image; raises ``InputError`` where something would be lost."""
    planned = []
    for image in images:
        picture = out / f"{image.stem}_overlay.png" if options.overlay else None
        files = probability_files(out / image.stem, options.probabilities, classes)
        planned.append(_Job(image, out / f"{image.stem}.png", picture, files))
    inputs = {_identity(job.image) for job in planned}
    written: dict[str, Path] = {}
    for job in planned:
        for target in job.targets:
            if _identity(target) in inputs:
                raise InputError(f"{target}: is one of the images and would be overwritten; choose another --out")
            other = written.setdefault(_identity(target), job.image)
            if other is not job.image:
                raise InputError(
                    f"{_clash(other, job.image)} would both be written to {target}; give each an --out of its own"
                )
    return planned


def _clash(one: Path, other: Path) -> str:
    """Two images in words; raises ``InputError`` if they are one."""
    if _identity(one) == _identity(other):
        also = "" if one == other else f", also as {one}"
        raise InputError(f"{other}: is named twice{also}; name it once")
    return f"{one} and {other}" + (" have one name, and" if one.stem.casefold() == other.stem.casefold() else "")


def _identity(path: Path) -> str:
    """The same text for all names of a file; on the file systems of macOS and Windows case makes no difference."""
    return os.path.realpath(path).casefold()


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made a folder ({error.strerror or error})") from error


def _predict_file(segmenter: Segmenter, job: _Job, probabilities: str | None, tell: Tell) -> Prediction:
    """Bands of rows come out of the network; nothing else has the image's size but what is read and written."""
    data = segmenter.config.data
    image = read_image(job.image, data.in_channels)
    labels = np.empty(image.shape[:2], np.uint8)
    begin = time.perf_counter()
    try:
        shape = (*image.shape[:2], data.num_classes)
        with ProbabilityWriter(job.probabilities, probabilities, shape) as writer:
            top = 0
            for band in segmenter.probabilities(image, tell):
                labels[top : top + len(band)] = band.argmax(2)
                writer.add(band)
                top += len(band)
            seconds = time.perf_counter() - begin
    except InputError as error:
        raise error if isinstance(error, DataError) else DataError(f"{job.image}: {error}") from error
    with replacing(job.mask) as aside:
        write_palette_png(aside, labels, data.classes)
    if job.overlay is not None:
        with replacing(job.overlay) as aside:
            Image.fromarray(_overlaid(image, labels, data.classes)).save(aside, format="PNG")
    counts = np.bincount(labels.ravel(), minlength=data.num_classes)
    shares = tuple((counts / labels.size).tolist())
    return Prediction(job.image, job.mask, job.overlay, job.probabilities, shape[:2], shares, seconds)


def _overlaid(image: NDArray[Any], labels: NDArray[np.uint8], classes: Classes) -> NDArray[np.uint8]:
    """``overlay``, some rows at a time: its arithmetic takes many times the picture's memory."""
    picture = np.empty((*labels.shape, 3), np.uint8)
    for top in range(0, len(labels), _OVERLAY_ROWS):
        rows = slice(top, top + _OVERLAY_ROWS)
        picture[rows] = overlay(image[rows], labels[rows], classes)
    return picture
