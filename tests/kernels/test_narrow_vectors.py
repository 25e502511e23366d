"""The kernels as processors with narrower vectors run them.

``TINYSEG_VECTOR_BYTES=32`` has them compiled for AVX2's vectors, and blocked for its registers, on any machine. The
code is kept in the usual cache under a name of its own: only the first run compiles, for about a minute.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from op_cases import CASES
from op_checks import kernels_called
from processes import environment

from tinyseg_kernels import spec

TESTS = Path(__file__).parents[1]


def narrow(size: int | str, *command: str) -> subprocess.CompletedProcess[str]:
    """Run Python with vectors of so many bytes."""
    given = environment(TINYSEG_VECTOR_BYTES=str(size))
    given = {name: value for name, value in given.items() if not name.startswith("PYTEST_")}
    return subprocess.run([sys.executable, *command], env=given, capture_output=True, text=True, check=False)


def rows_for_every_kernel(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of rows that need every kernel between them; all that there are of convolutions."""
    vectors = {name for name, kernel in spec.KERNELS.items() if kernel.stem == "conv2d"}
    chosen, covered = [], set()
    for row, kernels in kernels_called(CASES, monkeypatch).items():
        if kernels & vectors or not kernels <= covered:
            chosen.append(row)
            covered |= kernels
    return chosen


def test_every_operator_agrees_with_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values and gradients in both types, by the tests of the operators themselves."""
    tests = [
        f"{TESTS / 'tensor' / 'test_ops.py'}::{test}[{row}]"
        for row in rows_for_every_kernel(monkeypatch)
        for test in ("test_value", "test_gradient_of_cpu_equals_the_reference")
    ]
    known = {case.name for case in CASES if case.gradient}
    tests = [test for test in tests if "test_value" in test or test.split("[", 1)[1][:-1] in known]
    _passes(tests)


def test_both_ways_of_a_convolution_agree_with_the_definition() -> None:
    _passes([f"{TESTS / 'kernels' / 'test_conv_algorithms.py'}::test_both_ways_agree_with_the_definition"])


# Those that compute with vectors where they begin and end.
_EDGES = ("winograd", "direct_convolution", "depthwise_convolution", "matrix_products", "average_pooling")


@pytest.mark.parametrize("size", [16, 32])
def test_kernels_stay_inside_their_arrays(size: int) -> None:
    """Remainders are others with other vectors."""
    _passes([f"{TESTS / 'kernels' / 'test_kernel_edges.py'}::test_{name}" for name in _EDGES], size)


def _passes(tests: list[str], size: int = 32) -> None:
    done = narrow(size, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", *tests)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-5000:]


_BLOCK = "import json; from tinyseg_kernels.cpu.runtime.processor import *; print(json.dumps([VECTOR_BYTES, ROWS]))"


@pytest.mark.parametrize("size", [16, 32])
def test_blocks_have_the_rows_that_fit_the_registers(size: int) -> None:
    """16 vector registers hold 6 x 2 sums and what they are made of; Arm's NEON has 32 of them."""
    done = narrow(size, "-c", _BLOCK)
    found, rows = json.loads(done.stdout)
    assert found == size
    from tinyseg_kernels.cpu.runtime import processor

    assert rows == (14 if processor.ON_ARM else 6)


def test_a_width_that_there_is_not_is_refused() -> None:
    done = narrow(7, "-c", _BLOCK)
    assert "expected 16, 32 or 64, got '7'" in done.stderr
