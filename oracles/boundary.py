import numpy as np

from bench.annotation import Erring
from bench.registry import number, probability
from bench.types import VOID


class Boundary(Erring):
    """Wrong with probability `rate` within `width_px` of another class: names a class from across the boundary.

    Near: the square of width_px around the representative pixel (Chebyshev distance) holds a true class, void aside,
    other than its own. One of those pixels, all as likely, gives the wrong class. Only for questions on one pixel. One
    draw decides for the whole superpixel whether the answer is wrong wherever it is near, another which share of the
    pixels across, in the order of their classes, gives the name. A model of ours: people disagree mostly along
    outlines. Two people's outlines of retinal vessels (CHASE_DB1) fit width_px=2, rate=0.14 (``python
    tools/fit_annotators.py``).
    """

    def __init__(self, width_px=5, rate=0.3, of="perfect"):
        super().__init__(of)
        self.kinds = tuple(kind for kind in self.of.kinds if kind in ("correction", "classification"))
        self.width_px, self.rate = number("width_px", width_px, whole=True), probability("rate", rate)

    def alter(self, seen, question, truth, rng):
        lapse, which = rng.random(2)
        top, left = max(question.row - self.width_px, 0), max(question.column - self.width_px, 0)
        window = truth.map[top : question.row + self.width_px + 1, left : question.column + self.width_px + 1]
        across = np.sort(window[(window != VOID) & (window != truth.map[question.row, question.column])])
        if lapse >= self.rate or not seen or not across.size:
            return seen
        return (int(across[int(which * across.size)]),)
