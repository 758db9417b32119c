"""The human half of a cell, by hand: what is shown, answered, noted, and done to the labels."""

import numpy as np
import pytest
from problems import by_hand

from bench.experiment.session import Session, places
from bench.experiment.truth import truth_columns
from bench.labels import LabelMaps
from bench.types import ACTIONS, Answer, Query


@pytest.fixture
def session(tmp_path):
    problem = by_hand(tmp_path / "pseudo")
    return Session(problem, "perfect", 0, LabelMaps(problem.pseudo.labels, 2**20))


def asked(session, place, number=0):
    """A correction question at a place, and its superpixel's pixels."""
    pixels = session.problem.pseudo.region(*place[:2])
    return session.question("correction", place, pixels, number), pixels


def test_a_question_shows_the_labels_of_its_superpixel(session):
    assert places(session.problem.label_only) == [(0, 1, 0, 0), (0, 2, 0, 2), (1, 3, 0, 1)]
    question, pixels = asked(session, (0, 2, 0, 2), 7)
    assert (question.label, question.number, question.n_classes) == (1, 7, 3)
    assert question.labels.tolist() == [1, 1, 1]
    assert session.answer(question, pixels) == Answer((), ("confirm",))


def test_an_answer_changes_labels_quality_and_memory(session):
    question, pixels = asked(session, (0, 1, 0, 0))
    answer = session.answer(question, pixels)
    assert answer == Answer((0,), ("correct",))
    assert session.mode(0, 1) == 2
    verdict = session.judge(question, answer)
    assert session.hear(question, pixels, answer, verdict) == (2, 0, 2)  # of four pixels labelled 2, two are 0, two 1
    assert session.mode(0, 1) == 0 and session.spent == 1
    assert session.labels(0).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]]
    assert session.quality.by_image[0].tolist() == [[2, 0, 0, 0], [2, 2, 0, 0], [0, 1, 0, 0]]
    assert session.problem.measured.confusion[0].tolist() == [[0, 0, 2, 0], [0, 2, 2, 0], [0, 1, 0, 0]]


def test_people_share_slips_by_superpixel_and_two_who_ask_the_same_opinion_meet_the_same(session):
    problem, answers = session.problem, {}
    for spec in ("noisy[rate=0.5,shared=1]", "noisy[rate=0.5]"):
        for seed in range(40):
            one, other = (Session(problem, spec, seed, LabelMaps(problem.pseudo.labels, 2**20)) for _ in range(2))
            place = asked(one, (0, 2, 0, 2))
            answers[spec, seed] = [one.answer(*place, opinion) for opinion in (1, 2, 3)]
            assert other.answer(*place, 3) == answers[spec, seed][2]
    alike = {
        spec: sum(said.count(said[0]) == 3 for (s, _), said in answers.items() if s == spec) for spec, _ in answers
    }
    assert alike["noisy[rate=0.5,shared=1]"] == 40 > alike["noisy[rate=0.5]"]
    assert len({said[0] for (s, _), said in answers.items() if "shared" in s}) > 1  # another seed, another slip


def test_the_pool_says_what_was_answered_and_no_superpixel_id(session):
    table = session.problem.label_only
    assert not session.pool(1, table).asked.any()
    question, pixels = asked(session, (0, 1, 0, 0))
    answer = session.answer(question, pixels)
    session.hear(question, pixels, answer, session.judge(question, answer))
    pool = session.pool(2, table)
    assert pool.asked.tolist() == [True, False, False] and pool.answered.tolist() == [0, -1, -1]
    assert pool.action.tolist() == [ACTIONS.index("correct"), -1, -1]
    assert pool.candidates.superpixel.tolist() == [0, 1, 2]
    assert (pool.round, pool.spend, pool.n_classes) == (2, 1, 3)


def test_wrong_labels_are_those_that_most_known_pixels_contradict(session):
    table = session.problem.label_only
    assert session.wrong(table).tolist() == [True, False, True]
    pool, query = session.pool(1, table), Query(np.array([1, 2]))
    found = session.detection(np.array([3.0, 1.0, 2.0]), session.wrong(table), table, pool, query.rows)
    assert (found["auroc"], found["auprc"]) == (1, 1)
    assert found["precision"] == 0.5 and found["precision_px"] == pytest.approx(4 / 7)
    session.write(0, 1, session.problem.pseudo.region(0, 1), Answer((0,), ("correct",)))
    assert session.wrong(table).tolist() == [False, False, True]


def test_the_statistics_that_read_the_truth_by_hand(session):
    found = truth_columns(session, session.problem.label_only, "correction")
    assert found["truth_answer"].tolist() == [0, -1, -1]
    assert found["truth_histogram"].tolist() == [[2, 2, 0, 0], [0, 2, 0, 1], [2, 0, 2, 0]]
    assert found["truth_agree_histogram"].tolist() == [[0, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert found["truth_label_histogram"].tolist() == [[0, 0, 4], [0, 2, 0], [0, 0, 4]]
    assert found["truth_totals"][0].tolist() == [0, 2, 6, 4, 4, 7, 0, 3, 12]


def test_rows_are_drawn_by_the_seed_within_their_images(session, tmp_path):
    table = session.problem.label_only
    orders = set()
    for seed in range(8):
        labels = LabelMaps(session.problem.pseudo.labels, 2**20)
        drawn = Session(session.problem, "perfect", seed, labels).drawn_order(table)
        assert drawn.image.tolist() == [0, 0, 1]
        orders.add(tuple(drawn.superpixel.tolist()))
    assert orders == {(1, 2, 3), (2, 1, 3)}


@pytest.mark.parametrize("oracle", ["noisy[rate=0.5]", "mixture[ann=perfect,bob=noisy[rate=1.0]]"])
def test_a_superpixel_meets_one_slip_at_whichever_of_its_pixels_it_is_asked(tmp_path, oracle):
    """Audit, row 3. Two pixels that show the same; the slips are those of the superpixel and of the seed."""
    problem, slips = by_hand(tmp_path / "pseudo"), []
    pixels = problem.pseudo.region(1, 3)
    for seed in range(40):
        session = Session(problem, oracle, seed, LabelMaps(problem.pseudo.labels, 2**20))
        first, second = (
            session.answer(session.question("correction", (1, 3, 0, column), pixels, number), pixels)
            for number, column in ((0, 0), (5, 1))
        )
        assert first == second
        slips.append(first.actions != ("confirm",))
    assert 8 < sum(slips) < 32
