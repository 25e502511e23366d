"""Operators that work element by element, with broadcasting: arithmetic, comparison, exp and their like."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, overload

from ..autograd import Context, Op, no_grad
from ..tensor_base import Number, Tensor, TensorBase, bool_, float32, int64
from .common import bounds, broadcast_shape, filled, need_tensor, new, new_like, sum_to
from .copying import to
from .operands import matched

if TYPE_CHECKING:
    from ..backend import Backend

__all__ = [
    "abs",
    "add",
    "divide",
    "equal",
    "exp",
    "floor_divide",
    "greater",
    "greater_equal",
    "less",
    "less_equal",
    "log",
    "maximum",
    "minimum",
    "multiply",
    "negative",
    "not_equal",
    "pow",
    "remainder",
    "sqrt",
    "subtract",
    "where",
]


def _shape(x: Any) -> tuple[int, ...]:
    return x.shape if isinstance(x, TensorBase) else ()


def _array(x: Any) -> Any:
    return x.array if isinstance(x, TensorBase) else x


def kernels_of(a: Any, b: Any) -> Backend:
    """The kernels of the device of two operands, of which one may be a number."""
    found: Backend = (a if isinstance(a, TensorBase) else b).backend
    return found


def binary(kernel: Callable[..., None], a: Any, b: Any, dtype: Any = None, into: Any = None) -> Any:
    """One kernel of two operands, into a tensor of their common shape and the memory order of the larger one, or
    ``into`` the first of them.
    """
    if into is not None:
        kernel(_array(a), _array(b), into.array)
        return into
    shape = broadcast_shape(kernel.__name__, _shape(a), _shape(b))
    like = a if isinstance(a, TensorBase) and (a.shape == shape or not isinstance(b, TensorBase)) else b
    out = new_like(like, dtype) if like.shape == shape else new(like, shape, dtype)
    kernel(_array(a), _array(b), out.array)
    return out


def unary(kernel: Callable[..., None], x: Tensor) -> Tensor:
    """One kernel of one operand, into a tensor of its shape, type and memory order."""
    out = new_like(x)
    kernel(x.array, out.array)
    return out


def _to_inputs(ctx: Context, grad_a: Callable[[], TensorBase], grad_b: Callable[[], TensorBase]) -> Any:
    """The gradients that are asked for, each summed to its operand's shape (kept in ``ctx.shapes``)."""
    return (
        sum_to(grad_a(), ctx.shapes[0]) if ctx.needs_input_grad[0] else None,
        sum_to(grad_b(), ctx.shapes[1]) if ctx.needs_input_grad[1] else None,
    )


class Add(Op):
    """d(a + b) = da + db."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """a + b."""
        ctx.shapes = _shape(a), _shape(b)
        return binary(kernels_of(a, b).add, a, b, into=ctx.into)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradient goes to both."""
        return _to_inputs(ctx, lambda: grad, lambda: grad)


class Subtract(Op):
    """d(a - b) = da - db."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """a - b."""
        ctx.shapes = _shape(a), _shape(b)
        return binary(kernels_of(a, b).subtract, a, b, into=ctx.into)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """The gradient, and its negative."""
        return _to_inputs(ctx, lambda: grad, lambda: negative(grad))


class Multiply(Op):
    """d(a b) = b da + a db."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """a * b."""
        ctx.shapes = _shape(a), _shape(b)
        needed = ctx.needs_input_grad
        ctx.numbers = [x if not isinstance(x, TensorBase) else None for x in (a, b)]
        # each operand is saved only for the other one's sake
        ctx.save_for_backward(
            a if isinstance(a, TensorBase) and needed[1] else None,
            b if isinstance(b, TensorBase) and needed[0] else None,
        )
        return binary(kernels_of(a, b).multiply, a, b, into=None if needed[1] else ctx.into)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """Each operand gets the other one times the gradient."""
        a, b = (n if t is None else t for t, n in zip(ctx.saved_tensors, ctx.numbers, strict=True))
        return _to_inputs(ctx, lambda: multiply(grad, b), lambda: multiply(grad, a))


class Divide(Op):
    """d(a / b) = da / b - (a / b) db / b."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """a / b."""
        ctx.shapes = _shape(a), _shape(b)
        needed = ctx.needs_input_grad[1]
        ctx.numbers = [x if not isinstance(x, TensorBase) else None for x in (a, b)]
        # not the result, which may be changed in place: a residual is added to it, say
        ctx.save_for_backward(
            a if isinstance(a, TensorBase) and needed else None, b if isinstance(b, TensorBase) else None
        )
        return binary(kernels_of(a, b).divide, a, b, into=None if needed else ctx.into)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """See the class."""
        a, b = (n if t is None else t for t, n in zip(ctx.saved_tensors, ctx.numbers, strict=True))
        quotient = grad.backend.divide
        return _to_inputs(
            ctx, lambda: divide(grad, b), lambda: divide(negative(multiply(grad, binary(quotient, a, b))), b)
        )


class Remainder(Op):
    """d(a - b floor(a / b)) = da - floor(a / b) db, between the steps of the floor."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """a % b."""
        ctx.shapes = _shape(a), _shape(b)
        ctx.number = None if isinstance(a, TensorBase) else a
        # both are needed for the second one's gradient only
        saved = (a if isinstance(a, TensorBase) else None, b) if ctx.needs_input_grad[1] else (None, None)
        ctx.save_for_backward(*saved)
        return binary(kernels_of(a, b).remainder, a, b)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """See the class."""
        a, b = ctx.saved_tensors
        a = ctx.number if a is None else a
        whole = grad.backend.floor_divide
        return _to_inputs(ctx, lambda: grad, lambda: negative(multiply(grad, binary(whole, a, b))))


class Pow(Op):
    """d(a ** b) = b a ** (b - 1) da + a ** b log(a) db."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, a: Any, b: Any) -> Any:
        """a ** b."""
        out = binary(kernels_of(a, b).power, a, b)
        ctx.shapes = _shape(a), _shape(b)
        ctx.numbers = [x if not isinstance(x, TensorBase) else None for x in (a, b)]
        ctx.save_for_backward(
            a if isinstance(a, TensorBase) else None,
            b if isinstance(b, TensorBase) else None,
            out if ctx.needs_input_grad[1] else None,
        )
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """At base 0 the exponent's gradient is 0, as PyTorch's, though log(0) is not finite."""
        *operands, out = ctx.saved_tensors
        a, b = (n if t is None else t for t, n in zip(operands, ctx.numbers, strict=True))

        equal = grad.backend.equal

        def by_base() -> TensorBase:
            slope = multiply(b, pow(a, subtract(b, 1.0) if isinstance(b, TensorBase) else b - 1.0))
            if isinstance(b, TensorBase):  # a ** 0 = 1 has slope 0, also at a = 0 where a ** -1 is not finite
                slope = where(binary(equal, b, 0.0, bool_), 0.0, slope)
            return multiply(grad, slope if isinstance(b, TensorBase) or b else 0.0)

        def by_exponent() -> TensorBase:
            base = a if isinstance(a, TensorBase) else filled(new_like(b), a)
            slope = multiply(out, log(base))
            return multiply(grad, where(binary(equal, base, 0.0, bool_), 0.0, slope))

        return _to_inputs(ctx, by_base, by_exponent)


class Extreme(Op):
    """The larger (or smaller) of two; where they are equal each gets half of the gradient."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, largest: bool, a: Any, b: Any) -> Any:
        """With ``largest`` the larger one, else the smaller one."""
        kernels = kernels_of(a, b)
        out = binary(kernels.maximum if largest else kernels.minimum, a, b)
        ctx.shapes = _shape(a), _shape(b)
        ctx.numbers = [x if not isinstance(x, TensorBase) else None for x in (a, b)]
        ctx.save_for_backward(a if isinstance(a, TensorBase) else None, b if isinstance(b, TensorBase) else None)
        ctx.largest = largest
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """To whoever won."""
        a, b = (n if t is None else t for t, n in zip(ctx.saved_tensors, ctx.numbers, strict=True))
        kernels = grad.backend
        wins = kernels.greater if ctx.largest else kernels.less
        half = where(binary(kernels.equal, a, b, bool_), multiply(grad, 0.5), 0.0)

        def share(x: Any, other: Any, number: int) -> Any:
            if not ctx.needs_input_grad[1 + number]:
                return None
            return sum_to(where(binary(wins, x, other, bool_), grad, half), ctx.shapes[number])

        return None, share(a, b, 0), share(b, a, 1)


class Where(Op):
    """The gradient goes where the value came from."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, condition: Tensor, a: Any, b: Any) -> Any:
        """a where condition, else b."""
        shape = broadcast_shape("where", condition.shape, _shape(a), _shape(b))
        both_bool = isinstance(a, bool) and isinstance(b, bool)
        dtype = next((x.dtype for x in (a, b) if isinstance(x, TensorBase)), bool_ if both_bool else float32)
        like: Any = next((x for x in (a, b, condition) if isinstance(x, TensorBase) and x.shape == shape), None)
        out = new(condition, shape, dtype) if like is None else new_like(like, dtype)
        condition.backend.where(condition.array, _array(a), _array(b), out.array)
        ctx.shapes = _shape(a), _shape(b)
        ctx.save_for_backward(condition)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        """0 for the one that was not taken."""
        (condition,) = ctx.saved_tensors
        _, for_a, for_b = ctx.needs_input_grad
        return (
            None,
            sum_to(where(condition, grad, 0.0), ctx.shapes[0]) if for_a else None,
            sum_to(where(condition, 0.0, grad), ctx.shapes[1]) if for_b else None,
        )


class Negative(Op):
    """d(-x) = -dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """-x."""
        return unary(x.backend.negative, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """-grad."""
        return negative(grad)


class Abs(Op):
    """d|x| = sign(x) dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """|x|."""
        ctx.save_for_backward(x)
        return unary(x.backend.absolute, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """0 at 0."""
        (x,) = ctx.saved_tensors
        return multiply(grad, unary(x.backend.sign, x))


class Exp(Op):
    """d(exp x) = exp(x) dx."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """e ** x."""
        out = unary(x.backend.exp, x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """The output is its own slope."""
        (y,) = ctx.saved_tensors
        return multiply(grad, y)


class Log(Op):
    """d(log x) = dx / x."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Natural logarithm."""
        ctx.save_for_backward(x)
        return unary(x.backend.log, x)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """grad / x."""
        (x,) = ctx.saved_tensors
        return divide(grad, x)


class Sqrt(Op):
    """d(sqrt x) = dx / (2 sqrt x)."""

    elementwise = True

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        """Square root."""
        out = unary(x.backend.sqrt, x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        """grad / 2y."""
        (y,) = ctx.saved_tensors
        return divide(grad, multiply(y, 2.0))


def as_floating(who: str, x: Tensor) -> Tensor:
    """Integers become float32, as a function with real values asks for."""
    need_tensor(who, "input", x, floating=False)
    return x if x.is_floating_point else to(x, float32)


def _not_bool(x: Any) -> Any:
    """Arithmetic on bools is on the integers 0 and 1."""
    return to(x, int64) if isinstance(x, TensorBase) and x.dtype == bool_ else x


def summands(who: str, input: Tensor | Number, other: Tensor | Number) -> tuple[Any, Any]:
    """Both with one type, which is not bool."""
    return matched(who, _not_bool(input), _not_bool(other))


def add(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input + other, broadcast."""
    return Add.apply(*summands("add", input, other))


def subtract(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input - other, broadcast."""
    return Subtract.apply(*summands("subtract", input, other))


def multiply(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input * other, broadcast."""
    return Multiply.apply(*summands("multiply", input, other))


def quotient(who: str, input: Tensor | Number, other: Tensor | Number) -> tuple[Any, Any]:
    """Both with one floating type."""
    a, b = (as_floating(who, x) if isinstance(x, TensorBase) else x for x in matched(who, input, other))
    return a, b


def divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input / other, broadcast; integers are divided as float32."""
    return Divide.apply(*quotient("divide", input, other))


def _some(truth: TensorBase) -> bool:
    """Whether any of them holds."""
    return bool(truth.numel() and bounds(truth)[1])


def divisible(who: str, input: Tensor | Number, other: Tensor | Number) -> tuple[Any, Any]:
    """Both with one type; no integer can be divided by 0."""
    a, b = summands(who, input, other)
    whole = not (b if isinstance(b, TensorBase) else a).is_floating_point
    if whole and (_some(equal(b, 0)) if isinstance(b, TensorBase) else b == 0):
        raise ValueError(f"{who}: an integer tensor cannot be divided by 0; .float() gives inf or NaN there")
    return a, b


def floor_divide(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """floor(input / other), broadcast: ``input // other``. No gradient flows through: it is 0 wherever there is one.

    Raises ``ValueError`` for integers that are divided by 0; floating types give what a / 0 is.

    >>> import tinyseg
    >>> tinyseg.tensor([7, -7]) // 2
    tensor([ 3, -4])
    """
    with no_grad():
        a, b = divisible("floor_divide", input, other)
        return binary(kernels_of(a, b).floor_divide, a, b)


def remainder(input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """input - other * floor(input / other), broadcast, with the sign of ``other``: ``input % other``.

    Raises ``ValueError`` for integers that are divided by 0; floating types give NaN.

    >>> import tinyseg
    >>> tinyseg.tensor([7, -7]) % 3
    tensor([1, 2])
    """
    return Remainder.apply(*divisible("remainder", input, other))


def power(who: str, input: Tensor | Number, exponent: Tensor | Number) -> tuple[Any, Any]:
    """Both with one type; no integer can take a negative power."""
    a, b = summands(who, input, exponent)
    whole = not (b if isinstance(b, TensorBase) else a).is_floating_point
    if whole and (_some(less(b, 0)) if isinstance(b, TensorBase) else b < 0):
        raise ValueError(f"{who}: an integer tensor cannot take a negative power; .float() converts it")
    return a, b


@overload
def pow(input: Tensor, exponent: Tensor | Number) -> Tensor: ...
@overload
def pow(input: Number, exponent: Tensor) -> Tensor: ...
def pow(input: Tensor | Number, exponent: Tensor | Number) -> Tensor:
    """input ** exponent, broadcast."""
    return Pow.apply(*power("pow", input, exponent))


def maximum(input: Tensor, other: Tensor | Number) -> Tensor:
    """The larger of the two, element by element; NaN if either is.

    >>> import tinyseg
    >>> maximum(tinyseg.tensor([1.0, 5.0]), tinyseg.tensor([2.0, 3.0]))
    tensor([2., 5.])
    """
    return Extreme.apply(True, *matched("maximum", input, other))


def minimum(input: Tensor, other: Tensor | Number) -> Tensor:
    """The smaller of the two, element by element; NaN if either is.

    >>> import tinyseg
    >>> minimum(tinyseg.tensor([1.0, 5.0]), 2.0)
    tensor([1., 2.])
    """
    return Extreme.apply(False, *matched("minimum", input, other))


def where(condition: Tensor, input: Tensor | Number, other: Tensor | Number) -> Tensor:
    """``input`` where ``condition`` (bool) holds, else ``other``; all are broadcast.

    Raises ``TypeError`` if the condition is not bool.

    >>> import tinyseg
    >>> x = tinyseg.tensor([-1.0, 2.0])
    >>> tinyseg.where(x > 0, x, 0.0)
    tensor([0., 2.])
    """
    need_tensor("where", "condition", condition, floating=False)
    if condition.dtype != bool_:
        raise TypeError(f"where: condition must be bool, got {condition.dtype}; compare it with something")
    if isinstance(input, TensorBase) or isinstance(other, TensorBase):
        input, other = matched("where", input, other)
    return Where.apply(condition, input, other)


def negative(input: Tensor) -> Tensor:
    """-input."""
    return Negative.apply(_not_bool(input))


def abs(input: Tensor) -> Tensor:
    """``|input|``.

    >>> import tinyseg
    >>> abs(tinyseg.tensor([-1.5, 2.0]))
    tensor([1.5, 2. ])
    """
    return Abs.apply(need_tensor("abs", "input", input, floating=False))


def exp(input: Tensor) -> Tensor:
    """e ** input."""
    return Exp.apply(as_floating("exp", input))


def log(input: Tensor) -> Tensor:
    """Natural logarithm; -inf of 0 and NaN of what is negative."""
    return Log.apply(as_floating("log", input))


def sqrt(input: Tensor) -> Tensor:
    """Square root; NaN of what is negative."""
    return Sqrt.apply(as_floating("sqrt", input))


def equal(input: Tensor, other: Tensor | Number) -> Tensor:
    """input == other, element by element."""
    a, b = matched("equal", input, other, comparing=True)
    return binary(kernels_of(a, b).equal, a, b, bool_)


def not_equal(input: Tensor, other: Tensor | Number) -> Tensor:
    """input != other, element by element."""
    a, b = matched("not_equal", input, other, comparing=True)
    return binary(kernels_of(a, b).not_equal, a, b, bool_)


def less(input: Tensor, other: Tensor | Number) -> Tensor:
    """input < other, element by element."""
    a, b = matched("less", input, other, comparing=True)
    return binary(kernels_of(a, b).less, a, b, bool_)


def less_equal(input: Tensor, other: Tensor | Number) -> Tensor:
    """input <= other, element by element."""
    a, b = matched("less_equal", input, other, comparing=True)
    return binary(kernels_of(a, b).less_equal, a, b, bool_)


def greater(input: Tensor, other: Tensor | Number) -> Tensor:
    """input > other, element by element."""
    a, b = matched("greater", input, other, comparing=True)
    return binary(kernels_of(a, b).greater, a, b, bool_)


def greater_equal(input: Tensor, other: Tensor | Number) -> Tensor:
    """input >= other, element by element."""
    a, b = matched("greater_equal", input, other, comparing=True)
    return binary(kernels_of(a, b).greater_equal, a, b, bool_)
