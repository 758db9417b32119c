from bench import registry
from bench.annotation import Oracle
from bench.types import InputError


class Mixture(Oracle):
    """A team of different people, any name each: mixture[ann=perfect,bob=noisy[rate=0.3]]; one of them is asked.

    The person is drawn with the superpixel's key, all as likely. A superpixel always comes to the same person, for any
    strategy and any of its pixels. A crowd of a mixture asks its people side by side.
    """

    def __init__(self, **people):
        if not people:
            raise InputError("mixture needs people: mixture[ann=perfect,bob=noisy[rate=0.3]]")
        self.team = [registry.load("oracles", str(spec)) for spec in people.values()]
        self.kinds = tuple(kind for kind in self.kinds if all(kind in person.kinds for person in self.team))
        self.leaky = any(person.leaky for person in self.team)
        self.memory = any(person.memory for person in self.team)

    def prepare(self, confusion):
        for person in self.team:
            person.prepare(confusion)

    def answer(self, question, truth, rng):
        return self.team[rng.integers(len(self.team))].answer(question, truth, rng)
