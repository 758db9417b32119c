"""The choices of a strategy that knew every answer. They read the truth: reference lines, never ranked."""

import numpy as np

from bench.acquisition import Strategy, never_asked
from bench.types import Query


def _gain(pool):
    """(n,) pixels that the answer makes right less those it makes wrong; 0 if it leaves the labels."""
    c = pool.candidates
    answer = c.truth_answer.astype(int)
    written = np.where((answer >= 0) & (answer < pool.n_classes), answer, 0)
    right = np.where(answer == written, c.truth_histogram[np.arange(len(answer)), written], 0)
    return np.where(answer < 0, 0, right - c.truth_agree_histogram.sum(1))


def ceiling(pool):
    """(n + 1,) int64: by how much the number of right pixels may rise with 0, 1, ... n answers on rows never asked.

    Superpixels do not overlap, and an answer writes one class over the whole of one, or none. An answer of several
    classes makes no pixel right. So no choice of superpixels, kinds of question, pixels or answers goes above it, if no
    refiner relabels superpixels without a question.
    """
    gains = np.sort(np.maximum(_best_gain(pool)[~pool.asked], 0))[::-1]
    return np.concatenate([[0], np.cumsum(gains)])


def _best_gain(pool):
    """(n,) pixels of the superpixel's most frequent known class, less those that are right now."""
    c = pool.candidates
    return c.truth_histogram[:, : pool.n_classes].max(1) - c.truth_agree_histogram.sum(1)


class ClairvoyantBest(Strategy):
    """Best class: pixels that are right if the superpixel gets its dominant true class, less those right now.

    It asks for the dominant class. With a noise-free annotator it has the highest pixel accuracy that answers of any
    kind can reach after as many questions (`ceiling`). If void is the most frequent truth of a superpixel, the answer
    is void, and the curve stays below the ceiling. A refiner asks nobody and knows no ceiling.
    """

    needs = ("truth_histogram", "truth_agree_histogram")
    question = "dominant"
    source = "exact for pixel accuracy, by exchange"
    reads_truth = True

    def score(self, pool):
        return _best_gain(pool)

    def acquire(self, pool, budget, rng):
        rows = super().acquire(pool, budget, rng).rows
        return Query(rows[_best_gain(pool)[rows] >= 0], self.question)


class ClairvoyantGain(Strategy):
    """Most gain: pixels of the superpixel that the answer makes right, less those it makes wrong; never below 0.

    Superpixels do not overlap: after as many questions of the same kind at the same pixels, of the same annotator and
    without a refiner, no strategy has a higher pixel accuracy. One that asks otherwise may: see `ClairvoyantBest`.
    """

    needs = ("truth_answer", "truth_histogram", "truth_agree_histogram")
    source = "exact for pixel accuracy, by exchange"
    reads_truth = True

    def score(self, pool):
        return _gain(pool)

    def acquire(self, pool, budget, rng):
        rows = super().acquire(pool, budget, rng).rows
        return Query(rows[_gain(pool)[rows] >= 0], self.question)


class ClairvoyantWorst(Strategy):
    """Least gain: pixels of the superpixel that the answer makes right, less those it makes wrong: the floor."""

    needs = ClairvoyantGain.needs
    source = ClairvoyantGain.source
    reads_truth = True

    def score(self, pool):
        return -_gain(pool)


class ClairvoyantMiou(Strategy):
    """Most mIoU: each pick is the superpixel with the answer that raises the labels' mIoU most after the picks before.

    Greedy on the exact change, over the whole split, with the classes of an empty union left out: a reference and no
    bound. Never asks if the change is below 0.
    """

    needs = ("truth_answer", "truth_histogram", "truth_agree_histogram", "truth_label_histogram", "truth_totals")
    source = "a reference of this suite"
    reads_truth = True

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        change, row, classes = _changes(pool, rows)
        totals = pool.candidates.truth_totals[:1].reshape(-1, 3, pool.n_classes).sum(0).astype(np.float64)
        chosen: list[int] = []
        open_rows = np.ones(len(rows), bool)
        while len(chosen) < n:
            now = _iou(totals)
            then = _iou(totals[:, classes] + change)
            iou = now[0].sum() + np.bincount(row, then[0] - now[0][classes], len(rows))
            present = now[1].sum() + np.bincount(row, then[1] - now[1][classes], len(rows))
            gain = iou / np.maximum(present, 1) - now[0].sum() / max(now[1].sum(), 1)
            gain[~open_rows] = -np.inf
            best = gain.argmax()
            if gain[best] < 0:
                break
            chosen.append(best)
            open_rows[best] = False
            mine = row == best
            totals[:, classes[mine]] += change[:, mine]
        return Query(rows[np.array(chosen, int)], self.question)


def _changes(pool, rows):
    """The gain of each answer: (3, m) right, true and labelled pixels of a class; with row and class, (m,) each."""
    c = pool.candidates
    answer = c.truth_answer[rows].astype(int)
    right, labelled = (-x[rows].astype(np.int64) for x in (c.truth_agree_histogram, c.truth_label_histogram))
    true = c.truth_histogram[rows, : pool.n_classes].astype(np.int64)
    writes = np.flatnonzero((answer >= 0) & (answer < pool.n_classes))
    right[writes, answer[writes]] += true[writes, answer[writes]]
    labelled[writes, answer[writes]] += true[writes].sum(1)
    right[answer < 0] = labelled[answer < 0] = 0
    row, classes = np.nonzero(right | labelled)
    return np.stack([right[row, classes], np.zeros(len(row)), labelled[row, classes]]), row, classes


def _iou(totals):
    """IoU, 0 for an empty union, and 1 if the union is not empty, from (3, m) right, true and labelled pixels."""
    union = totals[1] + totals[2] - totals[0]
    return totals[0] / np.maximum(union, 1), (union > 0).astype(float)
