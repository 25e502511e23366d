"""The same measurements on a GPU: convolutions, training steps, predictions, and how near kernels come to its peak.

PyTorch is measured with TF32 off (float32 throughout) and on (tensor cores, which round factors to ten bits), and
compiled; tinyseg likewise, by ``set_float32_matmul_precision``. A call is over when the GPU has done its work.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from . import conv, train_step
from .conv import FAMILIES, Shape
from .networks import NETWORKS
from .sides import LeftOut, Side, compiled, need
from .timing import OURS, Case, Way, _calls

RUNS, WARM = 7, 2
SIZES = {
    "U-Net": [(4, 128), (8, 256), (4, 512)],
    "FCN-8s VGG16": [(1, 224), (8, 224)],
    "DilatedNet": [(1, 224), (4, 224)],
}
NAMES = ("conv", "train_step", "predict", "kernels")


def _ours(precise: bool) -> Side:
    import tinyseg

    if not tinyseg.cuda.is_available():
        raise LeftOut("there is no GPU that tinyseg can use")
    tinyseg.set_default_device("cuda")
    return Side(tinyseg, tinyseg.tensor, lambda network: network.to("cuda"))


def _torch(precise: bool) -> Side:
    torch = need("torch")
    if not torch.cuda.is_available():
        raise LeftOut("PyTorch finds no GPU and is left out")
    return Side(torch, lambda array: torch.tensor(array, device="cuda"), lambda network: network.to("cuda"))


# Name -> its side, whether float32 is kept throughout, and whether it is compiled.
WAYS: dict[str, tuple[Callable[[bool], Side], bool, bool]] = {
    OURS: (_ours, True, False),
    f"{OURS} TF32": (_ours, False, False),
    "torch": (_torch, True, False),
    "torch TF32": (_torch, False, False),
    "torch.compile": (_torch, True, True),
}


def _finished(side: Side, precise: bool, call: Callable[[], Any]) -> Way:
    """The call with its precision, and the wait for the GPU."""
    library = side.library

    def run() -> None:
        library.set_float32_matmul_precision("highest" if precise else "high")
        if library.__name__ == "torch":
            library.backends.cudnn.allow_tf32 = not precise  # which the line above leaves as it is
        call()
        library.cuda.synchronize()

    return run


def _convolution(shape: Shape, gradients: bool, name: str) -> Way:
    make, precise, compiling = WAYS[name]
    if compiling:
        raise LeftOut("torch.compile calls the same convolutions as PyTorch and is left out")
    side = make(precise)
    return _finished(side, precise, conv.call(side, shape, gradients))


def _training(network: str, size: tuple[int, int], name: str) -> Way:
    make, precise, compiling = WAYS[name]
    side = make(precise)
    step = train_step.trainer(side, side.lay_out(NETWORKS[network](side.library)), compiling)
    return _finished(side, precise, functools.partial(step, *map(side.place, train_step.batch(*size))))


def _prediction(network: str, size: tuple[int, int], name: str) -> Way:
    make, precise, compiling = WAYS[name]
    side = make(precise)
    model = side.lay_out(NETWORKS[network](side.library)).eval()
    model = compiled(side.library, model) if compiling else model
    images = side.place(train_step.batch(*size)[0])

    def predict() -> None:
        with side.library.no_grad():
            model(images)

    return _finished(side, precise, predict)


def _share(title: str, size: int) -> Way:
    """Per cent of the device's peak that an operator reaches, of arithmetic or of memory."""
    side = _ours(True)
    t = side.library
    F, gpu = t.nn.functional, t.backend.kernels("cuda").gpu()
    x = side.place(np.random.default_rng(0).standard_normal((16, 64, size, size)).astype(np.float32))
    moved = 4 * x.numel()
    channel, labels = t.ones(64), t.zeros(16, size, size, dtype="int64")
    weight = t.randn(64, 64, 3, 3)
    square = t.randn(16 * size, 16 * size)
    calls: dict[str, tuple[Callable[[], Any], float, float]] = {  # what runs, its operations, its bytes
        "3x3 convolution": (lambda: F.conv2d(x, weight, padding=1), 2.0 * 9 * 64 * x.numel(), 0),
        "matrix product": (lambda: square @ square, 2.0 * square.shape[0] ** 3, 0),
        "addition": (lambda: x + x, 0, 2 * moved),
        "relu": (lambda: F.relu(x), 0, 2 * moved),
        "sum over pixels": (lambda: x.sum((0, 2, 3)), 0, moved),
        "batch norm": (lambda: F.batch_norm(x, None, None, channel, channel, True), 0, 3 * moved),
        "max pooling": (lambda: F.max_pool2d(x, 2), 0, moved * 1.75),
        "cross-entropy": (lambda: F.cross_entropy(x, labels), 0, moved),
    }
    call, operations, moved = calls[title]
    run = _finished(side, True, call)
    t.set_conv_algorithm("direct")  # a share of the arithmetic that is really done

    def measure() -> float:
        _calls(run, 0.05)
        seconds = _calls(run, 0.2)
        peak = gpu.flops if operations else gpu.bandwidth
        return 100 * (operations or moved) / seconds / peak

    return measure


SHARES = (
    *("3x3 convolution", "matrix product", "addition", "relu", "sum over pixels"),
    *("batch norm", "max pooling", "cross-entropy"),
)


def _ways(build: Callable[[str], Way]) -> dict[str, Callable[[], Way]]:
    return {name: functools.partial(build, name) for name in WAYS}


def cases(name: str) -> Iterator[Case]:
    """Those of one of ``NAMES``."""
    if name == "conv":
        for family, shapes in FAMILIES.items():
            for shape in shapes:
                for gradients in (False, True):
                    title = f"{shape}{', forward + gradients' * gradients}"
                    yield Case(family, title, 1, _ways(functools.partial(_convolution, shape, gradients)))
    elif name == "kernels":
        for title in SHARES:
            yield Case("share of the peak", title, 1, {OURS: functools.partial(_share, title, 128)}, unit="%")
    else:
        build, what = (_training, "training step") if name == "train_step" else (_prediction, "prediction")
        for network, sizes in SIZES.items():
            for size in sizes:
                title = f"{network}, {size[0]}x3x{size[1]}x{size[1]}, {what}"
                yield Case(network, title, 1, _ways(functools.partial(build, network, size)))
