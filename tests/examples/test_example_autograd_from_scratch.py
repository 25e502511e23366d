"""The tape's example: its gradients against the complex step, the order of its errors against theory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image


def complex_step(**changed: complex) -> float:
    """dL/d(what is changed by ih) = Im L / h, in which nothing cancels (Squire and Trapp 1998)."""
    value = {"w": 0.5, "x": 2.0, "b": -0.4} | changed
    p = changed.get("p", value["w"] * value["x"])
    z = changed.get("z", p + value["b"])
    y = changed.get("y", np.tanh(z))
    d = changed.get("d", y - 1)
    return float((d * d).imag / 1e-30)


def test_it_shows_what_theory_says(run_example: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    shown = run_example("autograd_from_scratch.py")
    at = {"w": 0.5, "x": 2.0, "b": -0.4, "p": 1.0, "z": 0.6, "y": np.tanh(0.6), "d": np.tanh(0.6) - 1}
    expected = {name: complex_step(**{name: value + 1e-30j}) for name, value in at.items()}
    assert shown["by_tape"] == pytest.approx(expected, rel=1e-12)
    assert shown["by_hand"] == pytest.approx(expected, rel=1e-12)
    assert shown["order"] == ["Multiply", "Subtract", "Tanh", "Add", "Multiply"]

    # Where rounding is not to be seen, the error goes with h, and with h^2.
    steps, errors = shown["steps"], {name: np.array(error) for name, error in shown["errors"].items()}
    large = (steps > 1e-4) & (steps < 2e-2)
    for name, order in (("forward, float64", 1), ("central, float64", 2)):
        slope = np.polyfit(np.log(steps[large]), np.log(errors[name][large]), 1)[0]
        assert slope == pytest.approx(order, abs=0.1)
    eps = {"float64": 1.1e-16, "float32": 6e-8}
    for name, power in (("forward, float64", 1 / 2), ("central, float64", 1 / 3), ("central, float32", 1 / 3)):
        assert 1 / 30 < shown["best"][name] / eps[name.split()[1]] ** power < 30
    assert errors["central, float64"].min() < errors["forward, float64"].min() / 100
    assert errors["central, float32"].min() > 1e-7

    # The bell is steepest at -1 / sqrt(2), where its slope is sqrt(2 / e).
    assert shown["slope"].max().item() == pytest.approx(np.sqrt(2 / np.e), rel=1e-3)
    assert shown["is_right"] is True
    assert "2 of 2 elements are wrong" in shown["refusal"]

    for name in ("tape", "step", "bell", "network"):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert 600 < picture.width < 1500
        assert (tmp_path / f"{name}.png").stat().st_size < 150_000
