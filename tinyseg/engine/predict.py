"""Prediction: label maps of images of any size, as files for programs and for the eye."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..autograd import no_grad
from ..checkpoint import replacing
from ..data import Normalise, read_image, write_palette_png
from ..data.transforms import resize_image
from ..errors import DataError, InputError
from ..models import SegmentationModel
from ..nn.utils import fuse
from ..paths import PathLike
from ..tensor import tensor
from ..viz import overlay
from .config import Config
from .evaluate import upsampled
from .pipeline import to_channels
from .prepare import check_size
from .run import load_model, open_run


@no_grad()
def segment(model: SegmentationModel, config: Config, image: NDArray[Any]) -> NDArray[np.uint8]:
    """The class of each pixel of ``image`` (H, W, C), as (H, W); ``model`` must be set to evaluation.

    An image is resized to the size the run was trained at, if it had one, and the logits are brought back to the
    image's own. Raises ``InputError`` for an image that is too small.
    """
    data = config.data
    entered = to_channels(image, data.in_channels)
    entered = entered if data.size is None else resize_image(entered, data.size)
    check_size(model, entered.shape[:2], "an image")
    normalise = Normalise(data.mean, data.std, data.bgr)
    normalised, _ = normalise(entered, np.zeros((0, 0), np.uint8), np.random.default_rng(0))
    # A transposed view: the memory stays channels-last, as kernels like it.
    logits = model(tensor(normalised.transpose(2, 0, 1)[None]))
    labels = upsampled(logits, image.shape[:2]).argmax(1).numpy()[0]
    return labels.astype(np.uint8)


@dataclass(frozen=True)
class Prediction:
    """One image that was labelled: its files, its size (height, width), and the share of each class."""

    image: Path
    mask: Path
    overlay: Path
    size: tuple[int, int]
    shares: tuple[float, ...]


def predict(
    path: PathLike,
    images: Sequence[PathLike],
    out: PathLike,
    progress: Callable[[Prediction], None] | None = None,
) -> list[Prediction]:
    """Label image files with the run at ``path`` (a folder, or a checkpoint in it).

    For ``NAME.jpg`` the folder ``out`` gets ``NAME.png``, an indexed PNG whose pixel values are classes, and
    ``NAME_overlay.png``, the image with the classes' colours over it. ``progress`` is told of each.

    Raises ``InputError`` before anything is written if an image is not there, or a file that would be written is one
    of the images or would be written twice; and, with the ones before it written, for an image that cannot be read.
    """
    run = open_run(path)
    planned = _plan(images, Path(out))
    model = fuse(load_model(run)[0])
    _make_folder(Path(out))
    done = []
    for image, mask, picture in planned:
        prediction = _predict_file(model, run.config, image, mask, picture)
        done.append(prediction)
        if progress is not None:
            progress(prediction)
    return done


def _plan(images: Sequence[PathLike], out: Path) -> list[tuple[Path, Path, Path]]:
    """Each image with the two files that are to be written."""
    planned = [(Path(i), out / f"{Path(i).stem}.png", out / f"{Path(i).stem}_overlay.png") for i in images]
    if not planned:
        raise InputError("no images were given")
    for image, *_ in planned:
        if image.is_dir():
            raise InputError(f"{image}: is a folder; name the images in it, {image / '*.png'} for example")
        if not image.is_file():
            raise InputError(f"{image}: no such file")
    inputs = {_identity(image) for image, *_ in planned}
    written: dict[str, Path] = {}
    for image, *targets in planned:
        for target in targets:
            if _identity(target) in inputs:
                raise InputError(f"{target}: is one of the images and would be overwritten; choose another --out")
            other = written.setdefault(_identity(target), image)
            if other is not image:
                raise InputError(f"{other} and {image} would both be written to {target}; predict them apart")
    return planned


def _identity(path: Path) -> str:
    """The same text for all names of a file; on the file systems of macOS and Windows case makes no difference."""
    return str(path.resolve()).casefold()


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made a folder ({error.strerror or error})") from error


def _predict_file(model: SegmentationModel, config: Config, path: Path, mask: Path, picture: Path) -> Prediction:
    image = read_image(path, config.data.in_channels)
    try:
        labels = segment(model, config, image)
    except InputError as error:
        raise DataError(f"{path}: {error}") from error
    with replacing(mask) as aside:
        write_palette_png(aside, labels, config.data.classes)
    with replacing(picture) as aside:
        Image.fromarray(overlay(image, labels, config.data.classes)).save(aside, format="PNG")
    counts = np.bincount(labels.ravel(), minlength=config.data.num_classes)
    shares = tuple((counts / labels.size).tolist())
    return Prediction(path, mask, picture, labels.shape, shares)
