"""A2LC's acquisition; its label correction module is `baselines.lcm`."""

import numpy as np

from bench.acquisition import Strategy


class Abc(Strategy):
    """ABC: sum over the superpixel of cosine to its dominant mean x (1 - p[current label]) x the rarity of that label.

    The rarity of class c is (fewest / n_c)^(D³), n_c its labelled pixels in superpixels never asked and D the
    divergence of n from an even spread, in nats. Classes without a pixel have rarity 0.
    """

    needs = ("cil_cosine_by_label", "label_histogram")
    source = "Jeon et al. (A2LC), AAAI 2026, adaptively balanced CIL"

    def score(self, pool):
        return pool.candidates.cil_cosine_by_label @ self.rarity(pool)

    def rarity(self, pool):
        """(C,) float64 weight of each class, in [0, 1]."""
        n = pool.candidates.label_histogram[~pool.asked, : pool.n_classes].sum(0).astype(np.float64)
        weights, present = np.zeros(pool.n_classes), n > 0
        if present.any():
            n = n[present]
            share = n / n.sum()
            imbalance = (share * np.log(share * len(n))).sum()
            weights[present] = (n.min() / n) ** imbalance**3
        return weights
