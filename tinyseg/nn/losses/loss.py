"""A loss as a module: the function of ``nn.functional``, with its options given once.

Those of label maps are called as ``loss(logits, labels, pixel_weight=None)`` with logits (N, C, H, W), C = 1 being
the logit of class 1 against class 0, labels (N, H, W), and weights of pixels (N, H, W). The others take two tensors
of one shape. What a loss computes, and what its options mean, stands in the documentation of its function.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from ...tensor import Tensor
from ..module import Module

_CALLED_WITH = ("input", "target", "pixel_weight")
_BUFFERS = ("weight", "pos_weight")


class Loss(Module):
    """The ``function`` of a subclass, called as ``loss(input, target)``, or with ``pixel_weight`` where it has one.

    The module takes the function's other arguments, in their order and with their defaults. They become attributes of
    their names; weights of classes are buffers, so that they are saved with the model. What they mean, and the shapes
    of tensors, stands in the function's documentation.
    """

    function: ClassVar[Callable[..., Tensor]]
    options: ClassVar[inspect.Signature]
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, without: Sequence[str] = ()) -> None:
        """``without``: arguments of the function that the module, as PyTorch's, does not take."""
        if "function" in vars(cls):
            parameters = inspect.signature(cls.function).parameters.values()
            taken = [p for p in parameters if p.name not in (*_CALLED_WITH, *without)]
            cls.options = inspect.Signature(taken)
        if "__init__" not in vars(cls):
            cls.__signature__ = cls.options
        else:
            cls.__signature__ = _without_self(inspect.signature(cls.__init__))

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__()
        try:
            given = self.options.bind(*values, **options)
        except TypeError as error:
            raise TypeError(
                f"{type(self).__name__}: {error}; it takes {', '.join(self.options.parameters)}"
            ) from None
        given.apply_defaults()
        self._options = tuple(given.arguments)
        for name, value in given.arguments.items():
            if name in _BUFFERS:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """Predictions and targets -> the loss: (N, C, H, W) and labels (N, H, W), or tensors of one shape."""
        options = {name: getattr(self, name) for name in self._options}
        if pixel_weight is not None:
            options["pixel_weight"] = pixel_weight
        return self.function(input, target, **options)


def _without_self(signature: inspect.Signature) -> inspect.Signature:
    return signature.replace(parameters=list(signature.parameters.values())[1:])
