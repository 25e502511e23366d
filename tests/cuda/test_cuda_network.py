"""Whole networks on the GPU or its simulator: steps like the CPU's, without a copy that nobody asked for."""

from __future__ import annotations

import copy
import importlib
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_runs
from typer.testing import CliRunner

import tinyseg
from benchmarks import gpu, networks
from benchmarks.conv import Shape
from tinyseg import Tensor, backend, nn, optim
from tinyseg.checkpoint import Checkpoint, load, save
from tinyseg.cli import app
from tinyseg.data import Batch
from tinyseg.engine.training.train import Trainer
from tinyseg.models.unet import unet
from tinyseg.nn import functional as F


def small_unet() -> nn.Module:
    return unet(3, in_channels=2, width=4, depth=1)


def small_fcn() -> nn.Module:
    """The layers of an FCN, two strides and a skip, and batch norm besides."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2))
            self.second = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
            self.drop = nn.Dropout(0.5)
            self.pool = nn.MaxPool2d(2)
            self.skip, self.score = nn.Conv2d(4, 3, 1), nn.Conv2d(4, 3, 1)
            self.up = nn.ConvTranspose2d(3, 3, 4, stride=2, padding=1)

        def forward(self, x: Tensor) -> Tensor:
            half = self.first(x)
            coarse = self.score(self.drop(self.pool(self.second(half))))
            return F.interpolate(self.up(coarse) + self.skip(half), scale_factor=2, mode="bilinear")

    return Net()


def train(make: Callable[[], nn.Module], device: str, steps: int = 2) -> tuple[list[float], list[np.ndarray], Any]:
    """Losses, weights, and the copies of the last step."""
    tinyseg.set_default_device("cpu")
    tinyseg.manual_seed(0)
    net = make()
    rng = np.random.default_rng(0)
    images = rng.standard_normal((2, 2, 8, 8)).astype(np.float32)
    labels = rng.integers(0, 3, (2, 8, 8))
    labels[0, 0] = 255
    tinyseg.set_default_device(device)
    net.to(device)
    optimizer = optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    losses, copies = [], None
    for _ in range(steps):
        before = counts(device)
        loss = F.cross_entropy(net(tinyseg.tensor(images)), tinyseg.tensor(labels), ignore_index=255)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        copies = counts(device) - before
    return losses, [x.detach().numpy().copy() for x in net.parameters()], copies


def counts(device: str) -> np.ndarray:
    if device != "cuda":
        return np.zeros(4)
    copies = backend.kernels("cuda").copies
    return np.array([copies.uploads, copies.uploaded_bytes, copies.downloads, copies.downloaded_bytes])


@pytest.mark.parametrize("make", [small_unet, small_fcn])
def test_steps_are_the_cpus_and_copy_input_and_loss_alone(make: Callable[[], nn.Module], cuda: str) -> None:
    losses, weights, copies = train(make, cuda)
    expected_losses, expected_weights, _ = train(make, "cpu")
    np.testing.assert_allclose(losses, expected_losses, rtol=1e-5)
    for ours, expected in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-5)
    images, labels, loss = 2 * 2 * 8 * 8 * 4, 2 * 8 * 8 * 8, 4
    assert copies.tolist() == [2, images + labels, 1, loss]
    again, same_weights, _ = train(make, cuda)
    assert again == losses  # to the bit
    assert all((a == b).all() for a, b in zip(weights, same_weights, strict=True))


def test_tensors_and_modules_move(cuda: str) -> None:
    x = tinyseg.tensor([[1.0, 2.0]], device="cuda:0", requires_grad=True)
    assert x.device == "cuda"
    assert x.cuda() is x
    y = x.cpu()
    assert (y.device, y.tolist()) == ("cpu", [[1.0, 2.0]])
    (y * 3.0).sum().backward()
    assert x.grad is not None
    assert (x.grad.device, x.grad.tolist()) == ("cuda", [[3.0, 3.0]])
    net = nn.BatchNorm2d(2).to("cuda")
    assert {v.device for v in (*net.parameters(), *net.buffers())} == {"cuda"}
    assert {v.device for v in net.cpu().parameters()} == {"cpu"}
    assert "device='cuda'" in repr(x)
    assert tinyseg.cuda.device_count() == 1
    assert tinyseg.cuda.get_device_name()


def test_copies_and_pickles_are_tensors_of_their_own(cuda: str) -> None:
    x = tinyseg.tensor([[1.0, 2.0], [3.0, 4.0]]).T
    before = counts(cuda)
    copied = copy.deepcopy(x)
    assert (counts(cuda) == before).all()
    x.fill_(0)
    assert copied.tolist() == [[1.0, 3.0], [2.0, 4.0]]
    back = pickle.loads(pickle.dumps(copied))
    assert (back.device, back.tolist()) == ("cuda", copied.tolist())


def test_devices_do_not_mix(cuda: str) -> None:
    here, there = tinyseg.zeros(2, device="cuda"), tinyseg.zeros(2, device="cpu")
    for call in (lambda: here + there, lambda: F.mse_loss(here, there), lambda: tinyseg.cat([here, there])):
        with pytest.raises(ValueError, match=r"two devices, '(cuda|cpu)' and '(cpu|cuda)'"):
            call()


def test_a_seed_gives_one_set_of_numbers(cuda: str) -> None:
    numbers = {}
    for device in ("cuda", "reference"):
        tinyseg.manual_seed(5)
        tinyseg.set_default_device(device)
        dropped = F.dropout(tinyseg.ones(2, 3, 2, 2), 0.4)
        numbers[device] = [tinyseg.rand(7).tolist(), dropped.tolist(), tinyseg.randn(5).tolist()]
    assert numbers["cuda"][:2] == numbers["reference"][:2]
    np.testing.assert_allclose(numbers["cuda"][2], numbers["reference"][2], rtol=1e-6)


def test_a_wrong_label_is_told_when_the_loss_is_read(cuda: str) -> None:
    logits = tinyseg.zeros(1, 3, 1, 2, requires_grad=True)
    loss = F.cross_entropy(logits, tinyseg.tensor([[[1, 7]]]))
    loss.backward()
    with pytest.raises(IndexError, match="target holds 7, but there are classes"):
        loss.item()
    assert F.cross_entropy(logits, tinyseg.tensor([[[1, 2]]])).item() == pytest.approx(np.log(3))


def test_checkpoints_and_optimisers_move_between_devices(cuda: str, tmp_path: Path) -> None:
    def step(net: nn.Module, optimizer: optim.Optimizer) -> None:
        net.zero_grad()
        (net(tinyseg.ones(1, 2, 3, 3)) * 2.0).sum().backward()
        optimizer.step()

    weights = {}
    for second in ("cuda", "cpu"):
        tinyseg.set_default_device("cpu" if second == "cuda" else "cuda")
        tinyseg.manual_seed(1)
        net = nn.Conv2d(2, 1, 3)
        optimizer = optim.Adam(net.parameters())
        step(net, optimizer)
        save(tmp_path / "net.safetensors", Checkpoint(net.state_dict(), {"optimizer": optimizer.state_dict()}))
        tinyseg.set_default_device(second)
        net = nn.Conv2d(2, 1, 3)
        optimizer = optim.Adam(net.parameters())
        found = load(tmp_path / "net.safetensors")
        net.load_state_dict(found.weights)
        optimizer.load_state_dict(found.state["optimizer"])
        assert {v["mean"].device for v in optimizer.state.values()} == {second}
        step(net, optimizer)
        weights[second] = net.weight.detach().numpy()
    np.testing.assert_allclose(weights["cuda"], weights["cpu"], rtol=1e-5)
    # A state on another device than the parameters: it is copied to theirs.
    tinyseg.set_default_device("cpu")
    other = optim.Adam(nn.Conv2d(2, 1, 3).parameters())
    other.load_state_dict(optimizer.state_dict() if second == "cuda" else _moved(optimizer.state_dict()))
    assert {v["square"].device for v in other.state.values()} == {"cpu"}


def _moved(state: dict[str, Any]) -> dict[str, Any]:
    """An optimiser's state on the GPU."""
    parts = {
        number: {key: value.cuda() if isinstance(value, Tensor) else value for key, value in part.items()}
        for number, part in state["state"].items()
    }
    return {**state, "state": parts}


def test_the_command_line_trains_resumes_evaluates_and_predicts(
    cuda: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run is begun on the GPU, goes on on the CPU, and is used on the GPU."""
    tiny_runs.without_pictures(monkeypatch)
    data, folder = make_images(tmp_path / "data"), tmp_path / "run"

    def run(*arguments: Any) -> str:
        result = CliRunner().invoke(app, [*map(str, arguments), "--debug"])
        assert result.exit_code == 0, result.output
        return result.stdout

    network = "--model", "unet", "--width", 2, "--depth", 1, "--batch-size", 2, "--schedule", "constant"
    begin = "train", "--data", "folder", "--root", data, *network, "--epochs", 1, "--out", folder, "--workers", 0
    run(*begin, "--device", "cuda", "--quiet")
    run("train", "--resume", folder, "--epochs", 2, "--device", "cpu", "--quiet", "--workers", 0)
    scores = [
        json.loads(run("evaluate", folder, "--device", device, "--json", "--workers", 0))
        for device in ("cuda", "cpu")
    ]
    assert scores[0]["images"] == 1
    assert scores[0]["loss"] == pytest.approx(scores[1]["loss"], rel=1e-5)
    image = data / "val" / "images" / "0.png"
    for device in ("cuda", "cpu"):
        run("predict", folder, image, "--out", tmp_path / device, "--device", device)
    assert (tmp_path / "cuda" / "0.png").read_bytes() == (tmp_path / "cpu" / "0.png").read_bytes()


def make_images(root: Path) -> Path:
    """Three images of 6x6 pixels: two to train on, one to validate."""
    dice = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 1)):
        for kind in ("images", "masks"):
            (root / split / kind).mkdir(parents=True)
        for number in range(count):
            mask = dice.integers(0, 2, (6, 6))
            tiny_runs.write(root / split / "masks" / f"{number}.png", mask)
            tiny_runs.write(root / split / "images" / f"{number}.png", np.stack([mask * 200] * 3, axis=2))
    (root / "classes.txt").write_text("ground 0 0 0\nthing 250 120 30\n", encoding="utf-8")
    return root


def test_too_little_memory_is_told_with_a_batch_that_fits(cuda: str) -> None:
    """A step of more than two images finds too little memory."""

    class Small:
        def learn(self, batch: Batch, last: bool, tensors: Any = None) -> float:
            if len(batch.names) > 2:
                raise MemoryError("cuda: out of memory: 3.0 GiB were asked for, 1.0 GiB of 8.0 GiB are free")
            return 1.0

        def forget(self) -> None:
            """Nothing is kept."""

    trainer: Any = object.__new__(Trainer)
    trainer.learner, trainer.history = Small(), []
    batch = Batch(np.zeros((9, 1, 2, 2), np.float32), np.zeros((9, 2, 2), np.int64), list("abcdefghi"))
    with pytest.raises(MemoryError) as caught:
        trainer._learn(batch, None, last=False)
    assert "3.0 GiB were asked for, 1.0 GiB of 8.0 GiB are free" in str(caught.value)
    assert "batches of 9 do not fit, batches of 2 do: --batch-size 2" in str(caught.value)


def test_benchmarks_run(cuda: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our side of the smallest of each, which is no measurement here."""
    monkeypatch.setitem(gpu.NETWORKS, "U-Net", lambda library: networks.unet(library, width=2, depth=1))
    gpu._training("U-Net", (1, 4), "tinyseg")()
    gpu._prediction("U-Net", (1, 4), "tinyseg TF32")()
    gpu._convolution(Shape(1, 2, 2, 4), True, "tinyseg")()
    tinyseg.set_float32_matmul_precision("highest")


def test_a_gpu_that_is_not_there_is_told_in_a_line() -> None:
    """Without the simulator, where no driver or no numba-cuda is."""
    if not _without_gpu("import tinyseg; print(tinyseg.cuda.is_available())").endswith("False\n"):
        pytest.skip("there is a GPU")
    said = _without_gpu(
        "import tinyseg\ntry:\n    tinyseg.zeros(1, device='cuda')\nexcept RuntimeError as error:\n    print(error)"
    )
    assert said.startswith("device 'cuda' ")
    assert said.count("\n") == 1
    assert "numba-cuda" in said or "driver" in said


@pytest.fixture
def _forgotten(cuda: str) -> Iterator[None]:
    """What is known of the GPU is found out again, before and after."""

    def forget() -> None:
        backend._kernels_or_problem.cache_clear()
        backend.kernels.cache_clear()

    forget()
    yield
    forget()


@pytest.mark.usefixtures("_forgotten")
def test_a_gpu_on_which_no_kernel_runs_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is kept: what is tried can take seconds."""
    tried = []

    def unavailable() -> str:
        tried.append(1)
        return "Some GPU runs no kernel:\ncuModuleLoadData: too old a driver"

    monkeypatch.setattr("tinyseg_kernels.cuda.unavailable", unavailable)
    assert not tinyseg.cuda.is_available()
    assert tinyseg.cuda.device_count() == 0
    reason = "device 'cuda' cannot be used: Some GPU runs no kernel: cuModuleLoadData: too old a driver"
    assert tinyseg.cuda.unavailable_reason() == reason
    for _ in range(2):
        with pytest.raises(RuntimeError) as caught:
            tinyseg.zeros(1, device="cuda")
        assert str(caught.value) == reason
    assert tried == [1]


@pytest.mark.usefixtures("_forgotten")
def test_a_gpu_that_works_is_tried_before_it_is_said_to_be_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first call makes the device and runs a kernel on it."""
    runtime = importlib.import_module("tinyseg_kernels.cuda.runtime.launch")
    proved = []
    monkeypatch.setattr(type(runtime.gpu()), "prove", lambda self: proved.append(self))
    found = runtime.gpu.__wrapped__()
    assert proved == [found]
    assert tinyseg.cuda.unavailable_reason() is None


def test_the_cpu_imports_nothing_of_the_gpu() -> None:
    code = (
        "import sys, tinyseg; tinyseg.zeros(2).exp(); tinyseg.set_num_threads(1); tinyseg.empty_cache();"
        "print([name for name in sys.modules if name.startswith(('numba.cuda', 'numba_cuda.numba',"
        " 'tinyseg_kernels.cuda'))])"
    )
    assert _without_gpu(code) == "[]\n"


def _without_gpu(code: str) -> str:
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return done.stdout
