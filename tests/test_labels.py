"""The current label maps: held or put together again they are the same, and answers write over whole superpixels."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import metrics
from bench.kernels.pixels import relabel
from bench.labels import LabelMaps, LabelQuality, corrected
from bench.types import VOID, Answer, Region

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
    quality = LabelQuality(
        truth.__getitem__, metrics.ByImage(N_CLASSES, [metrics.confusion(t, e, N_CLASSES) for t, e in pairs])
    )
    for image, first, look, labels in writes:
        pixels = np.arange(first, BYTES, 5)
        where = Region.of(pixels)
        answer = Answer(tuple(labels), ("classify",))
        flat = expected[image].ravel()
        np.testing.assert_array_equal(found.at(image, where), flat[pixels])
        flat[pixels] = corrected(flat[pixels], answer)
        quality.count(image, where, was := found.at(image, where), answer)
        found.write(image, where, was, answer)
        if look:
            np.testing.assert_array_equal(found(image), expected[image])
    for i in range(N_IMAGES):
        np.testing.assert_array_equal(found(i), expected[i])
    for matrix, t, e in zip(quality.by_image, truth, expected, strict=True):
        np.testing.assert_array_equal(matrix, metrics.confusion(t, e, N_CLASSES))


def test_an_answer_that_writes_nothing_leaves_the_map_that_it_began_with():
    found, start, _ = maps()
    found.write(0, Region.of(np.arange(5)), start[0].ravel()[:5], Answer((), ("confirm",)))
    assert found(0).tolist() == start[0].tolist()
    assert found.changed == set()
    found.write(1, Region.of(np.arange(3)), start[1].ravel()[:3], Answer((2,), ("correct",)))
    assert found.changed == {1}
    assert found(1).ravel()[:3].tolist() == [2, 2, 2]
    np.testing.assert_array_equal(found.start(1), start[1])


def test_quality_by_hand():
    truth, before = np.array([[0, 0, 1, 255]], np.uint8), np.array([[0, 1, 0, 0]], np.uint8)
    quality = LabelQuality([truth].__getitem__, metrics.ByImage(2, [metrics.confusion(truth, before, 2)]))
    assert quality.by_image[0].tolist() == [[1, 1, 0], [1, 0, 0]]
    assert quality.count(0, Region.of(np.arange(4)), before.ravel(), Answer((1,), ("correct",))) == (1, 1, 0)
    assert quality.by_image[0].tolist() == [[0, 2, 0], [0, 1, 0]]
    assert quality.touched == {0}


LABELS = [*range(N_CLASSES), VOID]


@given(
    st.lists(st.tuples(*[st.sampled_from(LABELS)] * 2), max_size=30),
    st.lists(st.sampled_from(LABELS), min_size=4, max_size=4),
)
def test_what_becomes_of_labels_against_a_loop(pixels, now):
    """``now``: what each label becomes."""
    truth, was = np.array(pixels, np.uint8).reshape(-1, 2).T.copy()
    after = np.array([now[min(label, N_CLASSES)] for label in was], np.uint8)
    counts = [0, 0, 0]
    for t, old, new in zip(*(m.tolist() for m in (truth, was, after)), strict=True):
        if t != VOID and old != new:
            counts[0 if new == t else 1 if old == t else 2] += 1
    matrix = metrics.confusion(truth, was, N_CLASSES)
    assert relabel(truth, was, np.minimum(now, N_CLASSES), matrix) == tuple(counts)
    np.testing.assert_array_equal(matrix, metrics.confusion(truth, after, N_CLASSES))


@given(st.sets(st.integers(0, 40), min_size=1))
def test_where_a_superpixel_lies(chosen):
    pixels = np.array(sorted(chosen))
    where = Region.of(pixels)
    np.testing.assert_array_equal(where.pixels, pixels)
    assert where.size == len(pixels) and (np.diff(where.start) > where.length[:-1]).all()  # the longest runs
    assert [where.place(pixel) for pixel in pixels.tolist()] == list(range(len(pixels)))
