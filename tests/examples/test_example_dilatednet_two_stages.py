"""DilatedNet in two stages: the identity begins where the front end ended, random weights do not."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

RunExample = Callable[..., dict[str, Any]]


def test_the_identity_begins_where_the_front_end_ended(run_example: RunExample, tmp_path: Path) -> None:
    found = run_example("dilatednet_two_stages.py", "--quick")
    scores = found["test_scores"].numpy()
    np.testing.assert_allclose(found["passed_on"].numpy(), np.maximum(scores, 0), rtol=0, atol=1e-5)
    positive = scores.max(1) > 0
    assert (found["passed_on"].numpy().argmax(1) == scores.argmax(1))[positive].all()

    identity = found["identity_curve"]
    assert identity[0] == pytest.approx(found["cut_iu"], abs=1e-6)
    assert identity[0] == pytest.approx(found["front_end_iu"], abs=0.03)
    assert identity[-1] > found["front_end_iu"]
    for random in found["random_curves"]:
        assert random[0] < identity[0] - 0.05
    assert identity[-1] > np.mean([random[-1] for random in found["random_curves"]])
    assert not any(part.requires_grad for part in found["model"].front_end.parameters())

    for name in ("dilatednet_curves.png", "dilatednet_predictions.png"):
        with Image.open(tmp_path / name) as picture:
            assert picture.width >= 600
