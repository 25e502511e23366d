"""Prediction: the network in evaluation, as written and with batch norm folded in, against PyTorch (eager, and
compiled with constants folded), ONNX Runtime and OpenVINO, all in float32 with the same weights.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable, Iterator
from typing import Any

from .networks import NETWORKS
from .sides import SIDES, Array, Side, compiled, need
from .timing import Case, Way
from .train_step import batch

RUNS, WARM = 7, 2
# How many images, and of which size.
SIZES = {
    "U-Net": [(4, 128), (1, 256), (1, 512)],
    "FCN-8s small": [(4, 128), (1, 256), (1, 512)],
    "FCN-8s VGG16": [(1, 64), (1, 224)],
    "DilatedNet": [(1, 64), (1, 128)],
}


@functools.lru_cache(maxsize=1)
def _weights(network: str) -> dict[str, Array]:
    import tinyseg

    model = NETWORKS[network](tinyseg)
    return {name: tensor.numpy() for name, tensor in model.state_dict().items()}


def _model(side: Side, network: str) -> Any:
    """In evaluation, with weights that are the same on every side."""
    model = NETWORKS[network](side.library)
    model.load_state_dict({name: side.place(array) for name, array in _weights(network).items()})
    return side.lay_out(model).eval()


def _eager(name: str, network: str, size: tuple[int, int], threads: int, change: Callable[[Side, Any], Any]) -> Way:
    """``change`` makes of the model what predicts."""
    side = SIDES[name](threads)
    images, model = side.place(batch(*size)[0]), change(side, _model(side, network))

    def predict() -> Any:
        with side.library.no_grad():
            return model(images)

    return predict


def _as_written(side: Side, model: Any) -> Any:
    return model


def _fused(side: Side, model: Any) -> Any:
    from tinyseg.nn.utils import fuse

    return fuse(model)


def _compiled(side: Side, model: Any) -> Any:
    return compiled(side.library, model, freezing=True)


def _onnxruntime(network: str, size: tuple[int, int], threads: int) -> Way:
    onnxruntime = need("onnxruntime")
    need("onnx")  # PyTorch's exporter wants it
    side = SIDES["torch"](threads)
    images, file = side.place(batch(*size)[0]), io.BytesIO()
    side.library.onnx.export(_model(side, network), (images,), file, dynamo=False, input_names=["images"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.force_spinning_stop", "1")  # or its threads slow down who comes next
    session = onnxruntime.InferenceSession(file.getvalue(), options, providers=["CPUExecutionProvider"])
    return functools.partial(session.run, None, {"images": images.numpy()})


def _openvino(network: str, size: tuple[int, int], threads: int) -> Way:
    openvino = need("openvino")
    side = SIDES["torch"](threads)
    images = side.place(batch(*size)[0])
    model = openvino.convert_model(_model(side, network), example_input=images, input=[tuple(images.shape)])
    options = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.compile_model(model, "CPU", options).create_infer_request()
    return functools.partial(request.infer, [images.numpy()], share_inputs=True, share_outputs=True)


def cases(threads: int) -> Iterator[Case]:
    """Each network at its sizes."""
    eager = {name: (name, _as_written) for name in SIDES}
    eager |= {"tinyseg fused": ("tinyseg", _fused), "torch.compile": ("torch channels-last", _compiled)}
    for network, sizes in SIZES.items():
        for size in sizes:
            ways: dict[str, Callable[[], Way]] = {
                name: functools.partial(_eager, side, network, size, threads, change)
                for name, (side, change) in eager.items()
            }
            ways["ONNX Runtime"] = functools.partial(_onnxruntime, network, size, threads)
            ways["OpenVINO"] = functools.partial(_openvino, network, size, threads)
            yield Case(network, f"{network}, {size[0]}x3x{size[1]}x{size[1]}, prediction", threads, ways)
