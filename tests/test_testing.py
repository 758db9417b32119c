"""The checks for plug-ins hold for the suite's own and say what is wrong with one that breaks its contract."""

import numpy as np
import pytest
import torch

from bench import Answer, Dataset, Foundation, Learner, Oracle, Prediction, Refiner, Strategy, Superpixels, testing


class Good(Strategy):
    """Large ones first."""

    source = "a test"

    def score(self, pool):
        return pool.candidates.size


class Unsourced(Good):
    source = ""


class Greedy(Good):
    def acquire(self, pool, budget, rng):
        return super().acquire(pool, budget + 1, rng)


class Ordered(Good):
    """By the place in the table."""

    def score(self, pool):
        return np.arange(len(pool.candidates))


class Drawn(Good):
    """By numbers of its own."""

    def acquire(self, pool, budget, rng):
        return super().acquire(pool, budget, np.random.default_rng())

    def score(self, pool):
        return np.random.default_rng().random(int(pool.candidates.size.max()) + 1)[pool.candidates.size]


class Peeks(Good):
    needs = ("truth_answer",)


@pytest.mark.parametrize(
    ("strategy", "said"),
    [
        (Unsourced, "no docstring or no source"),
        (Greedy, "asked 1 for a budget of 0: expected 0"),
        (Ordered, "changes with the order of the table"),
        (Peeks, "reads_truth is False"),
    ],
)
def test_a_strategy_that_breaks_its_contract_is_told_how(strategy, said):
    testing.check_strategy(Good)
    with pytest.raises(AssertionError, match=said):
        testing.check_strategy(strategy)


def test_draws_of_its_own_are_found_out():
    with pytest.raises(AssertionError, match=r"order of the table|two choices"):
        testing.check_strategy(Drawn)


class Forgetful(Oracle):
    """Says how often it was asked."""

    def __init__(self):
        self.n = 0

    def answer(self, question, truth, rng):
        self.n += 1
        return Answer((self.n % 3,), ("correct" if question.kind == "correction" else "classify",))


class Confirms(Forgetful):
    def answer(self, question, truth, rng):
        return Answer((), ("confirm",))


class Asked(Refiner):
    """Relabels what was asked."""

    source = "a test"

    def refine(self, pool, rows, labels, rng):
        return rows, labels


class Shifting(Superpixels):
    """Other areas in each call."""

    n = 0

    def segment(self, dataset, name):
        Shifting.n += 1
        return np.full(dataset.size("train", name), Shifting.n, np.int32)


class Backwards(Foundation):
    """The last image first."""

    def generate(self, dataset, train_and_predict=None):
        for name in dataset.names("train")[::-1]:
            yield name, np.zeros(dataset.size("train", name), np.uint8), np.ones(dataset.size("train", name), np.int32)


class Unsorted(Dataset):
    """Names in any order."""

    classes, palette = ("a", "b"), np.zeros((2, 3), np.uint8)

    def names(self, split):
        return ("y", "x")

    def image(self, split, name):
        return np.zeros((4, 4, 3), np.uint8)

    def truth(self, split, name):
        return np.zeros((4, 4), np.uint8)


@pytest.mark.parametrize(
    ("check", "plugin", "said"),
    [
        (testing.check_oracle, Forgetful, "draw from rng, or declare memory"),
        (testing.check_oracle, Confirms, "to a classification question"),
        (testing.check_refiner, Asked, "a row twice, or one asked"),
        (testing.check_superpixels, Shifting, "two calls gave two results"),
        (testing.check_foundation, Backwards, "in order"),
        (testing.check_dataset, Unsorted, "not sorted and unique"),
        (testing.check_oracle, Good, "is no Oracle"),
    ],
)
def test_so_is_any_other_plug_in(check, plugin, said):
    with pytest.raises(AssertionError, match=said):
        check(plugin)


class Mean(Learner):
    """The share of each class, everywhere; ``lossy`` forgets it when it is saved."""

    def __init__(self, n_classes=7, lossy=False):
        self.n_classes, self.lossy = n_classes, lossy

    def fit(self, samples, seed, log_dir, start=None, on_step=lambda n: None):
        on_step(1)
        return sum(np.bincount(labels.ravel(), minlength=256)[: self.n_classes] for _, labels in samples)

    def predict(self, model, images, features=False, passes=()):
        for _ in images:
            yield Prediction(torch.as_tensor(np.asarray(model, np.float32))[:, None, None])

    def save(self, model, file):
        np.save(file, model * (not self.lossy))

    def load(self, path):
        return np.load(path)

    def recipe(self):
        return {}


def test_the_suite_s_own_pass_and_a_learner_must_save_what_it_learned():
    testing.check_foundation("simulated")
    testing.check_superpixels("slic[n=20]")
    testing.check_dataset("shapes[train=2,val=2,size=32]")
    testing.check_learner(Mean)
    with pytest.raises(AssertionError, match="the model that was loaded predicts otherwise"):
        testing.check_learner(lambda: Mean(lossy=True))
