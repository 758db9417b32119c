from bench.annotation import Erring, flip
from bench.registry import number


class Tired(Erring):
    """Tires: attention halves every `half_life` questions, and without attention the answer is a guess.

    Question k of a session (from 0) gets a guess, uniform over the L classes, with probability 1 - 2^(-k / half_life).
    It is wrong with (L - 1) / L of that. `session`: questions after which the person comes back rested; 0, the default,
    is one session a run. A model of ours. Its errors depend on when something is asked, as is its purpose.
    """

    def __init__(self, half_life=1000, session=0, of="perfect"):
        super().__init__(of)
        self.half_life = number("half_life", half_life, 1)
        self.session = number("session", session, whole=True)

    def alter(self, seen, question, truth, rng):
        k = question.number % self.session if self.session else question.number
        guessing = 1 - 2 ** (-k / self.half_life)
        return flip(seen, guessing * (1 - 1 / question.n_classes), question.n_classes, rng)
