"""The models of a cell: one a round, fitted once however often the cell is stopped, and gone when it is done."""

import pytest
from problems import Nearest, by_hand

from bench.experiment.models import Models
from bench.experiment.round0 import load_round0
from bench.runs.journal import Journal


@pytest.fixture
def parts(tmp_path):
    learner = Nearest(3)
    problem = by_hand(tmp_path / "pseudo", learner)
    round0 = load_round0(problem, learner, tmp_path / "run", 0, ("entropy_sum",), lambda *_: None)
    return problem, learner, round0, tmp_path / "cell"


def models(parts):
    problem, learner, round0, folder = parts
    return Models(problem, learner, round0, 0, Journal(folder), lambda *_: None)


def test_round_0_is_that_of_the_seed(parts):
    problem, learner, round0, _ = parts
    found = models(parts)
    assert found.measure(0, problem.pseudo.labels) is round0.confusion
    assert found.pool(1, problem.pseudo.labels, ("entropy_sum",)) is round0.candidates
    assert found.journal.timings[0]["fit_s"] == round0.seconds["fit_s"]
    assert learner.n_fits == 1


def test_a_model_is_fitted_once_and_asked_in_the_next_round(parts):
    problem, learner, *_ = parts
    found = models(parts)
    found.measure(0, problem.pseudo.labels)
    assert found.measure(1, problem.truth).tolist() == [[[2, 0, 0, 0], [0, 4, 0, 0], [0, 0, 1, 0]]]
    table = found.pool(2, problem.truth, ("top1_sum",))
    assert "top1_sum" in table.columns and found.journal.timings[2]["predict_s"] > 0
    stopped = models(parts)  # its journal has no measures of round 1
    stopped.measure(0, problem.pseudo.labels)
    assert stopped.measure(1, problem.truth).tolist() == [[[2, 0, 0, 0], [0, 4, 0, 0], [0, 0, 1, 0]]]
    assert learner.n_fits == 2  # of round 0 and of round 1


def test_all_but_one_are_forgotten(parts):
    problem, _, round0, folder = parts
    found = models(parts)
    for number in range(3):
        found.measure(number, problem.truth)
    found.forget(but=2)
    assert [path.name for path in folder.glob("*.pth")] == ["model-2.pth"]
    found.forget()
    assert not list(folder.glob("*.pth")) and round0.model.exists()
