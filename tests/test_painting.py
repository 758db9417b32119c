"""Painting: the same as a plain loop over pixels, whatever the masks."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.datasets.painting import paint


def plain(masks, labels, shape, uncovered):
    """Pixel by pixel: the smallest mask that holds it, of equal ones the last."""
    label_map, superpixels = np.zeros(shape, np.uint8), np.zeros(shape, np.int32)
    areas = [int(mask.sum()) for mask in masks]
    for row in range(shape[0]):
        for column in range(shape[1]):
            label_map[row, column], best = uncovered, None
            for k, mask in enumerate(masks):
                if mask[row, column] and (best is None or areas[k] <= areas[best]):
                    best = k
            if best is not None:
                label_map[row, column], superpixels[row, column] = labels[best], best + 1
    return label_map, superpixels


def agree(masks, labels, shape, uncovered):
    found, expected = paint(masks, labels, shape, uncovered), plain(masks, labels, shape, uncovered)
    assert found[0].dtype == np.uint8 and found[1].dtype == np.int32
    assert (found[0] == expected[0]).all() and (found[1] == expected[1]).all()
    return found


@st.composite
def boxes_of(draw):
    """Overlapping boxes and scattered masks, some empty, some equal."""
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 9))
    masks = []
    for _ in range(draw(st.integers(0, 12))):
        mask = np.zeros(shape, bool)
        top, left = draw(st.integers(0, shape[0])), draw(st.integers(0, shape[1]))
        mask[top : top + draw(st.integers(0, 6)), left : left + draw(st.integers(0, 6))] = True
        if draw(st.booleans()):
            mask &= np.random.default_rng(draw(st.integers(0, 99))).random(shape) < 0.7
        masks.append(mask)
    labels = draw(st.lists(st.integers(0, 20), min_size=len(masks), max_size=len(masks)))
    return masks, labels, shape, draw(st.sampled_from([0, 255]))


@settings(deadline=None, max_examples=150)
@given(boxes_of())
def test_as_the_plain_loop(case):
    agree(*case)


def test_300_boxes_keep_ids_beyond_8_bit():
    rng = np.random.default_rng(0)
    masks = np.zeros((300, 24, 30), bool)
    for mask in masks:
        top, left, height, width = rng.integers(0, 20), rng.integers(0, 26), rng.integers(1, 5), rng.integers(1, 5)
        mask[top : top + height, left : left + width] = True
    _, superpixels = agree(masks, rng.integers(0, 21, 300), (24, 30), 0)
    assert superpixels.max() > 255


@pytest.mark.parametrize("uncovered", [0, 255])
def test_no_boxes_leave_the_image_uncovered(uncovered):
    labels, superpixels = agree([], [], (4, 5), uncovered)
    assert (labels == uncovered).all() and (superpixels == 0).all()


def test_a_covered_mask_vanishes_and_leaves_a_gap():
    mask = np.ones((3, 3), bool)
    half = mask.copy()
    half[:, 2] = False
    rest = ~half
    labels, superpixels = agree([half, mask, rest], [1, 2, 3], (3, 3), 0)
    assert set(superpixels.ravel()) == {1, 3} and (labels == [1, 1, 3]).all()
    _, superpixels = agree([mask, mask], [1, 2], (3, 3), 0)
    assert (superpixels == 2).all()
