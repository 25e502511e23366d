"""Layers: modules of one operator each, with PyTorch's names, arguments and parameter names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Any

from ..ops.common import pair
from ..ops.creation import ones, zeros
from ..tensor import Tensor
from . import functional as F
from . import init
from .module import Module, Parameter


class _ConvNd(Module):
    """What convolution and transposed convolution share: weight, bias and their initialisation."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any,
        padding: Any,
        dilation: Any,
        groups: int,
    ) -> None:
        super().__init__()
        who = type(self).__name__
        for name, channels in (("in_channels", in_channels), ("out_channels", out_channels)):
            if channels < 1 or groups < 1 or channels % groups:
                raise ValueError(f"{who}: {name}={channels} must be a positive multiple of groups={groups}")
        self.in_channels, self.out_channels, self.groups = in_channels, out_channels, groups
        self.kernel_size = pair(who, "kernel_size", kernel_size, 1)
        self.stride, self.dilation = pair(who, "stride", stride, 1), pair(who, "dilation", dilation, 1)
        self.padding: Any = padding if isinstance(padding, str) else pair(who, "padding", padding)

    def _add_parameters(self, shape: tuple[int, ...], bias: bool) -> None:
        """PyTorch's default: uniform in +-1 / sqrt(fan in), for weight and bias."""
        self.weight = Parameter(zeros(shape))
        bound = 1 / math.sqrt(math.prod(shape[1:]))
        init.uniform_(self.weight, -bound, bound)
        self.register_parameter("bias", Parameter(zeros(self.out_channels)) if bias else None)
        if bias:
            init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Channels and window."""
        text = f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"
        text += "" if self.padding == (0, 0) else f", padding={self.padding}"
        text += "" if self.dilation == (1, 1) else f", dilation={self.dilation}"
        text += "" if self.groups == 1 else f", groups={self.groups}"
        return text + ("" if self.bias is not None else ", bias=False")


class Conv2d(_ConvNd):
    """Convolution, see ``functional.conv2d``. ``weight``: (out, in / groups, kh, kw); ``bias``: (out,).

    >>> import tinyseg
    >>> Conv2d(3, 8, 3, padding=1)(tinyseg.zeros(1, 3, 32, 32)).shape
    (1, 8, 32, 32)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self._add_parameters((out_channels, in_channels // groups, *self.kernel_size), bias)

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W'); ``activation``: see ``functional.conv2d``."""
        window = (self.stride, self.padding, self.dilation, self.groups)
        return F.conv2d(input, self.weight, self.bias, *window, activation)


class ConvTranspose2d(_ConvNd):
    """Transposed convolution, see ``functional.conv_transpose2d``. ``weight``: (in, out / groups, kh, kw).

    >>> import tinyseg
    >>> ConvTranspose2d(8, 4, 2, stride=2)(tinyseg.zeros(1, 8, 16, 16)).shape
    (1, 4, 32, 32)
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, padding, dilation, groups)
        self.output_padding = pair("ConvTranspose2d", "output_padding", output_padding)
        self._add_parameters((in_channels, out_channels // groups, *self.kernel_size), bias)

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, in, H, W) -> (N, out, H', W'); ``activation``: see ``functional.conv_transpose2d``."""
        window = (self.stride, self.padding, self.output_padding, self.groups, self.dilation)
        return F.conv_transpose2d(input, self.weight, self.bias, *window, activation)


class Linear(Module):
    """Fully connected layer, see ``functional.linear``. ``weight``: (out, in); ``bias``: (out,)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        bound = 1 / math.sqrt(in_features)
        self.weight = Parameter(zeros(out_features, in_features))
        init.uniform_(self.weight, -bound, bound)
        self.register_parameter("bias", Parameter(zeros(out_features)) if bias else None)
        if bias:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        """Features."""
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class BatchNorm2d(Module):
    """Batch normalisation, see ``functional.batch_norm``. ``weight``, ``bias``, ``running_mean``, ``running_var``:
    (num_features,); ``num_batches_tracked`` counts training batches.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
    ) -> None:
        super().__init__()
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.register_parameter("weight", Parameter(ones(num_features)) if affine else None)
        self.register_parameter("bias", Parameter(zeros(num_features)) if affine else None)
        self.register_buffer("running_mean", zeros(num_features) if track_running_stats else None)
        self.register_buffer("running_var", ones(num_features) if track_running_stats else None)
        self.register_buffer("num_batches_tracked", zeros((), dtype="int64") if track_running_stats else None)

    def forward(self, input: Tensor, activation: str | None = None) -> Tensor:
        """(N, C, H, W) -> the same; ``activation``: see ``functional.batch_norm``."""
        training = self.training or self.running_mean is None
        if self.training and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
        state = (self.running_mean, self.running_var, self.weight, self.bias)
        return F.batch_norm(input, *state, training, self.momentum, self.eps, activation)

    def extra_repr(self) -> str:
        """Features."""
        return f"{self.num_features}, eps={self.eps}, momentum={self.momentum}"


class ReLU(Module):
    """max(x, 0), see ``functional.relu``. ``inplace`` is accepted for PyTorch's sake and changes nothing."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.relu(input)


class MaxPool2d(Module):
    """Max pooling, see ``functional.max_pool2d``."""

    def __init__(
        self,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size, self.stride = kernel_size, kernel_size if stride is None else stride
        self.padding, self.dilation = padding, dilation
        self.return_indices, self.ceil_mode = return_indices, ceil_mode

    def forward(self, input: Tensor) -> Any:
        """(N, C, H, W) -> (N, C, H', W'), with ``return_indices`` also where the maxima stood."""
        window = (self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode)
        return F.max_pool2d(input, *window, self.return_indices)

    def extra_repr(self) -> str:
        """Window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool2d(Module):
    """Max-unpooling, see ``functional.max_unpool2d``."""

    def __init__(self, kernel_size: Any, stride: Any = None, padding: Any = 0) -> None:
        super().__init__()
        self.kernel_size, self.stride, self.padding = kernel_size, kernel_size if stride is None else stride, padding

    def forward(self, input: Tensor, indices: Tensor, output_size: Any = None) -> Tensor:
        """(N, C, H, W) and its indices -> (N, C, H', W')."""
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)

    def extra_repr(self) -> str:
        """Window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class Upsample(Module):
    """Resizing, see ``functional.interpolate``."""

    def __init__(
        self,
        size: Any = None,
        scale_factor: Any = None,
        mode: str = "nearest",
        align_corners: bool | None = None,
        recompute_scale_factor: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.scale_factor, self.mode = size, scale_factor, mode
        self.align_corners, self.recompute_scale_factor = align_corners, recompute_scale_factor

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C, H', W')."""
        return F.interpolate(
            input, self.size, self.scale_factor, self.mode, self.align_corners, self.recompute_scale_factor
        )

    def extra_repr(self) -> str:
        """Size and mode."""
        size = f"size={self.size}" if self.size is not None else f"scale_factor={self.scale_factor}"
        return f"{size}, mode={self.mode!r}"


class Dropout(Module):
    """Dropout of elements in training, see ``functional.dropout``."""

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, input: Tensor) -> Tensor:
        """Any shape."""
        return F.dropout(input, self.p, self.training)

    def extra_repr(self) -> str:
        """Probability."""
        return f"p={self.p}"


class Dropout2d(Dropout):
    """Dropout of whole channels in training, see ``functional.dropout2d``."""

    def forward(self, input: Tensor) -> Tensor:
        """(N, C, H, W)."""
        return F.dropout2d(input, self.p, self.training)


class Identity(Module):
    """Nothing: what takes the place of a layer that is left out."""

    def forward(self, input: Tensor) -> Tensor:
        """Returns its input."""
        return input


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
        if (
            last
            and not last[1]
            and is_plain(module, ReLU)
            and is_plain(last[0], Conv2d, ConvTranspose2d, BatchNorm2d)
        ):
            plan[-1] = last[0], {"activation": "relu"}
        else:
            plan.append((module, {}))
    return plan


class Sequential(Module):
    """Modules one after the other; they are called 0, 1, 2, ... or as the dict given says.

    A ReLU that directly follows a Conv2d, a ConvTranspose2d or a BatchNorm2d is computed with it as one operator
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
