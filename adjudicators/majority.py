from bench.adjudication import ASK, LEAVE, Adjudicator
from bench.registry import number


class Majority(Adjudicator):
    """Majority: asks `n` people about every superpixel and writes the class named most often (tie: named first).

    It stops early once the others can no longer change the outcome. Who cannot tell has no vote.
    """

    source = "Sheng, Provost and Ipeirotis, KDD 2008"

    def __init__(self, n: int = 3):
        self.n = number("n", n, 1, whole=True)

    def decide(self, case):
        ranked = case.tally().most_common()  # ties in the order in which they were named
        counts = [count for _, count in ranked] + [0, 0]
        n_left = self.n - len(case.votes)
        if counts[0] <= counts[1] + n_left and n_left > 0:
            return ASK
        return case.labels_of(ranked[0][0]) if ranked else LEAVE
