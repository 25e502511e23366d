"""Activations. ``inplace`` is accepted for PyTorch's sake: ``input`` is always left alone."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Real
from typing import Any

from ...autograd import Op
from ...tensor_base import Tensor, bool_
from ..common import need_same_device, need_same_type, need_tensor, new_like, sum_to
from ..elementwise import as_floating, binary, unary
from ..shape import reshape

__all__ = ["elu", "gelu", "leaky_relu", "prelu", "relu", "sigmoid", "softplus", "tanh"]


class Tanh(Op):
    """d(tanh x) = (1 - tanh(x)^2) dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Hyperbolic tangent."""
        out = unary(x.backend.tanh, x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """grad * (1 - y^2)."""
        (y,) = ctx.saved_tensors
        return binary(y.backend.tanh_backward, grad, y)


class Sigmoid(Op):
    """d(s) = s (1 - s) dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """1 / (1 + exp(-x))."""
        out = unary(x.backend.sigmoid, x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """grad * y * (1 - y)."""
        (y,) = ctx.saved_tensors
        return binary(y.backend.sigmoid_backward, grad, y)


class ReLU(Op):
    """Rectified linear unit: the slope is 1 where the output is positive, else 0."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """max(x, 0); NaN stays NaN."""
        out = unary(x.backend.relu, x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """Through where it was open."""
        (y,) = ctx.saved_tensors
        return through_relu(grad, y)


def through_relu(grad: Tensor, y: Tensor) -> Tensor:
    """The gradient by what came into a ReLU, of its output y."""
    out = new_like(y)
    y.backend.relu_backward(grad.array, y.array, out.array)
    return out


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


def tanh(input: Tensor) -> Tensor:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x)), without overflow. Integers become float32.

    >>> import tinyseg
    >>> tanh(tinyseg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([-1.,  0.,  1.])
    """
    return Tanh.apply(as_floating("tanh", input))


def sigmoid(input: Tensor) -> Tensor:
    """1 / (1 + exp(-x)), without overflow. Integers become float32.

    >>> import tinyseg
    >>> sigmoid(tinyseg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0. , 0.5, 1. ])
    """
    return Sigmoid.apply(as_floating("sigmoid", input))


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """max(x, 0); NaN stays NaN. Raises ``TypeError`` for bools. Source: Nair and Hinton 2010.

    >>> import tinyseg
    >>> relu(tinyseg.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    x = need_tensor("relu", "input", input, floating=False)
    if x.dtype == bool_:
        raise TypeError("relu: input must be a number, got bool; .long() converts it")
    return ReLU.apply(x)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """x where x > 0, else negative_slope * x: no unit is ever dead.

    Any shape, float. Raises ``TypeError`` for integers. Source: Maas et al. 2013.

    >>> import tinyseg
    >>> leaky_relu(tinyseg.tensor([-1.0, 2.0]), 0.5)
    tensor([-0.5,  2. ])
    """
    x = need_tensor("leaky_relu", "input", input)
    return LeakyReLU.apply(x, _number("leaky_relu", "negative_slope", negative_slope))


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """x where x > 0, else weight * x, with a slope that is learnt.

    Args:
        input: any shape, float; the second dimension counts channels, as in (N, C, H, W).
        weight: (C,), a slope for each channel, or (1,) for all.

    Returns:
        A tensor of input's shape.

    Raises:
        ValueError, TypeError: weight has another number of elements, or another type.

    Source: He et al. 2015.

    >>> import tinyseg
    >>> prelu(tinyseg.tensor([[-1.0, -1.0]]), tinyseg.tensor([0.5, 0.25]))
    tensor([[-0.5 , -0.25]])
    """
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


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """x where x > 0, else alpha * (exp(x) - 1), accurate also near 0.

    Any shape, float. Raises ``TypeError`` for integers. Source: Clevert et al. 2016.

    >>> import tinyseg
    >>> elu(tinyseg.tensor([-100.0, 0.0, 2.0]))
    tensor([-1.,  0.,  2.])
    """
    return ELU.apply(need_tensor("elu", "input", input), _number("elu", "alpha", alpha))


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """x P(X < x) of a normal X: x (1 + erf(x / sqrt(2))) / 2.

    With ``approximate='tanh'`` it is x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2, at most 0.0005 away.

    Any shape, float. Raises ``ValueError`` for any other ``approximate``, ``TypeError`` for integers.
    Source: Hendrycks and Gimpel 2016.

    >>> import tinyseg
    >>> gelu(tinyseg.tensor([-100.0, 0.0, 100.0]))
    tensor([ -0.,   0., 100.])
    """
    x = need_tensor("gelu", "input", input)
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu: approximate must be 'none' or 'tanh', got {approximate!r}")
    return GELU.apply(x, approximate == "tanh")


def softplus(input: Tensor, beta: float = 1.0, threshold: float = 20.0) -> Tensor:
    """log(1 + exp(beta * x)) / beta, a smooth ReLU; x itself where beta * x > threshold.

    Any shape, float. Raises ``TypeError`` for integers. Source: Dugas et al. 2001.

    >>> import tinyseg
    >>> softplus(tinyseg.tensor([-1000.0, 0.0, 1000.0]))
    tensor([0.000000e+00, 6.931472e-01, 1.000000e+03])
    """
    x = need_tensor("softplus", "input", input)
    return Softplus.apply(x, _number("softplus", "beta", beta), _number("softplus", "threshold", threshold))
