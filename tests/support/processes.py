"""Python in another process, which finds the packages where this one does, and how old a file is that one left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from sources import FOLDERS


def environment(**changes: str) -> dict[str, str]:
    """This process's variables, with the folders of both packages to import from, and ``changes``."""
    return {**os.environ, "PYTHONPATH": os.pathsep.join(FOLDERS), **changes}


def python(code: str, **changes: str) -> Any:
    """What a fresh process prints last, as JSON."""
    given = environment(**changes)
    done = subprocess.run([sys.executable, "-c", code], env=given, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def printed(code: str, **changes: str) -> str:
    """The output of a fresh interpreter, which knows of no simulated GPU but if it is told."""
    inherited = {key: value for key, value in environment().items() if key != "NUMBA_ENABLE_CUDASIM"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**inherited, **changes},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def age(path: Path, seconds: float) -> None:
    """Let the last change of ``path`` be so long ago."""
    then = time.time() - seconds
    os.utime(path, (then, then))
