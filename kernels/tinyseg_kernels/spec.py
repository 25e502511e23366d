"""The contract between the framework and its backends: each kernel's name, arguments, shapes and meaning.

A backend is a module with one function for each entry below, gathered from one file a *stem* (an operator
family). ``check`` compares names and arguments when a backend is loaded.

**Arrays.** What an array is, is the backend's own affair: NumPy's for ``reference`` and ``cpu``, device storage
with strides for a GPU. The framework looks at ``shape``, ``dtype`` (NumPy's), ``ndim`` and ``size`` of it and
leaves everything else to the functions of the stem ``array``. Arrays may have any strides, also zero.

**Order of arguments.** Arrays that are read, arrays that are written, then numbers. Pairs such as ``stride`` are
tuples ``(vertical, horizontal)``. An argument marked ``?`` may be ``None``.

**What a kernel may rely on.** Shapes and types are right (operators have checked them), all floating arrays of a
call have one type, and written arrays do not overlap read ones; but an element-wise kernel or an optimiser step
may write over an input of the same shape and strides. A kernel validates nothing and chooses no policy.

**What a kernel must keep.** Inputs are not changed. A NaN that comes in comes out. The same inputs give the same
bits on the same type of machine, for any number of threads.
"""

from __future__ import annotations

import importlib
import importlib.util
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import ModuleType
from typing import Any


@dataclass(frozen=True)
class Kernel:
    """One entry of the contract."""

    name: str
    stem: str
    arguments: tuple[str, ...]
    meaning: str


def _stem(stem: str, *entries: tuple[str, str]) -> list[Kernel]:
    """Entries ``("name(a, b?, out)", meaning)`` of one stem."""
    kernels = []
    for signature, meaning in entries:
        name, arguments = signature.rstrip(")").split("(")
        names = tuple(argument.strip(" ?") for argument in arguments.split(",") if argument.strip())
        kernels.append(Kernel(name, stem, names, meaning))
    return kernels


_ENTRIES = [
    *_stem(
        "array",
        ("empty(shape, dtype)", "a new array in row-major order, not initialised"),
        (
            "empty_activation(shape, dtype)",
            "a new array N,C,H,W, not initialised, in the memory order that the backend's own kernels like best",
        ),
        ("empty_like(array, dtype)", "a new array of that shape and memory order, not initialised"),
        ("from_numpy(array)", "a copy of a NumPy array as the backend's array, in the same memory order"),
        ("to_numpy(array)", "the array's values as a NumPy array; it may share memory and is only read"),
        ("reshape(array, shape)", "row-major reshape; a view where the strides allow it, else a copy"),
        ("transpose(array, axes)", "a view with the axes in that order"),
        ("broadcast_to(array, shape)", "a view of that shape, stride 0 where repeated; it is only read"),
        ("slice_view(array, index)", "a view; index: a tuple of ints, slices, None and at most one Ellipsis"),
        ("shares_memory(a, b)", "True if b is a view of a's memory or the other way round"),
        ("empty_cache()", "give memory that is kept for later arrays, but not in use, back to the system"),
        ("set_num_threads(count)", "how many threads kernels may use from now on"),
        ("get_num_threads()", "that number"),
    ),
    *_stem(
        "elementwise",
        # a and b are broadcast against out's shape; either may be a Python number.
        ("add(a, b, out)", "out = a + b"),
        ("subtract(a, b, out)", "out = a - b"),
        ("multiply(a, b, out)", "out = a * b"),
        ("divide(a, b, out)", "out = a / b, floating types only"),
        ("floor_divide(a, b, out)", "out = floor(a / b); no integer b is 0"),
        ("remainder(a, b, out)", "out = a - b * floor(a / b), with b's sign or 0; no integer b is 0"),
        ("power(a, b, out)", "out = a ** b"),
        ("maximum(a, b, out)", "the larger of the two; NaN if either is"),
        ("minimum(a, b, out)", "the smaller of the two; NaN if either is"),
        ("equal(a, b, out)", "out (bool) = a == b"),
        ("not_equal(a, b, out)", "out (bool) = a != b"),
        ("less(a, b, out)", "out (bool) = a < b"),
        ("less_equal(a, b, out)", "out (bool) = a <= b"),
        ("greater(a, b, out)", "out (bool) = a > b"),
        ("greater_equal(a, b, out)", "out (bool) = a >= b"),
        ("negative(x, out)", "out = -x"),
        ("absolute(x, out)", "out = |x|"),
        ("sign(x, out)", "out = -1, 0 or 1; NaN of NaN"),
        ("exp(x, out)", "out = e ** x"),
        ("log(x, out)", "natural logarithm; -inf of 0, NaN below"),
        ("sqrt(x, out)", "square root; NaN below 0"),
        ("log1p(x, out)", "log(1 + x), also where x is small; -inf of -1, NaN below"),
        ("expm1(x, out)", "e ** x - 1, also where x is small"),
        ("sin(x, out)", "sine"),
        ("cos(x, out)", "cosine"),
        ("floor(x, out)", "the largest whole number that is not above x; floating types only"),
        ("ceil(x, out)", "the smallest whole number that is not below x; floating types only"),
        ("rint(x, out)", "the nearest whole number, the even one of two; floating types only"),
        ("tanh(x, out)", "hyperbolic tangent"),
        ("tanh_backward(grad, y, out)", "out = grad * (1 - y^2); y is tanh's output"),
        ("sigmoid(x, out)", "out = 1 / (1 + e^-x)"),
        ("sigmoid_backward(grad, y, out)", "out = grad * y * (1 - y); y is sigmoid's output"),
        ("relu(x, out)", "out = x where x > 0 or x is NaN, else 0"),
        ("relu_backward(grad, y, out)", "out = grad where y > 0, else 0; y is relu's output"),
        ("where(condition, a, b, out)", "out = a where condition (bool), else b; all are broadcast"),
        ("assign(x, out)", "out = x, broadcast and cast to out's type"),
        ("fill(out, value)", "every element of out = value"),
        ("lerp(a, b, out, weight)", "out = (1 - weight) * a + weight * b"),
    ),
    *_stem(
        "activation",
        # slope: a number, or an array that is broadcast against out's shape.
        ("leaky_relu(x, slope, out)", "out = x where x > 0, else slope * x"),
        (
            "leaky_relu_backward(grad, y, slope, out)",
            "out = grad where y > 0, else slope * grad; y is leaky_relu's input, or its output if no slope"
            " is below 0",
        ),
        (
            "leaky_relu_slope_backward(grad, x, out)",
            "out = 0 where x > 0, else grad * x: what each element adds to its slope's gradient",
        ),
        ("elu(x, out, alpha)", "out = x where x > 0, else alpha * (e^x - 1)"),
        ("elu_backward(grad, x, out, alpha)", "out = grad where x > 0, else grad * alpha * e^x"),
        (
            "gelu(x, out, tanh)",
            "out = x * (1 + erf(x / sqrt 2)) / 2, to the type's last digits; with tanh instead"
            " x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2",
        ),
        ("gelu_backward(grad, x, out, tanh)", "out = grad * the slope of that at x"),
        (
            "softplus(x, out, beta, threshold)",
            "out = x where beta * x > threshold, else log(1 + e^(beta * x)) / beta, without overflow",
        ),
        (
            "softplus_backward(grad, x, out, beta, threshold)",
            "out = grad where beta * x > threshold, else grad / (1 + e^(-beta * x))",
        ),
    ),
    *_stem(
        "reduce",
        # x of any shape, axes a sorted tuple of its dimensions; out has x's shape with 1 in these.
        (
            "sum(x, out, axes)",
            "sums; accumulated pairwise or wider, so that the error does not grow with the length",
        ),
        ("prod(x, out, axes)", "products; of floating types in float64"),
        ("max(x, out, axes)", "largest elements; NaN if any is"),
        ("min(x, out, axes)", "smallest elements; NaN if any is"),
        (
            "argmax(x, out, axis)",
            "out (int64): index of the first largest element along axis; a NaN is the largest",
        ),
        (
            "argmin(x, out, axis)",
            "out (int64): index of the first smallest element along axis; a NaN is the smallest",
        ),
    ),
    *_stem(
        "scan",
        (
            "cumsum(x, out, axis)",
            "out[..., i, ...] = x[..., 0, ...] + ... + x[..., i, ...]; floating types in float64",
        ),
    ),
    *_stem(
        "gather",
        # index is int64, 0 <= index < x.shape[axis], of x's number of dimensions, and no larger than x along others.
        (
            "gather(x, index, out, axis)",
            "out[..., i, ...] = x[..., index[..., i, ...], ...]; shapes as index",
        ),
        (
            "scatter_add(source, index, out, axis)",
            "out[..., index[..., i, ...], ...] += source[..., i, ...], in scan order: the adjoint of gather",
        ),
    ),
    *_stem(
        "matmul",
        (
            "matmul(a, b, out)",
            "a (..., n, k) times b (..., k, m) -> out (..., n, m); leading dimensions are equal",
        ),
    ),
    *_stem(
        "conv2d",
        # x (N,C,H,W), weight (O,C/groups,kh,kw), bias? (O,), y (N,O,H',W'); pairs stride, padding, dilation.
        # relu: the kernel relu is applied to out, in the same pass where that can be. memo? is a dict in which a
        # kernel may leave what it made of the weight alone (its packed form) for the next call that is given the
        # same dict; the caller gives another one as soon as the weight's values change. Both kernels, and calls
        # with other numbers, may get the same dict: its keys are to tell apart what is in it.
        (
            "conv2d(x, weight, bias?, out, stride, padding, dilation, groups, relu, memo?)",
            "out[n,o,i,j] = bias[o] + sum_{c,r,s} weight[o,c,r,s] * x[n,c, i*sh - ph + r*dh, j*sw - pw + s*dw]",
        ),
        (
            "conv_transpose2d(y, weight, bias?, out, stride, padding, dilation, groups, relu, memo?)",
            "the adjoint: out (N,C,H,W) gets weight[o,c,r,s] * y[n,o,i,j] added wherever conv2d read; bias is (C,)."
            " It is at once conv2d's gradient by its input and the transposed convolution.",
        ),
        (
            "conv2d_weight_gradient(x, grad, out, stride, padding, dilation, groups)",
            "out[o,c,r,s] = sum_{n,i,j} grad[n,o,i,j] * x[n,c, i*sh - ph + r*dh, j*sw - pw + s*dw]",
        ),
        (
            "set_conv_algorithm(name)",
            "how convolutions are computed from now on: direct, winograd (where it applies), or auto, the faster one",
        ),
    ),
    *_stem(
        "pool2d",
        # x (N,C,H,W), out and indices (N,C,H',W'); indices are int64, flat in the plane: h * W + w.
        # Every window holds a pixel.
        (
            "max_pool2d(x, out, indices, kernel_size, stride, padding, dilation)",
            "largest element of each window and where it stood; the first one on a tie; NaN wins; padding never does",
        ),
        (
            "max_pool2d_backward(grad, indices, out, kernel_size, stride, padding, dilation)",
            "out = 0, then out[n,c,indices[n,c,i,j]] += grad[n,c,i,j]; indices are those of this pooling",
        ),
        (
            "adaptive_max_pool2d(x, out, indices)",
            "the same over windows of rows floor(i*H/H') .. ceil((i+1)*H/H') - 1, and of columns alike",
        ),
        (
            "adaptive_max_pool2d_backward(grad, indices, out)",
            "out = 0, then out[n,c,indices[n,c,i,j]] += grad[n,c,i,j]; indices are those of this pooling",
        ),
        (
            "max_unpool2d(x, indices, out)",
            "out = 0, then out[n,c,indices[n,c,i,j]] = x[n,c,i,j], the last in scan order standing",
        ),
        (
            "max_unpool2d_backward(grad, indices, out)",
            "out[n,c,i,j] = grad[n,c,indices[n,c,i,j]] where that element was the last to write there, else 0",
        ),
    ),
    *_stem(
        "unfold",
        # The window's pairs as in conv2d.
        (
            "unfold(x, out, kernel_size, stride, padding, dilation)",
            "out (N,C,kh,kw,H',W') [n,c,r,s,i,j] = x[n,c, i*sh - ph + r*dh, j*sw - pw + s*dw], 0 outside of x",
        ),
        (
            "fold(x, out, kernel_size, stride, padding, dilation)",
            "its adjoint: out (N,C,H,W) sums x (N,C,kh,kw,H',W') wherever unfold would have read it",
        ),
    ),
    *_stem(
        "pixel_shuffle",
        # With r = factor; x and out of any one type.
        (
            "pixel_shuffle(x, out, factor)",
            "out (N,C,H*r,W*r) [n,c,h*r+i,w*r+j] = x (N,C*r*r,H,W) [n,c*r*r+i*r+j,h,w]",
        ),
        ("pixel_unshuffle(x, out, factor)", "its inverse, which is its adjoint"),
    ),
    *_stem(
        "avg_pool2d",
        # x (N,C,H,W), out (N,C,H',W').
        (
            "avg_pool2d(x, out, kernel_size, stride, padding, count_include_pad, divisor_override?)",
            "sum over each window, divided by divisor_override or by the number of its pixels: with count_include_pad"
            " those of the padding too, but never what lies beyond it",
        ),
        (
            "avg_pool2d_backward(grad, out, kernel_size, stride, padding, count_include_pad, divisor_override?)",
            "its adjoint, out (N,C,H,W)",
        ),
        (
            "adaptive_avg_pool2d(x, out)",
            "mean over windows of rows floor(i*H/H') .. ceil((i+1)*H/H') - 1, and of columns alike",
        ),
        ("adaptive_avg_pool2d_backward(grad, out)", "its adjoint, out (N,C,H,W)"),
    ),
    *_stem(
        "interpolate",
        # x (N,C,H,W), out (N,C,H',W'). step: source pixels for one output pixel (vertical, horizontal).
        (
            "interpolate_nearest(x, out, step)",
            "out[i,j] = x[min(floor(i*step), H-1), min(floor(j*step), W-1)]",
        ),
        (
            "interpolate_nearest_backward(grad, out, step)",
            "its adjoint: out (N,C,H,W) sums what each pixel was copied to",
        ),
        (
            "interpolate_bilinear(x, out, step, align_corners)",
            "out[i,j] = x at (i*step, j*step) with align_corners, else at ((i+0.5)*step - 0.5, ...) but not below 0,"
            " linear between the four pixels around it, the last row and column repeated",
        ),
        ("interpolate_bilinear_backward(grad, out, step, align_corners)", "its adjoint, out (N,C,H,W)"),
    ),
    *_stem(
        "batch_norm",
        # x (N,C,H,W); mean, var, rstd, weight?, bias? are (C,); rstd = 1 / sqrt(var + eps).
        ("batch_norm_statistics(x, mean, var)", "mean and biased variance of each channel over N, H and W"),
        # With relu, y goes through the kernel relu, and grad, first of all, through relu_backward: nobody has kept y,
        # so its sign is found again, by the very arithmetic of the way forward.
        ("batch_norm(x, mean, rstd, weight?, bias?, out, relu)", "out = y = (x - mean) * rstd * weight + bias"),
        (
            "batch_norm_sums(grad, x, mean, rstd, weight?, bias?, grad_weight, grad_bias, relu)",
            "grad_bias = sum grad; grad_weight = sum grad * (x - mean) * rstd: (C,) over N, H and W",
        ),
        (
            "batch_norm_backward(grad, x, mean, rstd, weight?, bias?, grad_weight?, grad_bias?, out, relu)",
            "through the batch's own statistics, M = N*H*W: with xhat = (x - mean) * rstd,"
            " out = weight * rstd * (grad - grad_bias / M - xhat * grad_weight / M);"
            " without the two sums mean and rstd are constants: out = weight * rstd * grad",
        ),
    ),
    *_stem(
        "group_norm",
        # x (N,C,H,W); mean, var, rstd (N,G) for G groups of C/G channels; weight?, bias? (C,).
        ("group_norm_statistics(x, mean, var)", "mean and biased variance of each group of each image"),
        ("group_norm(x, mean, rstd, weight?, bias?, out)", "out = (x - mean) * rstd * weight + bias"),
        (
            "group_norm_backward(grad, x, mean, rstd, weight?, grad_weight, grad_bias, out)",
            "with xhat = (x - mean) * rstd: grad_bias = sum grad, grad_weight = sum grad * xhat over N, H and W; with"
            " g = weight * grad: out = rstd * (g - mean g - xhat * mean (g * xhat)), means over each group",
        ),
    ),
    *_stem(
        "layer_norm",
        # x (R,D); mean, rstd (R,); weight?, bias? (D,).
        (
            "layer_norm(x, weight?, bias?, out, mean, rstd, eps)",
            "mean and rstd = 1 / sqrt(var + eps) of each row, and out = (x - mean) * rstd * weight + bias",
        ),
        (
            "layer_norm_backward(grad, x, mean, rstd, weight?, grad_weight, grad_bias, out)",
            "as group_norm_backward's, means over each row and sums over rows",
        ),
    ),
    *_stem(
        "local_response_norm",
        # x (N,C,H,W).
        (
            "local_response_norm(x, out, size, alpha, beta, k)",
            "out = x * v ** -beta with v = k + alpha / size * sum of x[c'] ** 2 over the channels"
            " c - size//2 .. c + (size-1)//2 that there are",
        ),
        ("local_response_norm_backward(grad, x, out, size, alpha, beta, k)", "its gradient, out (N,C,H,W)"),
    ),
    *_stem(
        "softmax",
        # x and out have one shape; the softmax runs along axis.
        ("softmax(x, out, axis)", "out = exp x / sum exp x, computed with the maximum taken out"),
        (
            "softmax_backward(grad, y, out, axis)",
            "out = y * (grad - sum grad * y); y is softmax's output",
        ),
        ("log_softmax(x, out, axis)", "out = x - log sum exp x, computed with the maximum taken out"),
        (
            "log_softmax_backward(grad, y, out, axis)",
            "out = grad - exp(y) * sum grad; y is log_softmax's output",
        ),
    ),
    *_stem(
        "cross_entropy",
        # logits (N,C,H,W), target (N,H,W) int64, class_weight? (C,); w_t = class_weight[target], 0 where ignored.
        # A label is smoothed to q_c = (1 - smoothing) [c == target] + smoothing / C; terms with q_c = 0 are left out.
        (
            "cross_entropy(logits, target, class_weight?, losses, weights, ignore_index, smoothing)",
            "losses (N,H,W) = sum_c w_c q_c (log sum_k exp logits[k] - logits[c]); weights (N,H,W) = w_t;"
            " both 0 where target == ignore_index, whatever the logits are",
        ),
        (
            "cross_entropy_backward(grad, logits, target, class_weight?, out, ignore_index, smoothing)",
            "out (N,C,H,W) = grad (N,H,W) * (softmax(logits)[c] * sum_k w_k q_k - w_c q_c); 0 where ignored",
        ),
        # target (N,C,H,W) of the logits' type, here smoothed to q_c = (1 - smoothing) target[c] + smoothing / C.
        (
            "soft_cross_entropy(logits, target, class_weight?, losses, smoothing)",
            "losses (N,H,W) = sum_c w_c q_c (log sum_k exp logits[k] - logits[c])",
        ),
        (
            "soft_cross_entropy_backward(grad, logits, target, class_weight?, out, smoothing)",
            "out (N,C,H,W) = grad (N,H,W) * (softmax(logits)[c] * sum_k w_k q_k - w_c q_c)",
        ),
        (
            "label_bounds(target, bounds, ignore_index)",
            "bounds (3,) int64: smallest label, largest label, number of labels that are not ignore_index;"
            " (0, -1, 0) if all are ignored",
        ),
    ),
    *_stem(
        "loss",
        # Element by element; all arrays have one shape, but pos_weight: a number, or an array that is broadcast.
        # Beside it, target may be a number, too.
        ("mse_loss(x, target, out)", "out = (x - target)^2"),
        ("mse_loss_backward(grad, x, target, out)", "out = grad * 2 * (x - target)"),
        (
            "smooth_l1_loss(x, target, out, beta)",
            "with d = |x - target|: out = d^2 / (2 * beta) where d < beta, else d - beta / 2",
        ),
        (
            "smooth_l1_loss_backward(grad, x, target, out, beta)",
            "out = grad * (x - target) / beta where |x - target| < beta, else grad * sign(x - target)",
        ),
        (
            "binary_cross_entropy(x, target, out)",
            "out = -target * log x - (1 - target) * log(1 - x), both logarithms at least -100",
        ),
        (
            "binary_cross_entropy_backward(grad, x, target, out)",
            "out = grad * (x - target) / (x * (1 - x)), the denominator at least 1e-12",
        ),
        (
            "binary_cross_entropy_with_logits(x, target, pos_weight, out)",
            "out = target * pos_weight * log(1 + e^-x) + (1 - target) * log(1 + e^x), without overflow",
        ),
        (
            "binary_cross_entropy_with_logits_backward(grad, x, target, pos_weight, out)",
            "with s = 1 / (1 + e^-x): out = grad * ((1 - target) * s - target * pos_weight * (1 - s))",
        ),
    ),
    *_stem(
        "random",
        # Philox4x32-10 (Salmon et al. 2011), counter based: element i of a stream depends on (key, counter, i) alone.
        (
            "uniform(out, key, counter)",
            "out in [0, 1), row-major element i from word i % 4 of block counter + i // 4",
        ),
        (
            "normal(out, key, counter)",
            "out ~ N(0, 1) by Box and Muller; elements 2k and 2k+1 from one pair of uniforms",
        ),
        (
            "dropout(x, out, probability, key, counter)",
            "out = 0 with that probability, else x / (1 - probability). The uniform number of an element is that of"
            " its place in N,H,W,C order (row-major order if x has not four dimensions), so layouts agree",
        ),
    ),
    *_stem(
        "optimizer",
        # Lists of arrays, one of each for every parameter, so that a network's many small ones need one launch; those
        # of a parameter have one shape, all have one type, and no list is empty. What is written is also read.
        (
            "sgd_step(grads, params, velocities?, lr, momentum, dampening, weight_decay, nesterov, first)",
            "g = grad + weight_decay * param; velocity = g if first else momentum * velocity + (1 - dampening) * g;"
            " param -= lr * (g + momentum * velocity if nesterov else velocity); without velocity param -= lr * g",
        ),
        (
            "adam_step(grads, params, means, squares, lr, beta1, beta2, eps, weight_decay, decoupled, step)",
            "Kingma and Ba 2015, algorithm 1, with bias correction at that step (from 1); weight decay added to the"
            " gradient, or decoupled (Loshchilov and Hutter 2019): param *= 1 - lr * weight_decay first",
        ),
        (
            "rmsprop_step(grads, params, squares, velocities?, means?, lr, alpha, eps, weight_decay, momentum)",
            "g = grad + weight_decay * param; square = alpha * square + (1 - alpha) * g * g; with means"
            " mean = alpha * mean + (1 - alpha) * g; change = g / (sqrt(square - mean * mean) + eps), mean being 0"
            " without means; with velocities velocity = momentum * velocity + change = change; param -= lr * change",
        ),
    ),
]

KERNELS = {kernel.name: kernel for kernel in _ENTRIES}
STEMS = tuple(dict.fromkeys(kernel.stem for kernel in _ENTRIES))


def gather(package: str) -> dict[str, Callable[..., Any]]:
    """The kernels that a backend's package has, by name, from its file for each stem; for its ``__init__``.

    A stem or a kernel that is not there is left out: ``check`` will say so.
    """
    found = {}
    for stem in STEMS:
        if importlib.util.find_spec(f"{package}.{stem}") is None:
            continue
        module = importlib.import_module(f"{package}.{stem}")
        names = [kernel.name for kernel in KERNELS.values() if kernel.stem == stem]
        found.update({name: getattr(module, name) for name in names if hasattr(module, name)})
    return found


def check(backend: ModuleType) -> None:
    """Raise ``TypeError`` unless ``backend`` has every kernel of the contract with the contract's arguments."""
    problems = []
    for kernel in KERNELS.values():
        function = getattr(backend, kernel.name, None)
        if function is None:
            problems.append(f"{kernel.name} is missing")
            continue
        arguments = tuple(inspect.signature(function).parameters)
        if arguments != kernel.arguments:
            problems.append(f"{kernel.name} takes {arguments}, expected {kernel.arguments}")
    if problems:
        raise TypeError(f"backend {backend.__name__} breaks the contract of spec.py: " + "; ".join(problems))
