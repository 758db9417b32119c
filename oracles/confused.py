from pathlib import Path

import numpy as np

from bench.annotation import Erring
from bench.types import VOID, InputError


class Confused(Erring):
    """Confuses classes as a matrix says: matrix=FILE.csv, or from=pseudo (as often as the pseudo labels do).

    ``matrix``: L lines of L numbers, no header: line t, column c counts, or gives the probability of, "class t called
    c"; lines are divided by their sums. ``from=pseudo``: the pixel counts of the pool, rows truth, columns pseudo
    label; a class without pixels is never confused. Void stays void. Class-conditional noise.
    """

    def __init__(self, matrix=None, of="perfect", **source):
        super().__init__(of)
        origin = source.pop("from", None)
        if source or origin not in (None, "pseudo") or (matrix is None) == (origin is None):
            raise InputError("confused needs either matrix=FILE.csv or from=pseudo, and knows only of= beside them")
        self.counts = None if matrix is None else _read(str(matrix))
        self.reads = () if matrix is None else (Path(str(matrix)),)

    def prepare(self, confusion):
        super().prepare(confusion)
        if self.counts is None:
            self.counts = confusion + np.diag(confusion.sum(1) == 0)
        elif self.counts.shape != confusion.shape:
            raise InputError(f"the matrix of confused has {len(self.counts)} classes, the dataset {len(confusion)}")

    def alter(self, seen, question, truth, rng):
        if self.counts is None:
            raise InputError("confused[from=pseudo] must be prepared with the confusion of the pool before it is asked")
        draws = rng.random(max(len(seen), 1))  # as many where another oracle could not tell
        drawn = (c if c == VOID else _named(self.counts, c, u) for c, u in zip(seen, draws, strict=False))
        return tuple(sorted(set(drawn)))


def _named(counts: np.ndarray, true_class: int, draw: float) -> int:
    """The class that a draw in [0, 1) stands for: the wrong ones first, so that a low draw is wrong for any class."""
    order = np.r_[np.delete(np.arange(len(counts)), true_class), true_class]
    sums = np.cumsum(counts[true_class, order], dtype=np.float64)
    return int(order[(sums <= draw * sums[-1]).sum()])


def _read(path: str) -> np.ndarray:
    try:
        counts = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a confusion matrix, L lines of L numbers: {error}") from error
    square = counts.shape[0] == counts.shape[1] and np.isfinite(counts).all() and (counts >= 0).all()
    if not square or not (counts.sum(1) > 0).all():
        raise InputError(f"{path}: expected L lines of L numbers of 0 or more, no line all 0; got shape {counts.shape}")
    return counts
