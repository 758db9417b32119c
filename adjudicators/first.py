from bench.adjudication import Adjudicator


class First(Adjudicator):
    """First answer: it is written at once, and nobody is asked twice; the rule if a strategy names none."""

    asks_again = False
    source = "Kim et al., ICML 2024, and every paper of the field"

    def decide(self, case):
        return case.answers[-1].labels
