"""Modules made of modules."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from ..module import Module
from .activation import ReLU
from .convolution import Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d
from .linear import Identity
from .normalization import BatchNorm2d

__all__ = ["ModuleList", "Sequential"]

_WITH_ACTIVATION = (Conv1d, Conv2d, ConvTranspose1d, ConvTranspose2d, BatchNorm2d)


def is_plain(module: Module, *kinds: type[Module]) -> bool:
    """Whether a module does what one of these classes does and no more, so that it may be done in another way: it is
    of no subclass, has no ``forward`` of its own, and no hook waits to see its output.
    """
    return type(module) in kinds and "forward" not in vars(module) and not module._hooks


def _with_activations(modules: Iterable[Module]) -> list[tuple[Module, dict[str, Any]]]:
    """Modules and the options to call them with: a ReLU that directly follows a layer which can take it along is
    left out, and is that layer's ``activation``.
    """
    plan: list[tuple[Module, dict[str, Any]]] = []
    for module in modules:
        if is_plain(module, Identity):
            continue
        last = plan[-1] if plan else None
        if last and not last[1] and is_plain(module, ReLU) and is_plain(last[0], *_WITH_ACTIVATION):
            plan[-1] = last[0], {"activation": "relu"}
        else:
            plan.append((module, {}))
    return plan


class Sequential(Module):
    """Modules one after the other; they are called 0, 1, 2, ... or as the dict given says.

    A ReLU that directly follows a convolution, a transposed one or a BatchNorm2d is computed with it as one operator
    (``activation="relu"`` of its function), which gives the same numbers in fewer passes over memory. That is so for
    exactly these classes, without forward hooks: what a subclass does, or a hook looks at, is left alone.

    >>> net = Sequential(Conv2d(3, 4, 1), ReLU())
    >>> len(net), type(net[1]).__name__
    (2, 'ReLU')
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], dict) else enumerate(modules)
        for name, module in named:
            setattr(self, str(name), module)

    def forward(self, input: Any) -> Any:
        """Through all of them."""
        for module, options in _with_activations(self):
            input = module(input, **options)
        return input

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: Any) -> Any:
        parts = list(self._modules.items())
        return Sequential(dict(parts[index])) if isinstance(index, slice) else parts[index][1]


class ModuleList(Module):
    """A list of modules, each of them a part; ``forward`` is for the owner to define."""

    def __init__(self, modules: Any = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> ModuleList:
        """Add a module at the end."""
        setattr(self, str(len(self)), module)
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __len__(self) -> int:
        return len(self._modules)

    def __getitem__(self, index: int) -> Any:
        return list(self._modules.values())[index]
