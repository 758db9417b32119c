"""One queue of new questions and second opinions: the formula, against loops; what it asks; and what is left open."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from pools import pool
from problems import setup_of
from test_adjudication import TABLES, doubted, problem, worked  # noqa: F401 - fixtures
from test_net_gain import columns

from baselines.net_gain import calibrated
from baselines.value import gain
from bench import registry
from bench.adjudication import Adjudicator, posterior, prior
from bench.experiment.cell import check
from bench.testing import check_strategy
from bench.types import InputError

DOUBT = np.array([0.9, 0.1, 0.5, 0.15])
QUEUE = "value[prior=label]+posterior[level=0,prior=label]"


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.45])
@pytest.mark.parametrize("n_classes", [1, 2, 5])
def test_the_gain_is_that_of_a_plain_loop_over_answers_and_classes(rate, n_classes):
    chances = np.random.default_rng(0).dirichlet(np.full(n_classes + 1, 0.5), 200)
    for row, found in zip(chances, gain(chances, rate), strict=True):
        total = 0.0
        for said in range(n_classes + 1):
            total += max(row[c] * (1 - rate if c == said else rate / n_classes) for c in range(n_classes))
        assert found == pytest.approx(total)


def test_the_score_of_a_new_question_and_of_a_second_one():
    strategy = registry.load("strategies", "value[prior=label,rate=0.1,calibrate=false]")
    fresh = pool(columns(cil=DOUBT), 5)
    p = fresh.candidates
    before = prior("label", p.cil, p.label, p.size, 5)
    held = before[np.arange(4), p.label]
    assert strategy.score(fresh) == pytest.approx(p.size * (gain(before, 0.1) - held))
    once = pool(columns(cil=np.array([0.5, 0.5, 0.5, 0.01])), 5, asked=[2])  # the label of row 2 was confirmed
    votes = once.votes
    after = posterior(before, votes, 0.1)
    assert strategy.score(once)[2] == pytest.approx(40 * (gain(after, 0.1)[2] - after[2, 2]))
    assert strategy.score(once)[3] < strategy.score(fresh)[3]


def test_a_contradicted_label_is_worth_a_second_opinion_before_a_sure_one_a_first():
    p = pool(columns(cil=np.array([0.02, 0.02, 0.4, 0.02])), 5, asked=[2])
    votes = np.zeros_like(p.votes)
    votes[2, 4] = 1  # the first person named class 4, and it was written
    p = dataclasses.replace(p, votes=votes, answered=np.where(p.asked, 4, -1).astype(np.int16))
    strategy = registry.load("strategies", "value[prior=label,rate=0.2]")
    assert strategy.acquire(p, 1, np.random.default_rng(0)).rows.tolist() == [2]


def test_the_prior_stays_that_before_the_first_question():
    strategy, other = (registry.load("strategies", "value[prior=label,rate=0.1]") for _ in range(2))
    strategy.score(pool(columns(cil=DOUBT), 5))
    later = pool(columns(cil=np.array([0.001, 0.1, 0.5, 0.15])), 5, asked=[0])
    assert strategy.score(later)[0] > 0 == other.score(later)[0]


@pytest.mark.parametrize("rate", [0.0, 0.2])
def test_calibration_finds_the_doubt_that_the_answers_have(rate):
    """Labels are wrong at the square of the doubt said; a fifth of the people err in one run."""
    n, rng = 4000, np.random.default_rng(0)
    said = rng.random(n)
    wrong = rng.random(n) < said**2
    contradicted = (wrong ^ (rng.random(n) < rate)).astype(np.int8)
    base = dict(image=np.zeros(n, np.int32), superpixel=np.arange(n), row=np.zeros(n, np.int32))
    base |= dict(column=np.zeros(n, np.int32), label=np.zeros(n, np.uint8), size=np.ones(n, int))
    p = dataclasses.replace(pool(base, 2, range(n)), contradicted=contradicted)
    assert np.abs(calibrated(said, p, rate) - said**2).mean() < 0.06
    few = dataclasses.replace(p, contradicted=np.where(np.arange(n) < 49, contradicted, -1).astype(np.int8))
    assert (calibrated(said, few, rate) == said).all()


@pytest.mark.parametrize("spec", ["value[prior=label]", "value", "net_gain[rate=0.1,calibrate=true]"])
def test_the_strategies_keep_the_contract(spec):
    check_strategy(spec)


def test_a_cell_asks_again_and_the_opinions_go_on(doubted, tmp_path):  # noqa: F811
    asked = worked(doubted, tmp_path, QUEUE, "noisy[rate=0.3]")
    again = asked.duplicated(["image", "superpixel"])
    assert again.sum() > 3
    assert (asked[again].groupby("round").size().index > 1).any()
    for _, of_one in asked.groupby(["image", "superpixel"]):
        assert of_one.opinion.tolist() == list(range(1, len(of_one) + 1))
    rounds = pd.read_csv(tmp_path / "rounds.csv")
    assert rounds.n_queries.iloc[-1] == len(asked)
    assert rounds.n_superpixels.iloc[-1] == (~again).sum()


@pytest.mark.parametrize("rule", ["posterior[level=0,prior=label]", "first", "adaptive", "confirmed[later=true]"])
def test_a_stopped_and_resumed_cell_ends_with_the_same_bytes(doubted, tmp_path, rule):  # noqa: F811
    method = f"value[prior=label]+{rule}"
    worked(doubted, tmp_path / "whole", method)
    for rounds in (1, 2, 3):
        worked(doubted, tmp_path / "parts", method, rounds=rounds)
    for name in TABLES:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_doubt_left_for_later_keeps_the_label_until_the_next_person(doubted, tmp_path):  # noqa: F811
    asked = worked(doubted, tmp_path, "value[prior=label]+confirmed[later=true]", "noisy[rate=0.3]")
    assert not asked.duplicated(["round", "image", "superpixel"]).any()
    left_open = asked[asked.decided == "ask"]
    assert len(left_open) > 3 and not left_open[["corrected_px", "harmed_px", "rewronged_px"]].any(axis=None)
    decided = asked[(asked.opinion == 2) & ~asked.decided.isin(["ask", "leave"])]
    assert len(decided)


def test_all_answers_of_earlier_rounds_reach_the_rule(doubted, tmp_path, monkeypatch):  # noqa: F811
    seen = []

    class Watching(Adjudicator):
        needs = ("cil",)

        def decide(self, case):
            seen.append(case)
            return case.answers[-1].labels

    load = registry.load_strategy
    monkeypatch.setattr(registry, "load_strategy", lambda spec: load(spec)._replace(rule=Watching()))
    asked = worked(doubted, tmp_path, "value[prior=label,rate=0.3]", "noisy[rate=0.5]")
    assert [len(case.votes) for case in seen] == asked.opinion.tolist()
    first = asked.groupby(["image", "superpixel"]).label_before.transform("first")
    assert [case.shown[0] for case in seen] == first.tolist()
    assert all(case.statistics["label"] == case.shown[0] for case in seen)


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("area+confirmed[later=true]", "leaves doubts to later rounds, and area asks nothing again"),
        ("area+confirmed[later=2]", "unknown later of confirmed .2.; there are: False, True"),
    ],
)
def test_what_makes_no_sense_is_refused(method, reason):
    with pytest.raises(InputError, match=reason):
        check(method, "perfect", setup_of())
