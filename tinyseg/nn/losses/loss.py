"""A loss as a module: the function of ``nn.functional``, with its options given once."""

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
    __signature__: ClassVar[inspect.Signature]

    def __init_subclass__(cls, without: Sequence[str] = ()) -> None:
        """``without``: arguments of the function that the module, as PyTorch's, does not take."""
        parameters = inspect.signature(cls.function).parameters.values()
        taken = [p for p in parameters if p.name not in (*_CALLED_WITH, *without)]
        cls.__signature__ = inspect.Signature(taken)

    def __init__(self, *values: Any, **options: Any) -> None:
        super().__init__()
        given = self.__signature__.bind(*values, **options)
        given.apply_defaults()
        self._options = tuple(given.arguments)
        for name, value in given.arguments.items():
            if name in _BUFFERS:
                self.register_buffer(name, value)
            else:
                setattr(self, name, value)

    def forward(self, input: Tensor, target: Tensor, pixel_weight: Tensor | None = None) -> Tensor:
        """The loss."""
        options = {name: getattr(self, name) for name in self._options}
        if pixel_weight is not None:
            options["pixel_weight"] = pixel_weight
        return self.function(input, target, **options)
