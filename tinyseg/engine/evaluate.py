"""Scores of a model over a whole data set, at the resolution of its labels.

Images may be resized before they enter the network; labels never are. The logits are brought to the size of each
label by bilinear interpolation, and every pixel goes into one confusion matrix, off which all scores are read.
Images that prediction cuts into tiles are cut here, too, so that scores are of what is predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..autograd import no_grad
from ..backend import names_full_device
from ..data import Batch, DataLoader, WithInstances, get_kind, is_divided
from ..data.layout import layout_of
from ..errors import OutOfMemoryError
from ..metrics import ConfusionMatrix
from ..models import SegmentationModel
from ..models.fcn_paper import TwoScores
from ..nn.utils import fuse
from ..paths import PathLike
from ..tensor import tensor
from .config import Config
from .diagnose import check_scores
from .image_notes import unlike_training
from .measures import METRICS, parse_metrics
from .objective import OF_PIXELS, Objective
from .pipeline import both_scores, check_size, evaluation_loader, open_split
from .run import load_model, open_run
from .segmenter import Segmenter, is_tiled, upsampled

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth: the mean loss of its pixels (None if none counts), the scores, how many images; and the
    scores that were asked for beside them, by what ``METRICS`` calls them. ``geometric``: those of a second head.
    """

    loss: float | None
    scores: ConfusionMatrix
    images: int
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    geometric: ConfusionMatrix | None = None

    @property
    def mean_iu(self) -> float | None:
        """The mean IU over the classes that are present; None if none is."""
        return finite_or_none(self.scores.mean_iu)

    @property
    def geometric_accuracy(self) -> float | None:
        """The pixel accuracy of the second head; None if there is none, or no pixel that counts."""
        return None if self.geometric is None else finite_or_none(self.geometric.pixel_accuracy)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        second = {} if self.geometric is None else {"geometric_accuracy": self.geometric_accuracy}
        return {"images": self.images, "loss": self.loss, **self.scores.as_dict(), **second, **self.measures}


def finite_or_none(value: float) -> float | None:
    """``value``, or None where it is not finite: there is no score, or no loss."""
    return float(value) if np.isfinite(value) else None


@no_grad()
def evaluate_model(
    model: SegmentationModel,
    loader: DataLoader,
    config: Config,
    progress: Progress | None = None,
    metrics: Sequence[str] = (),
) -> Evaluation:
    """Run ``model``, set to evaluation meanwhile, over all of ``loader``.

    ``progress(done, total)`` is told the number of images.
    ``metrics`` are names in ``METRICS``. Raises ``InputError`` for an image that is too small, and where the scores
    of one are not finite, ``OutOfMemoryError`` for one that is too large.
    """
    labeller = _Labeller(model, config)
    scores = ConfusionMatrix(config.data.num_classes, config.data.ignore_index)
    geometric = ConfusionMatrix(max(config.model.geometric_classes, 1), config.data.ignore_index)
    measures = {name: METRICS[name](config.data) for name in metrics}
    loss = weight = 0.0
    images = 0
    was_training = model.training
    model.eval()
    with closing(loader.epoch(0)) as batches:  # type: ignore[type-var]  # a generator, which can be closed
        for batch in batches:
            found = labeller(batch)
            loss, weight = loss + found.loss, weight + found.weight
            if found.geometric is not None:
                geometric.update(found.geometric, batch.geometric)
            scores.update(found.semantic, batch.labels)
            for measure in measures.values():
                measure.add(found.semantic, batch)
            images += len(batch.names)
            if progress is not None:
                progress(images, len(loader.dataset))
    model.train(was_training)
    asked = {name: measure.as_dict() for name, measure in measures.items()}
    mean = finite_or_none(loss / weight) if weight else None
    return Evaluation(mean, scores, images, asked, geometric if geometric.num_pixels else None)


class _Found(NamedTuple):
    """The labels of a batch, (N, H, W), of both heads if there are two; the sum of the losses of its pixels, and what
    that is to be divided by.
    """

    semantic: NDArray[Any]
    geometric: NDArray[Any] | None
    loss: float
    weight: float


class _Labeller:
    """Labels batches, and takes the loss against their labels."""

    def __init__(self, model: SegmentationModel, config: Config) -> None:
        self.model, self.config, self.objective = model, config, Objective(config)

    def __call__(self, batch: Batch) -> _Found:
        size = batch.images.shape[2:]
        named = f"the image {batch.names[0]}"
        check_size(self.model, size, named)
        try:
            # Data with geometric labels is published at one small size.
            if batch.geometric is None and is_tiled(self.config, size):
                return self._by_tiles(batch)
            return self._whole(batch)
        except MemoryError as error:
            reason = f" ({error})" if names_full_device(error) else ""
        others = f" and {len(batch.names) - 1} others" if len(batch.names) > 1 else ""
        raise OutOfMemoryError(f"out of memory when {named}{others} of {size[0]}x{size[1]} was labelled{reason}")

    def _whole(self, batch: Batch) -> _Found:
        images, labels, size = tensor(batch.images), tensor(batch.labels), batch.labels.shape[1:]
        named = f"of the image{'s' if len(batch.names) > 1 else ''} {', '.join(batch.names)}"
        geometric = None
        if batch.geometric is None:
            semantic = upsampled(check_scores(self.model(images), named), size)
            loss = partial(self.objective, semantic, labels)
        else:
            both = (check_scores(one, named) for one in both_scores(self.model, images))
            scores = TwoScores(*(upsampled(one, size) for one in both))
            semantic, geometric = scores.semantic, scores.geometric.argmax(1).numpy()
            loss = partial(self.objective.joint, scores, labels, tensor(batch.geometric), batch)
        weight = self.objective.total(batch.labels)
        return _Found(semantic.argmax(1).numpy(), geometric, weight * loss().item() if weight else 0.0, weight)

    def _by_tiles(self, batch: Batch) -> _Found:
        """As ``predict`` does it. The logarithms of probabilities are logits of theirs."""
        segmenter = Segmenter(self.model, self.config)
        found = np.empty(batch.labels.shape, np.uint8)
        loss = weight = 0.0
        for name, image, labels, into in zip(batch.names, batch.images, batch.labels, found, strict=True):
            bands = segmenter.tiled(image.transpose(1, 2, 0), f"of the image {name}")
            if self.config.training.loss not in OF_PIXELS:  # a ratio of sums over the image
                bands = iter([np.concatenate(list(bands))])
            top = 0
            for band in bands:
                rows = slice(top, top + len(band))
                into[rows] = band.argmax(2)
                top += len(band)
                total = self.objective.total(labels[rows])
                if total:
                    logits = np.log(np.maximum(band, np.finfo(np.float32).tiny)).transpose(2, 0, 1)[None]
                    loss += total * self.objective(tensor(logits), tensor(labels[rows][None])).item()
                    weight += total
        return _Found(found, None, loss, weight)


def evaluate(
    path: PathLike,
    *,
    data: str | None = None,
    root: PathLike | None = None,
    split: str = "val",
    workers: int = 2,
    progress: Progress | None = None,
    metrics: Sequence[str] = (),
    note: Callable[[str], None] | None = None,
) -> tuple[Config, Evaluation]:
    """Evaluate the run at ``path`` (a folder, or a checkpoint in it) on a split of its own or of other data.

    ``metrics``: names in ``METRICS``. ``note`` is told of images of another depth than the run was trained on. Raises
    ``InputError`` and its kinds for a run, data or labels that cannot be used. Returns the configuration that was
    evaluated, too.
    """
    run = open_run(path)
    config = run.config
    if data is not None and data != config.data.name:
        config = replace(
            config, data=replace(config.data, name=data, root=None, val_fraction=None, mapping=None, crowds=None)
        )
    if root is not None:
        # A share of the images was set aside in the run's folder; one that is divided itself has no use for it.
        share = None if is_divided(root) else config.data.val_fraction
        config = replace(config, data=replace(config.data, root=str(Path(root).absolute()), val_fraction=share))
    geometric = config.model.geometric_classes if get_kind(config.data.name).geometric else 0
    dataset = open_split(config.data, split, geometric)
    files = layout_of(dataset)
    if note is not None and files is not None:
        unlike = unlike_training(config.data, [image for image, _ in files.pairs])
        if unlike is not None:
            note(unlike)
    metrics = parse_metrics(metrics)
    if metrics and len(dataset) and dataset.instances(0) is not None:
        dataset = WithInstances(dataset)
    model = fuse(load_model(run)[0])
    loader = evaluation_loader(config, dataset, workers)
    return config, evaluate_model(model, loader, config, progress, metrics)
