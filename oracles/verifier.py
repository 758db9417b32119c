from bench.annotation import Erring
from bench.registry import probability


class Verifier(Erring):
    """Checks the label shown: accepts a wrong one (`accepts`), rejects a right one (`rejects`), misnames a class.

    A wrong label is confirmed with probability `accepts`. Who rejects it names the right class, or with probability
    `misnames` another wrong one, all as likely. A right label is replaced by a wrong class with probability `rejects`.
    With two classes there is no other wrong one to name. It answers correction questions alone: only they show a label.

    The defaults come from people. Crowd workers of BU-BIL, asked about the outlines of another worker, agreed with 48 %
    of the wrong labels and with all but 3.8 % of the right ones, and their errors correlated at 0.44
    (results/bu-bil). Two observers of CHASE_DB1 differ in 3.1 % of the pixels. Wrong labels of a model may be easier
    to see than those of another person: try a lower `accepts`. `misnames` is an assumption, for these data have two
    classes; measured times of annotation do not say it either. Where `accepts` is high and `rejects` low, a second
    opinion costs an answer and mends little.
    """

    shared = 0.45

    def __init__(self, accepts=0.5, rejects=0.04, misnames=0.05, of="perfect"):
        super().__init__(of)
        self.kinds = tuple(kind for kind in self.of.kinds if kind == "correction")
        self.accepts, self.rejects = probability("accepts", accepts), probability("rejects", rejects)
        self.misnames = probability("misnames", misnames)

    def alter(self, seen, question, truth, rng):
        lapse, misnaming, which = rng.random(3)
        shown = (question.label,)
        if not seen:
            return seen
        if seen == shown:
            return _another(seen, which, question.n_classes) if lapse < self.rejects else seen
        if lapse < self.accepts:
            return shown
        return _another((*seen, *shown), which, question.n_classes) if misnaming < self.misnames else seen


def _another(but: tuple[int, ...], which: float, n_classes: int) -> tuple[int, ...]:
    """A class that is none of ``but``, chosen by a draw in [0, 1); the first of ``but`` where there is no other."""
    others = [c for c in range(n_classes) if c not in but] or [but[0]]
    return (others[int(which * len(others))],)
