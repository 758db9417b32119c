"""Uncertainty weighted towards classes that the model predicts rarely, and batches with a share for each class."""

import numpy as np

from bench.acquisition import Strategy, highest, never_asked
from bench.registry import number
from bench.types import Query


class ClassBalanced(Strategy):
    """Class-balanced BvSB: mean p2/p1 over the superpixel, scaled to [0, 1] over the pool, x exp(-share of its class).

    The class of a superpixel is its dominant prediction. Its share is that of the superpixels of this class among all,
    or with ``over=pixels`` that of their pixels. Sizes are summed by dominant class, not by predicted pixel. Scale and
    shares are over the whole pool, asked or not. It asks for the dominant class, as both sources do.
    """

    needs = ("ratio_sum", "dominant")
    question = "dominant"
    source = "Cai et al., CVPR 2021; over pixels: Kim et al. (adaptive superpixels), ICCV 2023"

    def __init__(self, over="regions"):
        if over not in ("regions", "pixels"):
            raise ValueError(f"over must be regions or pixels, got {over!r}")
        self.over = over

    def score(self, pool):
        c = pool.candidates
        dominant = c.dominant.astype(int)
        counts = np.bincount(dominant, c.size if self.over == "pixels" else None, pool.n_classes)
        ratio = c.ratio_sum / c.size
        low, high = ratio.min(), ratio.max()
        return (ratio - low) / (high - low or 1) * np.exp(-counts / counts.sum())[dominant]


class ClassBalancedEntropy(Strategy):
    """Class-balanced entropy: a share of the batch goes to classes in equal parts, by mean of entropy x p[class].

    ``share`` of the questions is divided among the classes but for ``background`` (a class id, or none); the remainder
    goes to drawn classes. The classes choose in drawn order: each takes its best superpixels, by the mean of
    H·p[class], among those not taken. The rest of the batch goes by mean entropy. The source takes the mean p of five
    networks, and 0.66 or 0.33 as share. It gives an image a limited number of patches, which is left out here.
    """

    needs = ("entropy_sum", "class_entropy_sum")
    source = "Luth et al. (nnActive), 2025, class-balanced entropy"

    def __init__(self, share: float = 0.66, background: int | None = None):
        if not 0 <= share <= 1:
            raise ValueError(f"share must be from 0 to 1, got {share}")
        if not (background is None or (isinstance(background, int) and background >= 0)):
            raise ValueError(f"background must be a class id, or none, got {background!r}")
        self.share, self.background = share, background

    def acquire(self, pool, budget, rng):
        n = never_asked(pool, budget)[1]
        c = pool.candidates
        classes = rng.permutation([k for k in range(pool.n_classes) if k != self.background])
        n_each, n_more = divmod(int(n * self.share), max(len(classes), 1))
        chosen: list[int] = []
        taken = pool.asked.copy()

        def take(scores, k):
            rows = highest(np.where(taken, -np.inf, self.keys(scores, pool, rng)), pool, k)
            taken[rows] = True
            chosen.extend(rows)

        for i, k in enumerate(classes):
            take(c.class_entropy_sum[:, k] / c.size, n_each + (i < n_more))
        take(c.entropy_sum / c.size, n - len(chosen))
        return Query(np.array(chosen, int), self.question)

    def keys(self, scores, pool, rng):
        """(n,): by which a class ranks the superpixels, from its ``scores`` (n,)."""
        return scores


class ClaspPe(ClassBalancedEntropy):
    """ClaSP PE: `class_balanced_entropy`, ranked by ln of the score plus Gumbel noise / beta, for a varied batch.

    Beta grows from 1 in round 1 to 100 in round ``rounds``, in equal factors, and stays there: early batches are
    varied, late ones follow the score. The name: class-stratified, scheduled power, predictive entropy.
    """

    source = "Luth et al. (ClaSP PE), TMLR 2026; nnActive, strategies/entropy_balanced.py"

    def __init__(self, share: float = 0.66, background: int | None = None, rounds: int = 5):
        super().__init__(share, background)
        self.rounds = number("rounds", rounds, 1, whole=True)

    def keys(self, scores, pool, rng):
        rows, _ = never_asked(pool, 0)
        beta = 100 ** min((pool.round - 1) / max(self.rounds - 1, 1), 1)
        keys = np.full(len(scores), -np.inf)
        with np.errstate(divide="ignore"):
            keys[rows] = np.log(scores[rows]) + rng.gumbel(size=len(rows)) / beta
        return keys


class Pixbal(Strategy):
    """PixBal: mean over the superpixel of p2/p1 / (nu x the pool's mean probability of the pixel's class + 1)².

    It asks for all classes of a superpixel, as its source does: a click a class.
    """

    needs = ("ratio_by_class", "probability_sum")
    question = "multiclass"
    source = "Hwang et al., NeurIPS 2023; nu is 6 there on Cityscapes and 12 on PASCAL"

    def __init__(self, nu=6.0):
        if not nu >= 0:
            raise ValueError(f"nu must be 0 or more, got {nu}")
        self.nu = nu

    def score(self, pool):
        c = pool.candidates
        mean = c.probability_sum.sum(0) / c.size.sum()
        return c.ratio_by_class @ (self.nu * mean + 1.0) ** -2 / c.size
