"""How good are the labels? Random pixels of each stratum are asked about; their answers estimate accuracy and mIoU.

Strata are made of what is known of every pixel: its label, whether an outline of the labels is near, and the group of
its superpixel. Accuracy is a ratio of sums over the pixels, and mIoU a mean of such ratios: survey
sampling has estimators for both.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from scipy import stats
from scipy.ndimage import maximum_filter, minimum_filter

from bench import metrics, seeds

RING = 0.01  # "near": within this share of the root of the image's area
GUESSES = (0.1, 0.3)  # of the share of wrong labels far from outlines and near them, each worth two answers
GUESS_OF_VOID = 0.5  # of the share of pixels labelled void that have a class
# What similar strata are worth in a stratum of n answers: so many answers, and so many times √n, half
# of the minimax estimator of a share (Lehmann, Theory of Point Estimation, 1983, section 4.2).
FEWEST, SHRINKAGE = 0.2, 0.5
N_DRAWS = 1000  # of the bootstrap of a simple random sample
LEVEL = 0.95


class Interval(NamedTuple):
    """An estimate, and the ends of its interval of `LEVEL`."""

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
    """(S,) int64: the questions about each stratum, ``n`` in all, in proportion to the root of its pixels.

    The power allocation of Bankier (1988): mIoU counts each class the same, so that the labels of small classes need
    more questions than their pixels alone would get.
    """
    exact = strata.weight**0.5 / (strata.weight**0.5).sum() * n
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: n - whole.sum()]] += 1  # the largest remainders
    return whole


def estimate(strata: Strata, counts: np.ndarray) -> Estimate:
    """Accuracy and mIoU of all labels, from the answers `counts`. A class that neither the labels nor an answer
    have is left out of the mean.

    The intervals are those of the linearized estimator (Särndal, Swensson and Wretman, Model Assisted Survey Sampling,
    1992, section 5.5): to first order, a measure is a sum over the pixels, and the variance of a sum is known. Degrees
    of freedom by Satterthwaite (Cochran, Sampling Techniques, 1977, section 5.4).
    """
    shares, n_answers = smoothed(strata, counts), counts.sum(1) + FEWEST
    n_classes, weight = strata.n_classes, strata.weight
    matrix = np.zeros((n_classes + 1, n_classes + 1))  # by label and true class
    np.add.at(matrix, strata.label, shares * weight[:, None])
    known = matrix.T[:-1]  # as `metrics.confusion` has it: void truth counts for nothing
    accuracy, miou = metrics.accuracy(known), metrics.miou(known)
    gains = (np.eye(*known.shape) - accuracy) / known.sum(), metrics.miou_gradient(known)
    found = []
    for value, gain in zip((accuracy, miou), gains, strict=True):
        of_pixel = np.vstack([gain, np.zeros(n_classes + 1)]).T[strata.label]
        mean, square = ((shares * of_pixel**power).sum(1) for power in (1, 2))
        parts = weight**2.0 * np.maximum(square - mean**2, 0) / n_answers
        variance = parts.sum()
        freedom = variance**2 / max((parts**2 / np.maximum(n_answers - 1, 0.5)).sum(), 1e-300)
        half = variance**0.5 * stats.t.ppf((1 + LEVEL) / 2, max(freedom, 1))
        found.append(Interval(value, max(value - half, 0.0), min(value + half, 1.0)))
    return Estimate(*found)


def estimate_simply(strata: Strata, counts: np.ndarray, rng: np.random.Generator, n_draws: int = N_DRAWS) -> Estimate:
    """As `estimate`, from a simple random sample, by the bootstrap (Efron, 1979)."""
    n, shape = counts.sum(), (strata.n_classes + 1,) * 2
    matrix = np.zeros(shape)
    np.add.at(matrix, strata.label, counts)
    draws = rng.multinomial(n, matrix.ravel() / n, n_draws).reshape(-1, *shape)
    measures = zip(*((metrics.accuracy(m), metrics.miou(m)) for m in draws.swapaxes(1, 2)[:, :-1]), strict=True)
    return Estimate(*(Interval.of(np.array(values)) for values in measures))


def smoothed(strata: Strata, counts: np.ndarray) -> np.ndarray:
    """(S, C + 1) float64: the shares of the true classes in each stratum.

    A stratum has few answers. They are shrunk towards the answers of similar strata: its odds to be wrong are those of
    its kind, times those of its label against what the kinds of the label let expect. The true classes of wrong labels
    are those of all wrong labels.
    """
    of, is_class = np.arange(len(strata.weight)), strata.label < strata.n_classes
    asked = counts.sum(1)
    wrong, guess = asked - counts[of, strata.label], np.take(GUESSES, strata.kind // strata.n_groups)

    def of_kind(values: np.ndarray) -> np.ndarray:
        return np.bincount(strata.kind[is_class], values[is_class])[strata.kind]

    def of_label(values: np.ndarray) -> np.ndarray:
        return np.bincount(strata.label, values)[strata.label]

    rate = (of_kind(wrong) + 2 * guess) / (of_kind(asked) + 2)
    expected = (of_label(asked * rate) + GUESSES[0]) / (of_label(asked) + 1)
    of_its_label = (of_label(wrong) + 2 * expected) / (of_label(asked) + 2)
    odds = rate / (1 - rate) * of_its_label / (1 - of_its_label) / (expected / (1 - expected))
    rate = np.where(is_class, odds / (1 + odds), GUESS_OF_VOID)
    elsewhere = np.arange(strata.n_classes + 1) != strata.label[:, None]
    others = ((counts * elsewhere).sum(0) + strata.present(counts)) * elsewhere
    prior = others * (rate / np.maximum(others.sum(1), 1))[:, None]
    prior[of, strata.label] = 1 - rate
    strength = (FEWEST + SHRINKAGE * asked**0.5)[:, None]
    return (counts + strength * prior) / (asked[:, None] + strength)


def is_near_outline(labels: np.ndarray) -> np.ndarray:
    """(H, W) bool: whether a pixel of another label is within `RING`."""
    side = 2 * max(1, round(RING * labels.size**0.5)) + 1
    return maximum_filter(labels, side) != minimum_filter(labels, side)
