"""Confusion, IoU, harm and areas against plain loops and numbers by hand; the void rules of both papers."""

import math

import numpy as np
import pytest
import sklearn.metrics
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench import metrics
from bench.types import VOID, InputError

N = 4
shapes = st.tuples(st.integers(1, 5), st.integers(1, 5))
ids = st.sampled_from([*range(N), VOID])


def maps(n):
    return shapes.flatmap(lambda shape: st.tuples(*[arrays(np.uint8, shape, elements=ids)] * n))


def loop_confusion(truth, labels):
    matrix = np.zeros((N, N + 1), int)
    for t, y in zip(truth.ravel().tolist(), labels.ravel().tolist(), strict=True):
        if t != VOID:
            matrix[t, N if y == VOID else y] += 1
    return matrix


def loop_iou(truth, labels, c, void_counts):
    hit = union = 0
    for t, y in zip(truth.ravel().tolist(), labels.ravel().tolist(), strict=True):
        if t == VOID or (y == VOID and not void_counts):
            continue
        hit += t == y == c
        union += c in (t, y)
    return hit / union if union else math.nan


@given(maps(2), st.booleans())
def test_against_a_loop(pair, void_counts):
    truth, labels = pair
    matrix = metrics.confusion(truth, labels, N)
    np.testing.assert_array_equal(matrix, loop_confusion(truth, labels))
    expected = [loop_iou(truth, labels, c, void_counts) for c in range(N)]
    np.testing.assert_allclose(metrics.iou(matrix, void_counts), expected)
    present = [v for v in expected if not math.isnan(v)]
    assert metrics.miou(matrix, void_counts) == pytest.approx(sum(present) / len(present) if present else 0)
    known = truth != VOID
    assert metrics.accuracy(matrix) == pytest.approx((truth == labels)[known].mean() if known.any() else 0)


@given(maps(2))
def test_matrices_add_up(pair):
    """The loop keeps one matrix in step: parts must sum to the whole."""
    truth, labels = (m.ravel() for m in pair)
    parts = sum(metrics.confusion(truth[i : i + 1], labels[i : i + 1], N) for i in range(len(truth)))
    np.testing.assert_array_equal(parts, metrics.confusion(truth, labels, N))


def test_void_rules_by_hand():
    truth = np.array([[0, 0, 1, 1], [1, VOID, VOID, 0]], np.uint8)
    label = np.array([[0, 1, 1, VOID], [VOID, 0, VOID, 0]], np.uint8)
    matrix = metrics.confusion(truth, label, 3)
    assert matrix.tolist() == [[2, 1, 0, 0], [0, 1, 0, 2], [0, 0, 0, 0]]
    # class 0: 2 hits of 3; class 1: 1 hit, union 1 + 1 wrong + 2 void; class 2: nowhere, left out
    np.testing.assert_allclose(metrics.iou(matrix), [2 / 3, 1 / 4, np.nan])
    np.testing.assert_allclose(metrics.iou(matrix, void_counts=False), [2 / 3, 1 / 2, np.nan])
    assert metrics.miou(matrix) == pytest.approx((2 / 3 + 1 / 4) / 2)
    assert metrics.accuracy(matrix) == pytest.approx(3 / 6)


def test_voiding_a_label_is_free_only_under_the_released_rule():
    truth = np.array([[0, 0, 1, 1]], np.uint8)
    wrong, voided = np.array([[0, 0, 1, 0]], np.uint8), np.array([[0, 0, 1, VOID]], np.uint8)
    before, after = (metrics.confusion(truth, m, 2) for m in (wrong, voided))
    assert metrics.miou(after, void_counts=False) == 1
    assert metrics.miou(before) < metrics.miou(after) < 1  # it no longer spoils class 0, it is still a miss of class 1


def test_nothing_known_is_zero_and_not_a_warning():
    empty = metrics.confusion(np.full((2, 2), VOID, np.uint8), np.zeros((2, 2), np.uint8), 2)
    assert empty.sum() == 0
    assert metrics.miou(empty) == metrics.accuracy(empty) == 0


@pytest.mark.parametrize(
    ("truth", "labels", "said"),
    [
        (np.zeros((2, 3)), np.zeros((3, 2)), r"truth is \(2, 3\), labels are \(3, 2\)"),
        (np.full((2, 2), 3), np.zeros((2, 2)), "truth: class id 3 is out of range; ids are 0 to 2, or 255"),
        (np.zeros((2, 2)), np.full((2, 2), 254), "labels: class id 254 is out of range"),
        (np.full((2, 2), VOID), np.full((2, 2), 7), "labels: class id 7"),
    ],
)
def test_ids_and_shapes_are_checked(truth, labels, said):
    with pytest.raises(InputError, match=said):
        metrics.confusion(truth.astype(np.uint8), labels.astype(np.uint8), 3)


def test_detection_by_hand():
    """Four superpixels, two of them wrong; one wrong one is ranked first, the other last."""
    wrong, scores, size = np.array([True, False, False, True]), np.array([4.0, 3.0, 2.0, 1.0]), np.array([1, 1, 2, 4])
    found = metrics.detection(wrong, scores, size)
    assert found["auroc"] == 0.5 and found["auprc"] == pytest.approx((1 + 2 / 4) / 2)
    # by pixels: of the 5 wrong ones 1 is before all 3 right ones, 4 are behind them
    assert found["auroc_px"] == pytest.approx(1 / 5) and found["auprc_px"] == pytest.approx(1 / 5 + 4 / 5 * 5 / 8)
    assert metrics.precision(wrong[:2], size[:2]) == {"precision": 0.5, "precision_px": 0.5}
    assert metrics.precision(wrong[2:], size[2:]) == {"precision": 0.5, "precision_px": pytest.approx(4 / 6)}


def test_a_perfect_ranking_is_a_share_however_its_sum_rounds():
    wrong, size = np.arange(11) >= 2, np.ones(11)
    assert set(metrics.detection(wrong, np.arange(11.0), size).values()) == {1.0}  # scikit-learn: 1.0000000000000002


@pytest.mark.parametrize("wrong", [[True, True], [False, False]])
def test_where_there_is_nothing_to_find_detection_is_empty(wrong):
    assert np.isnan(list(metrics.detection(np.array(wrong), np.zeros(2), np.ones(2)).values())).all()
    assert np.isnan(list(metrics.precision(np.zeros(0, bool), np.zeros(0)).values())).all()


def test_ties_in_the_ranking_count_half_and_minus_infinity_is_last():
    wrong, scores = np.array([True, False, True, False]), np.array([1.0, -np.inf, -np.inf, -np.inf])
    assert metrics.detection(wrong, scores, np.ones(4))["auroc"] == pytest.approx((2 + 2 * 0.5) / 4)


def test_polyps_by_image_by_hand():
    """Audit, row 23. One image half found, one without a polyp in truth and labels, one with a false polyp."""
    images = np.array([[[5, 0, 0], [2, 2, 0]], [[9, 0, 0], [0, 0, 0]], [[8, 1, 0], [0, 0, 0]]])
    assert metrics.polyp_mean(images, 0) == pytest.approx((2 * 2 / 6 + 0) / 2)
    assert metrics.polyp_mean(images, 1) == pytest.approx((2 / 4 + 0) / 2)
    assert np.isnan(metrics.polyp_mean(np.zeros((3, 4, 5)), 0)) and np.isnan(metrics.polyp_mean(images[1:2], 0))


def test_dice_and_iou_by_image_are_columns_of_two_classes_alone():
    """Audit, row 23. One image half found, one without a polyp, one with a false polyp."""
    images = np.array([[[5, 0, 0], [2, 2, 0]], [[9, 0, 0], [0, 0, 0]], [[8, 1, 0], [0, 0, 0]]])
    found = {measure.column: measure.formula for measure in metrics.MEASURES}
    for of in ("data", "model"):
        assert found[f"{of}_dice"](images) == pytest.approx((2 * 2 / 6 + 0) / 2)
        assert found[f"{of}_image_iou"](images) == pytest.approx((2 / 4 + 0) / 2)
        assert np.isnan(found[f"{of}_dice"](np.zeros((3, 4, 5))))


def test_matrices_by_image_without_zeros_are_the_dense_ones():
    rng = np.random.default_rng(0)
    dense = rng.integers(0, 4, (5, 3, 4)) * (rng.random((5, 3, 4)) < 0.3)
    found = metrics.ByImage(3, dense)
    kept = found.copy()
    assert found.shape == dense.shape and found.any() and not metrics.ByImage(3).any()
    np.testing.assert_array_equal(np.asarray(found), dense)
    found[2] = dense[2] = rng.integers(0, 9, (3, 4))
    np.testing.assert_array_equal(np.asarray(found), dense)
    np.testing.assert_array_equal(found.sum(), dense.sum(0))
    assert not np.array_equal(kept.sum(), found.sum())  # a copy is one's own
    assert all(metrics.MEASURES[i].formula(found) == metrics.MEASURES[i].formula(dense) for i in range(3))


@pytest.mark.parametrize("seed", range(6))
def test_detection_is_that_of_scikit_learn_to_the_bit(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 200))
    wrong, size = np.arange(n) < n // 2, rng.integers(1, 5000, n)
    scores = rng.permutation(rng.integers(0, 5, n).astype(float) if seed % 2 else rng.normal(size=n))
    scores[: seed % 3] = -np.inf
    finite = np.clip(scores, -np.finfo(float).max, None)
    of = (sklearn.metrics.roc_auc_score, sklearn.metrics.average_precision_score) * 2
    expected = [one(wrong, finite, sample_weight=w) for one, w in zip(of, (None, None, size, size), strict=True)]
    assert list(metrics.detection(wrong, scores, size).values()) == expected
