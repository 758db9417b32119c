"""Round 0 of a seed: made once, read again, and asked anew only for a statistic that it lacks."""

import numpy as np
from problems import Nearest, by_hand

from bench.experiment.round0 import folder_of, load_round0


def test_it_is_fitted_once_and_predicted_again_for_another_statistic(tmp_path):
    learner, steps = Nearest(3), []
    problem = by_hand(tmp_path / "pseudo", learner)
    arguments = problem, learner, tmp_path / "run", 4
    first = load_round0(*arguments, ("entropy_sum",), lambda *of: steps.append(of))
    assert steps == [("fit", 1)] and first.model == folder_of(tmp_path / "run", 4) / "model.pth"
    assert set(first.seconds) == {"fit_s", "evaluate_s", "predict_s", "acquire_s"}
    # Trained on the pseudo labels: class 0 is in none of them, so its pixels are taken for the next best.
    assert first.confusion.sum(-1).tolist() == [[2, 4, 1]] and first.confusion[0, 0, 0] == 0
    again = load_round0(*arguments, ("entropy_sum",), lambda *of: steps.append(of))
    assert again.seconds == first.seconds and again.model == first.model
    np.testing.assert_array_equal(again.confusion, first.confusion)
    more = load_round0(*arguments, ("entropy_sum", "top1_sum"), lambda *of: steps.append(of))
    np.testing.assert_array_equal(more.candidates.entropy_sum, first.candidates.entropy_sum)
    assert "top1_sum" in more.candidates.columns and "top1_sum" not in first.candidates.columns
    assert learner.n_fits == 1 and steps == [("fit", 1)]


def test_without_a_model_it_is_the_pool_alone(tmp_path):
    problem = by_hand(tmp_path / "pseudo")
    found = load_round0(problem, None, tmp_path / "run", 0, (), lambda *_: None)
    assert found.candidates is problem.label_only
    assert (found.confusion, found.model, found.seconds) == (None, None, {})
    assert not (tmp_path / "run").exists()
