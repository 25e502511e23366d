"""Activations beyond relu, tanh and sigmoid, which are in ``elementwise.py``."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

from ..autograd import Op
from ..tensor_base import Tensor
from .common import need_same_device, need_same_type, need_tensor, new_like, sum_to
from .shape import reshape


class LeakyReLU(Op):
    """The slope is 1 above 0, else ``slope``."""

    elementwise = True
    lends_result = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: float) -> Tensor:
        """The output tells where x was positive, unless the slope is negative; to keep it costs no memory."""
        out = new_like(x)
        x.backend.leaky_relu(x.array, slope, out.array)
        ctx.slope = slope
        ctx.save_for_backward(out if slope >= 0 else x)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad, or slope * grad."""
        (y,) = ctx.saved_tensors
        out = new_like(y)
        y.backend.leaky_relu_backward(grad.array, y.array, ctx.slope, out.array)
        return out, None


class PReLU(Op):
    """A leaky ReLU whose slopes, which are broadcast, have a gradient, too."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, slope: Tensor) -> Tensor:
        """x, or slope * x."""
        out = new_like(x)
        x.backend.leaky_relu(x.array, slope.array, out.array)
        ctx.save_for_backward(x, slope)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad, or slope * grad; by the slope, the sum of grad * x where x is not positive."""
        x, slope = ctx.saved_tensors
        by_x = by_slope = None
        if ctx.needs_input_grad[0]:
            by_x = new_like(x)
            x.backend.leaky_relu_backward(grad.array, x.array, slope.array, by_x.array)
        if ctx.needs_input_grad[1]:
            each = new_like(x)
            x.backend.leaky_relu_slope_backward(grad.array, x.array, each.array)
            by_slope = sum_to(each, slope.shape)
        return by_x, by_slope


def _slope_of_input(ctx: Any, kernel: Callable[..., None], grad: Tensor) -> tuple[Any, ...]:
    """The gradient, by a kernel that finds the slope from the input; none for the options."""
    (x,) = ctx.saved_tensors
    out = new_like(x)
    kernel(grad.array, x.array, out.array, *ctx.options)
    return out, *(None for _ in ctx.options)


def _of_input(ctx: Any, kernel: Callable[..., None], x: Tensor, *options: Any) -> Tensor:
    """An activation with numbers as options, of which the input is saved."""
    out = new_like(x)
    kernel(x.array, out.array, *options)
    ctx.options = options
    ctx.save_for_backward(x)
    return out


class ELU(Op):
    """Slope 1 above 0, else alpha e^x: computed from x, since y + alpha loses its digits where y is near -alpha."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, alpha: float) -> Tensor:
        """x, or alpha (e^x - 1)."""
        return _of_input(ctx, x.backend.elu, x, alpha)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad, or grad * alpha e^x."""
        return _slope_of_input(ctx, grad.backend.elu_backward, grad)


class GELU(Op):
    """x P(X < x) of a normal X, and its slope P + x P'."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, tanh: bool) -> Tensor:
        """x P, or with ``tanh`` nearly so."""
        return _of_input(ctx, x.backend.gelu, x, tanh)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad * (P + x P')."""
        return _slope_of_input(ctx, grad.backend.gelu_backward, grad)


class Softplus(Op):
    """log(1 + e^x), whose slope is the sigmoid."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor, beta: float, threshold: float) -> Tensor:
        """log(1 + e^(beta x)) / beta, or x where beta x > threshold."""
        return _of_input(ctx, x.backend.softplus, x, beta, threshold)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """grad * sigmoid(beta x)."""
        return _slope_of_input(ctx, grad.backend.softplus_backward, grad)


def _number(who: str, name: str, value: Any) -> float:
    """``value`` as a float; raises ``TypeError``."""
    if not isinstance(value, Real):
        raise TypeError(f"{who}: {name} must be a number, got {type(value).__name__}")
    return float(value)


def leaky_relu(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """See ``nn.functional.leaky_relu``."""
    x = need_tensor("leaky_relu", "input", input)
    return LeakyReLU.apply(x, _number("leaky_relu", "negative_slope", negative_slope))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """See ``nn.functional.prelu``."""
    x = need_tensor("prelu", "input", input)
    need_same_type("prelu", input=x, weight=need_tensor("prelu", "weight", weight))
    need_same_device("prelu", x, weight)
    channels = x.shape[1] if x.ndim > 1 else 1
    if weight.ndim > 1 or weight.numel() not in (1, channels):
        raise ValueError(
            f"prelu: weight must have 1 element or one for each of the {channels} channels of input of shape "
            f"{x.shape}, got shape {weight.shape}"
        )
    spread = (weight.numel(), *(1 for _ in x.shape[2:])) if x.ndim > 1 else (1,) * x.ndim
    return PReLU.apply(x, reshape(weight, spread))


def elu(input: Tensor, alpha: float = 1.0) -> Tensor:
    """See ``nn.functional.elu``."""
    return ELU.apply(need_tensor("elu", "input", input), _number("elu", "alpha", alpha))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """See ``nn.functional.gelu``."""
    x = need_tensor("gelu", "input", input)
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return GELU.apply(x, approximate == "tanh")


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """See ``nn.functional.softplus``."""
    x = need_tensor("softplus", "input", input)
    return Softplus.apply(x, _number("softplus", "beta", beta), _number("softplus", "threshold", threshold))
