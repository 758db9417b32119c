"""Uncertainty weighted towards classes that the model predicts rarely."""

import numpy as np

from bench.acquisition import Strategy


class ClassBalanced(Strategy):
    """Class-balanced BvSB: mean p2/p1 over the superpixel, scaled to [0, 1] over the pool, x exp(-share of its class).

    The class of a superpixel is its dominant prediction; its share is over the superpixels never asked, or with
    ``over=pixels`` over their pixels. The scaling is over the same superpixels.
    """

    needs = ("ratio_sum", "dominant")
    question = "dominant"
    source = "Cai et al., CVPR 2021; over pixels: Kim et al. (adaptive superpixels), ICCV 2023"

    def __init__(self, over="regions"):
        if over not in ("regions", "pixels"):
            raise ValueError(f"over must be regions or pixels, got {over!r}")
        self.over = over
        if over == "pixels":
            self.needs += ("prediction_histogram",)

    def score(self, pool):
        c, rows = pool.candidates, ~pool.asked
        if not rows.any():
            return np.zeros(len(rows))
        if self.over == "regions":
            counts = np.bincount(c.dominant[rows].astype(int), minlength=pool.n_classes)
        else:
            counts = c.prediction_histogram[rows].sum(0)
        ratio = c.ratio_sum / c.size
        low, high = ratio[rows].min(), ratio[rows].max()
        scaled = (ratio - low) / (high - low or 1)
        return scaled * np.exp(-counts / counts.sum())[c.dominant.astype(int)]


class Pixbal(Strategy):
    """PixBal: mean over the superpixel of p2/p1 / (nu x the pool's mean probability of the pixel's class + 1)²."""

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
