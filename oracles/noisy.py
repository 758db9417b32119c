from bench.annotation import Erring, flip
from bench.registry import probability


class Noisy(Erring):
    """Names another class, any one of them, with probability `rate`, wherever it is asked.

    Symmetric label noise. The rate holds for each class named: a multiclass answer may be wrong in some of its classes.
    """

    def __init__(self, rate=0.1, of="perfect"):
        super().__init__(of)
        self.rate = probability("rate", rate)

    def alter(self, seen, question, truth, rng):
        return flip(seen, self.rate, question.n_classes, rng)
