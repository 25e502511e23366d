"""Optimisers: each step of each parameter is one kernel call, a single pass over its memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ..ops.creation import zeros_like
from ..tensor import Tensor


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
        for number, (x, group) in enumerate(self._parameters()):
            if x.grad is not None:
                x.version.count += 1
                self._update(x, x.grad, group, self.state.setdefault(number, {}))

    def _update(self, x: Tensor, grad: Tensor, options: dict[str, Any], state: dict[str, Any]) -> None:
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
        """Continue from a ``state_dict``; raises ``ValueError`` if it is for other parameters."""
        parameters = [x for x, _ in self._parameters()]
        sizes = [len(group["params"]) for group in state["param_groups"]]
        if sizes != [len(group["params"]) for group in self.param_groups]:
            raise ValueError(f"{type(self).__name__}: the state is for groups of {sizes} parameters")
        loaded: dict[int, dict[str, Any]] = {}
        for number, values in state["state"].items():
            x = parameters[int(number)]
            loaded[int(number)] = {key: _beside(x, value) for key, value in values.items()}
        for group, saved in zip(self.param_groups, state["param_groups"], strict=True):
            group.update({key: value for key, value in saved.items() if key != "params"})
        self.state = loaded


def _beside(x: Tensor, value: Any) -> Any:
    """A tensor of the state in memory like the parameter's."""
    if not isinstance(value, Tensor):
        return value
    if value.shape != x.shape:
        raise ValueError(f"load_state_dict: state of shape {value.shape} for a parameter of shape {x.shape}")
    return zeros_like(x).copy_(value)


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
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("SGD: nesterov needs a momentum and no dampening")
        if not momentum >= 0:
            raise ValueError(f"SGD: momentum must not be negative, got {momentum}")
        options = {"lr": lr, "momentum": momentum, "dampening": dampening}
        super().__init__(params, {**options, "weight_decay": weight_decay, "nesterov": nesterov})

    def _update(self, x: Tensor, grad: Tensor, options: dict[str, Any], state: dict[str, Any]) -> None:
        momentum = options["momentum"]
        first = bool(momentum) and "velocity" not in state
        if first:
            state["velocity"] = zeros_like(x)
        velocity = state["velocity"].array if momentum else None
        numbers = (options["lr"], momentum, options["dampening"], options["weight_decay"], options["nesterov"], first)
        x.backend.sgd_step(grad.array, x.array, velocity, *numbers)


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
        if not all(0 <= beta < 1 for beta in betas):
            raise ValueError(f"{type(self).__name__}: betas must be in [0, 1), got {betas}")
        super().__init__(params, {"lr": lr, "betas": tuple(betas), "eps": eps, "weight_decay": weight_decay})

    def _update(self, x: Tensor, grad: Tensor, options: dict[str, Any], state: dict[str, Any]) -> None:
        if not state:
            state.update(step=0, mean=zeros_like(x), square=zeros_like(x))
        state["step"] += 1
        numbers = (options["lr"], *options["betas"], options["eps"], options["weight_decay"])
        arrays = (grad.array, x.array, state["mean"].array, state["square"].array)
        x.backend.adam_step(*arrays, *numbers, self.decoupled, state["step"])


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
