"""Regions: ids, sizes and pixels of the superpixels of a map, against comparing every pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.kernels.regions import regions
from bench.types import InputError


@given(
    seed=st.integers(0, 2**32 - 1),
    height=st.integers(1, 12),
    width=st.integers(1, 12),
    largest=st.sampled_from([1, 3, 9, 255, 65535, 2**31 - 1, 2**40]),
    repeat=st.integers(1, 4),
)
@settings(deadline=None, max_examples=80)
def test_regions_are_what_comparing_every_pixel_gives(seed, height, width, largest, repeat):
    rng = np.random.default_rng(seed)
    kinds = np.r_[0, rng.integers(1, largest, 4, endpoint=True)]
    ids = kinds[rng.integers(0, 5, (height, width))].repeat(repeat, 1)
    smallest = next(k for k in (np.uint8, np.uint16, np.int32, np.int64) if ids.max() <= np.iinfo(k).max)
    for superpixels in (ids, ids.astype(smallest), np.asfortranarray(ids)):
        found = regions(superpixels)
        assert found.shape == ids.shape
        assert found.ids.tolist() == np.unique(ids[ids > 0]).tolist() and len(found) == len(found.ids)
        assert found.ids.dtype == found.sizes.dtype == np.int64
        for i, size in zip(found.ids.tolist(), found.sizes.tolist(), strict=True):
            pixels = found.region(i).pixels
            assert pixels.dtype == np.int64 and len(pixels) == size
            assert pixels.tolist() == np.flatnonzero(ids == i).tolist()
        assert found.all_pixels().tolist() == [p for i in found.ids.tolist() for p in found.region(i).pixels.tolist()]
        np.testing.assert_array_equal(found.map(), ids)


def test_runs_by_hand():
    found = regions(np.uint8([[5, 5, 2, 5], [0, 2, 2, 2]]))
    assert found.ids.tolist() == [2, 5] and found.sizes.tolist() == [4, 3] and found.first.tolist() == [0, 2, 4]
    assert found.row.tolist() == [0, 1, 0, 0]
    assert found.column.tolist() == [2, 1, 0, 3]
    assert found.length.tolist() == [1, 3, 2, 1]
    assert found.nbytes == 3 * 4 * 4 + (2 + 2 + 3) * 8


def test_a_map_without_superpixels_and_one_without_pixels():
    for superpixels in (np.zeros((2, 3), np.int32), np.zeros((0, 3), np.uint8), np.zeros((3, 0), np.uint8)):
        found = regions(superpixels)
        assert len(found) == 0 and found.all_pixels().shape == (0,) and found.map().shape == superpixels.shape
        with pytest.raises(InputError, match="no superpixel has the id 1; the image has 0"):
            found.region(1)


@pytest.mark.parametrize("superpixel", [-1, 0, 1, 3, 6])
def test_an_id_that_is_not_there_is_refused(superpixel):
    with pytest.raises(InputError, match=f"no superpixel has the id {superpixel}; the image has 2 superpixels"):
        regions(np.array([[0, 5, 2]])).region(superpixel)


@pytest.mark.parametrize(
    ("superpixels", "message"),
    [
        (np.ones((4, 5), np.int16), r"must be \(H, W\) uint8, uint16, int32, int64 ids, got int16 \(4, 5\)"),
        (np.ones((4, 5)), r"got float64 \(4, 5\)"),
        (np.ones(4, np.int32), r"got int32 \(4,\)"),
        (np.array([[3, -2]]), "0 .outside. or more, got -2"),
    ],
)
def test_maps_that_are_no_superpixels_are_refused(superpixels, message):
    with pytest.raises(InputError, match=message):
        regions(superpixels)


def test_regions_are_frozen():
    found = regions(np.array([[0, 5, 2]]))
    with pytest.raises(ValueError):
        found.ids[0] = 1
    with pytest.raises(AttributeError):
        found.ids = None
