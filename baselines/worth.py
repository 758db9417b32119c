"""SIM, weighted by the worth of a pixel of each class to the mean IoU."""

import numpy as np

from bench.acquisition import Strategy


def worth(c, power=0.5):
    """(n,): the worth of the classes that a superpixel may be and of the one it has, each (1 / its share)^power."""
    label = c.label_histogram.argmax(1)  # its last column is void
    pixels = (c.label_histogram[:, :-1].sum(0) + c.probability_sum.sum(0)) / 2
    of_class = np.append((np.maximum(pixels, 1) / pixels.sum()) ** -power, 0)
    other = np.append(c.probability_sum, np.zeros((len(c), 1)), axis=1)
    other[np.arange(len(c)), label] = 0
    return other @ of_class / np.maximum(other.sum(1), 1e-12) + of_class[label]


class SimWorth(Strategy):
    """SIM by worth: pixels x (SIM per pixel)^power x (worth of the classes that it may be + worth of the one it has).

    A pixel of class c is worth 1/√(share of c), a step from 1, as the pixel accuracy has it, towards the 1/(pixels of
    c) that it adds to the mean IoU. Shares are means of those of the labels and of the probabilities over the pool. The
    worth of the classes that a superpixel may be is the mean over the classes other than its label's, by their
    probability. ``power`` above 1 trusts a sure model more. Form and power were chosen on seed 10 of four datasets
    (results/tried/README.md).
    """

    needs = ("sim", "probability_sum", "label_histogram")
    source = "this suite"

    def __init__(self, power: float = 1.25):
        if not power > 0:
            raise ValueError(f"power must be above 0, got {power}")
        self.power = power

    def score(self, pool):
        c = pool.candidates
        return c.size * (c.sim / c.size) ** self.power * worth(c)
