"""Uncertainty from several predictions of one image, flipped and rescaled: test-time augmentation (TTA).

The formulas are those of dropout and of ensembles, with other passes: `bench.kernels.statistics.PASSES`. They work for
networks without dropout layers, and draw no random number. They measure how much the prediction depends on the view of
the image, not on the weights.
"""

import numpy as np

from bench.acquisition import Strategy

_PASSES = "; passes by augmentation: Wang et al., Neurocomputing 2019"


class TtaPredictiveEntropy(Strategy):
    """Predictive entropy by TTA: mean over the superpixel of the entropy of the mean p over flips and scales."""

    needs = ("predictive_entropy_sum",)
    source = "Gal et al., ICML 2017, with dropout" + _PASSES

    def score(self, pool):
        c = pool.candidates
        return c.predictive_entropy_sum / c.size


class TtaExpectedEntropy(Strategy):
    """Expected entropy by TTA: mean over the superpixel of the mean entropy of p over flips and scales."""

    needs = ("expected_entropy_sum",)
    source = "Gal et al., ICML 2017, with dropout" + _PASSES

    def score(self, pool):
        c = pool.candidates
        return c.expected_entropy_sum / c.size


class TtaBald(Strategy):
    """BALD by TTA: mean over the superpixel of predictive less expected entropy over flips and scales, at least 0."""

    needs = ("predictive_entropy_sum", "expected_entropy_sum")
    source = "Houlsby et al., 2011; Gal et al., ICML 2017, with dropout" + _PASSES

    def score(self, pool):
        c = pool.candidates
        return np.maximum(c.predictive_entropy_sum - c.expected_entropy_sum, 0) / c.size


class TtaVoteEntropy(Strategy):
    """Vote entropy by TTA: mean over the superpixel of the entropy of the classes predicted over flips and scales."""

    needs = ("vote_entropy_sum",)
    source = "Dagan and Engelson, ICML 1995, with a committee" + _PASSES

    def score(self, pool):
        c = pool.candidates
        return c.vote_entropy_sum / c.size
