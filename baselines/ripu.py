"""Region impurity times prediction uncertainty. Source: Xie et al. (RIPU), CVPR 2022."""

import numpy as np
from scipy.special import xlogy

from bench.acquisition import Strategy


class Ripu(Strategy):
    """RIPU: mean over the superpixel of impurity x mean entropy in a window of ``window`` pixels round each pixel."""

    needs = ("impurity_entropy_sum[window=3]",)
    source = "Xie et al. (RIPU), CVPR 2022"

    def __init__(self, window=3):
        if not (isinstance(window, int) and window >= 1 and window % 2):
            raise ValueError(f"window must be an odd number of pixels, got {window}")
        self.needs = (f"impurity_entropy_sum[window={window}]",)

    def score(self, pool):
        c = pool.candidates
        return getattr(c, self.needs[0]) / c.size


class RipuRegion(Strategy):
    """RIPU over the superpixel: entropy of its predicted classes' shares x mean pixel entropy, each divided by ln C."""

    needs = ("prediction_histogram", "entropy_sum")
    source = Ripu.source + "; the superpixel takes the window's place"

    def score(self, pool):
        c = pool.candidates
        share = c.prediction_histogram / c.size[:, None]
        return -xlogy(share, share).sum(1) * c.entropy_sum / c.size / np.log(max(pool.n_classes, 2)) ** 2
