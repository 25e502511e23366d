"""Memory of a training step: after a few, the pool has every large buffer, and the system gives no fresh page.

And guard bands, which show that a kernel has written outside of an array.
"""

from __future__ import annotations

import ctypes
import itertools
import json
import re
import subprocess
import sys

import numpy as np
import pytest
from processes import environment

import tinyseg
from tinyseg_kernels import cpu
from tinyseg_kernels.cpu.runtime import guards, memory, parallel

_STEPS = """
import json, resource
import numpy as np
import tinyseg
from tinyseg import models, optim
from tinyseg.nn import functional as F
from tinyseg_kernels.cpu.runtime import memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

model = models.create("unet", num_classes=5, in_channels=3, width=16, depth=3)
optimizer = optim.Adam(model.parameters(), lr=1e-3)
batch, classes = np.zeros((4, 64, 64, 3), np.float32).transpose(0, 3, 1, 2), np.zeros((4, 64, 64), np.int64)

def step():
    images, labels = tinyseg.tensor(batch), tinyseg.tensor(classes)
    loss = F.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

for _ in range(6):
    step()
start, before = memory.statistics(), faults()
for _ in range(10):
    step()
end = memory.statistics()
print(json.dumps([end.fresh - start.fresh, end.reused - start.reused, faults() - before]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows counts no page faults in a way that Python shows")
def test_a_steady_training_step_takes_no_fresh_memory() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _STEPS],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    fresh, reused, faults = json.loads(done.stdout)
    assert fresh == 0
    assert reused > 1000  # the pool is what the step lives on
    # Each of those buffers has 16 pages or more; these few are of small objects of Python and NumPy.
    assert faults < 1000


@pytest.mark.parametrize("axes", list(itertools.permutations(range(4))))
def test_new_memory_has_the_order_of_the_old(axes: tuple[int, ...]) -> None:
    """As NumPy's own, also for what was cut out of a larger array."""
    whole = np.zeros((3, 4, 5, 6), np.float32).transpose(axes)
    for array in (whole, whole[:, 1:, ::2, :-1], whole[::-1]):
        made = cpu.empty_like(array, np.float64)
        assert (made.shape, made.dtype) == (array.shape, np.float64)
        assert made.strides == np.empty_like(array, np.float64, order="K").strides


# --- Guard bands, which conftest.py has switched on.


def bytes_around(array: np.ndarray, before: int, behind: int) -> np.ndarray:
    """The array's memory and so many bytes on either side of it."""
    place = array.__array_interface__["data"][0]
    return np.ctypeslib.as_array((ctypes.c_uint8 * (before + array.nbytes + behind)).from_address(place - before))


SHAPES: list[tuple[tuple[int, ...], str]] = [
    ((3, 5), "float32"),
    ((7,), "uint8"),
    ((3,), "int64"),
    ((99999,), "float64"),
]


@pytest.mark.parametrize(("shape", "dtype"), SHAPES)
@pytest.mark.parametrize("offset", [-1, -4000, 0, 4000])
def test_a_byte_outside_of_an_array_is_found(shape: tuple[int, ...], dtype: str, offset: int) -> None:
    """While the array lives, and when it is freed; once, and with the distance from the nearest end."""
    for freed in (False, True):
        array = cpu.empty(shape, dtype)
        around = bytes_around(array, 4096, 4096)
        around[offset + (4096 if offset < 0 else 4096 + array.nbytes)] ^= 255
        del around
        if freed:
            del array
        side, distance = ("before", -offset) if offset < 0 else ("behind", offset + 1)
        message = (
            f"1 bytes {side} an array of shape {shape} and type {dtype}, the nearest at a distance of {distance}"
        )
        with pytest.raises(RuntimeError, match=re.escape(message)):
            guards.check()
        guards.check()


def test_an_array_may_be_written_from_end_to_end() -> None:
    for shape, dtype in SHAPES:
        array = cpu.empty(shape, dtype)
        array.reshape(-1).view(np.uint8)[:] = 0
        guards.check()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_nobody_wrote_is_nan(dtype: str) -> None:
    """In the array, and right before and behind it."""
    array = cpu.empty((4, 6), dtype)
    assert np.isnan(array).all()
    assert np.isnan(bytes_around(array, 64, 64).view(dtype)).all()


def test_a_copy_from_band_to_band_is_found() -> None:
    one, other = cpu.empty((4,), "float32"), cpu.empty((4,), "float32")
    bytes_around(one, 0, 8)[-8:] = bytes_around(other, 0, 8)[-8:]
    with pytest.raises(RuntimeError, match="wrote outside of an array"):
        guards.check()


@pytest.mark.parametrize("count", [1, 2])
def test_scratch_has_bands(count: int, threads: None) -> None:
    tinyseg.set_num_threads(count)

    def writes_one_too_many(start: int, stop: int, scratch: np.ndarray) -> None:
        np.lib.stride_tricks.as_strided(scratch, (6,))[5] = 1

    parallel.run(writes_one_too_many, 4, 1, scratch=(5, np.float32))
    with pytest.raises(RuntimeError, match=r"behind an array of shape \(5,\) and type float32"):
        guards.check()


def test_bands_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guards, "on", False)
    living = len(guards._living)
    array = memory.empty((5,), "float32")
    assert len(guards._living) == living
    assert array.flags.writeable


_OUTSIDE = """
import numpy as np
from tinyseg_kernels import cpu
array = cpu.empty((4,), np.float32)
np.lib.stride_tricks.as_strided(array, (5,))[4] = 1
"""


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("1", "RuntimeError: a kernel of the cpu backend wrote outside of an array: "),
        ("0", ""),
        ("yes", "ValueError: TINYSEG_MEMORY_GUARDS: expected 0 or 1, got 'yes'"),
    ],
)
def test_a_variable_switches_them_on(given: str, message: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OUTSIDE],
        env=environment(TINYSEG_MEMORY_GUARDS=given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert message in done.stderr
    assert bool(done.stderr) == bool(message)
