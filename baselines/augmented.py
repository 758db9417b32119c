"""Uncertainty from several predictions of one image, flipped and rescaled (`bench.kernels.statistics.PASSES`).

Test-time augmentation and not dropout: it works for models without dropout layers, and it draws no random number.
"""

import numpy as np

from bench.acquisition import Strategy


class PredictiveEntropy(Strategy):
    """Predictive entropy: mean over the superpixel of the mean prediction's entropy; passes are flips and scales."""

    needs = ("predictive_entropy_sum",)
    source = "Gal et al., ICML 2017; nnActive, 2025"

    def score(self, pool):
        c = pool.candidates
        return c.predictive_entropy_sum / c.size


class ExpectedEntropy(Strategy):
    """Expected entropy: mean over the superpixel of the passes' mean entropy; passes are flips and scales."""

    needs = ("expected_entropy_sum",)
    source = "Gal et al., ICML 2017; nnActive, 2025"

    def score(self, pool):
        c = pool.candidates
        return c.expected_entropy_sum / c.size


class Bald(Strategy):
    """BALD: mean over the superpixel of predictive less expected entropy, at least 0; passes are flips and scales."""

    needs = ("predictive_entropy_sum", "expected_entropy_sum")
    source = "Houlsby et al., 2011; Gal et al., ICML 2017"

    def score(self, pool):
        c = pool.candidates
        return np.maximum(c.predictive_entropy_sum - c.expected_entropy_sum, 0) / c.size


class VoteEntropy(Strategy):
    """Vote entropy: mean over the superpixel of the entropy of the passes' predicted classes; flips and scales."""

    needs = ("vote_entropy_sum",)
    source = "Dagan and Engelson, ICML 1995; for superpixels: Siddiqui et al. (ViewAL), CVPR 2020"

    def score(self, pool):
        c = pool.candidates
        return c.vote_entropy_sum / c.size
