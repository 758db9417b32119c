from bench.annotation import Erring
from bench.registry import probability


class Biased(Erring):
    """Anchored: confirms the label that a correction question shows with probability `p`, right or wrong.

    Only a correction question shows a label. To the others it answers as `of` does, which is the point of a comparison
    between kinds of question.
    """

    def __init__(self, p=0.2, of="perfect"):
        super().__init__(of)
        self.p = probability("p", p)

    def alter(self, seen, question, truth, rng):
        anchored = rng.random() < self.p and question.kind == "correction"
        return (question.label,) if anchored else seen
