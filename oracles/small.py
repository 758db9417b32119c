from bench.annotation import Erring
from bench.registry import number, probability


class Small(Erring):
    """Overlooks a superpixel of fewer than `area_px` pixels with probability `rate`.

    Overlooked, the label shown by a correction question is confirmed; to the other questions nothing is said.
    """

    def __init__(self, area_px=100, rate=0.5, of="perfect"):
        super().__init__(of)
        self.area_px, self.rate = number("area_px", area_px), probability("rate", rate)

    def alter(self, seen, question, truth, rng):
        missed = rng.random() < self.rate and truth.where.size < self.area_px
        if not missed:
            return seen
        return (question.label,) if question.kind == "correction" else ()
