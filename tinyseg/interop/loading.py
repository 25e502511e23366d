"""Weights from a file into a model, with a report of what became of each of them."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..autograd import no_grad
from ..checkpoint import listed
from ..errors import CheckpointError, many
from ..files import PathLike
from ..finite import damage, is_representable, pieces
from ..models.expectations import stored
from ..models.fixed_bilinear import FixedBilinear
from ..models.network import Network, Preprocessing
from ..nn import ConvTranspose2d, Module
from ..tensor import Tensor, tensor
from .file import Weights, read
from .names import (
    UPSAMPLING,
    Rule,
    Source,
    classifier_layers,
    constants,
    left_out,
    meant_otherwise,
    parts_of_its_own,
    reason,
    recognise,
    rules_for,
)

LOADED, RENAMED, RESHAPED = "loaded", "renamed", "reshaped"
MISSING, UNEXPECTED, SKIPPED = "missing", "unexpected", "skipped"
FOR_CHANNELS, OTHER_SHAPE = "for images of", "of another shape"
FATES = (LOADED, RENAMED, RESHAPED, SKIPPED, MISSING, UNEXPECTED)


@dataclass(frozen=True)
class Entry:
    """What became of one weight. ``fate`` is one of

    - loaded, renamed, reshaped: it was copied from ``theirs``, its name in the file, to ``ours``, that in the model;
    - skipped: it is in the file and was left out, for the reason in ``note``;
    - missing: the model has it and the file has not; it stays as it was;
    - unexpected: the file has it and the model has not.

    ``is_problem``: nothing explains why it is missing, unexpected or of another shape. ``is_drawn``: the model keeps
    random numbers for it.
    """

    fate: str
    theirs: str | None
    ours: str | None
    note: str = ""
    is_problem: bool = False
    is_drawn: bool = False

    @property
    def is_plain(self) -> bool:
        """Whether it was copied as it was."""
        return self.fate in (LOADED, RENAMED)

    def named(self) -> str:
        """Both names, or the one there is, and the note."""
        names = dict.fromkeys(name for name in (self.theirs, self.ours) if name is not None)
        return " -> ".join(names) + (f" ({self.note})" if self.note else "")

    def __str__(self) -> str:
        return f"{self.fate:<10} {self.named()}"


@dataclass(frozen=True)
class Report:
    """What became of each weight. ``source``: whose they are, as far as their names tell; ``preprocessing``: what
    they expect of images, None where that is not known; ``note``: what could not be compared, empty where all could.
    """

    weights: Weights
    source: str
    preprocessing: Preprocessing | None
    entries: tuple[Entry, ...]
    note: str = ""

    def of(self, *fates: str) -> tuple[Entry, ...]:
        """The entries with one of these fates."""
        return tuple(entry for entry in self.entries if entry.fate in fates)

    @property
    def problems(self) -> tuple[Entry, ...]:
        """What nothing explains."""
        return tuple(entry for entry in self.entries if entry.is_problem)

    @property
    def needs_random_start(self) -> bool:
        """Whether the model has weights that the file has not, and that do not start with constants."""
        return any(entry.is_drawn for entry in self.entries)

    def summary(self) -> str:
        """One line."""
        counts = Counter(entry.fate for entry in self.entries)
        found = ", ".join(f"{counts[fate]} {fate}" for fate in FATES if counts[fate])
        where = f" ({self.weights.found_at})" if self.weights.found_at else ""
        note = f" ({self.note})" if self.note else ""
        return f"{self.weights.path}: {self.weights.format}, from {self.source}{where}: {found}{note}"

    def __str__(self) -> str:
        return "\n".join([self.summary(), *map(str, self.entries), *self.weights.beside()])


class MisfitError(CheckpointError):
    """Weights do not fit a model; ``in_part``: some of them would.

    >>> error = MisfitError("a.pth: weights do not fit unet", in_part=True)
    >>> print(error)
    a.pth: weights do not fit unet; strict=False takes those that fit
    >>> error.spelt("--partial-weights")
    'a.pth: weights do not fit unet; --partial-weights takes those that fit'
    """

    def __init__(self, message: str, in_part: bool) -> None:
        self.message, self.in_part = message, in_part
        super().__init__(self.spelt("strict=False"))

    def spelt(self, option: str) -> str:
        """The message with the name of what accepts a part of the weights."""
        return self.message + (f"; {option} takes those that fit" if self.in_part else "")


def load(model: Module, file: PathLike | Weights, strict: bool = True) -> Report:
    """Copy the weights in ``file`` into ``model``, rename and reshape them as far as it takes, and tell of each.

    A classifier's weights go into the networks that are made of it: convolutions by their places, fully connected
    layers as convolutions. Scores of another number of classes are left out. Numbers of another type are converted.
    Where the file says, or is known to mean, something else by weights of the same shape, they are converted or do
    not fit. A network's ``preprocessing`` becomes what the weights expect of images, where that is known.

    Raises ``CheckpointError``, and changes nothing, for a file that cannot be read or holds weights that are not
    finite; and ``MisfitError``, a kind of it, for weights of which none fits; and, if ``strict``, when a weight is
    missing, unexpected or of another shape and nothing explains why. With ``strict=False`` those stay as they are and
    are in the report like all others.

    >>> import tempfile, tinyseg
    >>> path = f"{tempfile.mkdtemp()}/net.npz"
    >>> model = tinyseg.models.create("unet", num_classes=2, width=4, depth=1)
    >>> np.savez(path, **{name: value.numpy() for name, value in model.state_dict().items()})
    >>> report = load(model, path)
    >>> len(report.of("loaded")), len(report.entries)
    (40, 40)
    """
    weights = file if isinstance(file, Weights) else read(file)
    matching = _Matching(model, weights)
    if damaged := damage(matching.values):
        raise CheckpointError(f"{weights.path}: cannot be used: {damaged}")
    report = matching.report()
    copied = report.of(LOADED, RENAMED, RESHAPED)
    if not copied or (strict and report.problems):
        raise MisfitError(_refusal(report, model, matching.source.hint), bool(copied))
    with no_grad():
        for key, values in matching.values.items():
            _copy(values, matching.own[key])
    if isinstance(model, Network):
        model.preprocessing = report.preprocessing or model.preprocessing
        model.adopt(matching.source.conventions)
    return report


def _refusal(report: Report, model: Module, hint: str) -> str:
    name = getattr(model, "name", type(model).__name__)
    kinds = ((MISSING, "missing"), (UNEXPECTED, "unexpected"), (SKIPPED, "that cannot be used"))
    counted = [listed(what, [e.named() for e in report.problems if e.fate == fate]) for fate, what in kinds]
    problems = ", ".join(filter(None, counted)) or "none of them has a place"
    advice = f"; {_advice(report, hint)}" if report.problems or hint else ""
    return f"{report.weights.path}: weights from {report.source} do not fit {name}: {problems}{advice}"


def _advice(report: Report, hint: str) -> str:
    """What may have been meant instead: with other channels of images, or another width, all names are there."""
    problems = report.problems
    if not problems or any(entry.fate != SKIPPED for entry in problems):
        return hint
    channels = [entry.note for entry in problems if entry.note.startswith(FOR_CHANNELS)]
    if channels and len(problems) == len(channels):
        there, here = re.findall(r"\d+", channels[0])[:2]
        grey = ": save grey images as RGB, with three equal channels" if (there, here) == ("3", "1") else ""
        return f"the weights are for images of {many(int(there), 'channel')}, and these have {here}{grey}"
    if any(entry.note.startswith(OTHER_SHAPE) for entry in problems):
        return "the layers have the same names and other sizes, as with another width"
    return "the same layers compute something else there; build the network with the options of the weights"


class _Matching:
    """Each weight of a file on its way to its place: ``values`` for the model's keys, and what became of each."""

    def __init__(self, model: Module, weights: Weights) -> None:
        self.model, self.weights = model, weights
        self.own = model.state_dict()
        self.source = source_of(weights)
        self.rules = rules_for(self.source, model)
        self.layers = classifier_layers(self.source, model)
        self.constants = constants(model)
        self.parts = parts_of_its_own(model)
        self.changes = model.changes(self.source.conventions) if isinstance(model, Network) else {}
        self.meant_otherwise = meant_otherwise(self.source, model)
        self.places = dict(model.named_modules())
        self.left_out = left_out(self.source, model)
        self.values: dict[str, NDArray[Any]] = {}
        self.entries: list[Entry] = []
        for theirs, array in weights.arrays.items():
            self.entries.append(self._match(theirs, array))
        taken = {entry.ours for entry in self.entries}
        self.entries += [self._missing(ours) for ours in self.own if ours not in taken]
        for part, why in self.parts.items():
            self._whole_or_not_at_all(part, why)

    def _whole_or_not_at_all(self, part: str, why: str) -> None:
        """Leave out all of a part of its own where any of it is another: the rest would mean nothing without it."""
        inside = [e for e in self.entries if re.match(part, e.ours or "") or re.match(part, e.theirs or "")]
        if all(entry.is_plain for entry in inside):
            return
        for place, entry in enumerate(self.entries):
            if entry in inside and entry.is_plain and entry.ours is not None:
                del self.values[entry.ours]
                self.entries[place] = Entry(SKIPPED, entry.theirs, entry.ours, why, False, entry.is_drawn)

    def _match(self, theirs: str, array: NDArray[Any]) -> Entry:
        """Find the place of one weight, and bring its values into shape."""
        ours = _renamed(self.rules, theirs)
        if ours not in self.own:
            why = reason(self.left_out, theirs)
            return Entry(SKIPPED, theirs, None, why) if why else Entry(UNEXPECTED, theirs, None, "", True)
        if ours in self.values:
            return Entry(UNEXPECTED, theirs, None, f"{ours} is there already", True)
        target = self.own[ours]
        shaped, note = _shaped(array, target.shape)
        if shaped is None:
            why = self._excuse(ours, array.shape, target.shape)
            cause = why or self._cause(ours, array.shape, target.shape)
            return self._skipped(theirs, ours, f"{cause}: {_by(array.shape)}, here {_by(target.shape)}", not why)
        if otherwise := reason(self.meant_otherwise, ours):
            return self._skipped(theirs, ours, otherwise, not reason(self.parts, ours))
        if change := next((change for pattern, change in self.changes.items() if re.fullmatch(pattern, ours)), None):
            shaped = change(shaped)
        if not is_representable(shaped, target.dtype):
            return self._skipped(theirs, ours, f"{array.dtype} numbers do not fit {target.dtype}", True)
        self.values[ours] = shaped
        return Entry(RESHAPED if note else RENAMED if ours != theirs else LOADED, theirs, ours, note)

    def _excuse(self, ours: str, shape: tuple[int, ...], target: tuple[int, ...]) -> str | None:
        """Why a weight may be of another shape than its place."""
        layer = ours.rpartition(".")[0]
        scores = self.model.score_layers if isinstance(self.model, Network) else ()
        if layer in scores and _differ_by_classes(shape, target, self.places[layer]):
            return "for other classes"
        return reason(self.parts, ours) or (reason(UPSAMPLING, ours) if shape[2:] != target[2:] else None)

    def _cause(self, ours: str, shape: tuple[int, ...], target: tuple[int, ...]) -> str:
        """Why a weight does not fit: its layer sees images of other channels, or is larger or smaller."""
        layer = self.model.input_layer if isinstance(self.model, Network) else ""
        if ours == f"{layer}.weight" and len(shape) == len(target) and _but(shape, 1) == _but(target, 1):
            return f"{FOR_CHANNELS} {shape[1]} and not {target[1]} channels"
        return OTHER_SHAPE

    def _skipped(self, theirs: str, ours: str, note: str, is_problem: bool) -> Entry:
        return Entry(SKIPPED, theirs, ours, note, is_problem, self._constant(ours) is None)

    def _missing(self, ours: str) -> Entry:
        constant = self._constant(ours)
        why = constant or reason(self.parts, ours) or ""
        if not why and self.layers and not any(ours.startswith(f"{layer}.") for layer in self.layers):
            why = "no part of the classifier; it starts anew"
        return Entry(MISSING, None, ours, why, not why, constant is None)

    def _constant(self, ours: str) -> str | None:
        return next((text for pattern, text in self.constants.items() if re.fullmatch(pattern, ours)), None)

    def report(self) -> Report:
        """What became of each."""
        expected = self.source.preprocessing
        if expected is not None and isinstance(self.model, Network):
            expected = _for_channels(expected, self.model.in_channels)
        return Report(self.weights, self.source.name, expected, tuple(self.entries), self._note())

    def _note(self) -> str:
        """That a file of ours does not say what its weights mean, where a network of other options has the same."""
        own = self.weights.own
        unknown = own is not None and own.get("conventions") is None
        if not unknown or not isinstance(self.model, Network) or not self.model.conventions:
            return ""
        return "its options are not stored; they must be those of this network"


def _for_channels(expected: Preprocessing, channels: int) -> Preprocessing | None:
    """The same with a number for each channel; None where it is about images of other channels."""
    if len(expected.mean) == 1:
        return replace(expected, mean=expected.mean * channels, std=expected.std * channels)
    return expected if len(expected.mean) == channels else None


def source_of(weights: Weights) -> Source:
    """Whose weights these are, by their names; a file of ours says itself what they expect of images, and what they
    mean. Raises ``CheckpointError`` where it says what cannot be.
    """
    source = recognise(weights.arrays)
    if weights.own is None:
        return source
    found = stored(weights.path, weights.own)
    return replace(source, name="tinyseg", preprocessing=found.preprocessing, conventions=found.conventions or {})


def _renamed(rules: tuple[Rule, ...], name: str) -> str:
    for rule in rules:
        match = re.fullmatch(rule.pattern, name)
        if match:
            return match.expand(rule.name)
    return name


def _shaped(array: NDArray[Any], shape: tuple[int, ...]) -> tuple[NDArray[Any] | None, str]:
    """``array`` in the shape of its place, and a note if that is another one; None where it cannot be brought there.

    Fully connected layers and convolutions over their window hold the same numbers in the same order. Upsampling of
    each channel on its own, whose kernels lie on a diagonal of zeros in the file, is that diagonal here.
    """
    if array.shape == shape:
        return array, ""
    note = f"{_by(array.shape)} as {_by(shape)}"
    flat = 2 in (array.ndim, len(shape)) and 4 in (array.ndim, len(shape))
    if flat and array.shape[0] == shape[0] and array.size == np.prod(shape):
        return array.reshape(shape), note
    if array.ndim == 4 and shape == (array.shape[0], 1, *array.shape[2:]) and array.shape[0] == array.shape[1]:
        channels = np.arange(array.shape[0])
        kernels = array[channels, channels]
        if np.count_nonzero(array) == np.count_nonzero(kernels):
            return kernels[:, None], f"{note}: the rest is zero"
    return None, ""


def _copy(values: NDArray[Any], target: Tensor) -> None:
    """``values`` into ``target``, some rows at a time: a fully connected layer need not be in memory once more."""
    if not values.ndim:
        target.copy_(tensor(values, dtype=target.dtype))
        return
    for piece in pieces(values):
        target[piece].copy_(tensor(values[piece], dtype=target.dtype))


def _differ_by_classes(theirs: tuple[int, ...], ours: tuple[int, ...], layer: Module) -> bool:
    """Whether two shapes are of one layer that gives scores, for different numbers of classes: all that differs is
    the first axis, for upsampling by a transposed convolution the second, or both where it is scores that come in.
    """
    if len(theirs) != len(ours):
        return False
    axes: tuple[int, ...] = (0,)
    if len(ours) == 4 and isinstance(layer, FixedBilinear) and theirs[0] == theirs[1]:
        theirs = theirs[0], 1, *theirs[2:]  # each class on its own: the file has a diagonal of zeros
    if len(ours) == 4 and isinstance(layer, ConvTranspose2d):
        axes = (0, 1) if layer.in_channels == layer.out_channels else (1,)
    (classes, *others), here = {theirs[axis] for axis in axes}, ours[axes[0]]
    return _but(theirs, *axes) == _but(ours, *axes) and not others and classes != here


def _but(shape: tuple[int, ...], *axes: int) -> list[int]:
    """A shape without these axes."""
    return [size for axis, size in enumerate(shape) if axis not in axes]


def _by(shape: tuple[int, ...]) -> str:
    return "x".join(str(size) for size in shape) or "a single number"
