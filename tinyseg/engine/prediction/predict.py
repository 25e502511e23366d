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

from ...backend import names_full_device
from ...data import Classes, read_image
from ...data.formats.image_folder import image_files
from ...data.formats.images import palette_image
from ...errors import DataError, InputError, WriteError, many
from ...files import PathLike, locked, read_text, remove_half_written, writing
from ...nn.utils import fuse
from ...viz import overlay, stretched
from ..parts.image_notes import unlike_training
from ..storage.run import load_model, open_run
from .ledger import Ledger
from .probabilities import FORMATS, probability_files, probability_writer
from .segmenter import Segmenter, Tell, parse_views
from .tiles import OVERLAP

_OVERLAY_ROWS = 256


@dataclass(frozen=True)
class PredictOptions:
    """How images are labelled.

    ``tile`` and ``overlap``: of ``Segmenter``. ``tta``: the views that are averaged, as ``parse_views`` takes them.
    ``probabilities``: "npy", "png" or None; see ``probability_writer``. ``overlay``: whether there is a picture to
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

    ``failures`` has an error for each that could not be, whose message begins with its file. ``untried``: how many
    were left when the disk was full.
    """

    def __init__(self, done: list[Prediction], failures: list[InputError], untried: int = 0) -> None:
        self.done, self.failures, self.untried = done, failures, untried
        count = len(failures) + len(done) + untried
        reasons = "".join(f"\n  {failure}" for failure in failures)
        left = f"\n  the disk is full: {many(untried, 'image')} left" if untried else ""
        counted = f"{len(failures) + untried} of {count} images could not be labelled:{reasons}{left}"
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
    note: Callable[[str], None] | None = None,
) -> list[Prediction]:
    """Label image files with the run at ``path`` (a folder, or a checkpoint in it).

    ``images`` are files, folders of them, and lists: ``NAME.txt`` with a file a line, relative to the list itself.
    For ``NAME.jpg`` the folder ``out`` gets ``NAME.png``, an indexed PNG whose pixel values are classes, and
    ``NAME_overlay.png``, the image with the classes' colours over it. ``progress`` is told of each, ``tell(done,
    total)`` of the tiles of one, ``note`` of what is left out, and of images of another depth than the run was
    trained on. Hidden in ``out`` is a list of what was written: only such files are replaced, and only as long as
    nobody else has changed them.

    Raises ``InputError`` before anything is read or written if an image is not there, or a file that would be written
    is one of the images, would be written twice, or is there and not a prediction; ``InUseError`` while another
    process writes to ``out``; and at the end, with all others labelled, ``PredictionError`` for images that cannot be
    read, are too small or too large, or whose files cannot be written. When the disk is full it stops.
    """
    options = options or PredictOptions()
    run = open_run(path)
    classes = run.config.data.classes
    if options.probabilities not in (None, *FORMATS):
        raise InputError(f"unknown --probabilities {options.probabilities!r}; there are {', '.join(FORMATS)}")
    folder = Path(out)
    planned = _plan(listed(images, note), folder, options, classes)
    views = parse_views(options.tta)
    segmenter = Segmenter(fuse(load_model(run)[0]), run.config, views, options.tile, options.overlap)
    _make_folder(folder)
    with locked(folder), pixel_limit(options.max_pixels):
        ledger = Ledger(folder)
        _check_replaced(planned, ledger)
        remove_half_written(folder)
        ledger.tidy()
        unlike = unlike_training(run.config.data, [job.image for job in planned])
        if unlike is not None and note is not None:
            note(unlike)
        worker = _Worker(segmenter, ledger, options.probabilities, tell or (lambda done, total: None))
        return _predict_each(planned, worker, progress)


def _check_replaced(planned: list[_Job], ledger: Ledger) -> None:
    """``InputError`` if a file that would be written is there, and is none that a prediction has written."""
    there = [target for job in planned for target in job.targets if os.path.lexists(target)]
    others = [target for target in there if not ledger.is_ours(target)]
    if others:
        more = f" (and {len(others) - 1} more)" if len(others) > 1 else ""
        raise InputError(
            f"{others[0]}{more}: is there already, and is not as tinyseg predict wrote it; choose another --out"
        )


def _predict_each(
    planned: list[_Job], worker: _Worker, progress: Callable[[Prediction], None] | None
) -> list[Prediction]:
    """Label what can be labelled; then raise ``PredictionError`` if something could not be."""
    done: list[Prediction] = []
    failures: list[InputError] = []
    for job in planned:
        try:
            prediction = worker.predict(job)
        except (DataError, WriteError) as error:
            failures.append(error)
            if isinstance(error, WriteError) and error.is_disk_full:
                break
            continue
        done.append(prediction)
        if progress is not None:
            progress(prediction)
    if failures:
        raise PredictionError(done, failures, len(planned) - len(done) - len(failures))
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


def listed(images: Sequence[PathLike], note: Callable[[str], None] | None = None) -> list[Path]:
    """The image files that ``images`` stand for: files, the images in folders, and those named in ``.txt`` lists.

    ``note`` is told of folders in folders, which are not looked into. Raises ``InputError`` for what is not there, or
    stands for nothing. A folder's links that lead nowhere are among its images, so that they are told of like other
    damaged ones.
    """
    found: list[Path] = []
    for path in map(Path, images):
        if path.is_dir():
            inside = image_files(path)
            folders = _folders_in(path)
            if not inside:
                where = f"; folders in it are not looked into: {folders}" if folders else ""
                raise InputError(f"{path}: no images in this folder{where}")
            if folders and note is not None:
                note(f"{path}: folders in it are not looked into: {folders}")
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


def _folders_in(path: Path, limit: int = 5) -> str:
    names = sorted(entry.name for entry in path.iterdir() if entry.is_dir() and not entry.name.startswith("."))
    return ", ".join(names[:limit]) + (f" ... ({len(names)} in all)" if len(names) > limit else "")


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
    return os.path.realpath(path).casefold()  # which takes links that lead to themselves, too


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made a folder ({error.strerror or error})") from error


@dataclass(frozen=True)
class _Worker:
    """Labels one image after the other."""

    segmenter: Segmenter
    ledger: Ledger
    probabilities: str | None
    tell: Tell

    def predict(self, job: _Job) -> Prediction:
        """Label an image and write its files. Raises ``DataError`` if it cannot be labelled, ``WriteError``."""
        try:
            return self._predict(job)
        except MemoryError as error:
            reason = f" ({error})" if names_full_device(error) else ""
        # Outside of the except clause, whose error holds on to all that was computed.
        raise DataError(f"{job.image}: out of memory{reason}; a smaller --tile needs less")

    def _predict(self, job: _Job) -> Prediction:
        """Bands of rows come out of the network; nothing else has the image's size but what is read and written."""
        data = self.segmenter.config.data
        image = read_image(job.image, data.in_channels, as_stored=data.as_stored)
        labels = np.empty(image.shape[:2], np.uint8)
        begin = time.perf_counter()
        try:
            shape = (*image.shape[:2], data.num_classes)
            with probability_writer(job.probabilities, self.probabilities, shape, self.ledger) as write:
                top = 0
                for band in self.segmenter.probabilities(image, self.tell):
                    labels[top : top + len(band)] = band.argmax(2)
                    write(band)
                    top += len(band)
                seconds = time.perf_counter() - begin
        except InputError as error:
            raise (
                error if isinstance(error, (DataError, WriteError)) else DataError(f"{job.image}: {error}")
            ) from error
        # The mask last: where there is one, all that belongs to it is there.
        if job.overlay is not None:
            self._write(job.overlay, Image.fromarray(_overlaid(image, labels, data.classes)))
        self._write(job.mask, palette_image(labels, data.classes))
        counts = np.bincount(labels.ravel(), minlength=data.num_classes)
        shares = tuple((counts / labels.size).tolist())
        return Prediction(job.image, job.mask, job.overlay, job.probabilities, shape[:2], shares, seconds)

    def _write(self, path: Path, picture: Image.Image) -> None:
        with writing(path) as file:
            picture.save(file, format="PNG")
            self.ledger.add(path, file)


def _overlaid(image: NDArray[Any], labels: NDArray[np.uint8], classes: Classes) -> NDArray[np.uint8]:
    """``overlay``, some rows at a time: its arithmetic takes many times the picture's memory."""
    picture = np.empty((*labels.shape, 3), np.uint8)
    span = float(image.min()), float(image.max())
    for top in range(0, len(labels), _OVERLAY_ROWS):
        rows = slice(top, top + _OVERLAY_ROWS)
        picture[rows] = overlay(stretched(image[rows], span), labels[rows], classes)
    return picture
