from bench.adjudication import ASK, Adjudicator


class TwoReaders(Adjudicator):
    """Two readers and an arbiter: two people answer every question; if they differ, a third one decides."""

    source = "2 + 1 reading of screening mammograms: Taylor-Phillips and Stinton, British Journal of Radiology, 2020"

    def decide(self, case):
        if len(case.votes) == 1 or (len(case.votes) == 2 and case.votes[0] != case.votes[1]):
            return ASK
        return case.answers[-1].labels
