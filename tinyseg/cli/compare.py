"""``tinyseg compare``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    DEFAULTS,
    INTERRUPTED,
    CacheImages,
    Debug,
    Device,
    Quiet,
    Threads,
    Workers,
    app,
    quoted,
    reporting,
    set_up,
)

if TYPE_CHECKING:
    from ..engine import Callbacks, Comparison


@app.command(short_help="Train several networks on the same images, and show them side by side.")
def compare(
    networks: Annotated[
        list[Path],
        typer.Argument(
            metavar="TOML|RUN...", help="Files of options, as train --config takes them, or folders of finished runs."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            metavar="DIR", help="Where the report goes, and a run for each file; called again, it goes on with them."
        ),
    ],
    layers: Annotated[
        str,
        typer.Option(
            metavar="NAME,NAME...",
            help="Show the feature maps of these layers (tinyseg info lists them). [default: the last of the finest "
            "level, the deepest, and the scores]",
        ),
    ] = "",
    samples: Annotated[int, typer.Option(min=1, help="Validation images that are shown.")] = 4,
    share: Annotated[
        float, typer.Option(help="Measure how long it took until this share of the best mean IU was reached.")
    ] = 0.9,
    threads: Threads = None,
    workers: Workers = DEFAULTS.workers,
    cache_images: CacheImages = DEFAULTS.cache_images,
    device: Device = DEFAULTS.device,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train what is not trained yet, each in DIR/NAME, and write DIR/report.html: tables, curves and pictures."""
    with reporting(debug):
        set_up(device, threads)
        from .. import engine
        from ..data import parse_bytes

        @contextmanager
        def show(name: str) -> Iterator[Callbacks]:
            from .. import console

            console.line(console.output(), f"\n{name}", style="bold")
            with console.TrainingDisplay(console.output(), quiet) as display:
                yield display

        try:
            found = engine.compare(
                engine.read_contenders(networks),
                out,
                layers=[name.strip() for name in layers.split(",") if name.strip()],
                samples=samples,
                share=share,
                show=show,
                workers=workers,
                cache=parse_bytes(cache_images),
            )
        except KeyboardInterrupt:
            typer.echo(f"interrupted; the same command goes on with what is in {quoted(out)}")
            raise typer.Exit(INTERRUPTED) from None
        _print(found, out)


def _print(comparison: Comparison, out: Path) -> None:
    from .. import console, engine

    console.print_comparison(console.output(), comparison)
    console.line(console.output(), f"report: {out / engine.REPORT}")
