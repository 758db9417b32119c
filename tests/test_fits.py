"""A fit is made once: found again by labels, seed and recipe, whole or not at all."""

from pathlib import Path

import numpy as np
import pytest
from problems import Nearest, by_hand

from bench.experiment import fits
from bench.experiment.fits import fit


@pytest.fixture
def made(tmp_path):
    """Calls `fit` on the problem by hand; says whether the learner was asked, and how many seconds that took."""
    learner = Nearest(3)
    problem = by_hand(tmp_path / "p", learner=learner)

    def call(labels=problem.truth, seed=0, start=None):
        before = learner.n_fits
        _, seconds = fit(problem, learner, labels, seed, 0, tmp_path / "logs", start, lambda what, n: None)
        return learner.n_fits - before, seconds

    return call


def test_the_same_labels_and_seed_are_trained_on_once(made):
    n, seconds = made()
    assert n == 1 and seconds > 0
    assert made() == (0, seconds)


def test_other_labels_another_seed_and_a_warm_start_are_fits_of_their_own(made):
    made()
    assert made(labels=lambda i: np.zeros((2, 4), np.uint8))[0] == 1
    assert made(seed=1)[0] == 1
    assert made(start=object())[0] == 1 and made(start=object())[0] == 1


def test_the_oldest_go_where_the_cache_is_full(made, monkeypatch):
    monkeypatch.setattr(fits, "CACHE_BYTES", 1)
    assert [made(seed=s)[0] for s in (0, 1, 1, 0)] == [1, 1, 0, 1]


def test_a_damaged_model_is_made_again(made, tmp_path):
    made()
    file = next((tmp_path / "p" / "cache" / "fits").glob("*.pth"))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    assert made()[0] == 1 and file.read_bytes() == whole


def test_a_model_that_another_process_removes_meanwhile_is_made_again(made, monkeypatch):
    made()
    with monkeypatch.context() as patch:
        glob = Path.glob  # it is listed, and gone by the time it is looked at
        patch.setattr(Path, "glob", lambda self, what: [*glob(self, what), self / f"gone{what[1:]}"])
        assert made(seed=1)[0] == 1
    load = Nearest.load

    def late(self, path):
        path.unlink()
        return load(self, path)

    monkeypatch.setattr(Nearest, "load", late)
    assert made()[0] == 1 and made()[0] == 1
