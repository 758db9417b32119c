from bench.annotation import Erring
from bench.registry import probability


class Abstaining(Erring):
    """Says "can't tell" with probability `p`, and is paid for it; the labels stay as they are."""

    def __init__(self, p=0.1, of="perfect"):
        super().__init__(of)
        self.p = probability("p", p)

    def alter(self, seen, question, truth, rng):
        return () if rng.random() < self.p else seen
