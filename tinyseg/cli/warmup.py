"""``tinyseg warmup``."""

from __future__ import annotations

import time
from typing import Annotated

import typer

from ..errors import many
from .common import Debug, Threads, app, reporting, set_up


@app.command(short_help="Compile all kernels in advance.")
def warmup(
    float64: Annotated[bool, typer.Option("--float64", help="For float64, too.")] = False,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Compile all kernels for this machine now, so that no other command has to wait for it."""
    with reporting(debug):
        set_up("cpu", threads)
        from .. import compilation, engine

        start = time.perf_counter()
        for kernel in engine.warmup(float64):
            place = f"[{kernel.number:>{len(str(kernel.total))}}/{kernel.total}]"
            typer.echo(f"{place} {kernel.name} ... {kernel.seconds:.1f} s")
        folder = compilation.kernel_cache()
        where = f"in {folder}"
        if folder is None:
            where = "in no folder: there is none that can be written to, and by this user alone"
        typer.echo(f"compiled in {time.perf_counter() - start:.0f} s, and kept {where}")
        if reasons := compilation.unwritten():
            typer.echo(f"{many(len(reasons), 'kernel')} could not be written there ({reasons[-1]})", err=True)
