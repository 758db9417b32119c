"""The data of a run, read: what the pseudo labels are worth, superpixel by superpixel, and where each of them lies."""

import re

import numpy as np
import pytest
from problems import Hand, Nearest, by_hand

from bench import registry
from bench.costs.seconds import ASSUMED
from bench.experiment.fits import fit
from bench.experiment.problem import Setup, evaluate
from bench.experiment.settings import Settings
from bench.foundation.files import Files
from bench.types import InputError


def test_what_the_labels_are_worth_by_hand(tmp_path):
    measured = by_hand(tmp_path).measured
    assert np.asarray(measured.confusion).tolist() == [
        [[0, 0, 2, 0], [0, 2, 2, 0], [0, 1, 0, 0]],
        [[0, 0, 2, 0], [0, 0, 0, 0], [0, 0, 6, 0]],
    ]
    assert measured.true.tolist() == [0, 1, 0]  # the ties of the first and the last go to the lowest class
    assert measured.shown.tolist() == [2, 1, 2]


def test_superpixels_have_places_in_the_pool(tmp_path):
    problem = by_hand(tmp_path)
    assert problem.first.tolist() == [0, 2]
    assert [problem.place(*of) for of in ((0, 1), (0, 2), (1, 3))] == [0, 1, 2]
    with pytest.raises(InputError, match="no superpixel has the id 3"):
        problem.place(0, 3)
    assert problem.label_only.superpixel.tolist() == [1, 2, 3] and problem.label_only.label.tolist() == [2, 1, 2]


def test_samples_are_read_when_asked_for_and_as_often_as_wanted(tmp_path):
    problem, read = by_hand(tmp_path), []
    samples = problem.samples(lambda i: read.append(i) or problem.truth(i))
    assert len(samples) == 2 and read == []
    assert [labels.tolist() for _, labels in samples] == [Hand.truths["x"].tolist(), Hand.truths["y"].tolist()]
    assert samples[1][0].tolist() == problem.image(1).tolist() and read == [0, 1, 1]
    assert problem.images is problem.images is problem.samples(problem.truth).images  # learners keep what they saw
    assert [image.tolist() for image in problem.val_images] == [Hand().image("val", "x").tolist()]


def test_a_learner_is_trained_on_train_and_measured_on_val(tmp_path):
    problem, learner, steps = by_hand(tmp_path / "p", learner=Nearest(3)), Nearest(3), []
    step = lambda *of: steps.append(of)  # noqa: E731
    model, _ = fit(problem, learner, problem.truth, 0, 1, tmp_path / "logs", None, step)
    assert steps == [("fit", 1)]
    assert evaluate(problem, learner, model).tolist() == [[[2, 0, 0, 0], [0, 4, 0, 0], [0, 0, 1, 0]]]


def test_a_protocol_changes_with_the_files_and_not_with_where_they_lie(tmp_path):
    def protocol(folder):
        settings = Settings("hand", foundation="files", model="none", cache=str(folder))
        return Setup(settings, Hand(), Files(folder), None, None, ASSUMED).protocol()

    for name in ("a", "b"):
        by_hand(tmp_path / name)
    assert protocol(tmp_path / "a") == protocol(tmp_path / "b")
    (tmp_path / "b" / "obj_jpg" / "x.png").write_bytes(b"other")
    assert protocol(tmp_path / "a")["files"] != protocol(tmp_path / "b")["files"]


def test_the_same_labels_in_two_places_are_one_foundation(tmp_path, monkeypatch):
    by_hand(tmp_path / "labels")
    monkeypatch.chdir(tmp_path)
    setups = []
    for root in ("labels", tmp_path / "labels"):
        spec = f"recut[of=files[root={root}],cut=labels]"
        settings = Settings("hand", foundation=spec, model="none")
        setups.append(Setup(settings, Hand(), registry.load("foundations", spec), None, None, ASSUMED))
    one, other = setups
    assert one.called == other.called and one.protocol() == other.protocol()
    assert re.fullmatch(r"recut\[of=files\[content=[0-9a-f]{8}\],cut=labels\]", one.called["foundation"])
    (tmp_path / "labels" / "mask_jpg" / "y.png").write_bytes(b"other")
    changed = Setup(one.settings, Hand(), registry.load("foundations", spec), None, None, ASSUMED)
    assert changed.called != one.called


def test_a_dataset_without_a_foundation_of_its_own_asks_for_one(monkeypatch):
    monkeypatch.setattr("bench.registry.load", lambda kind, spec, **_: Hand())
    with pytest.raises(InputError, match="--foundation is needed for the dataset 'hand'"):
        Setup.of(Settings("hand", model="none"), check=False)


def test_a_truth_that_took_another_shape_is_refused(tmp_path, monkeypatch):
    problem = by_hand(tmp_path)
    monkeypatch.setattr(Hand, "truths", {name: np.zeros((1, 4), np.uint8) for name in "xy"})
    with pytest.raises(InputError, match="truth of y has 1 × 4 px, its label map 2 × 4 px"):
        problem.truth(1)


def test_maps_without_a_superpixel_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(Hand, "superpixels", {name: np.zeros((2, 4), np.uint8) for name in "xy"})
    with pytest.raises(InputError, match="no superpixel to ask about"):
        by_hand(tmp_path)
