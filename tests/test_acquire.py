"""From a model to the pool: images in small batches give what one image after another gives."""

import numpy as np
import pytest
from problems import Nearest, by_hand

from bench import kernels
from bench.experiment import acquire
from bench.experiment.acquire import acquire_table, ranges_of_images
from bench.kernels.statistics import trips

NEEDS = ("entropy_sum", "label_histogram", "confident_count")


def test_a_small_first_image_does_not_make_large_ones_come_together():
    sizes = [1, 2**19, 2**19, 2**21, 2**20, 5, 5]
    ranges = list(ranges_of_images(lambda i: np.empty(sizes[i], np.uint8), len(sizes)))
    assert ranges == [range(0, 3), range(3, 4), range(4, 5), range(5, 7)]


def test_a_table_is_the_statistics_of_each_image_with_its_number(tmp_path):
    problem = by_hand(tmp_path, learner=Nearest(3))
    learner = Nearest(3)
    model = learner.fit(problem.samples(problem.truth), 0, tmp_path)
    table, seconds = acquire_table(problem, learner, model, problem.pseudo.labels, NEEDS)
    assert set(seconds) == {"predict_s", "acquire_s"} and min(seconds.values()) > 0
    assert table.image.tolist() == [0, 0, 1] and table.superpixel.tolist() == [1, 2, 3]
    assert table.label_histogram.tolist() == [[0, 0, 4, 0], [0, 3, 0, 0], [0, 0, 4, 0]]
    first, second = trips(NEEDS)
    predictions = [p.logits for p in learner.predict(model, map(problem.image, range(2)))]
    maps = [list(map(f, range(2))) for f in (problem.pseudo.labels, problem.pseudo.regions)]
    pooled = kernels.superpixel_statistics(predictions, *maps, first, logits=True)
    limits = kernels.thresholds(pooled)
    again = kernels.superpixel_statistics(predictions, *maps, second, logits=True, thresholds=limits)
    assert table.entropy_sum == pytest.approx(pooled["entropy_sum"])
    np.testing.assert_array_equal(table.confident_count, again["confident_count"])


@pytest.mark.parametrize(("kept_bytes", "n_predictions"), [(10**6, 2), (1, 4), (100, 4)])
def test_a_second_trip_predicts_again_only_what_does_not_fit(tmp_path, monkeypatch, kept_bytes, n_predictions):
    """An image's logits are 96 bytes: 100 hold the first of the two, which is then let go."""
    problem, learner = by_hand(tmp_path, learner=Nearest(3)), Nearest(3)
    model = learner.fit(problem.samples(problem.truth), 0, tmp_path)
    expected, _ = acquire_table(problem, learner, model, problem.pseudo.labels, NEEDS)
    predict, seen = learner.predict, []
    monkeypatch.setattr(learner, "predict", lambda *of: (seen.append(p) or p for p in predict(*of)))
    monkeypatch.setattr(acquire, "KEPT_BYTES", kept_bytes)
    table, _ = acquire_table(problem, learner, model, problem.pseudo.labels, NEEDS)
    assert seen[0].logits.nbytes == 96 and len(seen) == n_predictions
    np.testing.assert_array_equal(table.confident_count, expected.confident_count)
