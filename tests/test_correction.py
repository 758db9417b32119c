"""An answer is spread over its superpixel."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bench.labels import corrected
from bench.types import VOID, Answer

ids = st.sampled_from([0, 1, 2, 3, VOID])


@given(arrays(np.uint8, st.integers(0, 20), elements=ids), st.lists(ids, max_size=3, unique=True))
def test_against_a_loop(labels, said):
    before, answer = labels.copy(), Answer(tuple(said), ("classify",))
    after = corrected(labels, answer)
    for was, now in zip(before.tolist(), after.tolist(), strict=True):
        if not said or (len(said) > 1 and was in said):
            assert now == was
        else:
            assert now == (said[0] if len(said) == 1 else VOID)
    np.testing.assert_array_equal(labels, before)  # the old labels are nobody's to change
    assert after.dtype == np.uint8 and after.shape == labels.shape
    np.testing.assert_array_equal(corrected(after, answer), after)


def test_no_labels_is_the_same_array():
    labels = np.zeros(4, np.uint8)
    assert corrected(labels, Answer((), ("confirm",))) is labels


@pytest.mark.parametrize(("said", "expected"), [((2,), [2, 2]), ((VOID,), [VOID, VOID]), ((1, 2), [1, VOID])])
def test_by_hand(said, expected):
    assert corrected(np.array([1, 0], np.uint8), Answer(said, ("classify",))).tolist() == expected
