"""What the files of images say that a user should know before they are trained or predicted on.

Headers are read, and no pixels: which images are turned by their EXIF orientation while their masks are not, which
have bands that are left out, and of how many bits their numbers are. A network that was trained on images of 8 bits
sees one of 16 bits that uses few of its levels as black.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from ...data import Dataset
from ...data.formats.images import Header, read_header
from ...data.layouts.layout import Layout, layout_of
from ...data.layouts.orientation import Turn, is_uncertain, turn_of, turning_note
from ...data.loading.prefetch import prefetched
from ...errors import DataError, many
from ..config.config import DataConfig


def notes_on_images(datasets: Sequence[Dataset]) -> tuple[list[str], tuple[int, ...]]:
    """Notes on the images of a run's data sets, and the bits of the first one's: those that are trained on."""
    turns: list[Turn | None] = []
    depths: list[Counter[int]] = []
    left_out: Counter[str] = Counter()
    for dataset in filter(None, map(layout_of, datasets)):
        depths.append(Counter())
        for header, turn in prefetched(_Seen(dataset), range(len(dataset))):
            if header is not None:
                depths[-1][header.depth] += 1
                left_out.update(header.notes)
            turns.append(turn)
    notes = [f"{many(count, 'image')}: {what}" for what, count in left_out.items()]
    if (note := turning_note(turns)) is not None:
        notes.append(f"WARNING: {note}" if is_uncertain(turns) else note)
    if (note := depth_note(sum(depths, Counter()))) is not None:
        notes.append(f"WARNING: {note}")
    return notes, tuple(sorted(depths[0])) if depths else ()


class _Seen:
    """The header of each sample's image, and how its mask lies; None where it cannot be read."""

    def __init__(self, dataset: Layout) -> None:
        self.dataset = dataset

    def __call__(self, index: int) -> tuple[Header | None, Turn | None]:
        try:
            header = read_header(self.dataset.pairs[index][0], 0)
        except DataError:  # which is reported where the image is read
            return None, None
        return header, turn_of(self.dataset, index, header)


def depth_note(depths: Counter[int]) -> str | None:
    """What to say of images of several depths; None if all have one.

    >>> depth_note(Counter({8: 3, 16: 1}))
    'images of 8 bits (3) and of 16 bits (1): white is 255 in some and 65535 in others'
    """
    if len(depths) < 2:
        return None
    found = " and ".join(f"of {depth} bits ({count})" for depth, count in sorted(depths.items()))
    whites = " in some and ".join(_white(depth) for depth in sorted(depths))
    return f"images {found}: white is {whites} in others"


def _white(depth: int) -> str:
    return {8: "255", 32: "1"}.get(depth, str(2**depth - 1))


def unlike_training(data: DataConfig, images: Iterable[Path]) -> str | None:
    """What to say of images of another depth than the run was trained on; None if there are none."""
    if not data.depths:
        return None
    found: Counter[int] = Counter()
    first: Path | None = None
    for path in images:
        try:
            depth = read_header(path, 0).depth
        except DataError:  # which is reported where the image is read
            continue
        if depth not in data.depths:
            found[depth] += 1
            first = first or path
    if first is None:
        return None
    ours = " and ".join(str(depth) for depth in data.depths)
    theirs = " and ".join(str(depth) for depth in sorted(found))
    return (
        f"WARNING: the run was trained on images of {ours} bits, and {many(found.total(), 'image')} of these (as "
        f"{first.name}) have {theirs}: unless both use all levels from black to white, what is seen there is not "
        "what was learnt; convert them to the depth of the training images"
    )
