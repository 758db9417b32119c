"""An audit: pixels drawn from strata, the estimate from their answers, and the command with both kinds of annotator."""

import json

import numpy as np
import pytest
from served import Served

from bench import metrics, registry, seeds
from bench.annotate.audit import Strata, allocation, estimate, estimate_simply, is_near_outline
from bench.types import VOID

DATA = ("--dataset", "shapes[train=12,val=1,size=64]")


@pytest.fixture(scope="module")
def labels():
    """Eight label maps of three classes, none of them class 1, and a truth of which a tenth of the pixels differs."""
    rng = np.random.default_rng(0)
    maps = [np.repeat(np.repeat(rng.choice([0, 2, VOID], (4, 5)), 8, 0), 8, 1).astype(np.uint8) for _ in range(8)]
    wrong = [rng.random(one.shape) < 0.1 for one in maps]
    return maps, [np.where(there, rng.integers(0, 3, there.shape), one) for there, one in zip(wrong, maps, strict=True)]


@pytest.fixture(scope="module")
def strata(labels):
    return Strata.of(lambda i: labels[0][i], lambda i: np.full((32, 40), i % 2), 8, 3, 2)


def test_near_an_outline_is_within_a_share_of_the_image():
    labels = np.zeros((200, 200), np.uint8)
    labels[:, 100:] = 1
    assert np.flatnonzero(is_near_outline(labels)[7]).tolist() == [98, 99, 100, 101]


def test_pixels_are_drawn_from_their_strata(labels, strata):
    assert strata.weight.sum() == 8 * 32 * 40
    assert allocation(strata, 50).sum() == 50 and not allocation(strata, 50)[strata.weight == 0].any()
    drawn = strata.draw(50, 3)
    for (image, stratum, _), pixel in zip(drawn.tolist(), strata.locate(drawn).tolist(), strict=True):
        label = labels[0][image].ravel()[pixel]
        assert strata.label[stratum] == min(label, 3) and strata.kind[stratum] % 2 == image % 2
    assert len(set(map(tuple, drawn.tolist())) - set(map(tuple, strata.draw(200, 3).tolist()))) <= 5
    assert not np.array_equal(drawn, strata.draw(50, 4))


def test_many_answers_give_the_measures_of_the_confusion(labels, strata):
    matrix = sum(metrics.confusion(truth, known, 3) for known, truth in zip(*labels, strict=True))
    for by, drawn in (
        (lambda strata, counts, rng: estimate(strata, counts), strata.draw(20_000, 0)),
        (estimate_simply, strata.draw_simply(20_000, 0)),
    ):
        true = [labels[1][i].ravel()[p] for i, p in zip(drawn[:, 0], strata.locate(drawn), strict=True)]
        found = by(strata, strata.counts(drawn[:, 1], np.array(true, int)), seeds.generator(0, "test"))
        assert found.miou.mean == pytest.approx(metrics.miou(matrix), abs=0.01)
        assert found.accuracy.mean == pytest.approx(metrics.accuracy(matrix), abs=0.01)
        assert found.accuracy.low < found.accuracy.mean < found.accuracy.high


def test_what_nobody_can_tell_counts_for_nothing_and_an_absent_class_is_left_out(strata):
    counts = strata.counts(np.array([0, 0, 5]), np.array([-1, VOID, 2]))
    assert counts.sum() == 2 and counts[0, 3] == 1
    assert strata.present(counts).tolist() == [True, False, True, True]
    assert strata.present(strata.counts(np.array([0]), np.array([1])))[1]


@pytest.mark.slow
def test_intervals_hold_the_truth_and_are_narrower_than_those_of_a_simple_sample(alc, tmp_path):
    done = alc("audit", *DATA, "--oracle", "perfect", "--samples", 40, "--out", tmp_path, "--json")
    assert done.code == 0, done.err
    stratified, simple = (one for one in json.loads(done.out)["found"] if one["measure"] == "miou")
    assert stratified["covered"] >= 0.85 and stratified["rmse"] < simple["rmse"] * 3 / 4
    shown = alc("audit", *DATA, "--oracle", "noisy", "--samples", 2, "--out", tmp_path)
    assert shown.code == 0 and "mIoU, stratified" in shown.out


@pytest.mark.slow
def test_a_script_answers_and_the_estimate_is_that_of_its_answers(tmp_path):
    data = registry.load("datasets", DATA[1])
    words = ["audit", *DATA, "--questions", "30", "--json", "--out", str(tmp_path / "out")]
    ids = []
    for n in (10, 20):  # the server is killed between the two
        served = Served(words, tmp_path / "cache")
        for _ in range(n):
            question = served.question()
            assert question["id"] not in ids
            ids.append(question["id"])
            true = int(data.truth("train", question["image"])[tuple(question["pixel"])])
            said = {"action": "confirm"} if true == question["shown"] else {"action": "correct", "label": true}
            assert served.client.post("/api/answer", json={"id": ids[-1], **said}).status_code == 200
        if n == 10:
            served.kill()
    assert served.question() == {"done": True}
    out, err = served.process.communicate(timeout=60)
    found = json.loads(out)
    assert served.process.returncode == 0 and found["answers"] == 30, err
    assert 0 < found["miou"]["low"] < found["miou"]["mean"] < found["accuracy"]["mean"] < 1


@pytest.mark.parametrize("words", [["--questions", "3"], ["--samples", "0"], ["--strategy", "coreset"]])
def test_what_cannot_be_done_is_said(alc, words):
    done = alc("audit", *DATA, *words)
    assert done.code == 2 and len(done.err.splitlines()) == 1, done.err
