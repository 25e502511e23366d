"""Scores of a model over a whole data set, at the resolution of its labels.

Images may be resized before they enter the network; labels never are. The logits are brought to the size of each
label by bilinear interpolation, and every pixel goes into one confusion matrix, off which all scores are read.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ..autograd import no_grad
from ..data import DataLoader, is_divided
from ..metrics import ConfusionMatrix
from ..models import SegmentationModel
from ..nn import functional as F
from ..nn.utils import fuse
from ..paths import PathLike
from ..tensor import Tensor, tensor
from .config import Config
from .objective import Objective
from .pipeline import evaluation_loader, open_split
from .prepare import check_size
from .run import load_model, open_run

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Evaluation:
    """What a model is worth: the mean loss of its pixels (None if none counts), the scores, how many images."""

    loss: float | None
    scores: ConfusionMatrix
    images: int

    @property
    def mean_iu(self) -> float | None:
        """The mean IU over the classes that are present; None if none is."""
        return finite_or_none(self.scores.mean_iu)

    def as_dict(self) -> dict[str, Any]:
        """Plain numbers and lists, for JSON."""
        return {"images": self.images, "loss": self.loss, **self.scores.as_dict()}


def finite_or_none(value: float) -> float | None:
    """``value``, or None where it is not finite: there is no score, or no loss."""
    return float(value) if np.isfinite(value) else None


def upsampled(logits: Tensor, size: tuple[int, ...]) -> Tensor:
    """``logits`` N,K,h,w at another size, bilinear."""
    if logits.shape[2:] == tuple(size):
        return logits
    return F.interpolate(logits, size=tuple(size), mode="bilinear", align_corners=False)


@no_grad()
def evaluate_model(
    model: SegmentationModel, loader: DataLoader, config: Config, progress: Progress | None = None
) -> Evaluation:
    """Run ``model``, set to evaluation meanwhile, over all of ``loader``.

    ``progress(done, total)`` is told the number of images. Raises ``InputError`` for an image that is too small.
    """
    objective = Objective(config)
    scores = ConfusionMatrix(config.data.num_classes, config.data.ignore_index)
    loss = weight = 0.0
    images = 0
    was_training = model.training
    model.eval()
    with closing(loader.epoch(0)) as batches:  # type: ignore[type-var]  # a generator, which can be closed
        for batch in batches:
            check_size(model, batch.images.shape[2:], f"the image {batch.names[0]}")
            logits = upsampled(model(tensor(batch.images)), batch.labels.shape[1:])
            if total := objective.total(batch.labels):
                loss += total * objective(logits, tensor(batch.labels)).item()
                weight += total
            scores.update(logits.argmax(1).numpy(), batch.labels)
            images += len(batch.names)
            if progress is not None:
                progress(images, len(loader.dataset))
    model.train(was_training)
    return Evaluation(finite_or_none(loss / weight) if weight else None, scores, images)


def evaluate(
    path: PathLike,
    *,
    data: str | None = None,
    root: PathLike | None = None,
    split: str = "val",
    workers: int = 2,
    progress: Progress | None = None,
) -> tuple[Config, Evaluation]:
    """Evaluate the run at ``path`` (a folder, or a checkpoint in it) on a split of its own or of other data.

    Raises ``InputError`` and its kinds for a run, data or labels that cannot be used. Returns the configuration that
    was evaluated, too.
    """
    run = open_run(path)
    config = run.config
    if data is not None and data != config.data.name:
        config = replace(config, data=replace(config.data, name=data, root=None, val_fraction=None, mapping=None))
    if root is not None:
        # A share of the images was set aside in the run's folder; one that is divided itself has no use for it.
        share = None if is_divided(root) else config.data.val_fraction
        config = replace(config, data=replace(config.data, root=str(Path(root).absolute()), val_fraction=share))
    dataset = open_split(config.data, split)
    model = fuse(load_model(run)[0])
    return config, evaluate_model(model, evaluation_loader(config, dataset, workers), config, progress)
