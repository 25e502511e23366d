"""Every benchmark's cases are well formed, the smallest of each runs, and the arithmetic of ratios is right.

Nothing here looks at a time: that is what ``python -m benchmarks`` is for.
"""

from __future__ import annotations

import functools
import importlib
import itertools
import json
import sys
from typing import Any

import numpy as np
import pytest

import tinyseg
from benchmarks import __main__ as runner
from benchmarks import conv, gpu, memory, networks, timing
from benchmarks.sides import LeftOut, need

# A case of each that takes the least work.
SMALLEST = {
    "conv": "1x21x7x7 -> 21, transposed k4 s2, forward + gradients",
    "train_step": "FCN-8s small, 8x3x64x64, training step",
    "predict": "FCN-8s small, 4x3x128x128, prediction",
    "memory": "FCN-8s small, 1x3x256x256, prediction, on top",
    "startup": "import",
    "scaling": "width: 4x3x128x128, 8 channels, 1 thread",
}
SMALL = {
    "U-Net": functools.partial(networks.unet, width=4, depth=2),
    "FCN-8s small": networks.fcn8s_small,
    "FCN-8s VGG16": functools.partial(networks.fcn8s_vgg16, width=2),
    "DilatedNet": functools.partial(networks.dilated_net, width=2),
}


@pytest.mark.parametrize("suite", runner.NAMES)
def test_cases_are_well_formed(suite: str) -> None:
    cases = list(importlib.import_module(f"benchmarks.{suite}").cases(2))
    titles = [f"{case.family}: {case.title}" for case in cases]
    assert len(set(titles)) == len(titles)
    assert all("tinyseg" in case.ways and case.threads in (1, 2) for case in cases)
    families = [case.family for case in cases]
    assert sum(a != b for a, b in itertools.pairwise(families)) == len(set(families)) - 1, "in one piece"


@pytest.mark.parametrize("suite", runner.NAMES)
@pytest.mark.usefixtures("threads")
def test_the_smallest_case_runs(suite: str) -> None:
    (case,) = (c for c in importlib.import_module(f"benchmarks.{suite}").cases(1) if c.title == SMALLEST[suite])
    for name, build in case.ways.items():
        if name.startswith("tinyseg"):
            try:
                way = build()
            except LeftOut as reason:
                pytest.skip(str(reason))
            result = way()
            assert case.unit == "ms" or result > 0


@pytest.mark.usefixtures("threads")
def test_a_convolution_goes_the_way_its_title_says() -> None:
    for shape in (
        conv.Shape(1, 2, 3, 8),
        conv.Shape(1, 2, 3, 8, 4, 2, transposed=True),
        conv.Shape(1, 2, 3, 9, 7, 2),
    ):
        forward = conv._way("tinyseg", 1, shape, gradients=False)()
        size = {1: shape.size, 2: 2 * shape.size if shape.transposed else (shape.size + 1) // 2}[shape.stride]
        assert forward.shape == (1, 3, size, size)
        assert conv._way("tinyseg", 1, shape, gradients=True)() is None
    assert str(conv.Shape(1, 2, 3, 8, dilation=4)) == "1x2x8x8 -> 3, k3 d4"
    assert all(min(shape[:4]) >= 1 for shapes in conv.FAMILIES.values() for shape in shapes)


@pytest.mark.parametrize("name", networks.NETWORKS)
def test_networks_are_the_same_in_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch", reason="PyTorch is not installed: nothing to compare with")
    ours, theirs = SMALL[name](tinyseg).eval(), SMALL[name](torch).eval()
    theirs.load_state_dict({key: torch.tensor(value.numpy()) for key, value in ours.state_dict().items()})
    x = np.random.default_rng(0).standard_normal((1, 3, 64, 64), dtype=np.float32)
    found, wanted = ours(tinyseg.tensor(x)).detach().numpy(), theirs(torch.tensor(x)).detach().numpy()
    assert found.shape == wanted.shape == (1, networks.CLASSES, 64, 64)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=2e-5 * float(np.abs(wanted).max()))


@pytest.mark.parametrize(("name", "count"), [("U-Net", 7_763_404), ("FCN-8s small", 600_980)])
def test_networks_are_as_large_as_those_of_the_library(name: str, count: int) -> None:
    """Only the last layer of FCN-8s is not trained there: one kernel for all classes."""
    own = tinyseg.models.create(networks.OWN[name], num_classes=networks.CLASSES)
    last = networks.CLASSES * 16 * 16 if name == "FCN-8s small" else 0
    assert sum(p.numel() for p in networks.NETWORKS[name](tinyseg).parameters()) == count
    assert sum(p.numel() for p in own.parameters()) == count - last


def test_ratios_are_the_best_peer_s_value_over_each_of_ours() -> None:
    values = {"tinyseg": (2.0, 4.0), "tinyseg fused": (1.0, 2.0), "a": (3.0, 9.0), "b": (4.0, 6.0)}
    measured = {name: dict(zip(("min", "median"), pair, strict=True)) for name, pair in values.items()}
    found = timing.ratios(measured)
    assert found == {"tinyseg": {"min": 1.5, "median": 1.5}, "tinyseg fused": {"min": 3.0, "median": 3.0}}
    assert timing.ratios({"tinyseg": measured["tinyseg"]}) == {}


def test_a_family_has_its_geometric_mean_and_its_worst_case() -> None:
    found = {title: {"tinyseg": {"min": 9.0, "median": value}} for title, value in (("x", 0.5), ("y", 8.0))}
    total = runner.summary(found | {"no peer": {}}, "tinyseg")
    assert total == {"way": "tinyseg", "cases": 2, "mean": pytest.approx(2.0), "worst": 0.5, "worst_case": "x"}


def test_rounds_that_do_not_count_are_not_counted() -> None:
    values = iter([100.0, 3.0, 1.0, 2.0])
    assert timing.in_turn({"a": lambda: next(values)}, runs=3, warm=1, unit="s") == {"a": {"min": 1.0, "median": 2.0}}


def test_a_fresh_process_says_why_it_failed() -> None:
    assert timing.fresh("import os; print('noise', os.environ['KEY'])", KEY="7") == 7
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        timing.fresh("1 / 0")


def test_what_is_not_installed_is_left_out_and_said_once(capsys: pytest.CaptureFixture[str]) -> None:
    def absent() -> Any:
        return need("no_such_library")

    case = timing.Case("family", "title", 1, {"tinyseg": lambda: print, "a": absent, "b": absent})
    assert runner.built(case, set()) == {"tinyseg": print}
    said = capsys.readouterr().err
    assert said == "no_such_library is not installed and left out: pip install -e '.[bench]'\n"


@pytest.mark.usefixtures("threads")
def test_the_runner_prints_cases_and_families(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def cases(threads: int) -> Any:
        for number, title in enumerate(("one", "two"), start=1):
            ways = {"tinyseg": lambda number=number: lambda: number, "peer": lambda: lambda: 4.0}
            yield timing.Case("a family", title, threads, ways, unit="MB")

    monkeypatch.setattr(memory, "cases", cases)
    monkeypatch.setattr(sys, "argv", ["benchmarks", "memory", "--threads", "1", "--json"])
    runner.main()
    one, two, family = map(json.loads, capsys.readouterr().out.splitlines())
    assert (one["case"], one["threads"], one["ratios"]["tinyseg"]["median"]) == ("one", 1, 4.0)
    assert two["measured"]["peer"] == {"min": 4.0, "median": 4.0}
    assert (family["way"], family["worst"], family["worst_case"]) == ("tinyseg", 2.0, "two")
    monkeypatch.setattr(sys, "argv", ["benchmarks", "memory", "--threads", "1", "--only", "family: two"])
    runner.main()
    text = capsys.readouterr().out
    assert "one" not in text
    assert "a family: best peer / tinyseg, geometric mean of 1: 2.00, worst 2.00: two" in text


@pytest.mark.parametrize("suite", gpu.NAMES)
def test_cases_on_a_gpu_are_well_formed(suite: str) -> None:
    cases = list(gpu.cases(suite))
    titles = [f"{case.family}: {case.title}" for case in cases]
    assert len(set(titles)) == len(titles)
    assert all("tinyseg" in case.ways for case in cases)
