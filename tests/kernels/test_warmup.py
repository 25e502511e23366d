"""Compiling ahead: it leaves nothing to compile, shows how far it is, and survives what folders and processes do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from commands import call, done
from processes import environment, python

import tinyseg_kernels
from tinyseg import compilation, console
from tinyseg_kernels import warmup

# What the fallback is called among temporary files; Windows has them in the user's own folder.
TEMPORARY = f"tinyseg-cache-{os.geteuid()}" if hasattr(os, "geteuid") else "tinyseg-cache"


_STEPS = """
import json, sys
import tinyseg
from tinyseg import compilation, models, optim
from tinyseg.nn import functional as F

def train_and_predict():
    for name, optimizer, options in (("unet", optim.Adam, {"width": 16, "depth": 3}), ("fcn8s", optim.SGD, {})):
        model = models.create(name, num_classes=5, in_channels=3, **options)
        steps = optimizer(model.parameters(), lr=1e-3, **({"momentum": 0.9} if optimizer is optim.SGD else {}))
        x, labels = tinyseg.rand(2, 3, 96, 96), tinyseg.zeros(2, 96, 96, dtype="int64")
        F.cross_entropy(model(x), labels, ignore_index=255).backward()
        steps.step()
        model.eval()
        with tinyseg.no_grad():
            F.interpolate(model(x[:1]), (90, 100), mode="bilinear").argmax(1)
"""

_AFTER_WARMUP = """
from tinyseg import compilation
for name in compilation.kernels_to_compile():
    compilation.compile_kernel(name, "float32")
compiled = []
compilation.on_compile(lambda name, number: compiled.append(name))
before = compilation.ready_kernels()
train_and_predict()
after = compilation.ready_kernels()
# What was not compiled but read from the cache would have been compiled had the cache been empty.
more = {name: types for name, types in after.items() if types != before[name]}
print(json.dumps([compiled, more, [name for name, types in after.items() if not types]]))
"""


def test_training_and_prediction_find_everything_compiled() -> None:
    compiled, more, never = python(_STEPS + _AFTER_WARMUP)
    assert compiled == []
    assert more == {}
    # float32 has a logarithm and a hyperbolic tangent of its own
    assert never == ["elementwise.log", "elementwise.tanh"]


def test_how_many_kernels_a_run_needs_is_about_right() -> None:
    """What is shown while a first run compiles; a step and a prediction here, an epoch of them there."""
    number = python(_STEPS + "train_and_predict()\nprint(sum(map(bool, compilation.ready_kernels().values())))")
    assert abs(number - console.TRAINING) <= 6
    assert console.DESCRIPTION <= console.PREDICTION <= console.EVALUATION <= console.TRAINING


def test_every_kernel_is_warmed_up_for_either_type() -> None:
    missing = {"fill", "set_conv_algorithm"}
    computing = {
        name for name, kernel in tinyseg_kernels.spec.KERNELS.items() if kernel.stem not in ("array", "device")
    }
    assert set(warmup.NAMES) == computing - missing
    reference = tinyseg_kernels.load("reference")
    for name in warmup.NAMES:  # the arguments are right ones
        for dtype in ("float32", "float64"):
            warmup.run(reference, name, dtype)


def test_the_command_counts_and_says_where(monkeypatch: pytest.MonkeyPatch, threads: None) -> None:
    # Two kernels: the command and not the compiler is tested.
    monkeypatch.setattr(compilation, "kernels_to_compile", lambda: ("relu", "add"))
    lines = done("warmup", "--threads", 1, "--float64").splitlines()
    assert [line.split()[:3] for line in lines[:2]] == [["[1/2]", "relu", "..."], ["[2/2]", "add", "..."]]
    assert lines[2].endswith(f"kept in {compilation.kernel_cache()}")
    assert call("warmup", "--threads", 0).exit_code == 2


def test_a_first_run_says_how_far_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    class Terminal:
        is_terminal = True

    shown: list[str] = []
    notice = console._CompileNotice(Terminal(), 30, shown.append)  # type: ignore[arg-type]
    notice("winograd.convolve", 7)
    notice("walk.walk", 31)
    assert shown == [
        "compiling kernels for this machine, once: 7 of about 30: winograd.convolve",
        "compiling kernels for this machine, once: 31 of a few more: walk.walk",
    ]
    from rich.console import Console

    plain = console._CompileNotice(Console(), 30, shown.append)
    plain("winograd.convolve", 7)
    plain("walk.walk", 8)
    assert capsys.readouterr().out == "compiling about 30 kernels for this machine, once ...\n"


# --- The cache, with a kernel or two so that compiling takes a second

_ONE = """
import json
import tinyseg
from tinyseg import compilation
compiled = []
compilation.on_compile(lambda name, number: compiled.append([name, number]))
x = tinyseg.tensor([3.0]).relu() + 1.0
folder = compilation.kernel_cache()
print(json.dumps([x.tolist(), compiled, folder and str(folder)]))
"""


def test_two_processes_may_start_with_an_empty_cache(tmp_path: Path) -> None:
    given = environment(TINYSEG_CACHE_DIR=str(tmp_path / "cache"))
    code = f"import tinyseg; tinyseg.get_num_threads(); input()\n{_ONE}"  # each is ready, and waits for the start
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    both = [subprocess.Popen([sys.executable, "-c", code], env=given, text=True, **pipes) for _ in range(2)]
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    for process in both:
        out, error = process.communicate()
        assert process.returncode == 0, error
        values, compiled, _ = json.loads(out)
        assert values == [4]
        # it may have found what the other one had just written
        assert {name for name, _ in compiled} <= {"elementwise.relu", "elementwise.add"}
    values, compiled, folder = python(_ONE, TINYSEG_CACHE_DIR=str(tmp_path / "cache"))
    assert (values, compiled) == ([4], [])
    assert Path(folder).parent == tmp_path / "cache"


_THREADS = """
import json
from concurrent.futures import ThreadPoolExecutor
import tinyseg
with ThreadPoolExecutor(4) as pool:
    print(json.dumps(list(pool.map(lambda i: (tinyseg.tensor([float(i)]).relu() + 1.0).tolist(), range(8)))))
"""


def test_threads_may_meet_kernels_that_are_still_to_compile(tmp_path: Path) -> None:
    assert python(_THREADS, TINYSEG_CACHE_DIR=str(tmp_path)) == [[i + 1] for i in range(8)]


def test_a_cache_that_cannot_be_written_is_replaced(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.touch()  # no folder can be made below a file, whoever asks
    given = {"TINYSEG_CACHE_DIR": str(blocked), "TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}
    values, _, folder = python(_ONE, **given)
    assert values == [4]
    assert Path(folder).parent == tmp_path / TEMPORARY
    values, compiled, _ = python(_ONE, **given)
    assert (values, compiled) == ([4], [])


def test_without_any_cache_each_process_compiles(tmp_path: Path) -> None:
    (tmp_path / TEMPORARY).touch()
    given = {"TMPDIR": str(tmp_path), "TEMP": str(tmp_path), "TMP": str(tmp_path)}
    values, compiled, folder = python(_ONE, TINYSEG_CACHE_DIR=str(tmp_path / TEMPORARY), **given)
    assert (values, folder) == ([4], None)
    assert len(compiled) == 2
