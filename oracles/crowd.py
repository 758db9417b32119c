from dataclasses import replace

import numpy as np

from bench import registry, seeds
from bench.annotation import Oracle, classes_named, reply
from bench.registry import number, probability
from bench.types import VOID, Answer, InputError


class Crowd(Oracle):
    """Asks `n` people (`of`), pays them all, and takes the vote=majority or weighs them by vote=dawid_skene.

    Majority: the class named most often (tie: by whom was asked first); in a multiclass question, every class that more
    than half of those who can tell have named. Of a mixture, the people are its members in turn.

    ``shared``: how much of their errors people share, since some superpixels are hard for everybody. Each has one draw
    of the superpixel in common with the others and one of his own, and goes by the common one with probability √shared.
    Each is wrong as often as alone. The errors of two people of one kind have the correlation ``shared``, and they then
    name the same wrong class. 0, the default: their errors are independent.

    dawid_skene answers while the run goes on, so it knows the votes given so far and no later ones: Dawid and Skene's
    EM over those is refitted whenever their number has grown by a tenth, and the answer is the most probable of the
    classes named. Void counts as a class. It reads no truth, but has a memory, and takes no multiclass questions.

    The actions are those of all members, the ones who gave the crowd's answer last.
    """

    def __init__(self, n=3, of="noisy", vote="majority", shared=0.0):
        if vote not in ("majority", "dawid_skene"):
            raise InputError(f"vote must be majority or dawid_skene; got {vote!r}")
        number("n", n, 1, whole=True)
        self.follows = probability("shared", shared) ** 0.5
        hired = [registry.load("oracles", str(of)) for _ in range(n)]
        self.people = [p.team[i % len(p.team)] if hasattr(p, "team") else p for i, p in enumerate(hired)]
        self.kinds = tuple(k for k in self.kinds if all(k in person.kinds for person in self.people))
        self.leaky = any(person.leaky for person in self.people)
        self.memory = vote == "dawid_skene" or any(person.memory for person in self.people)
        self.weigher = _Weigher() if vote == "dawid_skene" else None
        if self.weigher:
            self.kinds = tuple(kind for kind in self.kinds if kind != "multiclass")

    def prepare(self, confusion):
        for person in self.people:
            person.prepare(confusion)

    def answer(self, question, truth, rng):
        keys = rng.integers(2**63, size=len(self.people))
        common, follows = rng.integers(2**63), rng.random(len(keys)) < self.follows
        keys = np.where(follows, common, keys).tolist()
        first = (truth.person - 1) * len(keys) + 1  # a second crowd has other people
        answers = [
            p.answer(question, replace(truth, person=first + i), seeds.generator(k, "member"))
            for i, (p, k) in enumerate(zip(self.people, keys, strict=True))
        ]
        votes = [classes_named(question, answer) for answer in answers]
        named = [c for vote in votes for c in vote]
        if question.kind == "multiclass":
            winner = tuple(c for c in sorted(set(named)) if 2 * named.count(c) > sum(map(bool, votes)))
        elif not named:
            winner = ()
        elif self.weigher:
            winner = (self.weigher.elect(votes, question.n_classes),)
        else:
            winner = (max(dict.fromkeys(named), key=named.count),)
        order = sorted(range(len(votes)), key=lambda i: votes[i] == winner)
        labels = answers[order[-1]].labels if votes[order[-1]] == winner else reply(question, winner).labels
        return Answer(labels, tuple(action for i in order for action in answers[i].actions))


class _Weigher:
    """The votes of a run so far, and the estimate of Dawid and Skene from them."""

    def __init__(self):
        self.votes: list[list[int]] = []
        self.refit_at = 1.0  # votes

    def elect(self, votes: list[tuple[int, ...]], n_classes: int) -> int:
        ids = [-1 if not vote else n_classes if vote == (VOID,) else vote[0] for vote in votes]
        self.votes.append(ids)
        if len(self.votes) >= self.refit_at:
            _, priors, confusions = dawid_skene(np.array(self.votes), n_classes + 1)
            self.log_priors, self.log_confusions = np.log(priors), np.log(confusions)
            self.refit_at = 1.1 * len(self.votes)
        given = [(member, c) for member, c in enumerate(ids) if c >= 0]
        evidence = self.log_priors + sum(self.log_confusions[member, :, c] for member, c in given)
        best = max(dict.fromkeys(c for _, c in given), key=lambda c: evidence[c])
        return VOID if best == n_classes else best


def dawid_skene(votes: np.ndarray, n_classes: int, smoothing: float = 0.01, n_iter: int = 100, tolerance: float = 1e-6):
    """The voters' confusion and the true classes: maximum likelihood by EM, from the shares of the votes.

    ``votes`` (n, m) int: class given to item i by member j, -1 for none. Returns the posterior (n, C), the class priors
    (C,) and the confusion matrices (m, C, C), rows truth, columns vote, all float64 with rows that sum to 1.
    ``smoothing`` is added to every expected count; EM ends when no posterior moves by more than ``tolerance``.
    Source: Dawid and Skene, Applied Statistics 28(1), 1979, equations 2.3 to 2.5.
    """
    given = (votes[..., None] == np.arange(n_classes)).astype(np.float64)
    posterior = given.sum(1) + smoothing
    posterior /= posterior.sum(1, keepdims=True)
    for _ in range(n_iter):
        priors = posterior.sum(0) + smoothing
        priors /= priors.sum()
        confusions = np.tensordot(posterior, given, (0, 0)).transpose(1, 0, 2) + smoothing
        confusions /= confusions.sum(2, keepdims=True)
        evidence = np.log(priors) + np.tensordot(given, np.log(confusions), ((1, 2), (0, 2)))
        previous, posterior = posterior, np.exp(evidence - evidence.max(1, keepdims=True))
        posterior /= posterior.sum(1, keepdims=True)
        if np.abs(posterior - previous).max() <= tolerance:
            break
    return posterior, priors, confusions
