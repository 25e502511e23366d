"""Module: a part of a network, with parameters, buffers and parts of its own."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from ..autograd import no_grad
from ..tensor import Tensor
from ..tensor_base import type_and_device


class Parameter(Tensor):
    """A tensor that an optimiser changes: a leaf that requires a gradient."""

    __slots__ = ()

    def __init__(self, data: Tensor, requires_grad: bool = True) -> None:
        super().__init__(data.array, data.device, data.version)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return "Parameter containing:\n" + super().__repr__()


class IncompatibleKeys(NamedTuple):
    """What ``load_state_dict(strict=False)`` could not match."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Handle:
    """Takes a hook away again."""

    def __init__(self, hooks: dict[int, Any], key: int) -> None:
        self._hooks, self._key = hooks, key

    def remove(self) -> None:
        """The hook is not called any more."""
        self._hooks.pop(self._key, None)


Hook = Callable[["Module", tuple[Any, ...], Any], Any]


class Module:
    """Base class of layers and networks. Subclasses set parameters, buffers and modules as attributes and define
    ``forward``.

    >>> from tinyseg import nn
    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    >>> [name for name, _ in net.named_parameters()]
    ['0.weight', '0.bias']
    """

    training: bool

    def __init__(self) -> None:
        for store in ("_parameters", "_buffers", "_modules", "_hooks"):
            object.__setattr__(self, store, {})
        object.__setattr__(self, "_transient", set())
        object.__setattr__(self, "training", True)

    def forward(self, *inputs: Any) -> Any:
        """What the module computes."""
        raise NotImplementedError(f"{type(self).__name__} does not define forward")

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        """``forward``, and then the hooks."""
        outputs = self.forward(*inputs, **options)
        for hook in list(self._hooks.values()):
            replaced = hook(self, inputs, outputs)
            outputs = outputs if replaced is None else replaced
        return outputs

    # Attributes: parameters, buffers and modules are kept apart, by name and in order of definition

    def __setattr__(self, name: str, value: Any) -> None:
        if "_parameters" not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: call super().__init__() before setting {name!r}")
        stores = (self._parameters, self._buffers, self._modules)
        if isinstance(value, (Parameter, Module)):
            target = self._parameters if isinstance(value, Parameter) else self._modules
            for store in stores:
                if store is not target:  # there it keeps its place in the order
                    store.pop(name, None)
            self.__dict__.pop(name, None)
            target[name] = value
            return
        for store in stores:
            if name in store:
                wanted = Module if store is self._modules else Tensor
                if value is not None and (not isinstance(value, wanted) or store is self._parameters):
                    kind = "Parameter" if store is self._parameters else wanted.__name__
                    raise TypeError(
                        f"{type(self).__name__}.{name} must be a {kind} or None, got {type(value).__name__}"
                    )
                store[name] = value
                return
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        for store in ("_parameters", "_buffers", "_modules"):
            found = self.__dict__.get(store, {})
            if name in found:
                return found[name]
        raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        for store in (self._parameters, self._buffers, self._modules):
            if name in store:
                del store[name]
                return
        object.__delattr__(self, name)

    def register_parameter(self, name: str, parameter: Parameter | None) -> None:
        """Set a parameter that may be None (a layer without bias keeps the name)."""
        self._parameters[name] = parameter

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Set a tensor that belongs to the state but is not trained; not saved unless ``persistent``."""
        self._buffers[name] = tensor
        if not persistent:
            self._transient.add(name)

    def register_forward_hook(self, hook: Hook) -> Handle:
        """Have ``hook(module, inputs, outputs)`` called after each forward; what it returns replaces the outputs."""
        key = max(self._hooks, default=-1) + 1
        self._hooks[key] = hook
        return Handle(self._hooks, key)

    # Parts

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, Module]]:
        """The module itself and all its parts, each once, with dotted names."""
        seen: set[int] = set()
        stack: list[tuple[str, Module]] = [(prefix, self)]
        while stack:
            name, module = stack.pop()
            if id(module) in seen:
                continue
            seen.add(id(module))
            yield name, module
            children = [
                (f"{name}.{key}" if name else key, part) for key, part in module._modules.items() if part is not None
            ]
            stack.extend(reversed(children))

    def modules(self) -> Iterator[Module]:
        """The module itself and all its parts."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, Module]]:
        """The parts directly below."""
        return ((name, part) for name, part in self._modules.items() if part is not None)

    def children(self) -> Iterator[Module]:
        """The parts directly below."""
        return (part for _, part in self.named_children())

    def _named(self, store: str, persistent_only: bool = False) -> Iterator[tuple[str, Tensor]]:
        seen: set[int] = set()
        for prefix, module in self.named_modules():
            for name, value in getattr(module, store).items():
                skipped = persistent_only and name in module._transient
                if value is not None and id(value) not in seen and not skipped:
                    seen.add(id(value))
                    yield (f"{prefix}.{name}" if prefix else name), value

    def named_parameters(self) -> Iterator[tuple[str, Tensor]]:
        """All parameters, each once, with dotted names."""
        return self._named("_parameters")

    def parameters(self) -> Iterator[Tensor]:
        """All parameters, each once."""
        return (value for _, value in self.named_parameters())

    def named_buffers(self) -> Iterator[tuple[str, Tensor]]:
        """All buffers, each once, with dotted names."""
        return self._named("_buffers")

    def buffers(self) -> Iterator[Tensor]:
        """All buffers, each once."""
        return (value for _, value in self.named_buffers())

    # State

    def train(self, mode: bool = True) -> Module:
        """Set all parts to training (dropout drops, batch norm uses the batch) or not; returns the module."""
        for module in self.modules():
            object.__setattr__(module, "training", bool(mode))
        return self

    def eval(self) -> Module:
        """Set all parts to evaluation; returns the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Module:
        """Let all parameters be trained, or freeze them; returns the module."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for parameter in self.parameters():
            parameter.grad = None

    def to(self, dtype: Any = None, device: str | None = None) -> Module:
        """Cast all floating parameters and buffers to a type, or copy all to a device, in place; returns the module.

        Optimisers that are made later see the new tensors. Raises ``TypeError`` for integer types.
        """
        wanted, place = type_and_device(dtype, device, "Module.to")
        if wanted is not None and wanted.kind != "f":
            raise TypeError(f"Module.to: parameters can only be cast to float32 or float64, got {wanted}")
        done: dict[int, tuple[Tensor, Tensor]] = {}  # a tensor that two modules share stays shared
        for module in self.modules():
            for store in (module._parameters, module._buffers):
                for name, value in store.items():
                    if value is not None:
                        if id(value) not in done:
                            done[id(value)] = value, _converted(value, wanted, place)
                        store[name] = done[id(value)][1]
        return self

    def cuda(self) -> Module:
        """All parameters and buffers on the GPU."""
        return self.to(device="cuda")

    def cpu(self) -> Module:
        """All parameters and buffers on the CPU."""
        return self.to(device="cpu")

    def double(self) -> Module:
        """All floating parameters and buffers as float64."""
        return self.to("float64")

    def float(self) -> Module:
        """All floating parameters and buffers as float32."""
        return self.to("float32")

    def state_dict(self) -> OrderedDict[str, Tensor]:
        """Parameters and persistent buffers by dotted name; the tensors share memory with the module."""
        state = OrderedDict((name, value.detach()) for name, value in self.named_parameters())
        state.update((name, value.detach()) for name, value in self._named("_buffers", persistent_only=True))
        return state

    def load_state_dict(self, state: Mapping[str, Tensor], strict: bool = True) -> IncompatibleKeys:
        """Copy values into parameters and buffers of the same names.

        Raises ``ValueError`` with each key that is missing, unexpected, or of another shape, before anything is
        changed; with ``strict=False`` missing and unexpected keys are only returned.
        """
        own = self.state_dict()
        missing = [key for key in own if key not in state]
        unexpected = [key for key in state if key not in own]
        problems = [
            f"{key} has shape {state[key].shape}, expected {own[key].shape}"
            for key in own
            if key in state and state[key].shape != own[key].shape
        ]
        if strict:
            problems = (
                [f"{key} is missing" for key in missing] + [f"{key} is unexpected" for key in unexpected] + problems
            )
        if problems:
            listed = "; ".join(problems[:8]) + (f"; and {len(problems) - 8} more" if len(problems) > 8 else "")
            raise ValueError(f"load_state_dict: the state does not fit {type(self).__name__}: {listed}")
        with no_grad():
            for key, value in own.items():
                if key in state:
                    value.copy_(state[key])
        return IncompatibleKeys(missing, unexpected)

    def extra_repr(self) -> str:
        """What stands in brackets behind the module's name when it is printed."""
        return ""

    def __repr__(self) -> str:
        parts = [f"  ({name}): " + repr(part).replace("\n", "\n  ") for name, part in self.named_children()]
        if not parts:
            return f"{type(self).__name__}({self.extra_repr()})"
        return f"{type(self).__name__}(\n" + "\n".join(parts) + "\n)"


def _converted(value: Tensor, dtype: np.dtype[Any] | None, device: str | None) -> Tensor:
    with no_grad():
        changed = value.detach().to(dtype if value.is_floating_point else None, device)
    if not isinstance(value, Parameter) or changed.array is value.array:
        return value if changed.array is value.array else changed
    return Parameter(changed, value.requires_grad)
