"""``tinyseg gradcheck``."""

from __future__ import annotations

from typing import Annotated

import typer

from .common import FAILED, Debug, Threads, app, reporting, set_up


@app.command(short_help="Compare every operator's gradient with differences.")
def gradcheck(
    backend: Annotated[str, typer.Option(help="cpu, cuda, or reference: plain NumPy.")] = "cpu",
    op: Annotated[list[str] | None, typer.Option(metavar="NAME", help="Only this operator; may be repeated.")] = None,
    threads: Threads = None,
    debug: Debug = False,
) -> None:
    """Compare every operator's gradient with central differences in float64; the exit code is 1 if one is wrong."""
    with reporting(debug):
        set_up(backend, threads)
        from .. import console, engine

        with console.telling_of_compilation(console.GRADIENTS) as end_notice:
            output, found = console.output(), list[engine.GradientCheck]()
            for check in engine.check_gradients(op or ()):
                end_notice()
                console.print_gradient_check(output, check, first=not found)
                found.append(check)
        wrong = [check.operator for check in found if not check.passed]
        if wrong:
            typer.echo(f"operators checked on {backend}: {len(found)}; wrong gradients: {', '.join(wrong)}")
            raise typer.Exit(FAILED)
        typer.echo(f"operators checked on {backend}: {len(found)}; every gradient is right")
