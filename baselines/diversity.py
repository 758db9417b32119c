"""Batches that cover the pool: their members differ from one another."""

import numpy as np
from sklearn.metrics import pairwise_distances_argmin

from bench.acquisition import Strategy, never_asked
from bench.kernels.distances import clusters, draw, k_centre, plus_plus
from bench.types import Query


class Coreset(Strategy):
    """Core-set: k-centre greedy on the superpixel's mean feature; each pick is the farthest from all asked so far."""

    needs = ("feature",)
    source = "Sener and Savarese, ICLR 2018, algorithm 1"

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        asked = np.flatnonzero(pool.asked)
        chosen = k_centre(pool.candidates.feature[np.r_[rows, asked]], n, len(rows) + np.arange(len(asked)))
        return Query(rows[chosen], self.question)


class Badge(Strategy):
    """BADGE: k-means++ on the last layer's gradients, (one-hot prediction - p) ⊗ feature, of superpixel means.

    The gradients, C x D numbers each, are never built: for g = a⊗f and h = b⊗e, ‖g - h‖² is
    ‖a‖²‖f‖² + ‖b‖²‖e‖² - 2⟨a, b⟩⟨f, e⟩.
    The first pick is the one with the longest gradient, as in the source.
    """

    needs = ("probability_sum", "feature")
    source = "Ash et al., ICLR 2020, algorithm 1"

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        c = pool.candidates
        a = c.probability_sum[rows] / -c.size[rows, None]
        a[np.arange(len(rows)), a.argmin(1)] += 1
        a, f = a.astype(np.float32), c.feature[rows].astype(np.float32)
        norms = np.einsum("nc,nc->n", a, a) * np.einsum("nd,nd->n", f, f)

        def to(i):
            product = a @ a[i]
            product *= f @ f[i]
            product *= -2
            product += norms
            product += norms[i]
            return np.maximum(product, 0, out=product)

        first = np.zeros(len(rows))
        if n:
            first[norms.argmax()] = 1
        return Query(rows[plus_plus(to, first, n, rng)], self.question)


class Clue(Strategy):
    """CLUE: k-means on mean features, weighted by mean entropy, a cluster a question; asks the nearest to each centre.

    ``temperature`` divides the logits before the entropy; the source takes 1 for digits and 0.1 for DomainNet. Clusters
    are scikit-learn's, for at most ``iterations`` rounds. A superpixel that is nearest to two centres is asked once:
    the later centre takes its nearest among the others.
    """

    needs = ("entropy_sum", "feature")
    source = "Prabhu et al., ICCV 2021"

    def __init__(self, temperature=1.0, iterations=300):
        if not temperature > 0:
            raise ValueError(f"temperature must be above 0, got {temperature}")
        if not iterations >= 1:
            raise ValueError(f"iterations must be 1 or more, got {iterations}")
        self.iterations = iterations
        if temperature != 1:
            self.needs = (f"tempered_entropy_sum[temperature={temperature}]", "feature")

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        if not n:
            return Query(rows[:0], self.question)
        c = pool.candidates
        features = c.feature[rows]
        entropy = np.maximum(getattr(c, self.needs[0])[rows] / c.size[rows], 1e-12)
        centres = clusters(features, n, rng, entropy, self.iterations)[0]
        chosen, taken = pairwise_distances_argmin(centres, features), np.zeros(len(rows), bool)
        for k, i in enumerate(chosen):
            if taken[i]:
                distance = ((features - centres[k]) ** 2).sum(1)
                distance[taken] = np.inf
                chosen[k] = i = distance.argmin()
            taken[i] = True
        return Query(rows[chosen], self.question)


class Falcun(Strategy):
    """FALCUN: draws in proportion to (u + d)^gamma; u = 1 - margin of the superpixel's mean p, d = L1 to the picks.

    d starts as u; after each pick it is the smaller of itself and the distance to that pick, divided by its largest
    value.
    """

    needs = ("probability_sum",)
    source = "Gilhuber et al., 2024; scikit-activeml, Falcun"

    def __init__(self, gamma=10):
        if not gamma >= 0:
            raise ValueError(f"gamma must be 0 or more, got {gamma}")
        self.gamma = gamma

    def acquire(self, pool, budget, rng):
        rows, n = never_asked(pool, budget)
        c = pool.candidates
        p = (c.probability_sum[rows] / c.size[rows, None]).astype(np.float32)
        best = np.partition(p, -2, axis=1)
        u = 1 - (best[:, -1] - best[:, -2])
        d, taken, chosen = u.copy(), np.zeros(len(rows), bool), np.empty(n, int)
        by_class, term, distance = np.ascontiguousarray(p.T), np.empty_like(u), np.empty_like(u)
        for k in range(n):
            weights = (u + d) ** self.gamma
            weights[taken] = 0
            chosen[k] = i = draw(weights, taken, rng)
            taken[i] = True
            distance[:] = 0
            for q in by_class:
                np.abs(np.subtract(q, q[i], out=term), out=term)
                distance += term
            np.minimum(d, distance, out=d)
            d /= d.max() or 1
        return Query(rows[chosen], self.question)
