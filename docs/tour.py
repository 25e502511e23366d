"""Makes the pictures of the tour: ``python docs/tour.py`` runs the scripts of ``examples/``.

A page ``tour/NAME.md`` goes with ``examples/NAME.py``, and shows pictures as ``NAME/PICTURE.png``: these are copied
from what the script has drawn; what a page does not show is left behind. ``python docs/tour.py losses upsampling``
makes the pictures of two pages, ``--quick`` trains for less than a minute each.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOUR = Path(__file__).with_suffix("")
EXAMPLES = TOUR.parent.parent / "examples"
LIMIT = 3_000_000
"""Bytes that all pictures may have together: they are part of the repository."""


def pages() -> list[str]:
    """The names of the pages that go with a script."""
    return sorted(page.stem for page in TOUR.glob("*.md") if page.stem != "index")


def shown(name: str) -> list[str]:
    """The files that a page shows or links to, of those that its script makes."""
    text = (TOUR / f"{name}.md").read_text(encoding="utf-8")
    return re.findall(rf"\]\({name}/([^)]+)\)", text)


def make(name: str, quick: bool) -> None:
    """Runs a script, and puts what its page shows into the page's folder, in place of what was there."""
    script = EXAMPLES / f"{name}.py"
    flags = ["--quick"] if quick and "trains=True" in script.read_text(encoding="utf-8") else []
    with tempfile.TemporaryDirectory() as made:
        subprocess.run([sys.executable, str(script), "--out", made, *flags], check=True, stdout=subprocess.DEVNULL)
        missing = [file for file in shown(name) if not Path(made, file).is_file()]
        if missing:
            raise SystemExit(f"{name}.md shows {', '.join(missing)}, which {script.name} does not make")
        shutil.rmtree(TOUR / name, ignore_errors=True)
        (TOUR / name).mkdir()
        for file in shown(name):
            shutil.copyfile(Path(made, file), TOUR / name / file)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="pages, without .md (default: all)")
    parser.add_argument("--quick", action="store_true", help="train for less than a minute")
    given = parser.parse_args()
    if unknown := set(given.names) - set(pages()):
        parser.error(f"no page {', '.join(sorted(unknown))}; there are {', '.join(pages())}")
    for name in given.names or pages():
        begin = time.perf_counter()
        make(name, given.quick)
        print(f"{name}: {len(shown(name))} pictures, {time.perf_counter() - begin:.0f} s", flush=True)
    size = sum(file.stat().st_size for name in pages() for file in (TOUR / name).glob("*"))
    print(f"{size / 1e6:.2f} MB in all")
    if size > LIMIT:
        raise SystemExit(f"more than {LIMIT / 1e6:.0f} MB: make some pictures smaller")


if __name__ == "__main__":
    main()
