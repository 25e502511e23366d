"""When the loss, or a score, is no longer a number: which tensor went wrong first."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...autograd import no_grad
from ...errors import InputError
from ...models import SegmentationModel
from ...nn import Module
from ...nn.module import Handle
from ...tensor import Tensor


class DivergenceError(RuntimeError):
    """Training came to a loss that is infinite or not a number, and was stopped."""


def check_scores(logits: Tensor, what: str) -> Tensor:
    """The scores themselves; ``InputError`` unless all of ``what`` are finite: of others the class of a pixel means
    nothing.

    Weights and images are finite where they are read, so it is sums of them that are too large.

    >>> import tinyseg
    >>> check_scores(tinyseg.tensor([1.0, 2.0]), "of the image 7").numel()
    2
    >>> check_scores(tinyseg.tensor([1.0, float("nan")]), "of the image 7")
    Traceback (most recent call last):
    tinyseg.errors.InputError: 1 of the 2 scores of the image 7 is not finite: weights, or the normalisation of ...
    """
    finite = logits.detach().isfinite()
    if finite.all().item():
        return logits
    bad = logits.numel() - int(finite.sum().item())
    raise InputError(
        f"{bad} of the {logits.numel()} scores {what} {'is' if bad == 1 else 'are'} not finite: weights, or the "
        "normalisation of images, are too large or damaged; take another checkpoint of the run, or train anew"
    )


def first_non_finite(model: SegmentationModel, images: Tensor, run: Callable[[Tensor], object] | None = None) -> str:
    """The first parameter, buffer or layer output that is not finite, in words.

    The layers are found by running the model once more, in the mode it is in, by ``run`` if it is not simply called.
    What batch norm has gathered in training is not looked at: the images that made the loss what it is have been
    through it.
    """
    for name, value in model.named_parameters():
        if not _finite(value):
            return f"the parameter {name} of shape {value.shape}"
    if not _finite(images):
        return "the batch of images"
    for layer_name, layer in model.named_modules():
        for name, value in [] if layer.training else layer._buffers.items():
            if value is not None and not _finite(value):
                return f"the buffer {layer_name}.{name} of shape {value.shape}"
    return _first_layer(model, images, run or model) or "the loss itself: all layers' outputs are finite"


def first_bad_gradient(model: SegmentationModel) -> str:
    """The first gradient that is not finite on the way back from the loss, in words."""
    for name, value in reversed(list(model.named_parameters())):
        if value.grad is not None and not _finite(value.grad):
            return f"First not finite, on the way back from the loss: the gradient of {name} of shape {value.shape}"
    return "Each is finite, but together they are too large"


def _first_layer(model: SegmentationModel, images: Tensor, run: Callable[[Tensor], object]) -> str | None:
    found: list[str] = []

    def watch(name: str, layer: Module) -> None:
        def check_outputs(module: Module, inputs: object, outputs: object) -> None:
            if not found and isinstance(outputs, Tensor) and not _finite(outputs):
                found.append(f"the output of the layer {name} ({type(layer).__name__}); its parameters are finite")

        handles.append(layer.register_forward_hook(check_outputs))

    handles: list[Handle] = []
    layers = [(name, layer) for name, layer in model.named_modules() if not any(True for _ in layer.children())]
    for name, layer in layers:
        watch(name, layer)
    try:
        with no_grad():
            run(images)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else None


def _finite(value: Tensor) -> bool:
    return not value.is_floating_point or bool(np.isfinite(value.detach().numpy()).all())
