from adjudicators.confirmed import Confirmed
from bench.adjudication import SlipRate

LOW_RATE = 0.03
ENOUGH = 40  # second answers, before the estimate is trusted


class Adaptive(Confirmed):
    """Adaptive: as `confirmed`, but writes first answers at once while second answers show that errors are rare.

    The estimated rate of wrong answers may fall below 3 %, from 40 second answers or more. Then only each tenth answer
    that contradicts the label goes to a second person, to keep the estimate up to date.
    """

    source = "ours; the decision when to stop asking as in Sheng, Provost and Ipeirotis, KDD 2008"

    def __init__(self, votes: int = 2, most: int = 9, label_votes: int = 0):
        super().__init__(votes, most, label_votes)
        self.slips = SlipRate()

    def decide(self, case):
        trusts = self.slips.n_second >= ENOUGH and self.slips.estimate < LOW_RATE
        if len(case.votes) == 1 and trusts and not self.slips.is_tenth:
            return case.answers[0].labels
        return super().decide(case)

    def learn(self, case, verdict):
        self.slips.learn(case)
