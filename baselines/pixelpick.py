"""Per-image draws among the most uncertain."""

import numpy as np

from bench.acquisition import Strategy, never_asked
from bench.types import InputError, Query

_SCORES = {
    "entropy": lambda p: -(p * np.log(np.maximum(p, 1e-12))).sum(1),
    "confidence": lambda p: 1 - p.max(1),
    "margin": lambda p: 1 - np.diff(np.partition(p, -2, axis=1)[:, -2:], axis=1)[:, 0],
}


class Pixelpick(Strategy):
    """PixelPick: per image a uniform draw from its most uncertain ``share``, judged at the representative pixel alone.

    The source scores every pixel and asks about pixels. Here a candidate is a superpixel, seen through its
    representative pixel, so the top share is of an image's superpixels (one at the least). Images take turns: each
    gives its first draw before any gives a second; when the share is used up, the next best follow in order. It asks
    for the class of a pixel, as the source does.
    """

    needs = ("representative_probability",)
    question = "classification"
    source = "Shin et al. (PixelPick), ICCV workshops 2021"

    def __init__(self, score="margin", share=0.05):
        if score not in _SCORES:
            raise InputError(f"score must be one of {', '.join(_SCORES)}; got {score!r}")
        if not 0 < share <= 1:
            raise ValueError(f"share must be above 0 and at most 1, got {share}")
        self.pixel_score, self.share = _SCORES[score], share

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        image = pool.candidates.image[rows]
        score = self.pixel_score(pool.candidates.representative_probability[rows])
        rank = _place(image, np.lexsort((-score, image)))
        n_best = np.ceil(self.share * np.bincount(image, minlength=1)).astype(int)[image]
        turn = _place(image, np.lexsort((rng.random(len(rows)), np.where(rank < n_best, 0, rank), image)))
        return Query(rows[np.lexsort((np.arange(len(rows)), turn))[:n]], self.question)


def _place(image, order):
    """(m,) each row's place, from 0, among the rows of its image, along ``order`` (which sorts by image first)."""
    ordered = image[order]
    place = np.empty(len(order), int)
    place[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    return place
