"""An answer is spread over its superpixel and nowhere else."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench import correction
from bench.types import VOID, Answer

ids = st.sampled_from([0, 1, 2, 3, VOID])


@given(
    arrays(np.uint8, (4, 5), elements=ids),
    st.sets(st.integers(0, 19), min_size=1),
    st.lists(ids, max_size=3, unique=True),
)
def test_against_a_loop(labels, pixels, said):
    before, pixels = labels.copy(), np.array(sorted(pixels))
    after = correction.apply(labels, pixels, Answer(tuple(said), ("classify",)))
    for i, (was, now) in enumerate(zip(before.ravel().tolist(), after.ravel().tolist(), strict=True)):
        if i not in pixels or not said or (len(said) > 1 and was in said):
            assert now == was
        else:
            assert now == (said[0] if len(said) == 1 else VOID)
    np.testing.assert_array_equal(labels, before)  # the old map is nobody's to change
    assert after.dtype == np.uint8 and after.shape == labels.shape
    np.testing.assert_array_equal(correction.apply(after, pixels, Answer(tuple(said), ("classify",))), after)


def test_no_labels_is_the_same_array():
    labels = np.zeros((2, 2), np.uint8)
    assert correction.apply(labels, np.array([0]), Answer((), ("confirm",))) is labels


@pytest.mark.parametrize(("said", "expected"), [((2,), [2, 2, 0]), ((VOID,), [VOID, VOID, 0]), ((1, 2), [1, VOID, 0])])
def test_by_hand(said, expected):
    after = correction.apply(np.array([[1, 0, 0]], np.uint8), np.array([0, 1]), Answer(said, ("classify",)))
    assert after.tolist() == [expected]


def test_read_only_maps_can_be_corrected():
    labels = np.zeros((2, 2), np.uint8)
    labels.flags.writeable = False
    assert correction.apply(labels, np.array([3]), Answer((1,), ("correct",))).tolist() == [[0, 0], [0, 1]]
