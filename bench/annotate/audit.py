"""How good are the labels? Random pixels of each stratum are asked about; their answers estimate accuracy and mIoU.

Strata are made of what is known of every pixel: its label, whether an outline of the labels is near, and the group of
its superpixel. The estimate is Bayesian: the true classes of a stratum have a Dirichlet distribution (Gelman et al.,
Bayesian Data Analysis, 2013, section 3.4), which the answers update. Draws from it give the intervals.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy.ndimage import maximum_filter, minimum_filter

from bench import metrics, seeds

RING = 0.01  # "near": within this share of the root of the image's area
GUESSES = (0.1, 0.3)  # of the share of wrong labels far from outlines and near them, before any answer
GUESS_OF_VOID = 0.5  # of the share of pixels labelled void that have a class
STRENGTH = 3.0  # answers that the prior of a stratum counts as
N_DRAWS = 1000
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate, the mean of the draws, and the ends of its interval of `LEVEL`."""

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, draws: np.ndarray) -> "Interval":
        low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return cls(float(draws.mean()), float(low), float(high))


class Estimate(NamedTuple):
    """Of all pixels with a true class: the share with the right label, and the mIoU, both in [0, 1]."""

    accuracy: Interval
    miou: Interval


@dataclass(frozen=True, eq=False)
class Strata:
    """The pixels of the train split by stratum. ``sizes`` (N, S) int64: of each image.

    ``strata(i)``: (H, W) int64, the stratum of each pixel of image ``i``. A stratum is a number in base
    (`n_classes` + 1, 2, ``n_groups``): the label, void last; whether an outline is near; the group.
    """

    n_classes: int
    n_groups: int
    strata: Callable[[int], np.ndarray]
    sizes: np.ndarray

    @classmethod
    def of(
        cls,
        labels: Callable[[int], np.ndarray],
        groups: Callable[[int], np.ndarray],
        n_images: int,
        n_classes: int,
        n_groups: int,
        step: Callable[[], object] = lambda: None,
    ) -> "Strata":
        """``labels(i)`` (H, W) uint8 and ``groups(i)`` (H, W) int, below ``n_groups``, of image ``i``. ``step`` is
        called after every image."""

        def strata(i: int) -> np.ndarray:
            known = np.minimum(labels(i).astype(np.int64), n_classes)
            return (known * 2 + is_near_outline(labels(i))) * n_groups + groups(i)

        n_strata = (n_classes + 1) * 2 * n_groups
        sizes = np.zeros((n_images, n_strata), np.int64)
        for i in range(n_images):
            sizes[i] = np.bincount(strata(i).ravel(), minlength=n_strata)
            step()
        return cls(n_classes, n_groups, strata, sizes)

    @cached_property
    def weight(self) -> np.ndarray:
        """(S,) int64: the pixels of each stratum."""
        return self.sizes.sum(0)

    @property
    def label(self) -> np.ndarray:
        """(S,) int64: the label of each stratum, ``n_classes`` for void."""
        return np.arange(len(self.weight)) // (2 * self.n_groups)

    @property
    def kind(self) -> np.ndarray:
        """(S,) int64: outline and group of each stratum; strata of one kind share a rate of errors."""
        return np.arange(len(self.weight)) % (2 * self.n_groups)

    def draw(self, n: int, seed: int) -> np.ndarray:
        """(n, 3) int64: the image, the stratum, and the number within both, of random pixels (`locate`).

        Pixels are drawn with replacement, in the order in which to ask. A larger sample of a seed has nearly all pixels
        of a smaller one, so that their answers serve again.
        """
        return self._drawn(allocation(self, n), seed)

    def draw_simply(self, n: int, seed: int) -> np.ndarray:
        """As `draw`, a simple random sample of all pixels: to see what strata are worth."""
        shares = self.weight / self.weight.sum()
        return self._drawn(seeds.generator(seed, "audit simply").multinomial(n, shares), seed)

    def _drawn(self, n_each: np.ndarray, seed: int) -> np.ndarray:
        before = np.cumsum(self.sizes, 0) - self.sizes
        parts = []
        for stratum in np.flatnonzero(n_each):
            rank = seeds.generator(seed, "audit", int(stratum)).integers(self.weight[stratum], size=n_each[stratum])
            image = np.searchsorted(before[:, stratum], rank, side="right") - 1
            parts.append(np.stack([image, np.full_like(rank, stratum), rank - before[image, stratum]], 1))
        return seeds.generator(seed, "audit order").permutation(np.concatenate(parts))

    def locate(self, drawn: np.ndarray) -> np.ndarray:
        """(n,) int64: the flat pixels that `draw` means; every image is read once."""
        pixels = np.empty(len(drawn), np.int64)
        for image in np.unique(drawn[:, 0]):
            strata = self.strata(int(image)).ravel()
            here = np.flatnonzero(drawn[:, 0] == image)
            order = np.argsort(strata, kind="stable")
            first = np.searchsorted(strata[order], drawn[here, 1])
            pixels[here] = order[first + drawn[here, 2]]
        return pixels

    def counts(self, stratum: np.ndarray, true: np.ndarray) -> np.ndarray:
        """(S, C + 1) int64: answers by stratum and class, void last. ``true`` (n,): the class of each, -1: can't
        tell."""
        told = true >= 0
        found = np.zeros((len(self.weight), self.n_classes + 1), np.int64)
        np.add.at(found, (stratum[told], np.minimum(true[told], self.n_classes)), 1)
        return found

    def present(self, counts: np.ndarray) -> np.ndarray:
        """(C + 1,) bool: the classes that labels or answers have; void is always there."""
        labelled = np.bincount(self.label, self.weight, self.n_classes + 1) > 0
        return labelled | (counts.sum(0) > 0) | (np.arange(self.n_classes + 1) == self.n_classes)


def allocation(strata: Strata, n: int) -> np.ndarray:
    """(S,) int64: the questions about each stratum, ``n`` in all.

    Neyman's optimal allocation (Neyman, 1934) by the prior: in proportion to a stratum's pixels and the deviation
    of what a pixel adds to mIoU, to first order. A small class counts for as much in mIoU as a large one.
    """
    chances = prior(strata, np.zeros((len(strata.weight), strata.n_classes + 1)))
    matrix = np.zeros((strata.n_classes + 1, strata.n_classes + 1))
    np.add.at(matrix, strata.label, chances * strata.weight[:, None])  # rows labels, columns true classes
    gain = np.zeros_like(matrix)  # by label and true class; void truth counts for nothing
    gain[:, :-1] = metrics.miou_gradient(matrix.T[:-1]).T
    mean, square = ((chances * gain[strata.label] ** power).sum(1) for power in (1, 2))
    share = strata.weight * np.sqrt(np.maximum(square - mean**2, 0))
    exact = share / share.sum() * n
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: n - whole.sum()]] += 1  # the largest remainders
    return whole


def estimate(strata: Strata, counts: np.ndarray, rng: np.random.Generator, n_draws: int = N_DRAWS) -> Estimate:
    """Accuracy and mIoU of all labels, from the answers `counts`. A class that neither the labels nor an answer
    have is left out of the mean."""
    shape = counts + STRENGTH * prior(strata, counts)
    right, labelled, true = (np.zeros((n_draws, strata.n_classes + 1)) for _ in range(3))
    for stratum in np.flatnonzero(strata.weight):
        share = rng.standard_gamma(shape[stratum], (n_draws, strata.n_classes + 1))
        pixels = share / share.sum(1, keepdims=True) * strata.weight[stratum]
        label = strata.label[stratum]
        right[:, label] += pixels[:, label]
        labelled[:, label] += pixels[:, :-1].sum(1)  # void truth counts for nothing
        true += pixels
    right, labelled, true = (pixels[:, strata.present(counts)[:-1].nonzero()[0]] for pixels in (right, labelled, true))
    union = labelled + true - right
    return Estimate(Interval.of(right.sum(1) / true.sum(1)), Interval.of((right / union).mean(1)))


def estimate_simply(strata: Strata, counts: np.ndarray, rng: np.random.Generator, n_draws: int = N_DRAWS) -> Estimate:
    """As `estimate`, from a simple random sample, by the bootstrap (Efron, 1979)."""
    n, shape = counts.sum(), (strata.n_classes + 1,) * 2
    matrix = np.zeros(shape)
    np.add.at(matrix, strata.label, counts)
    draws = rng.multinomial(n, matrix.ravel() / n, n_draws).reshape(-1, *shape)
    measures = zip(*((metrics.accuracy(m), metrics.miou(m)) for m in draws.swapaxes(1, 2)[:, :-1]), strict=True)
    return Estimate(*(Interval.of(np.array(values)) for values in measures))


def prior(strata: Strata, counts: np.ndarray) -> np.ndarray:
    """(S, C + 1) float64: the true classes of a stratum's pixels before its own answers.

    The share of wrong labels is that of all strata of its kind, which begins at `GUESSES` and learns from their
    answers. A wrong label stands for any other class with equal probability.
    """
    of = np.arange(len(strata.weight))
    is_class, present = strata.label < strata.n_classes, strata.present(counts)
    asked = counts.sum(1)
    wrong, n_kinds = asked - counts[of, strata.label], 2 * strata.n_groups
    wrong, asked = (np.bincount(strata.kind[is_class], x[is_class], n_kinds)[strata.kind] for x in (wrong, asked))
    rate = (wrong + 2 * np.take(GUESSES, strata.kind // strata.n_groups)) / (asked + 2)
    rate = np.where(is_class, rate, GUESS_OF_VOID)
    others = np.where(present, 1.0, 0.0) * (np.arange(strata.n_classes + 1) != strata.label[:, None])
    found = others * (rate / np.maximum(others.sum(1), 1))[:, None]
    found[of, strata.label] = 1 - rate
    return found


def is_near_outline(labels: np.ndarray) -> np.ndarray:
    """(H, W) bool: whether a pixel of another label is within `RING`."""
    side = 2 * max(1, round(RING * labels.size**0.5)) + 1
    return maximum_filter(labels, side) != minimum_filter(labels, side)
