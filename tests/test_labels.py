"""The current label maps: held or put together again they are the same, and answers write over whole superpixels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import correction, metrics
from bench.experiment.labels import LabelMaps, LabelQuality
from bench.types import Answer

SIDE, N_CLASSES, N_IMAGES = 8, 3, 6
BYTES = SIDE * SIDE  # of a map


def maps(memory_bytes=10**6):
    rng = np.random.default_rng(0)
    start = rng.integers(0, N_CLASSES, (N_IMAGES, SIDE, SIDE), np.uint8)
    truth = rng.integers(0, N_CLASSES, (N_IMAGES, SIDE, SIDE), np.uint8)
    return LabelMaps(start.__getitem__, memory_bytes), start.copy(), truth


write = st.tuples(
    st.integers(0, N_IMAGES - 1),
    st.integers(0, 4),
    st.booleans(),
    st.lists(st.sampled_from([0, 1, 2, 255]), max_size=2),
)


@settings(deadline=None, max_examples=30)
@given(st.lists(write, max_size=40), st.integers(0, 3))
def test_maps_put_together_are_those_written_pixel_by_pixel(writes, n_held):
    """Superpixels of every fifth pixel, read whole after some of the answers and at the end."""
    found, expected, truth = maps(n_held * BYTES)
    pairs = zip(truth, expected, strict=True)
    quality = LabelQuality(truth.__getitem__, np.array([metrics.confusion(t, e, N_CLASSES) for t, e in pairs]))
    for image, first, look, labels in writes:
        pixels = np.arange(first, BYTES, 5)
        answer = Answer(tuple(labels), ("classify",))
        flat = expected[image].ravel()
        np.testing.assert_array_equal(found.at(image, pixels), flat[pixels])
        flat[pixels] = correction.corrected(flat[pixels], answer)
        quality.count(image, pixels, *found.write(image, pixels, answer))
        if look:
            np.testing.assert_array_equal(found(image), expected[image])
    for i in range(N_IMAGES):
        np.testing.assert_array_equal(found(i), expected[i])
    for matrix, t, e in zip(quality.by_image, truth, expected, strict=True):
        np.testing.assert_array_equal(matrix, metrics.confusion(t, e, N_CLASSES))


def test_an_answer_that_writes_nothing_leaves_the_map_that_it_began_with():
    found, start, _ = maps()
    was, now = found.write(0, np.arange(5), Answer((), ("confirm",)))
    assert was.tolist() == now.tolist() == start[0].ravel()[:5].tolist()
    assert found.changed == set()
    found.write(1, np.arange(3), Answer((2,), ("correct",)))
    assert found.changed == {1}
    assert found(1).ravel()[:3].tolist() == [2, 2, 2]
    np.testing.assert_array_equal(found.start(1), start[1])


def test_quality_by_hand():
    truth, before = np.array([[0, 0, 1, 255]], np.uint8), np.array([[0, 1, 0, 0]], np.uint8)
    quality = LabelQuality([truth].__getitem__, np.array([metrics.confusion(truth, before, 2)]))
    assert quality.by_image[0].tolist() == [[1, 1, 0], [1, 0, 0]]
    pixels = np.array([0, 1, 2, 3])
    assert quality.count(0, pixels, before.ravel(), np.array([1, 0, 1, 1], np.uint8)) == (2, 1, 0)
    assert quality.by_image[0].tolist() == [[1, 1, 0], [0, 1, 0]]
    assert quality.touched == {0}
