"""Commands of ``tinyseg``, run in this process."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from typing import Any, NamedTuple

import pytest

from tinyseg import cli


class Result(NamedTuple):
    """How a command ended."""

    exit_code: Any
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return self.stdout + self.stderr


def call(*arguments: Any) -> Result:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as end:
        cli.app([str(argument) for argument in arguments])
    return Result(end.value.code, out.getvalue(), err.getvalue())


def done(*arguments: Any) -> str:
    """What the command printed; it must succeed."""
    result = call(*arguments)
    assert result.exit_code == 0, result.output
    return result.stdout
