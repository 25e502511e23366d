"""The weights that a run begins with, when they come from a file."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

from ... import interop
from ...errors import CheckpointError
from ...models import SegmentationModel
from ...nn.init import skip
from ..config.config import Config
from ..parts.pipeline import create_model
from .run import open_run


@dataclass(frozen=True)
class InitialWeights:
    """A file of weights that has been read, and what becomes of each weight in the network of the run.

    ``partial``: weights that are missing, unexpected or of another shape are accepted.
    """

    weights: interop.Weights
    partial: bool
    report: interop.Report

    def model(self, create: Callable[[], SegmentationModel]) -> SegmentationModel:
        """The network that ``create`` gives, with these weights. Random numbers are drawn only where it needs some
        that the file has not.
        """
        with nullcontext() if self.report.needs_random_start else skip():
            model = create()
        interop.load(model, self.weights, strict=not self.partial)
        return model


def open_weights(path: str, model: SegmentationModel, partial: bool) -> InitialWeights:
    """Read a file, or the best weights of the run in a folder, and load them into ``model``, which shows whether they
    fit.

    Raises ``CheckpointError`` where they do not.
    """
    weights = interop.read(open_run(path).checkpoint if Path(path).is_dir() else path)
    try:
        report = interop.load(model, weights, strict=not partial)
    except interop.MisfitError as error:
        raise CheckpointError(error.spelt("--partial-weights")) from error
    return InitialWeights(weights, partial, report)


def initial_model(config: Config, start: InitialWeights | None) -> SegmentationModel:
    """The network as training begins with it: its weights random, or from ``start``."""
    return create_model(config) if start is None else start.model(lambda: create_model(config))
