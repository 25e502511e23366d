"""What all tests share: a fresh seed, the devices, the folder of real data, patient property tests."""

from __future__ import annotations

import os
import runpy
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

import tinyseg
from tinyseg_kernels.cpu.runtime import guards

EXAMPLES = Path(__file__).parents[1] / "examples"

# Helpers whose assertions explain themselves as those of tests do.
pytest.register_assert_rewrite("commands", "kernel_checks", "op_checks", "processes")

# Every array of the cpu backend lies between bands that kernels must leave alone; fresh memory is NaN.
guards.enable()

# A first call may compile a kernel for seconds, so an example has no deadline; the same examples come every time.
hypothesis.settings.register_profile("tinyseg", deadline=None, derandomize=True, max_examples=50)
hypothesis.settings.load_profile("tinyseg")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "data: reads real images from the folder that TINYSEG_DATA names")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    """Each test starts with the same random numbers, restores the default device, and writes to no guard band.

    The fixture waits for queued GPU work, so that an error there belongs to the test that caused it.
    """
    tinyseg.manual_seed(0)
    device = tinyseg.get_default_device()
    yield
    tinyseg.set_default_device(device)
    if "tinyseg_kernels.cuda" in sys.modules and tinyseg.cuda.is_available():
        tinyseg.cuda.synchronize()
    guards.check()
    if not tinyseg.is_grad_enabled():
        tinyseg.set_grad_enabled(True).__enter__()
        pytest.fail("the test left recording switched off")


@pytest.fixture(params=["reference", "cpu"])
def device(request: pytest.FixtureRequest) -> str:
    """Each backend in turn, which is the default device while the test runs."""
    name: str = request.param
    tinyseg.set_default_device(name)
    return name


@pytest.fixture
def cuda() -> str:
    """The GPU, or the simulator, as the default device; the test is skipped where there is neither."""
    if not tinyseg.cuda.is_available():
        pytest.skip("no GPU to be used; NUMBA_ENABLE_CUDASIM=1 simulates one")
    tinyseg.set_default_device("cuda")
    return "cuda"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder of real data; the test is skipped where there is none."""
    where = os.environ.get("TINYSEG_DATA")
    if not where:
        pytest.skip("TINYSEG_DATA is not set: no real images to read")
    return Path(where)


@pytest.fixture
def threads() -> Iterator[None]:
    """Puts the number of threads back afterwards."""
    before = tinyseg.get_num_threads()
    yield
    tinyseg.set_num_threads(before)


@pytest.fixture
def run_example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., dict[str, Any]]:
    """Runs a script of ``examples/`` with ``--out tmp_path`` and more flags; returns its variables."""

    def run(script: str, *flags: str) -> dict[str, Any]:
        monkeypatch.syspath_prepend(EXAMPLES)
        monkeypatch.setattr(sys, "argv", [script, "--out", str(tmp_path), *flags])
        return runpy.run_path(str(EXAMPLES / script), run_name="__main__")

    return run
