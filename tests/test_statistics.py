"""The catalogue of statistics: names, what each reads, and in which trip over the predictions it is computed."""

import numpy as np
import pytest

from bench import kernels
from bench.kernels.statistics import PASSES, QUALITY_BINS, STATISTICS, reads, statistic, trips
from bench.types import InputError


def test_every_name_says_what_it_is():
    for name, found in STATISTICS.items():
        assert statistic(name) is found and found.name == name and found.formula
        assert found.reads <= {"image", "features", "passes", "thresholds", "truth"}
        assert not (found.fused and found.reads)
        assert len(found.shape(5, 8)) == (found.width != "")
    assert len(set(PASSES)) == 6


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("entropy_sum", ()),
        ("probability_sum", (7,)),
        ("label_histogram", (8,)),
        ("truth_totals", (21,)),
        ("feature", (512,)),
        ("quality_histogram", (2 * QUALITY_BINS,)),
    ],
)
def test_the_shape_of_a_row(name, shape):
    assert statistic(name).shape(n_classes=7, depth=512) == shape


def test_parameters_belong_to_the_name():
    assert statistic("impurity_entropy_sum[window=3]") is STATISTICS["impurity_entropy_sum"]
    with pytest.raises(InputError, match="'sim' takes no parameters"):
        statistic("sim[window=3]")


@pytest.mark.parametrize("name", ["entropy_sun", "entropy_sun[window=3]"])
def test_an_unknown_name_is_refused_with_a_suggestion(name):
    for ask in (statistic, lambda n: reads([n]), lambda n: trips([n])):
        with pytest.raises(InputError, match="unknown statistic 'entropy_sun'; did you mean 'entropy_sum'"):
            ask(name)


def test_what_names_read_is_the_union_of_what_each_reads():
    assert reads([]) == reads(["sim", "size", "aiou_sum", "tempered_ratio_sum[temperature=2]"]) == set()
    assert reads(["feature", "vote_entropy_sum", "colour_gradient_sum"]) == {"features", "passes", "image"}
    assert reads(["truth_answer", "confident_count", "sim"]) == {"truth", "thresholds"}


def test_what_reads_thresholds_waits_for_a_second_trip():
    assert trips(["sim", "aiou_sum", "sim"]) == (["sim", "aiou_sum"], [])
    first, second = trips(["confident_count", "label_histogram", "sim"])
    assert second == ["confident_count"] and first == ["label_histogram", "sim", "label_probability_sum"]


def test_thresholds_are_means_over_the_pool_and_infinite_without_a_pixel():
    columns = {
        "label_probability_sum": np.array([[3.0, 0, 0], [1.0, 0.5, 0]]),
        "label_histogram": np.array([[4, 0, 0, 9], [4, 1, 0, 9]]),
    }
    assert kernels.thresholds(columns).tolist() == [0.5, 0.5, np.inf]
