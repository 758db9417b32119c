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
        self.cumulative = None if matrix is None else _cumulative(_read(str(matrix)))

    def prepare(self, confusion):
        super().prepare(confusion)
        if self.cumulative is None:
            empty = confusion.sum(1) == 0
            self.cumulative = _cumulative(confusion + np.diag(empty))
        elif self.cumulative.shape != confusion.shape:
            raise InputError(f"the matrix of confused has {len(self.cumulative)} classes, the dataset {len(confusion)}")

    def alter(self, seen, question, truth, rng):
        if self.cumulative is None:
            raise InputError("confused[from=pseudo] must be prepared with the confusion of the pool before it is asked")
        draws = rng.random(len(seen))
        drawn = (c if c == VOID else int((self.cumulative[c] <= u).sum()) for c, u in zip(seen, draws, strict=True))
        return tuple(sorted(set(drawn)))


def _cumulative(counts: np.ndarray) -> np.ndarray:
    sums = np.cumsum(counts, axis=1, dtype=np.float64)
    return sums / sums[:, -1:]


def _read(path: str) -> np.ndarray:
    try:
        counts = np.loadtxt(path, delimiter=",", ndmin=2)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected a confusion matrix, L lines of L numbers: {error}") from error
    square = counts.shape[0] == counts.shape[1] and np.isfinite(counts).all() and (counts >= 0).all()
    if not square or not (counts.sum(1) > 0).all():
        raise InputError(f"{path}: expected L lines of L numbers of 0 or more, no line all 0; got shape {counts.shape}")
    return counts
