"""The nouns of the suite: frozen records with shape checks, nothing else.

Arrays are NumPy, in row-major order. A *label map* is (H, W) uint8 of class ids, ``VOID`` if there is
none. A *superpixel map* is (H, W) int32, 0 outside every superpixel. *Probabilities* are (C, H, W) float32.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

VOID = 255
QUESTIONS = {  # kind: what the annotator is asked; {label} is the label shown
    "correction": "is this {label}? if not, which class is it?",
    "classification": "which class is this pixel?",
    "dominant": "which class has most of this superpixel?",
    "multiclass": "which classes are in this superpixel?",
}
# What speaks to a terminal instead of being shown, ends a line, turns the direction of writing, or is no character.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
ACTIONS = ("confirm", "correct", "classify", "void", "give_up")


class InputError(ValueError):
    """The user's input cannot be used. The message is one line; the command line exits with code 2."""


def printable(text: str) -> str:
    """``text`` with a question mark for each control character."""
    return CONTROL.sub("?", text)


@dataclass(frozen=True)
class Candidates:
    """One row per superpixel of the pool. Columns are attributes: ``candidates.entropy_sum``.

    Always there, each (n,): ``image`` int32 (index into the train split), ``superpixel`` int64 (id within the
    image), ``row`` and ``column`` int32 (the representative pixel), ``label`` uint8 (current label there),
    ``size`` int64 (pixels). The statistics that a strategy needs come beside them, each (n,) or (n, k);
    `bench.kernels.statistics` defines each one.
    """

    columns: Mapping[str, np.ndarray]

    def __post_init__(self):
        base = ("image", "superpixel", "row", "column", "label", "size")
        missing = [name for name in base if name not in self.columns]
        if missing:
            raise InputError(f"candidates need the columns {', '.join(base)}; missing: {', '.join(missing)}")
        n = len(self.columns["image"])
        for name, column in self.columns.items():
            if len(column) != n:
                raise InputError(f"column {name!r} has {len(column)} rows, the table has {n}")
            if column.dtype.kind == "f" and not np.isfinite(column).all():
                raise InputError(f"column {name!r} holds NaN or infinity; every statistic must be finite")

    def __getattr__(self, name: str) -> np.ndarray:
        columns = object.__getattribute__(self, "columns")
        if name in columns:
            return columns[name]
        if name.startswith("__"):
            raise AttributeError(name)
        raise InputError(f"the candidates have no statistic {name!r}; there are: {', '.join(columns)}")

    def __len__(self):
        return len(self.columns["image"])

    def take(self, rows) -> "Candidates":
        """The table of these rows, in this order."""
        return Candidates({name: column[rows] for name, column in self.columns.items()})


@dataclass(frozen=True)
class Pool:
    """All that a strategy may see. There is no truth in it.

    ``asked`` (n,) bool marks rows asked in earlier rounds; ``ties`` (n,) float64 in [0, 1) is a seeded hash of (image,
    superpixel) that stays the same in all rounds; ``answered`` (n,) int16 is the class that an annotator gave, or
    confirmed, for an asked row, -1 if there is no such class: never asked, void, given up, or several classes;
    ``action`` (n,) int8 is the action, an index into `ACTIONS`, -1 if nobody was asked; ``votes`` (n, C + 1) uint16
    is how many people named each class, and void; ``contradicted`` (n,) int8 is 1 where the first person named another
    class than the label shown, 0 where he confirmed it, else -1; ``spend`` is the cost of all answers so far, in the
    unit of the budget; ``round`` counts from 1; ``slip_rate`` is the error rate of people, as second answers say
    (`bench.adjudication.SlipRate`, which begins at 1/4).
    """

    candidates: Candidates
    asked: np.ndarray
    ties: np.ndarray
    n_classes: int
    answered: np.ndarray = field(repr=False)
    round: int = 1
    spend: float = 0.0
    action: np.ndarray | None = field(default=None, repr=False)
    slip_rate: float = 0.25
    votes: np.ndarray | None = field(default=None, repr=False)
    contradicted: np.ndarray | None = field(default=None, repr=False)

    def __post_init__(self):
        for name in ("asked", "ties", "answered", "action", "contradicted"):
            found = getattr(self, name)
            if found is not None and found.shape != (len(self.candidates),):
                raise InputError(f"{name} has shape {found.shape}, expected ({len(self.candidates)},)")
        if self.votes is not None and self.votes.shape != (len(self.candidates), self.n_classes + 1):
            raise InputError(
                f"votes has shape {self.votes.shape}, expected ({len(self.candidates)}, {self.n_classes + 1})"
            )
        if self.action is not None and ((self.action >= 0) != self.asked).any():
            raise InputError("action must be -1 where nobody was asked, and there alone")
        if (self.answered[~self.asked] != -1).any():
            raise InputError("answered must be -1 where nobody was asked")


@dataclass(frozen=True)
class Query:
    """Rows of the pool in the order in which to ask them, and the kind of question (one of `QUESTIONS`)."""

    rows: np.ndarray
    kind: str = "correction"

    def __post_init__(self):
        if self.kind not in QUESTIONS:
            raise InputError(f"unknown question {self.kind!r}; there are: {', '.join(QUESTIONS)}")
        if len(np.unique(self.rows)) != len(self.rows):
            raise InputError("a query may ask each superpixel once; it has repeated rows")


@dataclass(frozen=True)
class Question:
    """One row of a query, as an annotator is shown it.

    ``row, column``: the representative pixel. ``label``: the current label there. ``labels`` (m,) uint8: the current
    labels over the m pixels of the superpixel, in row-major order. ``number``: how many questions came before it in
    this run. ``n_classes``: how many classes there are to choose from.
    """

    kind: str
    image: int
    superpixel: int
    row: int
    column: int
    label: int
    labels: np.ndarray
    number: int
    n_classes: int


@dataclass(frozen=True, eq=False)
class Region:
    """The place of a superpixel of m pixels: runs, each the flat pixel ``start`` and the ``length`` - 1 pixels after
    it.

    A *flat* pixel is its index in the row-major map. ``start`` and ``length`` are (n,) int32, runs in ascending order.
    """

    start: np.ndarray
    length: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray) -> "Region":
        """That of flat ``pixels`` (m,) in ascending order."""
        first = np.flatnonzero(np.diff(pixels, prepend=-2) != 1)
        return cls(pixels[first].astype(np.int32), np.diff(first, append=len(pixels)).astype(np.int32))

    @cached_property
    def size(self) -> int:
        """m, the number of pixels."""
        return int(self.length.sum())

    @property
    def pixels(self) -> np.ndarray:
        """(m,) int64 flat pixels, run by run; made anew each time, because many regions are kept."""
        before = np.cumsum(self.length) - self.length  # pixels of earlier runs
        pixels = np.repeat(self.start - before, self.length)
        pixels += np.arange(self.size)
        return pixels

    def place(self, pixel: int) -> int:
        """The place of a flat pixel among ``pixels``."""
        run = int(self.start.searchsorted(pixel, "right")) - 1
        return int(self.length[:run].sum()) + pixel - int(self.start[run])


def unknown(shape: tuple[int, ...]) -> np.ndarray:
    """(H, W) uint8: a truth of which no pixel is known. It takes no memory, and is read-only."""
    return np.broadcast_to(np.uint8(VOID), shape)


@dataclass(frozen=True)
class Truth:
    """The truth, for oracles only: ``map`` (H, W) uint8, and the superpixel's place, ``where``.

    ``name``: of the image. ``person``: the number of the person who is asked about this superpixel, from 1. ``key``: a
    number of the superpixel and the seed, the same for all people: it seeds the errors that they share.
    """

    map: np.ndarray
    where: Region
    name: str = ""
    person: int = 1
    key: int | None = None

    @property
    def pixels(self) -> np.ndarray:
        """(m,) int64: the superpixel's flat pixels."""
        return self.where.pixels

    @property
    def region(self) -> np.ndarray:
        """(m,) uint8: the true labels over the superpixel, in row-major order."""
        return self.map.ravel()[self.pixels]


@dataclass(frozen=True)
class Answer:
    """The answer to one question.

    ``labels``: the classes to write over the superpixel: () leaves it as it is, (c,) writes c (or ``VOID``); a
    multiclass answer names every class present. ``actions``: the annotators' actions, in order, each one of `ACTIONS`,
    from which any cost model prices the answer later.
    """

    labels: tuple[int, ...]
    actions: tuple[str, ...]

    def __post_init__(self):
        unknown = [a for a in self.actions if a not in ACTIONS]
        if unknown or not self.actions:
            raise InputError(f"an answer logs at least one action of {', '.join(ACTIONS)}; got {self.actions}")
