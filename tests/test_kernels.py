"""The acquisition kernels against their plain-loop specification, hand-computed values and their own promises."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.kernels import COLUMNS, IMPLEMENTATIONS, superpixel_statistics
from bench.types import VOID, InputError

ALL = tuple(COLUMNS)
FAST = [name for name in IMPLEMENTATIONS if name not in ("reference", "gpu")]
EXACT = ("superpixel", "size", "agree_count", "dominant", "prediction_histogram", "label_histogram")


def scene(seed, n_classes, height, width, n_superpixels, zoom=1, sharpness=2.0):
    """Random logits (C, h, w), labels with 255 among them, and blocky superpixels with gaps in their ids and some 0."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, (n_classes, -(-height // zoom), -(-width // zoom))).astype(np.float32)
    labels = rng.choice(np.r_[np.arange(n_classes), VOID], (height, width)).astype(np.uint8)
    ids = np.unique(rng.integers(1, 2**31 - 1, n_superpixels))
    grid = np.r_[0, ids][rng.integers(0, len(ids) + 1, (-(-height // 3), -(-width // 5)))]
    superpixels = np.kron(grid, np.ones((3, 5), np.int64))[:height, :width].astype(np.int32)
    return torch.from_numpy(logits), labels, superpixels


def assert_agree(table, expected, scores_at):
    """Exact counts; sums within 1e-5, or within a float32 rounding of a probability for every pixel; pixels equal or tied."""
    same = (table["row"] == expected["row"]) & (table["column"] == expected["column"])
    for i in np.flatnonzero(~same):
        mean = expected["dominant_probability_sum"][i]
        cosines = [
            p @ mean / np.linalg.norm(p) / np.linalg.norm(mean) for p in (scores_at(t, i) for t in (table, expected))
        ]
        assert cosines[0] == pytest.approx(cosines[1], rel=2e-6)
    for name in EXACT:
        np.testing.assert_array_equal(table[name], expected[name], err_msg=name)
    np.testing.assert_array_equal(table["label"][same], expected["label"][same])
    for name in set(ALL) - set(EXACT):
        rows = same if name in ("cil", "sim", "representative_probability") else slice(None)
        size = expected["size"].reshape(-1, *[1] * (expected[name].ndim - 1))
        error = np.abs(table[name] - expected[name])[rows]
        allowed = (1e-5 * np.abs(expected[name]) + 1e-6 * (size if "sum" in name or "cil_" in name else 1))[rows]
        assert (error <= allowed).all(), f"{name}: {(error / allowed).max():.2f} of the tolerance"


@pytest.mark.parametrize("implementation", FAST)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.integers(1, 24),
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    n_superpixels=st.integers(1, 12),
    from_logits=st.booleans(),
    align_corners=st.booleans(),
    zoom=st.integers(1, 5),
)
@settings(deadline=None, max_examples=40)
def test_agrees_with_the_reference(
    implementation, seed, n_classes, height, width, n_superpixels, from_logits, align_corners, zoom
):
    scores, labels, superpixels = scene(seed, n_classes, height, width, n_superpixels, zoom if from_logits else 1)
    options = {"logits": from_logits, "align_corners": align_corners}
    if not from_logits:
        scores = scores.softmax(0)
    expected = superpixel_statistics(scores, labels, superpixels, ALL, **options, implementation="reference")
    table = superpixel_statistics(scores, labels, superpixels, ALL, **options, implementation=implementation)
    full = scores
    if from_logits:
        full = torch.nn.functional.interpolate(scores[None], labels.shape, mode="bilinear", align_corners=align_corners)
        full = full[0].softmax(0)
    assert_agree(table, expected, lambda t, i: full[:, t["row"][i], t["column"][i]].double().numpy())
