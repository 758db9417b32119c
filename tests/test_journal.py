"""What a cell's folder says: what is written reads back, half a round is not there, and the labels come again."""

import numpy as np
import pytest
from problems import by_hand

from bench import costs
from bench.costs.seconds import ASSUMED
from bench.labels import LabelMaps, LabelQuality
from bench.runs import tally
from bench.runs.journal import Journal, answer_of
from bench.types import Answer, InputError, Question

KEYS = {"dataset": "hand", "foundation": "files", "strategy": "area", "oracle": "perfect", "seed": 0}
SHOWN = Question("correction", 0, 1, 0, 0, 2, np.full(4, 2, np.uint8), 0, 3)


@pytest.fixture
def problem(tmp_path):
    return by_hand(tmp_path / "pseudo")


@pytest.fixture
def begun(problem, tmp_path):
    """Round 0 measured; then a question, and a superpixel that a refiner changed."""
    journal = Journal(tmp_path / "cell")
    journal.seconds(0)["fit_s"] = 1.23456
    quality = LabelQuality(problem.truth, problem.measured.confusion)
    journal.add_round(KEYS | {"round": 0}, problem.classes, quality, None, ASSUMED)
    journal.write_round()
    journal.seconds(1)
    journal.add_question(1, "x", SHOWN, Answer((0,), ("correct",)), 1, (0,), (2, 0, 2))
    journal.add_refinement(1, "y", 3, 0, (2, 2, 0))
    journal.add_detection(1, {"auroc": 0.75})
    journal.write_answers()
    return journal


def test_an_empty_folder_is_a_cell_that_has_not_begun(tmp_path):
    journal = Journal(tmp_path)
    assert journal.n_measured == journal.n_asked == 0 and not journal.has_answers(0)


def test_measures_of_a_round_by_hand(begun):
    (row,) = begun.rounds
    assert row["data_miou"] == pytest.approx((0 / 4 + 2 / 5 + 6 / 13) / 3)
    assert row["data_accuracy"] == pytest.approx(8 / 15)
    assert (row["n_queries"], row["cost_clicks"], row["model_miou"]) == (0, 0, None)
    assert [c["data_iou"] for c in begun.classes] == pytest.approx([0, 2 / 5, 6 / 13])


def test_what_is_written_reads_back(begun):
    again = Journal(begun.folder)
    assert again.n_measured == 1 and again.has_answers(1) and not again.has_answers(2)
    assert again.n_asked == 1 and again.queries == begun.queries and again.refined == begun.refined
    assert again.seconds(0)["fit_s"] == 1.235
    assert answer_of(again.queries[0]) == Answer((0,), ("correct",))
    assert (again.refined[0]["refined_px"], again.refined[0]["refined_harmed_px"]) == (4, 2)
    assert again.detected[0]["auroc"] == 0.75 and np.isnan(again.detected[0]["precision"])
    assert len(again.images.data) == 1 and again.images.model is None


def test_answers_count_once_their_last_file_is_there(begun):
    (begun.folder / "running.json").unlink()
    again = Journal(begun.folder)
    assert not again.has_answers(1) and again.queries == again.refined == again.detected == []


def test_the_second_round_prices_its_answers(begun, problem):
    quality = LabelQuality(problem.truth, problem.measured.confusion)
    begun.add_round(KEYS | {"round": 1}, problem.classes, quality, None, ASSUMED)
    row = begun.rounds[1]
    assert (row["n_queries"], row["n_corrected"], row["n_confirmed"], row["n_void"]) == (1, 1, 0, 0)
    assert (row["cost_clicks"], row["cost_bits"], row["cost_s"]) == (1, 2, 5)  # bits: 1 + log2(3 - 1)
    assert (row["corrected_px"], row["harmed_px"], row["rewronged_px"]) == (2, 0, 2)
    assert (row["refined_px"], row["refined_harmed_px"], row["auroc"]) == (4, 2, 0.75)


def test_labels_are_rebuilt_from_answers_and_refinements(begun, problem, tmp_path):
    labels, asked_again = LabelMaps(problem.pseudo.labels, 2**20), []
    again = Journal(begun.folder)
    steps = list(again.play_back(problem.pseudo, labels, lambda row, image, pixels: asked_again.append(image)))
    assert [(s.asked, s.image, s.where.pixels.tolist()) for s in steps] == [
        (True, 0, [0, 1, 4, 5]),
        (False, 1, [0, 1, 2, 3]),
    ]
    assert [s.was.tolist() for s in steps] == [[2] * 4] * 2
    assert asked_again == [0]
    assert labels(0).tolist() == [[0, 0, 1, 1], [0, 0, 1, 1]] and labels(1).tolist() == [[0] * 4, [2] * 4]
    other = LabelMaps(problem.pseudo.labels, 2**20)
    assert [s.image for s in again.play_back(problem.pseudo, other, only={"y"})] == [1]


def test_an_image_that_the_run_did_not_begin_with_is_named(begun, problem, tmp_path):
    begun.queries[0]["image"] = "z"
    with pytest.raises(InputError, match="no train image is called 'z'"):
        list(begun.play_back(problem.pseudo, LabelMaps(problem.pseudo.labels, 2**20)))


def test_sums_are_those_of_all_rows_whenever_they_are_asked_for():
    """A plain-loop twin: every price and outcome anew from all rows."""
    rng = np.random.default_rng(0)
    answers = [("2", "confirm"), ("", "confirm"), ("0", "correct"), ("255", "void"), ("", "give_up")]
    queries = []
    for number in range(60):
        answer, actions = answers[rng.integers(len(answers))]
        px = dict(zip(tally.HARM, rng.integers(0, 9, 3).tolist(), strict=True)) if number % 7 else {}
        told = {"kind": "correction", "answer": answer, "actions": actions, "label_before": 2}
        queries.append(told | {"opinion": 1 + number % 5 // 4} | dict.fromkeys(tally.HARM) | px)
    counted = tally.Tally(19, ASSUMED)
    for n in (0, 1, 30, 30, 60):
        found, rows = counted.upto(queries[:n], []), queries[:n]
        for unit in costs.UNITS.values():
            prices = [costs.price([r["kind"]], [r["actions"]], 19, unit.name, ASSUMED)[0] for r in rows]
            assert found[unit.column] == np.array(prices, float).sum()
        assert found["n_queries"] == n and found["n_superpixels"] == sum(r["opinion"] == 1 for r in rows)
        assert found["n_confirmed"] == sum(r["actions"] == "confirm" for r in rows)
        assert found["n_void"] == sum(r["actions"] in ("void", "give_up") for r in rows)
        assert found["n_corrected"] == sum(r["actions"] == "correct" for r in rows)
        assert all(found[name] == sum(r[name] or 0 for r in rows) for name in tally.HARM)
