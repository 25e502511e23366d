"""Checking data: every image and mask is read, and whatever would hurt a training run, or a figure, is named."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...data import Classes, Folder, check_mapping, get_kind, open_dataset, parse_table, read_mapping
from ...data.dataset import IGNORE_INDEX, MAX_CLASSES, Color, Size
from ...data.formats.images import Header, LossyMaskError, read_header
from ...data.labels.class_lists import CLASSES_FILE
from ...data.labels.mapping import Table, color_of, format_key, identity_table, value_counts
from ...data.labels.proposal import is_smoothed, propose_mapping
from ...data.layouts.layout import Layout, MissingSplitError, orientation_hint
from ...data.layouts.orientation import Turn, turn_of, turning_note
from ...data.loading.prefetch import prefetched
from ...data.loading.statistics import ClassCounts, MaskRanges
from ...data.registry import Kind
from ...errors import DataError, InputError, many
from ...files import PathLike
from ...options import TrainOptions
from ..parts.image_notes import depth_note
from ..training.prepare import check_labels, mixed_ranges, open_splits
from .check_report import CheckReport, Finding, SplitReport

MAX_VALUES = 4096
"""So many values of a mask are told apart; one with more holds no labels."""


def check(
    data: str,
    root: PathLike | None = None,
    *,
    num_classes: int | None = None,
    mapping: PathLike | None = None,
    as_stored: bool = False,
    crowds: str | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> CheckReport:
    """Read all of a data set, in ``workers`` threads, and say what is in it and what is wrong with it.

    ``as_stored`` leaves images as they are stored, whatever orientation their EXIF data give.
    ``progress(done, total)`` is told the number of images. Raises ``InputError`` when there is no such data set, when
    none of its splits can be opened, and for options that make no sense; what is wrong in the files is reported.
    """
    if get_kind(data).drawn:
        raise InputError(f"the data set {data!r} is drawn: it has no files to check")
    if root is None:
        raise InputError(f"the data set {data!r} is read from files: tinyseg check {data} FOLDER")
    texts = None if mapping is None else read_mapping(mapping)
    options = TrainOptions(
        data=data, root=str(root), num_classes=num_classes, mapping=texts, as_stored=as_stored, crowds=crowds
    )
    checker = _Checker(options, None if texts is None else parse_table(texts, str(mapping)))
    datasets = checker.open_splits()
    if texts is not None and not checker.unknown_count:
        check_mapping(texts, len(datasets[0].classes))
    total, done = sum(len(dataset) for dataset in datasets), 0
    for dataset in datasets:
        part = SplitReport(dataset.split, len(dataset), _published(dataset, get_kind(data)).get(dataset.split))
        checker.splits.append(part)
        for seen in prefetched(partial(_examine, dataset), range(len(dataset)), workers):
            checker.add(part, seen)
            done += 1
            if progress is not None:
                progress(done, total)
    checker.compare_files(datasets)
    return checker.report(datasets)


# One sample


@dataclass
class _Seen:
    """What one sample is like; of its pixels only what can be counted is left."""

    name: str
    image: Path
    mask: Path
    errors: list[tuple[str, str, str]] = field(default_factory=list)
    size: Size | None = None
    header: Header | None = None
    turn: Turn | None = None
    digest: bytes | None = None
    values: dict[int | Color, int] = field(default_factory=dict)
    pixels: NDArray[np.int64] | None = None


def _examine(dataset: Layout, index: int) -> _Seen:
    image, mask = dataset.pairs[index]
    seen = _Seen(dataset.sample_name(index), image, mask)
    for path in (image, mask):
        if not path.is_file():
            seen.errors.append(("missing", "missing files", str(path)))
    if image.is_file():
        _examine_image(dataset, index, seen)
    if mask.is_file():
        _examine_mask(dataset, index, seen)
    return seen


def _examine_image(dataset: Layout, index: int, seen: _Seen) -> None:
    try:
        pixels = dataset.image(index)
        seen.header = read_header(seen.image, 0)
        seen.turn = turn_of(dataset, index, seen.header)
    except DataError as error:
        seen.errors.append(("unreadable", str(error), str(seen.image)))
        return
    seen.size = pixels.shape[0], pixels.shape[1]
    seen.digest = hashlib.blake2b(np.ascontiguousarray(pixels).data, digest_size=16).digest()


def _examine_mask(dataset: Layout, index: int, seen: _Seen) -> None:
    try:
        raw = dataset.raw_mask(index)
    except LossyMaskError as error:
        seen.errors.append(("lossy", str(error), str(seen.mask)))
        return
    except DataError as error:
        seen.errors.append(("unreadable", str(error), str(seen.mask)))
        return
    if seen.size is not None and raw.shape[:2] != seen.size:
        mask_size, image_size = (f"{height}x{width}" for height, width in (raw.shape[:2], seen.size))
        hint = orientation_hint(seen.image, raw.shape[:2], dataset.as_stored)
        text = f"{seen.mask}: the mask is {mask_size} but its image is {image_size} (height x width){hint}"
        seen.errors.append(("sizes", text, str(seen.mask)))
    values, counts = value_counts(raw)
    if len(values) > MAX_VALUES:
        text = f"{seen.mask}: has {len(values)} different values; is it a photograph?"
        seen.errors.append(("values", text, str(seen.mask)))
        return
    keys = [color_of(value) if raw.ndim == 3 else value for value in values.tolist()]
    seen.values = dict(zip(keys, counts.tolist(), strict=True))
    table = dataset.meanings
    seen.pixels = np.zeros(MAX_CLASSES + 1, np.int64)
    for key, count in seen.values.items():
        seen.pixels[table.get(key, IGNORE_INDEX)] += count


# All of them


class _Checker:
    """Gathers what is seen, sample by sample."""

    def __init__(self, options: TrainOptions, mapping: Table | None) -> None:
        self.options, self.mapping = options, mapping
        self.data, self.root, self.num_classes = options.data, str(options.root), options.num_classes
        self.kind = get_kind(self.data)
        self.unknown_count = (
            self.data == "folder" and self.num_classes is None and not (Path(self.root) / CLASSES_FILE).is_file()
        )
        self.splits: list[SplitReport] = []
        self.as_stored = options.as_stored
        self.turns: dict[str, Turn | None] = {}
        self.depths: Counter[int] = Counter()
        self.left_out: dict[str, list[str]] = {}
        self.values: Counter[int | Color] = Counter()
        self.training_values: Counter[int | Color] = Counter()
        self.ranges = MaskRanges()
        self.digests: dict[bytes, list[tuple[str, str]]] = {}
        self.errors: dict[str, list[tuple[str, str]]] = {}
        self.problems: list[Finding] = []
        self.notes: list[Finding] = []

    def open_splits(self) -> list[Layout]:
        """The splits that are there; what keeps one from being opened is reported, unless it is so for all."""
        datasets, failures = [], list[InputError]()
        for split in self.kind.splits:
            try:
                datasets.append(self._open(split))
            except MissingSplitError as error:
                failures.append(error)
                self.notes.append(Finding("split", f"the split {split!r} is not there ({error})"))
            except DataError as error:
                failures.append(error)
                self.problems.append(Finding("split", f"the split {split!r} cannot be opened: {error}"))
        if not datasets:
            raise failures[0]
        return datasets

    def _open(self, split: str) -> Layout:
        given: dict[str, Any] = {"mapping": self.mapping, "as_stored": self.as_stored}
        if self.data == "folder":
            count = MAX_CLASSES if self.unknown_count else self.num_classes
            return Folder(self.root, split, num_classes=count, strict=False, **given)
        given["crowds"] = self.options.crowds
        dataset = open_dataset(self.data, split, root=self.root, num_classes=self.num_classes, **given)
        if not isinstance(dataset, Layout):
            raise InputError(f"the data set {self.data!r} has no files to check")
        return dataset

    def add(self, part: SplitReport, seen: _Seen) -> None:
        """Count a sample in."""
        for kind, text, file in seen.errors:
            self.errors.setdefault(kind, []).append((text, file))
        if seen.size is not None:
            part.sizes[seen.size] += 1
        if seen.header is not None:
            part.channels[seen.header.channels] += 1
            self.depths[seen.header.depth] += 1
            for what in seen.header.notes:
                self.left_out.setdefault(what, []).append(str(seen.image))
        self.turns[str(seen.image)] = seen.turn
        if seen.digest is not None:
            self.digests.setdefault(seen.digest, []).append((part.split, seen.name))
        self.values.update(seen.values)
        if part.split == "train":
            self.training_values.update(seen.values)
        if seen.pixels is not None:
            self.ranges = self.ranges.with_mask(seen.pixels)
            part.pixels += seen.pixels
            part.images_with += seen.pixels > 0

    def compare_files(self, datasets: list[Layout]) -> None:
        """Files without a counterpart, and files beside those that belong to the data set."""
        if unmatched := {str(path) for d in datasets if isinstance(d, Folder) for path in d.unmatched}:
            text = f"{many(len(unmatched), 'file')} without a counterpart (an image and its mask have one name)"
            self.problems.append(Finding("unmatched", text, tuple(sorted(unmatched))))
        left_out = {str(path) for dataset in datasets for path in getattr(dataset, "left_out", ())}
        extra = sorted(set(_beside(datasets)) - unmatched - left_out)
        if extra:
            text = f"{many(len(extra), 'file')} in the same folders, but in none of the splits that are there"
            self.notes.append(Finding("extra", text, tuple(extra)))
        if left_out:
            text = f"{many(len(left_out), 'frame')} labelled in part, and left out"
            self.notes.append(Finding("partial", text, tuple(sorted(left_out))))

    def report(self, datasets: Sequence[Layout]) -> CheckReport:
        """The findings, the worst first."""
        dataset = datasets[0]
        self._report_errors()
        self._report_headers()
        self._report_duplicates()
        self._report_remarks(datasets)
        count = self._count_classes(dataset)
        classes = Classes.numbered(count) if self.unknown_count else dataset.classes
        table = _first(dataset.meanings, count)
        mixed = mixed_ranges(dataset, self._known_ranges(table), count)
        given = dict(self.mapping or {})
        proposed = self._proposed(dataset, table, classes)
        if mixed:
            proposed = {**identity_table(count), **given, IGNORE_INDEX: 1}
        self._report_values(table, proposed, mixed)
        self._report_classes(classes, proposed)
        self._report_counts(_published(dataset, self.kind))
        self._report_training(dataset, table, classes)
        return CheckReport(
            self.data,
            self.root,
            classes,
            tuple(self.splits),
            dict(sorted(self.values.items(), key=lambda item: str(format_key(item[0])).rjust(12))),
            tuple(self.problems),
            tuple(self.notes),
            {**given, **proposed} if proposed else {},
        )

    def _count_classes(self, dataset: Layout) -> int:
        """The number of classes; where nobody says so, the number that the masks show, or that is proposed."""
        if not self.unknown_count:
            return len(dataset.classes)
        shown = max(self._shown_by_numbers(dataset.meanings), self._shown_by_colors(dataset.meanings))
        table = _first(dataset.meanings, shown)
        meant = {**table, **propose_mapping(self.values, table, None, dataset.known_colors)}
        indices = [meant[value] for value in self.values if meant.get(value, IGNORE_INDEX) != IGNORE_INDEX]
        count = max(2, 1 + max(indices, default=0))
        self.notes.append(
            Finding("classes", f"no classes.txt and no --num-classes: the masks look like {count} classes")
        )
        return count

    def _shown_by_numbers(self, table: Table) -> int:
        """The number of classes that the numbers in masks are, colours aside."""
        found = {value: count for value, count in self.values.items() if isinstance(value, int)}
        if self.mapping is None and is_smoothed(found):
            return 2
        largest = max({table[value] for value in found if value in table} - {IGNORE_INDEX}, default=0) + 1
        numbers = [value for value in found if value != IGNORE_INDEX]
        # 0, 1, 2 are three classes; 0, 128, 200 are three, too, in other words.
        gaps = self.mapping is None and largest > 2 * len(numbers)
        return min(MAX_CLASSES, max(2, len(numbers) if gaps else largest))

    def _shown_by_colors(self, table: Table) -> int:
        """The number of classes whose colours in Pascal VOC's palette these are, if they are all from there."""
        found = [value for value in self.values if not isinstance(value, int)]
        if not found or any(value not in table for value in found):
            return 0
        largest = max((table[value] for value in found if table[value] != IGNORE_INDEX), default=0) + 1
        return largest if largest <= 2 * len(found) else 0

    def _proposed(self, dataset: Layout, table: Table, classes: Classes) -> dict[int | Color, int]:
        """A mapping that may be meant, if training would take it."""
        if not dataset.stores_labels:
            return {}
        count = None if self.unknown_count else len(classes)
        proposed = propose_mapping(self.values, table, count, dataset.known_colors)
        meanings = {**table, **proposed}
        if any(value not in meanings for value in self.values):
            return {}
        try:
            check_labels(dataset, self._training_counts(meanings, len(classes)))
        except DataError:
            return {}
        return proposed

    def _training_counts(self, meanings: Table, count: int) -> ClassCounts:
        """What training masks hold, where numbers and colours have these meanings."""
        pixels = np.zeros(MAX_CLASSES + 1, np.int64)
        for value, number in (self.training_values or self.values).items():
            pixels[meanings.get(value, IGNORE_INDEX)] += number
        images = sum(part.images for part in self.splits if part.split == "train")
        return ClassCounts(pixels[:count], pixels[:count], int(pixels[IGNORE_INDEX]), images)

    def _known_ranges(self, table: Table) -> MaskRanges:
        """What masks hold, if all of it is known; unknown values are counted as ignored ones."""
        return self.ranges if all(value in table for value in self.values) else MaskRanges()

    def _report_remarks(self, datasets: Sequence[Layout]) -> None:
        """What the data set says of itself; once, where splits are made from one file."""
        for remark in dict.fromkeys(remark for dataset in datasets for remark in dataset.remarks):
            findings = self.problems if remark.serious else self.notes
            findings.append(Finding(remark.kind, remark.text))

    def _report_training(self, dataset: Layout, table: Table, classes: Classes) -> None:
        """Where all is well so far: whether training takes the data, by what training itself asks."""
        if self.problems:
            return
        options = replace(self.options, num_classes=len(classes))
        try:
            open_splits(options)
            check_labels(dataset, self._training_counts(table, len(classes)))
        except InputError as error:
            self.problems.append(Finding("training", f"tinyseg train refuses the data: {error}"))

    def _report_errors(self) -> None:
        titles = {
            "missing": ("file", "missing"),
            "unreadable": ("file", "that cannot be read"),
            "lossy": ("mask", "in a lossy format: labels do not survive JPEG and its like"),
            "sizes": ("mask", "of another size than the image"),
            "values": ("mask", "with more values than labels can have"),
        }
        for kind, (thing, what) in titles.items():
            found = self.errors.get(kind, [])
            if found:
                first = "" if kind in ("missing", "lossy") else f" ({found[0][0]})"
                text = f"{many(len(found), thing)} {what}{first}"
                self.problems.append(Finding(kind, text, tuple(file for _, file in found)))

    def _report_headers(self) -> None:
        """What the files say of themselves: turned images, several depths, bands that are not used."""
        if (note := turning_note(self.turns.values())) is not None:
            turned = tuple(file for file, turn in self.turns.items() if turn is not None)
            self.notes.append(Finding("orientation", note, turned))
        if (note := depth_note(self.depths)) is not None:
            self.notes.append(Finding("depth", note))
        for what, files in self.left_out.items():
            self.notes.append(Finding("bands", f"{many(len(files), 'image')}: {what}", tuple(files)))

    def _report_duplicates(self) -> None:
        across = [places for places in self.digests.values() if len({split for split, _ in places}) > 1]
        within = [places for places in self.digests.values() if len(places) > 1 and places not in across]
        for found, findings, text in (
            (across, self.problems, "in more than one split: what is trained on must not be scored on"),
            (within, self.notes, "more than once within a split"),
        ):
            if found:
                named = tuple(" = ".join(f"{split}/{name}" for split, name in places) for places in found)
                findings.append(Finding("duplicates", f"{many(len(found), 'image')} {text}", named))

    def _report_values(self, table: Table, proposed: Mapping[int | Color, int], mixed: str) -> None:
        unknown = [key for key in self.values if key not in table]
        if unknown:
            what = many(len(unknown), "colour" if isinstance(unknown[0], tuple) else "value")
            verb = "is" if len(unknown) == 1 else "are"
            share = sum(self.values[key] for key in unknown) / max(1, sum(self.values.values()))
            named = ", ".join(format_key(key) for key in sorted(unknown, key=self.values.get, reverse=True)[:8])  # type: ignore[arg-type]
            more = ", ..." if len(unknown) > 8 else ""
            text = f"{what} in masks that {verb} no class ({share:.2%} of all pixels): {named}{more}"
            self.problems.append(Finding("values", text))
        elif mixed:
            self.problems.append(Finding("values", mixed))
        elif proposed:
            text = "the masks hold one class, and 255, which is ignored: there is nothing to tell apart"
            self.problems.append(Finding("values", text))

    def _report_classes(self, classes: Classes, proposed: Mapping[int | Color, int]) -> None:
        if not proposed and not any(problem.kind == "values" for problem in self.problems):
            self._report_splits(classes)
        total = sum((part.pixels for part in self.splits), np.zeros(MAX_CLASSES + 1, np.int64))
        absent = [name for name, count in zip(classes.names, total[: len(classes)], strict=True) if not count]
        if absent and not proposed and total[: len(classes)].any():
            text = f"{len(absent)} of {len(classes)} classes are in no mask: {', '.join(absent[:8])}"
            self.notes.append(Finding("absent", text + (", ..." if len(absent) > 8 else "")))

    def _report_splits(self, classes: Classes) -> None:
        """Splits from which nothing can be learnt, or nothing of a class that is in others."""
        anywhere = sum((part.pixels for part in self.splits), np.zeros(MAX_CLASSES + 1, np.int64)) > 0
        for part in self.splits:
            kind = {"train": "training", "val": "validation"}.get(part.split, part.split)
            there = part.pixels[: len(classes)] > 0
            if not there.any():
                if part.ignored:
                    text = f"every pixel of the {kind} masks is ignored"
                    self.problems.append(Finding("ignored", text))
                continue
            absent = [name for index, name in enumerate(classes.names) if anywhere[index] and not there[index]]
            if absent:
                more = ", ..." if len(absent) > 8 else ""
                self.notes.append(Finding("absent", f"in no {kind} mask: {', '.join(absent[:8])}{more}"))

    def _report_counts(self, counts: Mapping[str, int]) -> None:
        """Splits that have not as many images as were published."""
        found = {part.split: part.images for part in self.splits}
        if "val" not in counts and "train" in found:
            found["train"] += found.pop("val", 0)  # a share of them validates
        for split, published in counts.items():
            if found.get(split, published) != published:
                text = f"{split} has {many(found[split], 'image')}, {published} were published"
                self.notes.append(Finding("count", text))


def _published(dataset: Layout, kind: Kind) -> Mapping[str, int]:
    """How many images each split has as it was published; of a user's own data nothing was."""
    return {} if dataset.has_own_classes else kind.published


def _first(table: Table, count: int) -> dict[int | Color, int]:
    """What of ``table`` means one of the first ``count`` classes, or 255."""
    return {key: value for key, value in table.items() if value < count or value == IGNORE_INDEX}


def _beside(datasets: Iterable[Layout]) -> Iterator[str]:
    """Files of the same kinds in the same folders that belong to no sample."""
    used = {path for dataset in datasets for pair in dataset.pairs for path in pair}
    kinds: dict[Path, set[str]] = {}
    for path in used:
        kinds.setdefault(path.parent, set()).add(path.suffix)
    for folder, suffixes in kinds.items():
        if folder.is_dir():
            yield from (str(path) for path in folder.iterdir() if path.suffix in suffixes and path not in used)
