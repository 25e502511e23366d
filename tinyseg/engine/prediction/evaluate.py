"""Scores of a model over a whole data set, at the resolution of its labels.

Images may be resized before they enter the network; labels never are. The logits are brought to the size of each
label by bilinear interpolation, and every pixel goes into one confusion matrix, off which all scores are read.
Images that prediction cuts into tiles are cut here, too, so that scores are of what is predicted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...autograd import no_grad
from ...backend import names_full_device
from ...data import Batch, DataLoader, WithInstances, get_kind, is_divided
from ...data.layouts.layout import layout_of
from ...errors import OutOfMemoryError
from ...files import PathLike
from ...metrics import ConfusionMatrix
from ...models import Outputs, SegmentationModel
from ...nn.utils import fuse
from ...tensor import tensor
from ..config.config import Config
from ..parts.diagnose import check_scores
from ..parts.image_notes import unlike_training
from ..parts.objective import OF_PIXELS, Objective
from ..parts.pipeline import check_size, evaluation_loader, open_split
from ..storage.history import column
from ..storage.run import load_model, open_run
from .measures import METRICS, parse_metrics
from .segmenter import Segmenter, is_tiled, upsampled

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth: the mean loss of its pixels (None if none counts), the scores, how many images; and the
    scores that were asked for beside them, by what ``METRICS`` calls them. ``extra``: the scores of extra targets of
    which any pixel counts, by name.
    """

    loss: float | None
    scores: ConfusionMatrix
    images: int
    measures: dict[str, dict[str, Any]] = field(default_factory=dict)
    extra: dict[str, ConfusionMatrix] = field(default_factory=dict)

    @property
    def mean_iu(self) -> float | None:
        """The mean IU over the classes that are present; None if none is."""
        return finite_or_none(self.scores.mean_iu)

    @property
    def extra_accuracies(self) -> dict[str, float]:
        """The pixel accuracy of each extra target of which any pixel counts, by name."""
        return {target: float(scores.pixel_accuracy) for target, scores in self.extra.items()}

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        extra = {column(target): accuracy for target, accuracy in self.extra_accuracies.items()}
        return {"images": self.images, "loss": self.loss, **self.scores.as_dict(), **extra, **self.measures}


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
    extra = {
        target: ConfusionMatrix(classes, config.data.ignore_index) for target, classes in model.extra_classes.items()
    }
    measures = {name: METRICS[name](config.data) for name in metrics}
    loss = weight = 0.0
    images = 0
    was_training = model.training
    model.eval()
    with closing(loader.epoch(0)) as batches:  # type: ignore[type-var]  # a generator, which can be closed
        for batch in batches:
            found = labeller(batch)
            loss, weight = loss + found.loss, weight + found.weight
            for target, labels in found.extra.items():
                extra[target].update(labels, batch.extra[target])
            scores.update(found.labels, batch.labels)
            for measure in measures.values():
                measure.add(found.labels, batch)
            images += len(batch.names)
            if progress is not None:
                progress(images, len(loader.dataset))
    model.train(was_training)
    by_measure = {name: measure.as_dict() for name, measure in measures.items()}
    mean = finite_or_none(loss / weight) if weight else None
    scored = {target: one for target, one in extra.items() if one.num_pixels}
    return Evaluation(mean, scores, images, by_measure, scored)


class _Found(NamedTuple):
    """The labels of a batch, (N, H, W), and those of extra targets by name; the sum of the losses of its pixels, and
    what that is to be divided by.
    """

    labels: NDArray[Any]
    extra: dict[str, NDArray[Any]]
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
            # Data with extra targets is published at one small size.
            if not batch.extra and is_tiled(self.config, size):
                return self._by_tiles(batch)
            return self._whole(batch)
        except MemoryError as error:
            reason = f" ({error})" if names_full_device(error) else ""
        others = f" and {len(batch.names) - 1} others" if len(batch.names) > 1 else ""
        raise OutOfMemoryError(f"out of memory when {named}{others} of {size[0]}x{size[1]} was labelled{reason}")

    def _whole(self, batch: Batch) -> _Found:
        images, labels, size = tensor(batch.images), tensor(batch.labels), batch.labels.shape[1:]
        named = f"of the image{'s' if len(batch.names) > 1 else ''} {', '.join(batch.names)}"
        outputs = self.model.outputs(images, batch.extra)
        logits = upsampled(check_scores(outputs.logits, named), size)
        maps = {target: upsampled(check_scores(one, named), size) for target, one in outputs.extra.items()}
        loss, weight = 0.0, self.objective.total(batch.labels)
        if weight:
            extra = self.objective.counted(batch, {target: tensor(one) for target, one in batch.extra.items()})
            loss = weight * self.model.loss_of(Outputs(logits, maps), labels, self.objective, extra).item()
        found = {target: one.argmax(1).numpy() for target, one in maps.items()}
        return _Found(logits.argmax(1).numpy(), found, loss, weight)

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
        return _Found(found, {}, loss, weight)


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
    labelled = get_kind(config.data.name).extra
    extra = {target: classes for target, classes in config.model.extra_classes.items() if target in labelled}
    dataset = open_split(config.data, split, extra)
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
