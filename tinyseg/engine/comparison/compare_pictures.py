"""What networks that are compared see: their predictions for the same images, and the maps inside them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data import Dataset, Sample
from ...errors import InputError
from ...models import SegmentationModel
from ...nn import Module
from ..inspection.info import ModelInfo
from ..prediction.segmenter import Segmenter, segment
from ..storage.run import load_model, open_run
from .comparison import Contender

MAPS = 16
"""Of a layer, so many channels are shown at most."""

WINDOW = 512
"""Feature maps are those of an image, or of its middle, of so many pixels at most."""


@dataclass(frozen=True)
class FeatureMaps:
    """What a layer makes of an image: ``maps`` (C, h, w) are its first channels, ``channels`` how many it has."""

    contender: str
    layer: str
    channels: int
    maps: NDArray[np.float32]


@dataclass(frozen=True)
class Pictures:
    """``predictions``: by contender, a mask (H, W) for each of ``samples``. ``seen``: the image, or its middle, whose
    ``features`` are shown.
    """

    samples: tuple[Sample, ...]
    predictions: dict[str, tuple[NDArray[np.uint8], ...]]
    seen: NDArray[Any]
    features: tuple[FeatureMaps, ...]


def layers_with_maps(info: ModelInfo) -> list[str]:
    """The names of a network's layers that give maps, in the order of their work."""
    return list(dict.fromkeys(layer.name for layer in info.layers if layer.name and len(layer.shape) == 3))


def usual_layers(info: ModelInfo) -> list[str]:
    """Three layers to look at: the last of the finest level before the image is first made smaller, the deepest (of
    those with the largest stride the last with the most channels), and the last, which has the scores. Where strides
    are unknown, the last alone.

    >>> from tinyseg.engine import describe
    >>> usual_layers(describe("unet", size=(64, 64), num_classes=2, width=4, depth=2))
    ['down.0.5', 'down.2.5', 'score']
    """
    maps = [layer for layer in info.layers if layer.name and len(layer.shape) == 3]
    if info.coarsest is None:
        return [maps[-1].name]
    *_, first = takewhile(lambda layer: layer.stride == maps[0].stride, maps)
    deepest = max(enumerate(maps), key=lambda entry: (entry[1].stride, entry[1].shape[0], entry[0]))[1]
    return list(dict.fromkeys((first.name, deepest.name, maps[-1].name)))


def check_layers(infos: Mapping[str, ModelInfo], layers: Sequence[str]) -> None:
    """``InputError`` for a layer that no network has."""
    known = list(dict.fromkeys(name for info in infos.values() for name in layers_with_maps(info)))
    for layer in layers:
        if layer not in known:
            near = difflib.get_close_matches(layer, known, 3) or [known[0], known[-1]]
            raise InputError(
                f"--layers: none of {', '.join(infos)} has a layer {layer!r} that gives maps; there are "
                f"{', '.join(near)} ... (tinyseg info lists them)"
            )


def make_pictures(
    contenders: Sequence[Contender], infos: Sequence[ModelInfo], dataset: Dataset, layers: Sequence[str], count: int
) -> Pictures:
    """Each network labels ``count`` images, spread over ``dataset``; what its layers make of the first is kept."""
    count = min(count, len(dataset))
    samples = tuple(dataset[number * len(dataset) // count] for number in range(count))
    seen = samples[0].image
    if all(contender.config.data.size is None for contender in contenders):
        seen = _middle(seen)
    predictions: dict[str, tuple[NDArray[np.uint8], ...]] = {}
    features: list[FeatureMaps] = []
    for contender, info in zip(contenders, infos, strict=True):
        model, _ = load_model(open_run(contender.folder))
        predictions[contender.name] = tuple(segment(model, contender.config, sample.image) for sample in samples)
        known = layers_with_maps(info)
        wanted = [layer for layer in layers if layer in known] if layers else usual_layers(info)
        features += _features(contender, model, seen, wanted)
    return Pictures(samples, predictions, seen, tuple(features))


def _middle(image: NDArray[Any]) -> NDArray[Any]:
    top, left = (max(0, (size - WINDOW) // 2) for size in image.shape[:2])
    return image[top : top + WINDOW, left : left + WINDOW]


def _features(
    contender: Contender, model: SegmentationModel, image: NDArray[Any], layers: Sequence[str]
) -> list[FeatureMaps]:
    """The maps of ``layers`` for ``image``; of a layer that is used several times, the last."""
    found: dict[str, FeatureMaps] = {}

    def hook(name: str) -> Any:
        def keep(layer: Module, inputs: tuple[Any, ...], outputs: Any) -> None:
            output = outputs[0] if isinstance(outputs, tuple) else outputs
            maps = output.detach()[0].numpy()
            found[name] = FeatureMaps(contender.name, name, len(maps), np.array(maps[:MAPS]))

        return keep

    handles = [part.register_forward_hook(hook(name)) for name, part in model.named_modules() if name in layers]
    try:
        Segmenter(model, contender.config, tile=0).labels(image)
    finally:
        for handle in handles:
            handle.remove()
    return [found[layer] for layer in layers if layer in found]
