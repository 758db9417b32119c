from bench.adjudication import ASK, LEAVE, Adjudicator
from bench.registry import number


class Confirmed(Adjudicator):
    """Confirmed: a label changes only when `votes` people name the same class; each of at most `most` is paid.

    A first answer that confirms the label, or names no class, is final. After one that contradicts the label, people
    are asked until some class, the label shown included, has `votes` votes. `label_votes`: votes that the label shown
    has before anybody is asked. If `most` people do not agree, the label stays.
    """

    source = "ours; repeated labelling of Sheng, Provost and Ipeirotis, KDD 2008, for contradictions alone"

    def __init__(self, votes: int = 2, most: int = 9, label_votes: int = 0):
        self.votes = number("votes", votes, 1, whole=True)
        self.most = number("most", most, votes, whole=True)
        self.label_votes = number("label_votes", label_votes, whole=True)

    def decide(self, case):
        if len(case.votes) == 1 and not case.contradicts:
            return case.answers[0].labels
        ((vote, n_votes),) = case.tally(self.label_votes).most_common(1)
        if n_votes >= self.votes:
            return case.labels_of(vote)
        return ASK if len(case.votes) < self.most else LEAVE
