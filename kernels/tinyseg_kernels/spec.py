"""The contract between the framework and its backends: each kernel's name, arguments, shapes and meaning.

A backend is a module that fulfils ``Backend``: it has one function for each method below, from one file a *stem* (an
operator family), which has its own protocol here. mypy checks a backend against ``Backend``, and ``check`` compares
names and arguments when a backend is loaded.

**Arrays.** What an array is, is the backend's own affair: NumPy's for ``reference`` and ``cpu``, device storage
with strides for a GPU. The framework looks at ``shape``, ``dtype`` (NumPy's), ``ndim`` and ``size`` of it and
leaves everything else to the functions of the stem ``array``. Arrays may have any strides, also zero.

**Order of arguments.** Arrays that are read, arrays that are written, then numbers. Pairs such as ``stride`` are
tuples ``(vertical, horizontal)``. An argument of the type ``... | None`` may be ``None``; no argument has a default.

**What a kernel may rely on.** Shapes and types are right (operators have checked them), all floating arrays of a
call have one type, and written arrays do not overlap read ones; but an element-wise kernel or an optimiser step
may write over an input of the same shape and strides. A kernel validates nothing and chooses no policy.

**What a kernel must keep.** Inputs are not changed. A NaN that comes in comes out. The same inputs give the same
bits on the same type of machine, for any number of threads.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any, Protocol, TypeAlias

Array: TypeAlias = Any
"""The backend's own type of arrays."""
Operand: TypeAlias = Any
"""An array, or a Python number."""
Shape: TypeAlias = tuple[int, ...]
Pair: TypeAlias = tuple[int, int]
"""Vertical, horizontal."""
Steps: TypeAlias = tuple[float, float]
"""Vertical, horizontal."""
Memo: TypeAlias = dict[Any, Any]


class DeviceKernels(Protocol):
    """What differs between devices, so that the framework need not ask for a device's name."""

    def unavailable(self) -> str | None:
        """Why the device cannot be used (no driver, no GPU, ...); None if it can. The first call may try it out."""

    def is_asynchronous(self) -> bool:
        """Whether kernels are queued and run while the host goes on, so that what they report is read later."""

    def synchronize(self) -> None:
        """Wait until all kernels that were called have run."""

    def send(self, array: Any) -> Callable[[], Array]:
        """Start to copy a NumPy array to the device, while that may be busy; the function that is returned gives the
        backend's array. NumPy's array must not change before.
        """

    def empty_report(self, shape: Shape, dtype: Any) -> Array:
        """A small array in which a kernel reports diagnostics, not initialised. The host reads it without a copy,
        but waits for the kernel.
        """

    def set_float32_matmul_precision(self, precision: str) -> None:
        """How exactly products of float32 are summed from now on: highest (float32 throughout), high or medium (the
        factors may be rounded to ten bits, where the device gains by it).
        """


class ArrayKernels(Protocol):
    """Memory, copies and views; and the number of threads."""

    def empty(self, shape: Shape, dtype: Any) -> Array:
        """A new array in row-major order, not initialised."""

    def empty_activation(self, shape: Shape, dtype: Any) -> Array:
        """A new array N,C,H,W, not initialised, in the memory order that suits the backend's own kernels best."""

    def empty_like(self, array: Array, dtype: Any) -> Array:
        """A new array of that shape and memory order, not initialised."""

    def from_numpy(self, array: Any) -> Array:
        """A copy of a NumPy array as the backend's array, in the same memory order."""

    def to_numpy(self, array: Array) -> Any:
        """The array's values as a NumPy array; it may share memory and is only read."""

    def reshape(self, array: Array, shape: Shape) -> Array:
        """Row-major reshape; a view where the strides allow it, else a copy."""

    def transpose(self, array: Array, axes: tuple[int, ...]) -> Array:
        """A view with the axes in that order."""

    def broadcast_to(self, array: Array, shape: Shape) -> Array:
        """A view of that shape, stride 0 where repeated; it is only read."""

    def slice_view(self, array: Array, index: tuple[Any, ...]) -> Array:
        """A view; index: a tuple of ints, slices, None and at most one Ellipsis."""

    def shares_memory(self, a: Array, b: Array) -> bool:
        """True if b is a view of a's memory or the other way round."""

    def empty_cache(self) -> None:
        """Give memory that is kept for later arrays, but not in use, back to the system."""

    def set_num_threads(self, count: int) -> None:
        """How many threads kernels may use from now on."""

    def get_num_threads(self) -> int:
        """That number."""


class ElementwiseKernels(Protocol):
    """Element by element. a and b are broadcast against out's shape; either may be a Python number."""

    def add(self, a: Operand, b: Operand, out: Array) -> None:
        """out = a + b"""

    def subtract(self, a: Operand, b: Operand, out: Array) -> None:
        """out = a - b"""

    def multiply(self, a: Operand, b: Operand, out: Array) -> None:
        """out = a * b"""

    def divide(self, a: Operand, b: Operand, out: Array) -> None:
        """out = a / b, floating types only"""

    def floor_divide(self, a: Operand, b: Operand, out: Array) -> None:
        """out = floor(a / b); no integer b is 0"""

    def remainder(self, a: Operand, b: Operand, out: Array) -> None:
        """out = a - b * floor(a / b), with b's sign or 0; no integer b is 0"""

    def power(self, a: Operand, b: Operand, out: Array) -> None:
        """out = a ** b"""

    def maximum(self, a: Operand, b: Operand, out: Array) -> None:
        """The larger of the two; NaN if either is."""

    def minimum(self, a: Operand, b: Operand, out: Array) -> None:
        """The smaller of the two; NaN if either is."""

    def equal(self, a: Operand, b: Operand, out: Array) -> None:
        """out (bool) = a == b"""

    def not_equal(self, a: Operand, b: Operand, out: Array) -> None:
        """out (bool) = a != b"""

    def less(self, a: Operand, b: Operand, out: Array) -> None:
        """out (bool) = a < b"""

    def less_equal(self, a: Operand, b: Operand, out: Array) -> None:
        """out (bool) = a <= b"""

    def greater(self, a: Operand, b: Operand, out: Array) -> None:
        """out (bool) = a > b"""

    def greater_equal(self, a: Operand, b: Operand, out: Array) -> None:
        """out (bool) = a >= b"""

    def negative(self, x: Array, out: Array) -> None:
        """out = -x"""

    def absolute(self, x: Array, out: Array) -> None:
        """out = |x|"""

    def sign(self, x: Array, out: Array) -> None:
        """out = -1, 0 or 1; NaN of NaN"""

    def exp(self, x: Array, out: Array) -> None:
        """out = e ** x"""

    def log(self, x: Array, out: Array) -> None:
        """Natural logarithm; -inf of 0, NaN below."""

    def sqrt(self, x: Array, out: Array) -> None:
        """Square root; NaN below 0."""

    def log1p(self, x: Array, out: Array) -> None:
        """log(1 + x), also where x is small; -inf of -1, NaN below."""

    def expm1(self, x: Array, out: Array) -> None:
        """e ** x - 1, also where x is small."""

    def sin(self, x: Array, out: Array) -> None:
        """Sine."""

    def cos(self, x: Array, out: Array) -> None:
        """Cosine."""

    def floor(self, x: Array, out: Array) -> None:
        """The largest whole number that is not above x; floating types only."""

    def ceil(self, x: Array, out: Array) -> None:
        """The smallest whole number that is not below x; floating types only."""

    def rint(self, x: Array, out: Array) -> None:
        """The nearest whole number, the even one of two; floating types only."""

    def tanh(self, x: Array, out: Array) -> None:
        """Hyperbolic tangent."""

    def tanh_backward(self, grad: Array, y: Array, out: Array) -> None:
        """out = grad * (1 - y^2); y is tanh's output."""

    def sigmoid(self, x: Array, out: Array) -> None:
        """out = 1 / (1 + e^-x)"""

    def sigmoid_backward(self, grad: Array, y: Array, out: Array) -> None:
        """out = grad * y * (1 - y); y is sigmoid's output."""

    def relu(self, x: Array, out: Array) -> None:
        """out = x where x > 0 or x is NaN, else 0"""

    def relu_backward(self, grad: Array, y: Array, out: Array) -> None:
        """out = grad where y > 0, else 0; y is relu's output."""

    def where(self, condition: Array, a: Operand, b: Operand, out: Array) -> None:
        """out = a where condition (bool), else b; all are broadcast."""

    def assign(self, x: Array, out: Array) -> None:
        """out = x, broadcast and cast to out's type"""

    def fill(self, out: Array, value: float) -> None:
        """Every element of out = value."""

    def lerp(self, a: Array, b: Array, out: Array, weight: float) -> None:
        """out = (1 - weight) * a + weight * b"""


class ActivationKernels(Protocol):
    """Element by element. slope: a number, or an array that is broadcast against out's shape."""

    def leaky_relu(self, x: Array, slope: Operand, out: Array) -> None:
        """out = x where x > 0, else slope * x"""

    def leaky_relu_backward(self, grad: Array, y: Array, slope: Operand, out: Array) -> None:
        """out = grad where y > 0, else slope * grad; y is leaky_relu's input, or its output if no slope is
        below 0.
        """

    def leaky_relu_slope_backward(self, grad: Array, x: Array, out: Array) -> None:
        """out = 0 where x > 0, else grad * x: what each element adds to its slope's gradient."""

    def elu(self, x: Array, out: Array, alpha: float) -> None:
        """out = x where x > 0, else alpha * (e^x - 1)"""

    def elu_backward(self, grad: Array, x: Array, out: Array, alpha: float) -> None:
        """out = grad where x > 0, else grad * alpha * e^x"""

    def gelu(self, x: Array, out: Array, tanh: bool) -> None:
        """out = x * (1 + erf(x / sqrt 2)) / 2, to the type's last digits; with tanh instead
        x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2.
        """

    def gelu_backward(self, grad: Array, x: Array, out: Array, tanh: bool) -> None:
        """out = grad * the slope of that at x"""

    def softplus(self, x: Array, out: Array, beta: float, threshold: float) -> None:
        """out = x where beta * x > threshold, else log(1 + e^(beta * x)) / beta, without overflow."""

    def softplus_backward(self, grad: Array, x: Array, out: Array, beta: float, threshold: float) -> None:
        """out = grad where beta * x > threshold, else grad / (1 + e^(-beta * x))"""


class ReduceKernels(Protocol):
    """x of any shape, axes a sorted tuple of its dimensions; out has x's shape with 1 in these."""

    def sum(self, x: Array, out: Array, axes: tuple[int, ...]) -> None:
        """Sums; accumulated pairwise or wider, so that the error does not grow with the length."""

    def prod(self, x: Array, out: Array, axes: tuple[int, ...]) -> None:
        """Products; of floating types in float64."""

    def max(self, x: Array, out: Array, axes: tuple[int, ...]) -> None:
        """Largest elements; NaN if any is."""

    def min(self, x: Array, out: Array, axes: tuple[int, ...]) -> None:
        """Smallest elements; NaN if any is."""

    def argmax(self, x: Array, out: Array, axis: int) -> None:
        """out (int64): index of the first largest element along axis; a NaN is the largest."""

    def argmin(self, x: Array, out: Array, axis: int) -> None:
        """out (int64): index of the first smallest element along axis; a NaN is the smallest."""


class ScanKernels(Protocol):
    """Running sums."""

    def cumsum(self, x: Array, out: Array, axis: int) -> None:
        """out[..., i, ...] = x[..., 0, ...] + ... + x[..., i, ...]; floating types in float64."""


class GatherKernels(Protocol):
    """index is int64, 0 <= index < x.shape[axis], of x's number of dimensions, and no larger than x along others."""

    def gather(self, x: Array, index: Array, out: Array, axis: int) -> None:
        """out[..., i, ...] = x[..., index[..., i, ...], ...]; shapes as index."""

    def scatter_add(self, source: Array, index: Array, out: Array, axis: int) -> None:
        """out[..., index[..., i, ...], ...] += source[..., i, ...], in scan order: the adjoint of gather."""


class MatmulKernels(Protocol):
    """Products of matrices."""

    def matmul(self, a: Array, b: Array, out: Array) -> None:
        """a (..., n, k) times b (..., k, m) -> out (..., n, m); leading dimensions are equal."""


class Conv2dKernels(Protocol):
    """x (N,C,H,W), weight (O,C/groups,kh,kw), bias (O,) or None, y (N,O,H',W'); pairs stride, padding, dilation.

    relu: the kernel relu is applied to out, in the same pass where that is possible.

    memo: None, or a dict in which a kernel may store what it computes from the weight alone (its packed form) for the
    next call that is given the same dict; the caller passes another dict as soon as the weight's values change. Both
    kernels, and calls with other numbers, may get the same dict: its keys must tell apart what is in it.
    """

    def conv2d(
        self,
        x: Array,
        weight: Array,
        bias: Array | None,
        out: Array,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
        relu: bool,
        memo: Memo | None,
    ) -> None:
        """out[n,o,i,j] = bias[o] + sum_{c,r,s} weight[o,c,r,s] * x[n,c, i*sh - ph + r*dh, j*sw - pw + s*dw]"""

    def conv_transpose2d(
        self,
        y: Array,
        weight: Array,
        bias: Array | None,
        out: Array,
        stride: Pair,
        padding: Pair,
        dilation: Pair,
        groups: int,
        relu: bool,
        memo: Memo | None,
    ) -> None:
        """The adjoint: out (N,C,H,W) gets weight[o,c,r,s] * y[n,o,i,j] added wherever conv2d read; bias is (C,). It
        is at once conv2d's gradient with respect to its input and the transposed convolution.
        """

    def conv2d_weight_gradient(
        self, x: Array, grad: Array, out: Array, stride: Pair, padding: Pair, dilation: Pair, groups: int
    ) -> None:
        """out[o,c,r,s] = sum_{n,i,j} grad[n,o,i,j] * x[n,c, i*sh - ph + r*dh, j*sw - pw + s*dw]"""

    def set_conv_algorithm(self, name: str) -> None:
        """How convolutions are computed from now on: direct, winograd (where it applies), or auto, the faster one."""


class Pool2dKernels(Protocol):
    """x (N,C,H,W), out and indices (N,C,H',W'); indices are int64, flat in the plane: h * W + w. Every window holds a
    pixel.
    """

    def max_pool2d(
        self, x: Array, out: Array, indices: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> None:
        """Largest element of each window and where it is; the first one on a tie; NaN wins; padding never does."""

    def max_pool2d_backward(
        self, grad: Array, indices: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair
    ) -> None:
        """out = 0, then out[n,c,indices[n,c,i,j]] += grad[n,c,i,j]; indices are those of this pooling."""

    def adaptive_max_pool2d(self, x: Array, out: Array, indices: Array) -> None:
        """The same over windows of rows floor(i*H/H') .. ceil((i+1)*H/H') - 1, and of columns alike."""

    def adaptive_max_pool2d_backward(self, grad: Array, indices: Array, out: Array) -> None:
        """out = 0, then out[n,c,indices[n,c,i,j]] += grad[n,c,i,j]; indices are those of this pooling."""

    def max_unpool2d(self, x: Array, indices: Array, out: Array) -> None:
        """out = 0, then out[n,c,indices[n,c,i,j]] = x[n,c,i,j], the last in scan order standing."""

    def max_unpool2d_backward(self, grad: Array, indices: Array, out: Array) -> None:
        """out[n,c,i,j] = grad[n,c,indices[n,c,i,j]] where that element was the last to write there, else 0."""


class UnfoldKernels(Protocol):
    """Windows as columns of a matrix. The window's pairs as in conv2d."""

    def unfold(self, x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
        """out (N,C,kh,kw,H',W') [n,c,r,s,i,j] = x[n,c, i*sh - ph + r*dh, j*sw - pw + s*dw], 0 outside of x."""

    def fold(self, x: Array, out: Array, kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> None:
        """Its adjoint: out (N,C,H,W) sums x (N,C,kh,kw,H',W') wherever unfold would have read it."""


class PixelShuffleKernels(Protocol):
    """With r = factor; x and out of any one type."""

    def pixel_shuffle(self, x: Array, out: Array, factor: int) -> None:
        """out (N,C,H*r,W*r) [n,c,h*r+i,w*r+j] = x (N,C*r*r,H,W) [n,c*r*r+i*r+j,h,w]"""

    def pixel_unshuffle(self, x: Array, out: Array, factor: int) -> None:
        """Its inverse, which is its adjoint."""


class AvgPool2dKernels(Protocol):
    """x (N,C,H,W), out (N,C,H',W')."""

    def avg_pool2d(
        self,
        x: Array,
        out: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> None:
        """Sum over each window, divided by divisor_override or by the number of its pixels: with count_include_pad
        those of the padding too, but never what lies beyond it.
        """

    def avg_pool2d_backward(
        self,
        grad: Array,
        out: Array,
        kernel_size: Pair,
        stride: Pair,
        padding: Pair,
        count_include_pad: bool,
        divisor_override: int | None,
    ) -> None:
        """Its adjoint, out (N,C,H,W)."""

    def adaptive_avg_pool2d(self, x: Array, out: Array) -> None:
        """Mean over windows of rows floor(i*H/H') .. ceil((i+1)*H/H') - 1, and of columns alike."""

    def adaptive_avg_pool2d_backward(self, grad: Array, out: Array) -> None:
        """Its adjoint, out (N,C,H,W)."""


class InterpolateKernels(Protocol):
    """x (N,C,H,W), out (N,C,H',W'). step: source pixels for one output pixel (vertical, horizontal)."""

    def interpolate_nearest(self, x: Array, out: Array, step: Steps) -> None:
        """out[i,j] = x[min(floor(i*step), H-1), min(floor(j*step), W-1)]"""

    def interpolate_nearest_backward(self, grad: Array, out: Array, step: Steps) -> None:
        """Its adjoint: out (N,C,H,W) sums what each pixel was copied to."""

    def interpolate_bilinear(self, x: Array, out: Array, step: Steps, align_corners: bool) -> None:
        """out[i,j] = x at (i*step, j*step) with align_corners, else at ((i+0.5)*step - 0.5, ...) but not below 0,
        linear between the four pixels around it, the last row and column repeated.
        """

    def interpolate_bilinear_backward(self, grad: Array, out: Array, step: Steps, align_corners: bool) -> None:
        """Its adjoint, out (N,C,H,W)."""


class BatchNormKernels(Protocol):
    """x (N,C,H,W); mean, var, rstd, and weight and bias or None, are (C,); rstd = 1 / sqrt(var + eps).

    With relu, y goes through the kernel relu, and grad, first of all, through relu_backward: y is not stored, so its
    sign is computed again, by the very arithmetic of the forward pass.
    """

    def batch_norm_statistics(self, x: Array, mean: Array, var: Array) -> None:
        """Mean and biased variance of each channel over N, H and W."""

    def batch_norm(
        self, x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array, relu: bool
    ) -> None:
        """out = y = (x - mean) * rstd * weight + bias"""

    def batch_norm_sums(
        self,
        grad: Array,
        x: Array,
        mean: Array,
        rstd: Array,
        weight: Array | None,
        bias: Array | None,
        grad_weight: Array,
        grad_bias: Array,
        relu: bool,
    ) -> None:
        """grad_bias = sum grad; grad_weight = sum grad * (x - mean) * rstd: (C,) over N, H and W."""

    def batch_norm_backward(
        self,
        grad: Array,
        x: Array,
        mean: Array,
        rstd: Array,
        weight: Array | None,
        bias: Array | None,
        grad_weight: Array | None,
        grad_bias: Array | None,
        out: Array,
        relu: bool,
    ) -> None:
        """Through the batch's own statistics, M = N*H*W: with xhat = (x - mean) * rstd,
        out = weight * rstd * (grad - grad_bias / M - xhat * grad_weight / M);
        without the two sums mean and rstd are constants: out = weight * rstd * grad.
        """


class GroupNormKernels(Protocol):
    """x (N,C,H,W); mean, var, rstd (N,G) for G groups of C/G channels; weight and bias (C,) or None."""

    def group_norm_statistics(self, x: Array, mean: Array, var: Array) -> None:
        """Mean and biased variance of each group of each image."""

    def group_norm(
        self, x: Array, mean: Array, rstd: Array, weight: Array | None, bias: Array | None, out: Array
    ) -> None:
        """out = (x - mean) * rstd * weight + bias"""

    def group_norm_backward(
        self,
        grad: Array,
        x: Array,
        mean: Array,
        rstd: Array,
        weight: Array | None,
        grad_weight: Array,
        grad_bias: Array,
        out: Array,
    ) -> None:
        """With xhat = (x - mean) * rstd: grad_bias = sum grad, grad_weight = sum grad * xhat over N, H and W; with
        g = weight * grad: out = rstd * (g - mean g - xhat * mean (g * xhat)), means over each group.
        """


class LayerNormKernels(Protocol):
    """x (R,D); mean, rstd (R,); weight and bias (D,) or None."""

    def layer_norm(
        self, x: Array, weight: Array | None, bias: Array | None, out: Array, mean: Array, rstd: Array, eps: float
    ) -> None:
        """mean and rstd = 1 / sqrt(var + eps) of each row, and out = (x - mean) * rstd * weight + bias."""

    def layer_norm_backward(
        self,
        grad: Array,
        x: Array,
        mean: Array,
        rstd: Array,
        weight: Array | None,
        grad_weight: Array,
        grad_bias: Array,
        out: Array,
    ) -> None:
        """As group_norm_backward's, means over each row and sums over rows."""


class LocalResponseNormKernels(Protocol):
    """x (N,C,H,W)."""

    def local_response_norm(self, x: Array, out: Array, size: int, alpha: float, beta: float, k: float) -> None:
        """out = x * v ** -beta with v = k + alpha / size * sum of x[c'] ** 2 over the channels
        c - size//2 .. c + (size-1)//2 that there are.
        """

    def local_response_norm_backward(
        self, grad: Array, x: Array, out: Array, size: int, alpha: float, beta: float, k: float
    ) -> None:
        """Its gradient, out (N,C,H,W)."""


class SoftmaxKernels(Protocol):
    """x and out have one shape; the softmax runs along axis."""

    def softmax(self, x: Array, out: Array, axis: int) -> None:
        """out = exp x / sum exp x, computed with the maximum taken out."""

    def softmax_backward(self, grad: Array, y: Array, out: Array, axis: int) -> None:
        """out = y * (grad - sum grad * y); y is softmax's output."""

    def log_softmax(self, x: Array, out: Array, axis: int) -> None:
        """out = x - log sum exp x, computed with the maximum taken out."""

    def log_softmax_backward(self, grad: Array, y: Array, out: Array, axis: int) -> None:
        """out = grad - exp(y) * sum grad; y is log_softmax's output."""


class CrossEntropyKernels(Protocol):
    """logits (N,C,H,W), class_weight (C,) or None.

    A target (N,H,W) is int64, and w_t = class_weight[target], 0 where ignored; a label is smoothed to
    q_c = (1 - smoothing) [c == target] + smoothing / C; terms with q_c = 0 are left out.

    The soft kernels take a target (N,C,H,W) of the logits' type, smoothed to
    q_c = (1 - smoothing) target[c] + smoothing / C.
    """

    def cross_entropy(
        self,
        logits: Array,
        target: Array,
        class_weight: Array | None,
        losses: Array,
        weights: Array,
        ignore_index: int,
        smoothing: float,
    ) -> None:
        """losses (N,H,W) = sum_c w_c q_c (log sum_k exp logits[k] - logits[c]); weights (N,H,W) = w_t;
        both 0 where target == ignore_index, whatever the logits are.
        """

    def cross_entropy_backward(
        self,
        grad: Array,
        logits: Array,
        target: Array,
        class_weight: Array | None,
        out: Array,
        ignore_index: int,
        smoothing: float,
    ) -> None:
        """out (N,C,H,W) = grad (N,H,W) * (softmax(logits)[c] * sum_k w_k q_k - w_c q_c); 0 where ignored."""

    def soft_cross_entropy(
        self, logits: Array, target: Array, class_weight: Array | None, losses: Array, smoothing: float
    ) -> None:
        """losses (N,H,W) = sum_c w_c q_c (log sum_k exp logits[k] - logits[c])"""

    def soft_cross_entropy_backward(
        self, grad: Array, logits: Array, target: Array, class_weight: Array | None, out: Array, smoothing: float
    ) -> None:
        """out (N,C,H,W) = grad (N,H,W) * (softmax(logits)[c] * sum_k w_k q_k - w_c q_c)"""

    def label_bounds(self, target: Array, bounds: Array, ignore_index: int) -> None:
        """bounds (3,) int64: smallest label, largest label, number of labels that are not ignore_index; (0, -1, 0) if
        all are ignored.
        """


class LossKernels(Protocol):
    """Element by element; all arrays have one shape, except that pos_weight is a number, or an array that is
    broadcast. Next to it, target may be a number, too.
    """

    def mse_loss(self, x: Array, target: Array, out: Array) -> None:
        """out = (x - target)^2"""

    def mse_loss_backward(self, grad: Array, x: Array, target: Array, out: Array) -> None:
        """out = grad * 2 * (x - target)"""

    def smooth_l1_loss(self, x: Array, target: Array, out: Array, beta: float) -> None:
        """With d = |x - target|: out = d^2 / (2 * beta) where d < beta, else d - beta / 2."""

    def smooth_l1_loss_backward(self, grad: Array, x: Array, target: Array, out: Array, beta: float) -> None:
        """out = grad * (x - target) / beta where |x - target| < beta, else grad * sign(x - target)"""

    def binary_cross_entropy(self, x: Array, target: Array, out: Array) -> None:
        """out = -target * log x - (1 - target) * log(1 - x), both logarithms at least -100."""

    def binary_cross_entropy_backward(self, grad: Array, x: Array, target: Array, out: Array) -> None:
        """out = grad * (x - target) / (x * (1 - x)), the denominator at least 1e-12."""

    def binary_cross_entropy_with_logits(self, x: Array, target: Operand, pos_weight: Operand, out: Array) -> None:
        """out = target * pos_weight * log(1 + e^-x) + (1 - target) * log(1 + e^x), without overflow."""

    def binary_cross_entropy_with_logits_backward(
        self, grad: Array, x: Array, target: Operand, pos_weight: Operand, out: Array
    ) -> None:
        """With s = 1 / (1 + e^-x): out = grad * ((1 - target) * s - target * pos_weight * (1 - s))."""


class RandomKernels(Protocol):
    """Philox4x32-10 (Salmon et al. 2011), counter based: element i of a stream depends on (key, counter, i) alone."""

    def uniform(self, out: Array, key: int, counter: int) -> None:
        """out in [0, 1), row-major element i from word i % 4 of block counter + i // 4."""

    def normal(self, out: Array, key: int, counter: int) -> None:
        """out ~ N(0, 1) by Box and Muller; elements 2k and 2k+1 from one pair of uniforms."""

    def dropout(self, x: Array, out: Array, probability: float, key: int, counter: int) -> None:
        """out = 0 with that probability, else x / (1 - probability). The uniform number of an element is that of its
        place in N,H,W,C order (row-major order if x has not four dimensions), so layouts agree.
        """


class OptimizerKernels(Protocol):
    """Lists of arrays, one of each for every parameter, so that a network's many small ones need one kernel call;
    those of a parameter have one shape, all have one type, and no list is empty. What is written is also read.
    """

    def sgd_step(
        self,
        grads: list[Array],
        params: list[Array],
        velocities: list[Array] | None,
        lr: float,
        momentum: float,
        dampening: float,
        weight_decay: float,
        nesterov: bool,
        first: bool,
    ) -> None:
        """g = grad + weight_decay * param; velocity = g if first else momentum * velocity + (1 - dampening) * g;
        param -= lr * (g + momentum * velocity if nesterov else velocity); without velocity param -= lr * g.
        """

    def adam_step(
        self,
        grads: list[Array],
        params: list[Array],
        means: list[Array],
        squares: list[Array],
        lr: float,
        beta1: float,
        beta2: float,
        eps: float,
        weight_decay: float,
        decoupled: bool,
        step: int,
    ) -> None:
        """Kingma and Ba 2015, algorithm 1, with bias correction at that step (from 1); weight decay added to the
        gradient, or decoupled (Loshchilov and Hutter 2019): param *= 1 - lr * weight_decay first.
        """

    def rmsprop_step(
        self,
        grads: list[Array],
        params: list[Array],
        squares: list[Array],
        velocities: list[Array] | None,
        means: list[Array] | None,
        lr: float,
        alpha: float,
        eps: float,
        weight_decay: float,
        momentum: float,
    ) -> None:
        """g = grad + weight_decay * param; square = alpha * square + (1 - alpha) * g * g; with means
        mean = alpha * mean + (1 - alpha) * g; change = g / (sqrt(square - mean * mean) + eps), mean being 0
        without means; with velocities velocity = momentum * velocity + change = change; param -= lr * change.
        """


class Backend(
    DeviceKernels,
    ArrayKernels,
    ElementwiseKernels,
    ActivationKernels,
    ReduceKernels,
    ScanKernels,
    GatherKernels,
    MatmulKernels,
    Conv2dKernels,
    Pool2dKernels,
    UnfoldKernels,
    PixelShuffleKernels,
    AvgPool2dKernels,
    InterpolateKernels,
    BatchNormKernels,
    GroupNormKernels,
    LayerNormKernels,
    LocalResponseNormKernels,
    SoftmaxKernels,
    CrossEntropyKernels,
    LossKernels,
    RandomKernels,
    OptimizerKernels,
    Protocol,
):
    """All of the contract: what a backend's module has."""


# The file of each protocol's kernels in a backend's folder.
_PROTOCOLS: dict[str, type] = {
    "device": DeviceKernels,
    "array": ArrayKernels,
    "elementwise": ElementwiseKernels,
    "activation": ActivationKernels,
    "reduce": ReduceKernels,
    "scan": ScanKernels,
    "gather": GatherKernels,
    "matmul": MatmulKernels,
    "conv2d": Conv2dKernels,
    "pool2d": Pool2dKernels,
    "unfold": UnfoldKernels,
    "pixel_shuffle": PixelShuffleKernels,
    "avg_pool2d": AvgPool2dKernels,
    "interpolate": InterpolateKernels,
    "batch_norm": BatchNormKernels,
    "group_norm": GroupNormKernels,
    "layer_norm": LayerNormKernels,
    "local_response_norm": LocalResponseNormKernels,
    "softmax": SoftmaxKernels,
    "cross_entropy": CrossEntropyKernels,
    "loss": LossKernels,
    "random": RandomKernels,
    "optimizer": OptimizerKernels,
}
STEMS = tuple(_PROTOCOLS)


@dataclass(frozen=True)
class Kernel:
    """One entry of the contract, as its protocol has it. ``types``: of the arguments, as they are written there."""

    name: str
    stem: str
    arguments: tuple[str, ...]
    types: tuple[str, ...]
    meaning: str


def _kernels(stem: str, protocol: type) -> list[Kernel]:
    """The entries of a stem, read off the methods of its protocol."""
    found = []
    for name, method in vars(protocol).items():
        if inspect.isfunction(method) and not name.startswith("_"):
            _, *parameters = inspect.signature(method).parameters.values()  # self is no argument of a kernel
            names = tuple(parameter.name for parameter in parameters)
            types = tuple(parameter.annotation for parameter in parameters)
            found.append(Kernel(name, stem, names, types, inspect.getdoc(method) or ""))
    return found


KERNELS = {kernel.name: kernel for stem, protocol in _PROTOCOLS.items() for kernel in _kernels(stem, protocol)}


def check(backend: ModuleType) -> None:
    """Raise ``TypeError`` unless ``backend`` has every kernel of the contract with the contract's arguments."""
    problems = []
    for kernel in KERNELS.values():
        function = getattr(backend, kernel.name, None)
        if function is None:
            problems.append(f"{kernel.name} is missing (is it in __all__ of {kernel.stem}.py?)")
            continue
        arguments = tuple(inspect.signature(function).parameters)
        if arguments != kernel.arguments:
            problems.append(f"{kernel.name} takes {arguments}, expected {kernel.arguments}")
    if problems:
        raise TypeError(f"backend {backend.__name__} breaks the contract of spec.py: " + "; ".join(problems))
