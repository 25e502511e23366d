"""Optimisers: a step of all parameters with the same options is one kernel call, a single pass over their memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from ..creation import zeros_like
from ..finite import is_representable
from ..tensor import Tensor

Arrays = tuple[list[Any], list[Any]]


class Optimizer:
    """Base class: groups of parameters with their options, and state for each parameter.

    ``params``: tensors, or dicts with "params" and options that differ for these. Raises ``ValueError`` for options
    out of range and ``TypeError`` for what is not a tensor.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        groups = list(params)
        if not groups:
            raise ValueError(f"{type(self).__name__}: got no parameters to optimise")
        if not isinstance(groups[0], Mapping):
            groups = [{"params": groups}]
        self.param_groups: list[dict[str, Any]] = []
        for group in groups:
            tensors = list(group["params"])
            for x in tensors:
                if not isinstance(x, Tensor) or not x.is_leaf:
                    raise TypeError(f"{type(self).__name__}: expected leaf tensors to optimise, got {x!r:.80}")
            options = {**defaults, **group, "params": tensors}
            self._check(options)
            self.param_groups.append(options)
        parameters = [x for x, _ in self._parameters()]
        if len({id(x) for x in parameters}) < len(parameters):
            raise ValueError(f"{type(self).__name__}: a parameter is given twice, and would be changed twice a step")
        self.state: dict[int, dict[str, Any]] = {}

    def _check(self, options: Mapping[str, Any]) -> None:
        for name in ("lr", "weight_decay"):
            if not options[name] >= 0:
                raise ValueError(f"{type(self).__name__}: {name} must not be negative, got {options[name]}")

    def _parameters(self) -> list[tuple[Tensor, dict[str, Any]]]:
        return [(x, group) for group in self.param_groups for x in group["params"]]

    def zero_grad(self) -> None:
        """Forget the gradients of all parameters."""
        for x, _ in self._parameters():
            x.grad = None

    def step(self) -> None:
        """Change every parameter that has a gradient."""
        number = 0
        for group in self.param_groups:
            # A kernel takes arrays of one type and one backend; and a parameter's first step, or its step's number,
            # may be another one than that of its group: it had no gradient before.
            alike: dict[Any, list[tuple[Tensor, Tensor, dict[str, Any]]]] = {}
            for x in group["params"]:
                if x.grad is not None:
                    x.version.count += 1
                    state = self.state.setdefault(number, {})
                    alike.setdefault((x.device, x.dtype, not state, state.get("step")), []).append((x, x.grad, state))
                number += 1
            for found in alike.values():
                params, grads, states = (list(part) for part in zip(*found, strict=True))
                arrays = [grad.array for grad in grads], [x.array for x in params]
                self._update(params, arrays, group, states)

    def _update(
        self, params: list[Tensor], arrays: Arrays, options: dict[str, Any], states: list[dict[str, Any]]
    ) -> None:
        """A step of parameters whose states are alike; ``arrays``: the gradients', the parameters'."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """``{"state": {number: {...}}, "param_groups": [...]}``, parameters being named by their number."""
        count, groups = 0, []
        for group in self.param_groups:
            size = len(group["params"])
            groups.append({**group, "params": list(range(count, count + size))})
            count += size
        return {"state": {number: dict(state) for number, state in self.state.items()}, "param_groups": groups}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from a ``state_dict``; raises ``ValueError``, and changes nothing, if it is for other parameters,
        or holds options or entries that this optimiser cannot have.
        """
        self._check_form(state)
        sizes = [len(group["params"]) for group in state["param_groups"]]
        if sizes != [len(group["params"]) for group in self.param_groups]:
            raise ValueError(f"{type(self).__name__}: the state is for groups of {sizes} parameters")
        pairs = zip(self.param_groups, state["param_groups"], strict=True)
        groups = [self._options_from(group, saved) for group, saved in pairs]
        parameters = [(x, group) for group in groups for x in group["params"]]
        loaded: dict[int, dict[str, Any]] = {}
        for number, values in state["state"].items():
            if type(number) is not int or not 0 <= number < len(parameters):
                raise ValueError(f"{type(self).__name__}: the state has an entry for parameter {number!r:.40}")
            loaded[number] = self._entries_from(values, *parameters[number], number)
        for group, options in zip(self.param_groups, groups, strict=True):
            group.update(options)
        self.state = loaded

    def _check_form(self, state: Any) -> None:
        """``ValueError`` unless ``state`` is made of tables and lists as a ``state_dict`` is."""
        who = f"{type(self).__name__}: the state"
        if not isinstance(state, Mapping) or not state.keys() >= {"state", "param_groups"}:
            raise ValueError(f"{who} must be a table of 'state' and 'param_groups', got a {type(state).__name__}")
        if not isinstance(state["param_groups"], (list, tuple)):
            raise ValueError(f"{who}'s param_groups must be a list, got a {type(state['param_groups']).__name__}")
        for number, group in enumerate(state["param_groups"]):
            if not isinstance(group, Mapping) or not isinstance(group.get("params"), (list, tuple)):
                raise ValueError(f"{who}'s param_groups[{number}] must be a table with a list of 'params'")
        if not isinstance(state["state"], Mapping):
            raise ValueError(f"{who}'s state must be a table, got a {type(state['state']).__name__}")
        for number, entries in state["state"].items():
            if not isinstance(entries, Mapping):
                raise ValueError(f"{who} of parameter {number!r:.40} must be a table, got a {type(entries).__name__}")

    def _options_from(self, group: Mapping[str, Any], saved: Mapping[str, Any]) -> dict[str, Any]:
        """The options of ``saved``, of the kinds of those of ``group``; a schedule may have added the first rate."""
        if saved.keys() - {"initial_lr"} != group.keys() - {"initial_lr"}:
            odd = ", ".join(sorted(map(str, saved.keys() ^ group.keys())))
            raise ValueError(f"{type(self).__name__}: the state's options are others: {odd:.80}")
        found = dict(group)
        for name, value in saved.items():
            if name == "params":
                continue
            own = group.get(name, 0.0)
            if isinstance(own, tuple) and isinstance(value, list):  # JSON has lists only
                value = tuple(value)
            if not _is_option(value, own):
                raise ValueError(f"{type(self).__name__}: the state's {name} cannot be {value!r:.40}")
            found[name] = value
        self._check(found)
        return found

    def _entry_names(self, options: Mapping[str, Any]) -> set[str]:
        """What the state of a parameter that was changed consists of."""
        raise NotImplementedError

    def _entries_from(self, values: Mapping[str, Any], x: Tensor, options: Any, number: int) -> dict[str, Any]:
        """The state of a parameter, in memory like the parameter's."""
        what = f"{type(self).__name__}: the state of parameter {number}"
        wanted = self._entry_names(options)
        if set(values) != wanted:
            raise ValueError(f"{what} has the entries {sorted(values, key=str)}, expected {sorted(wanted)}")
        loaded: dict[str, Any] = {}
        for name, value in values.items():
            if name == "step":
                if type(value) is not int or value < 1:
                    raise ValueError(f"{what}: step must be a whole number of at least 1, got {value!r:.40}")
                loaded[name] = value
                continue
            if not isinstance(value, Tensor) or value.shape != x.shape or not value.is_floating_point:
                shape = f"shape {value.shape}" if isinstance(value, Tensor) else f"type {type(value).__name__}"
                raise ValueError(f"{what}: {name} is a state of {shape} for a parameter of shape {x.shape}")
            if name == "square" and value.numel() and value.min().item() < 0:
                raise ValueError(f"{what}: square, a mean of squares, is negative")
            if not is_representable(value.detach().numpy(), x.dtype):
                raise ValueError(f"{what}: {name}'s {value.dtype} numbers do not fit {x.dtype}")
            loaded[name] = zeros_like(x).copy_(value)
        return loaded


def _is_option(value: Any, own: Any) -> bool:
    """Whether a value is of the kind of the optimiser's own: finite numbers, one number, or true or false."""
    if isinstance(own, tuple):
        return isinstance(value, tuple) and len(value) == len(own) and all(map(_is_option, value, own))
    if isinstance(own, bool):
        return isinstance(value, bool)
    return type(value) in (int, float) and math.isfinite(value)


class SGD(Optimizer):
    """Stochastic gradient descent with momentum, in PyTorch's form.

    g = grad + weight_decay p;  v = momentum v + (1 - dampening) g (v = g at first);  p = p - lr v, or with
    ``nesterov`` p - lr (g + momentum v).

    >>> import tinyseg
    >>> p = tinyseg.ones(1, requires_grad=True)
    >>> (p * 2).sum().backward()
    >>> SGD([p], lr=0.25).step()
    >>> p
    tensor([0.5], requires_grad=True)
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        momentum: float = 0.0,
        dampening: float = 0.0,
        weight_decay: float = 0.0,
        nesterov: bool = False,
    ) -> None:
        options = {"lr": lr, "momentum": momentum, "dampening": dampening}
        super().__init__(params, {**options, "weight_decay": weight_decay, "nesterov": nesterov})

    def _check(self, options: Mapping[str, Any]) -> None:
        super()._check(options)
        if options["nesterov"] and (options["momentum"] <= 0 or options["dampening"] != 0):
            raise ValueError("SGD: nesterov needs a momentum and no dampening")
        if not options["momentum"] >= 0:
            raise ValueError(f"SGD: momentum must not be negative, got {options['momentum']}")

    def _entry_names(self, options: Mapping[str, Any]) -> set[str]:
        return {"velocity"} if options["momentum"] else set()

    def _update(
        self, params: list[Tensor], arrays: Arrays, options: dict[str, Any], states: list[dict[str, Any]]
    ) -> None:
        momentum, first, velocities = options["momentum"], False, None
        if momentum:
            first = "velocity" not in states[0]
            velocities = _state(states, "velocity", params)
        numbers = (options["lr"], momentum, options["dampening"], options["weight_decay"], options["nesterov"], first)
        params[0].backend.sgd_step(*arrays, velocities, *numbers)


class Adam(Optimizer):
    """Adam (Kingma and Ba 2015, algorithm 1): steps scaled by running means of the gradient and of its square.

    m = b1 m + (1 - b1) g;  s = b2 s + (1 - b2) g^2;  p = p - lr (m / (1 - b1^t)) / (sqrt(s / (1 - b2^t)) + eps).
    Weight decay is added to the gradient.
    """

    decoupled = False

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay})

    def _check(self, options: Mapping[str, Any]) -> None:
        super()._check(options)
        if not all(0 <= beta < 1 for beta in options["betas"]):
            raise ValueError(f"{type(self).__name__}: betas must be in [0, 1), got {options['betas']}")

    def _entry_names(self, options: Mapping[str, Any]) -> set[str]:
        return {"mean", "square", "step"}

    def _update(
        self, params: list[Tensor], arrays: Arrays, options: dict[str, Any], states: list[dict[str, Any]]
    ) -> None:
        means, squares = _state(states, "mean", params), _state(states, "square", params)
        for state in states:
            state["step"] = state.get("step", 0) + 1
        beta1, beta2 = options["betas"]
        numbers = options["lr"], beta1, beta2, options["eps"], options["weight_decay"]
        params[0].backend.adam_step(*arrays, means, squares, *numbers, self.decoupled, states[0]["step"])


class AdamW(Adam):
    """Adam whose weight decay shrinks the weights directly: p = p (1 - lr weight_decay), then Adam's step.

    Source: Loshchilov and Hutter 2019.
    """

    decoupled = True

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)


class RMSprop(Optimizer):
    """Steps divided by the root of the running mean of the squared gradient.

    s = alpha s + (1 - alpha) g^2;  d = g / (sqrt(s) + eps);  v = momentum v + d (without momentum v = d);
    p = p - lr v. With ``centered`` the root is of the running variance: m = alpha m + (1 - alpha) g, sqrt(s - m^2).
    Weight decay is added to the gradient. Source: Hinton's lecture 6e, 2012; centered: Graves 2013, section 4.2.

    >>> import tinyseg
    >>> p = tinyseg.ones(1, requires_grad=True)
    >>> (p * 2).sum().backward()
    >>> RMSprop([p], lr=0.05).step()  # d = 2 / sqrt(0.01 2^2) = 10
    >>> round(p.item(), 6)
    0.5
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        centered: bool = False,
    ) -> None:
        options = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, {**options, "momentum": momentum, "centered": centered})

    def _check(self, options: Mapping[str, Any]) -> None:
        super()._check(options)
        if not 0 <= options["alpha"] <= 1:
            raise ValueError(f"RMSprop: alpha must be in [0, 1], got {options['alpha']}")
        if not options["momentum"] >= 0:
            raise ValueError(f"RMSprop: momentum must not be negative, got {options['momentum']}")

    def _entry_names(self, options: Mapping[str, Any]) -> set[str]:
        more = {"velocity": options["momentum"], "mean": options["centered"]}
        return {"square", *(name for name, wanted in more.items() if wanted)}

    def _update(
        self, params: list[Tensor], arrays: Arrays, options: dict[str, Any], states: list[dict[str, Any]]
    ) -> None:
        squares = _state(states, "square", params)
        velocities = _state(states, "velocity", params) if options["momentum"] else None
        means = _state(states, "mean", params) if options["centered"] else None
        numbers = [options[name] for name in ("lr", "alpha", "eps", "weight_decay", "momentum")]
        params[0].backend.rmsprop_step(*arrays, squares, velocities, means, *numbers)


def _state(states: list[dict[str, Any]], name: str, params: list[Tensor]) -> list[Any]:
    """The arrays that go by that name in the states, zeros where there is none yet."""
    for x, state in zip(params, states, strict=True):
        if name not in state:
            state[name] = zeros_like(x)
    return [state[name].array for state in states]
