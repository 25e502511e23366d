"""Calls that must be refused."""

from __future__ import annotations

import math

import numpy as np

import tinyseg

from .table import bad, zeros

_F = tinyseg.nn.functional
_IMAGE, _DOUBLE = (1, 3, 4, 5), "float64"

bad("add of shapes", lambda: zeros(2, 3) + zeros(4), ValueError, "add: shapes (2, 3) and (4,) cannot be broadcast")
bad("add of types", lambda: zeros(2) + zeros(2, dtype=_DOUBLE), TypeError, "add: types differ: float32 and float64")
bad("add of an array", lambda: zeros(2) + np.zeros(2), TypeError, "expected a Tensor or a number, got ndarray")
bad("add to an array", lambda: np.zeros(2) + zeros(2), TypeError, "ndarray")
bad("multiply by a text", lambda: zeros(2) * "2", TypeError, "multiply: expected a Tensor or a number, got str")
bad("compare with None", lambda: zeros(2) < None, TypeError, "less: expected a Tensor or a number, got NoneType")
bad("compare types", lambda: zeros(2) == zeros(2, dtype=_DOUBLE), TypeError, "equal: types differ")
bad(
    "negative power of integers", lambda: tinyseg.arange(3) ** -1, ValueError, "integer tensor cannot take a negative"
)
bad("negative powers of integers", lambda: 2 ** tinyseg.arange(-1, 3), ValueError, "cannot take a negative power")
bad(
    "floor_divide of integers by 0",
    lambda: tinyseg.arange(3) // 0,
    ValueError,
    "floor_divide: an integer tensor cannot",
)
bad(
    "remainder of integers by zeros", lambda: 7 % tinyseg.arange(3), ValueError, "remainder: an integer tensor cannot"
)
bad("remainder of types", lambda: zeros(2) % zeros(2, dtype=_DOUBLE), TypeError, "remainder: types differ")
bad("where by numbers", lambda: tinyseg.where(zeros(2), 1.0, 0.0), TypeError, "condition must be bool, got float32")
bad("where of shapes", lambda: tinyseg.where(zeros(2) > 0, zeros(3), 0.0), ValueError, "cannot be broadcast")
bad("exp of a number", lambda: tinyseg.exp(1.0), TypeError, "exp: input must be a Tensor, got float")

bad("sum over no such dim", lambda: zeros(2, 3).sum(2), IndexError, "dim 2 is out of range for a tensor of 2 dim")
bad("sum over a dim twice", lambda: zeros(2, 3).sum((1, -1)), ValueError, "names a dimension twice")
bad("mean of integers", lambda: tinyseg.arange(3).mean(), TypeError, "mean: input must be float32 or float64")
bad("max of nothing", lambda: zeros(0).max(), ValueError, "max: no element to choose from in shape (0,)")
bad("amin along nothing", lambda: zeros(2, 0).amin(1), ValueError, "min: no element to choose from")
bad("argmax along nothing", lambda: zeros(2, 0).argmax(1), ValueError, "argmax: no element to choose from")
bad("argmin of no such dim", lambda: zeros(2).argmin(-2), IndexError, "argmin: dim -2 is out of range")
bad(
    "item of two",
    lambda: zeros(2).item(),
    ValueError,
    "only a tensor of one element has one, this one has shape (2,)",
)

bad(
    "reshape that does not fit", lambda: zeros(2, 3).reshape(4, 2), ValueError, "6 elements, which do not fill (4, 2)"
)
bad("reshape with two unknown", lambda: zeros(2, 3).reshape(-1, -1), ValueError, "do not fill (-1, -1)")
bad("reshape to a float", lambda: zeros(4).reshape(2.0, 2), TypeError, "reshape: sizes must be ints")
bad("permute with a dim missing", lambda: zeros(2, 3).permute(0, 0), ValueError, "must name each of the 2 dimensions")
bad("transpose of no such dim", lambda: zeros(2, 3).transpose(0, 2), IndexError, "transpose: dim 2 is out of range")
bad("flatten backwards", lambda: zeros(2, 3).flatten(1, 0), ValueError, "start_dim 1 comes after end_dim 0")
bad("unsqueeze too far", lambda: zeros(2).unsqueeze(3), IndexError, "unsqueeze: dim 3 is out of range")
bad("expand of a size", lambda: zeros(2, 3).expand(4, 3), ValueError, "shape (2, 3) cannot be repeated to (4, 3)")
bad("expand to fewer dims", lambda: zeros(2, 3).expand(3), ValueError, "cannot be repeated")
bad("cat of nothing", lambda: tinyseg.cat([]), ValueError, "cat: expected at least one tensor")
bad(
    "cat of shapes", lambda: tinyseg.cat([zeros(2, 3), zeros(2, 4)]), ValueError, "must agree in all dimensions but 0"
)
bad("cat of types", lambda: tinyseg.cat([zeros(2), zeros(2, dtype=_DOUBLE)]), TypeError, "tensors[1] is float64")
bad("cat of numbers", lambda: tinyseg.cat([zeros(1), 1.0]), TypeError, "cat: tensors[1] must be a Tensor, got float")
bad(
    "stack of shapes",
    lambda: tinyseg.stack([zeros(2), zeros(3)]),
    ValueError,
    "stack: shapes [(2,), (3,)] must be equal",
)
bad("index out of range", lambda: zeros(2, 3)[0, 3], IndexError, "3 is out of range for dimension 1 of size 3")
bad("index with too many", lambda: zeros(2)[0, 0], IndexError, "2 indices for a tensor of 1 dimensions")
bad("index by a mask", lambda: zeros(2)[zeros(2) > 0], TypeError, "tinyseg.where() chooses by a mask")
bad("index by True", lambda: zeros(2)[True], TypeError, "got bool")
bad("index by a float", lambda: zeros(2)[0.5], TypeError, "expected ints, slices")
bad("index by objects", lambda: zeros(2)[[None]], TypeError, "index: dtype dtype('O') is not supported")
bad("index by int16", lambda: zeros(2)[np.zeros(1, np.int16)], TypeError, "index: dtype dtype('int16') is not")
bad("index by two vectors", lambda: zeros(2, 2)[[0], [1]], TypeError, "use gather() for more")
bad("index by a list out of range", lambda: zeros(2)[[0, 2]], IndexError, "index 2 is out of range for size 2")
bad("gather out of range", lambda: zeros(2).gather(0, tinyseg.tensor([-3])), IndexError, "index -3 is out of range")
bad("gather by floats", lambda: zeros(2).gather(0, zeros(2)), TypeError, "gather: index must be an integer tensor")
bad(
    "gather by other shapes",
    lambda: zeros(2, 3).gather(0, tinyseg.zeros(1, 4, dtype="int64")),
    ValueError,
    "index of shape (1, 4) must fit into input's shape (2, 3), but for dim 0",
)
bad(
    "index_select by a matrix",
    lambda: zeros(2).index_select(0, tinyseg.zeros(1, 1, dtype="int64")),
    ValueError,
    "index must have one dimension",
)
bad("to no such type", lambda: zeros(2).to("float16"), TypeError, "to: dtype 'float16' is not supported; there are")
bad("to a type nobody knows", lambda: zeros(2).to("floaty"), TypeError, "to: 'floaty' is no type and no device; dev")
bad("to a device of PyTorch's", lambda: zeros(2).to("mps"), ValueError, "device: expected one of 'cpu', 'reference'")
bad("to its second device", lambda: zeros(2).to("xpu:1"), ValueError, "'cuda', got 'xpu:1'")
bad(
    "to a second GPU", lambda: zeros(2).to("cuda:1"), ValueError, "device: expected one of 'cpu', 'reference', 'cuda'"
)
bad(
    "to a device without a number", lambda: zeros(2).to("gpu"), TypeError, "to: 'gpu' is no type and no device; devic"
)
bad("to a number", lambda: zeros(2).to(0), TypeError, "to: dtype 0 is not supported; there are float32")
bad("to a list", lambda: zeros(2).to([1]), TypeError, "to: dtype [1] is not supported; there are float32")
bad("to two types", lambda: zeros(2).to("float32", "float64"), ValueError, "device: expected one of 'cpu', 'refer")
bad("zeros of no such type", lambda: tinyseg.zeros(2, dtype="floaty"), TypeError, "'floaty' is not supported")
bad(
    "to no such device",
    lambda: zeros(2).to(device="gpu"),
    ValueError,
    "expected one of 'cpu', 'reference', 'cuda', got 'gpu'",
)

bad(
    "add_ of a larger one", lambda: zeros(3).add_(zeros(2, 3)), ValueError, "shape (2, 3) cannot be broadcast to (3,)"
)
bad("add_ of another type", lambda: zeros(3).add_(zeros(3, dtype=_DOUBLE)), TypeError, "add_: types differ")
bad("add_ of floats to integers", lambda: tinyseg.arange(3).add_(zeros(3)), TypeError, "add_: types differ")
bad(
    "add_ of a float to integers",
    lambda: tinyseg.arange(3).add_(0.5),
    TypeError,
    "int64 cannot take a result of float32 in place",
)
bad("div_ of integers", lambda: tinyseg.arange(3).div_(2), TypeError, "div_: input must be float32 or float64")
bad("setitem by a list", lambda: zeros(3).__setitem__([0, 1], 1.0), TypeError, "only ints, slices, None and ...")
bad("uniform_ of integers", lambda: tinyseg.arange(3).uniform_(), TypeError, "uniform_: input must be float32")

bad("matmul of sizes", lambda: zeros(2, 3) @ zeros(4, 5), ValueError, "rows of 3 elements but other of shape (4, 5)")
bad("matmul of numbers", lambda: zeros() @ zeros(2), ValueError, "must have at least one dimension")
bad("matmul of batches", lambda: zeros(2, 3, 4) @ zeros(3, 4, 5), ValueError, "matmul: shapes (2,) and (3,)")
bad("matmul of types", lambda: zeros(2, 3) @ zeros(3, dtype=_DOUBLE), TypeError, "input is float32, other is float64")
bad("matmul of integers", lambda: tinyseg.arange(3) @ tinyseg.arange(3), TypeError, "must be float32 or float64")
bad("linear of features", lambda: _F.linear(zeros(2, 3), zeros(4, 2)), ValueError, "must have 2 features")
bad("linear of a number", lambda: _F.linear(1.0, zeros(4, 3)), TypeError, "linear: input must be a Tensor, got float")
bad(
    "linear by a vector",
    lambda: _F.linear(zeros(2, 3), zeros(3)),
    ValueError,
    "linear: weight must have 2 dimensions",
)
bad(
    "linear of types",
    lambda: _F.linear(zeros(2, 3), zeros(4, 3, dtype=_DOUBLE)),
    TypeError,
    "linear: types differ: input is float32, weight is float64",
)
bad(
    "linear with an array",
    lambda: _F.linear(zeros(2, 3), zeros(4, 3), np.zeros(4)),
    TypeError,
    "linear: bias must be a Tensor, got ndarray",
)
bad(
    "linear with a bias too long",
    lambda: _F.linear(zeros(2, 3), zeros(4, 3), zeros(3)),
    ValueError,
    "shape (4,), got (3,)",
)

_W = (2, 3, 3, 3)
bad(
    "conv2d of channels",
    lambda: _F.conv2d(zeros(1, 4, 5, 5), zeros(*_W)),
    ValueError,
    "conv2d: input has 4 channels but weight of shape (2, 3, 3, 3) expects 3 (groups=1)",
)
bad(
    "conv2d with an unknown activation",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), activation="gelu"),
    ValueError,
    "conv2d: activation must be 'relu' or None, got 'gelu'",
)
bad(
    "conv_transpose2d with an unknown activation",
    lambda: _F.conv_transpose2d(zeros(*_IMAGE), zeros(3, 2, 3, 3), activation="ReLU"),
    ValueError,
    "conv_transpose2d: activation must be 'relu' or None, got 'ReLU'",
)
bad("conv2d of a matrix", lambda: _F.conv2d(zeros(4, 5), zeros(*_W)), ValueError, "must be N,C,H,W or C,H,W, got")
bad("conv2d of a vector weight", lambda: _F.conv2d(zeros(*_IMAGE), zeros(3)), ValueError, "must have 4 dimensions")
bad("conv2d of integers", lambda: _F.conv2d(zeros(*_IMAGE).long(), zeros(*_W)), TypeError, ".float() converts it")
bad(
    "conv2d of types",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W, dtype=_DOUBLE)),
    TypeError,
    "conv2d: types differ: input is float32, weight is float64",
)
bad(
    "conv2d of an array",
    lambda: _F.conv2d(np.zeros(_IMAGE), zeros(*_W)),
    TypeError,
    "input must be a Tensor, got ndarray",
)
bad(
    "conv2d with a list as bias",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), [0.0, 0.0]),
    TypeError,
    "conv2d: bias must be a Tensor, got list",
)
bad(
    "conv2d with a bias too long",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), zeros(3)),
    ValueError,
    "bias must have shape (2,), one for each output channel, got (3,)",
)
bad(
    "conv2d of a small image",
    lambda: _F.conv2d(zeros(1, 3, 2, 9), zeros(*_W)),
    ValueError,
    "its height must be at least 3",
)
bad(
    "conv2d, dilated, of a small image",
    lambda: _F.conv2d(zeros(1, 3, 9, 4), zeros(*_W), dilation=2),
    ValueError,
    "its width must be at least 5",
)
bad("conv2d of no pixel", lambda: _F.conv2d(zeros(1, 3, 0, 4), zeros(*_W), padding=2), ValueError, "has no pixel")
bad(
    "conv2d with stride 0",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), stride=0),
    ValueError,
    "stride must be at least 1",
)
bad(
    "conv2d with three strides",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), stride=(1, 1, 1)),
    TypeError,
    "a pair of ints",
)
bad(
    "conv2d with padding below 0", lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), padding=-1), ValueError, "at least 0"
)
bad(
    "conv2d with no such padding",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), padding="full"),
    ValueError,
    "got 'full'",
)
bad(
    "conv2d same with stride",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), padding="same", stride=2),
    ValueError,
    "stride 1",
)
bad(
    "conv2d with groups of 0",
    lambda: _F.conv2d(zeros(*_IMAGE), zeros(*_W), groups=0),
    ValueError,
    "groups must be a positive",
)
bad(
    "conv2d of odd groups",
    lambda: _F.conv2d(zeros(1, 9, 4, 4), zeros(*_W), groups=3),
    ValueError,
    "groups=3 does not divide",
)
bad(
    "conv_transpose2d of channels",
    lambda: _F.conv_transpose2d(zeros(*_IMAGE), zeros(*_W)),
    ValueError,
    "conv_transpose2d: input has 3 channels but weight of shape (2, 3, 3, 3) expects 2",
)
bad(
    "conv_transpose2d, all cut off",
    lambda: _F.conv_transpose2d(zeros(1, 2, 1, 1), zeros(*_W), padding=2),
    ValueError,
    "gives an output of -1x-1 pixels",
)
bad(
    "conv_transpose2d with output padding",
    lambda: _F.conv_transpose2d(zeros(1, 2, 3, 3), zeros(*_W), stride=2, output_padding=2),
    ValueError,
    "output_padding (2, 2) must be smaller than stride (2, 2)",
)
bad(
    "conv_transpose2d in groups",
    lambda: _F.conv_transpose2d(zeros(1, 2, 3, 3), zeros(*_W), groups=3),
    ValueError,
    "which groups=3 does not divide",
)
bad(
    "conv_transpose2d with a bias too short",
    lambda: _F.conv_transpose2d(zeros(1, 2, 3, 3), zeros(*_W), zeros(1)),
    ValueError,
    "bias must have shape (3,)",
)

bad(
    "max_pool2d of a small image",
    lambda: _F.max_pool2d(zeros(1, 1, 1, 4), 2),
    ValueError,
    "its height must be at least 2",
)
bad("max_pool2d of no pixel", lambda: _F.max_pool2d(zeros(1, 1, 0, 4), 2, padding=1), ValueError, "has no pixel")
bad(
    "max_pool2d padded too much",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4), 2, padding=2),
    ValueError,
    "at most half of",
)
bad(
    "max_pool2d of a window without pixel",
    lambda: _F.max_pool2d(zeros(1, 1, 1, 1), 2, padding=1, dilation=2),
    ValueError,
    "windows that hold no pixel",
)
bad("max_pool2d of a vector", lambda: _F.max_pool2d(zeros(4), 2), ValueError, "be N,C,H,W or C,H,W, got shape (4,)")
bad(
    "max_pool2d of integers",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4).long(), 2),
    TypeError,
    "must be float32 or float64",
)
bad(
    "max_pool2d with a kernel of 0",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4), 0),
    ValueError,
    "kernel_size must be at least 1",
)
bad(
    "max_pool2d with a float",
    lambda: _F.max_pool2d(zeros(1, 1, 4, 4), 2.0),
    TypeError,
    "an int or a pair of ints, got 2.0",
)
_X, _I = (1, 1, 2, 2), (1, 1, 2, 2)
bad("max_unpool2d of floats", lambda: _F.max_unpool2d(zeros(*_X), zeros(*_I), 2), TypeError, "indices must be int64")
bad(
    "max_unpool2d of shapes",
    lambda: _F.max_unpool2d(zeros(*_X), zeros(1, 1, 2, 1, dtype="int64"), 2),
    ValueError,
    "must have input's shape (1, 1, 2, 2)",
)
bad(
    "max_unpool2d out of range",
    lambda: _F.max_unpool2d(zeros(*_X), tinyseg.full(_I, 16), 2),
    IndexError,
    "index 16 is out of range for planes of 4x4 pixels",
)
bad(
    "max_unpool2d below 0",
    lambda: _F.max_unpool2d(zeros(*_X), tinyseg.full(_I, -1), 2),
    IndexError,
    "index -1 is out of",
)
bad(
    "max_unpool2d to three sizes",
    lambda: _F.max_unpool2d(zeros(1, 2, 2), tinyseg.full((1, 2, 2), 0), 2, output_size=(1, 4, 4)),
    ValueError,
    "max_unpool2d: output_size must be H,W or N,C,H,W, got (1, 4, 4)",
)
bad(
    "max_unpool2d to five sizes",
    lambda: _F.max_unpool2d(zeros(*_X), tinyseg.full(_I, 0), 2, output_size=(1, 1, 1, 4, 4)),
    ValueError,
    "max_unpool2d: output_size must be H,W or N,C,H,W, got (1, 1, 1, 4, 4)",
)
bad(
    "max_unpool1d to two sizes",
    lambda: _F.max_unpool1d(zeros(1, 1, 2), tinyseg.full((1, 1, 2), 0), 2, output_size=(1, 4)),
    ValueError,
    "max_unpool1d: output_size must be L or N,C,L, got (1, 4)",
)
bad(
    "conv2d with a bool for a stride",
    lambda: _F.conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 2, 2), None, True),
    TypeError,
    "conv2d: stride must be an int or a pair of ints, got True",
)
bad(
    "conv2d with an empty stride",
    lambda: _F.conv2d(zeros(1, 1, 4, 4), zeros(1, 1, 2, 2), None, ()),
    TypeError,
    "conv2d: stride must be an int or a pair of ints, got ()",
)
bad(
    "unfold with a sequence of one",
    lambda: _F.unfold(zeros(1, 1, 4, 4), (2,)),
    TypeError,
    "unfold: kernel_size must be an int or a pair of ints, got (2,)",
)
bad(
    "max_unpool2d to a far size",
    lambda: _F.max_unpool2d(zeros(*_X), tinyseg.full(_I, 0), 2, output_size=(6, 4)),
    ValueError,
    "output_size (6, 4) must be within stride (2, 2) of (4, 4)",
)

bad(
    "interpolate without size", lambda: _F.interpolate(zeros(*_IMAGE)), ValueError, "give either size or scale_factor"
)
bad(
    "interpolate with both",
    lambda: _F.interpolate(zeros(*_IMAGE), 2, 2.0),
    ValueError,
    "give either size or scale_factor",
)
bad(
    "interpolate to nothing",
    lambda: _F.interpolate(zeros(*_IMAGE), scale_factor=0.1),
    ValueError,
    "must not be empty",
)
bad(
    "interpolate by less than 0",
    lambda: _F.interpolate(zeros(*_IMAGE), scale_factor=-1),
    ValueError,
    "positive numbers, got -1",
)
bad("interpolate in no such mode", lambda: _F.interpolate(zeros(*_IMAGE), 2, mode="cubic"), ValueError, "got 'cubic'")
bad(
    "interpolate nearest aligned",
    lambda: _F.interpolate(zeros(*_IMAGE), 2, align_corners=True),
    ValueError,
    "only for mode",
)
bad(
    "interpolate of a matrix", lambda: _F.interpolate(zeros(4, 5), 2), ValueError, "must be N,C,H,W, got shape (4, 5)"
)

bad(
    "batch_norm of a vector",
    lambda: _F.batch_norm(zeros(4), None, None, training=True),
    ValueError,
    "must be N,C or of more dimensions, got shape (4,)",
)
bad(
    "batch_norm with an unknown activation",
    lambda: _F.batch_norm(zeros(*_IMAGE), None, None, training=True, activation=_F.relu),
    ValueError,
    "batch_norm: activation must be 'relu' or None, got <function relu",
)
bad(
    "batch_norm of one value",
    lambda: _F.batch_norm(zeros(1, 3, 1, 1), None, None, training=True),
    ValueError,
    "more than one value for each channel",
)
bad(
    "batch_norm without statistics",
    lambda: _F.batch_norm(zeros(*_IMAGE), None, None),
    ValueError,
    "needs running_mean",
)
bad(
    "batch_norm of other channels",
    lambda: _F.batch_norm(zeros(*_IMAGE), zeros(4), zeros(3)),
    ValueError,
    "running_mean must have shape (3,), one for each channel of input, got (4,)",
)
bad(
    "batch_norm of types",
    lambda: _F.batch_norm(zeros(*_IMAGE), zeros(3), zeros(3), zeros(3, dtype=_DOUBLE)),
    TypeError,
    "weight is float64",
)

_T = (1, 4, 5)
bad(
    "log_softmax of no such dim",
    lambda: _F.log_softmax(zeros(2, 3), 2),
    IndexError,
    "log_softmax: dim 2 is out of range",
)
bad("log_softmax of a list", lambda: _F.log_softmax([1.0], 0), TypeError, "input must be a Tensor, got list")
bad("relu of bools", lambda: zeros(2, dtype="bool").relu(), TypeError, "relu: input must be a number, got bool")
bad("softmax of no such dim", lambda: _F.softmax(zeros(2, 3), 3), IndexError, "softmax: dim 3 is out of range")
bad(
    "softmax of integers",
    lambda: _F.softmax(tinyseg.arange(3), 0),
    TypeError,
    "must be float32 or float64, got int64",
)
bad(
    "cross_entropy of shapes",
    lambda: _F.cross_entropy(zeros(*_IMAGE), zeros(1, 5, 4).long()),
    ValueError,
    "input of shape (1, 3, 4, 5) (N,C,H,W) needs target of shape (1, 4, 5) (N,H,W), got (1, 5, 4)",
)
bad(
    "cross_entropy of floats",
    lambda: _F.cross_entropy(zeros(*_IMAGE), zeros(*_T)),
    TypeError,
    "must hold class indices",
)
bad(
    "cross_entropy of no such class",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, 3)),
    IndexError,
    "target holds 3, but there are classes 0 .. 2 (ignore_index=-100)",
)
bad(
    "cross_entropy of a class below 0",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, -1)),
    IndexError,
    "holds -1",
)
bad(
    "cross_entropy with two weights",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, 0), zeros(2)),
    ValueError,
    "weight must have shape (3,), got (2,)",
)
bad(
    "cross_entropy reduced otherwise",
    lambda: _F.cross_entropy(zeros(*_IMAGE), tinyseg.full(_T, 0), reduction="max"),
    ValueError,
    "reduction must be 'mean', 'sum' or 'none', got 'max'",
)

bad("dropout2d of less than none", lambda: _F.dropout2d(zeros(1, 1, 1, 1), -0.1), ValueError, "0 .. 1, got -0.1")
bad(
    "dropout of no probability",
    lambda: _F.dropout(zeros(2), 1.5),
    ValueError,
    "p must be a probability, 0 .. 1, got 1.5",
)
bad("dropout of NaN", lambda: _F.dropout(zeros(2), math.nan), ValueError, "must be a probability")
bad("dropout of integers", lambda: _F.dropout(tinyseg.arange(3)), TypeError, "dropout: input must be float32")
bad("dropout2d of a matrix", lambda: _F.dropout2d(zeros(2, 3)), ValueError, "dropout2d: input must be (N, C, H, W)")

bad("zeros of a negative size", lambda: zeros(-1), ValueError, "zeros: sizes must not be negative, got (-1,)")
bad(
    "rand of integers",
    lambda: tinyseg.rand(2, dtype="int64"),
    TypeError,
    "uniform_: input must be float32 or float64",
)
bad("arange with step 0", lambda: tinyseg.arange(0, 3, 0), ValueError, "arange: step must not be 0")
bad(
    "tensor of unequal lists",
    lambda: tinyseg.tensor([[1, 2], [3]]),
    ValueError,
    "the nested lists are of unequal lengths",
)
bad("tensor of texts", lambda: tinyseg.tensor(["a"]), TypeError, "is not supported; there are float32")
bad(
    "a gradient of integers",
    lambda: tinyseg.tensor([1], requires_grad=True),
    TypeError,
    "only floating types have gradients",
)
