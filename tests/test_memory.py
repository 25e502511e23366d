"""Memory of a training step: after a few, the pool has every large buffer, and the system gives no fresh page."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import tinyseg
import tinyseg_kernels
from tinyseg_kernels import cpu

_STEPS = """
import json, resource
import numpy as np
import tinyseg
from tinyseg import models, optim
from tinyseg.nn import functional as F
from tinyseg_kernels.cpu import memory

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
    folders = [str(Path(module.__file__ or "").parents[1]) for module in (tinyseg, tinyseg_kernels)]
    done = subprocess.run(
        [sys.executable, "-c", _STEPS],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
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
