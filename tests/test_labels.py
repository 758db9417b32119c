"""The current label maps: on disk or in memory they are the same, and what is not needed is not written."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from bench import correction, metrics
from bench.experiment.labels import LabelMaps, LabelQuality
from bench.types import Answer

SIDE, N_CLASSES, N_IMAGES = 8, 3, 6
BYTES = SIDE * SIDE  # of a map


def maps(folder, memory_bytes):
    rng = np.random.default_rng(0)
    start = rng.integers(0, N_CLASSES, (N_IMAGES, SIDE, SIDE), np.uint8)
    truth = rng.integers(0, N_CLASSES, (N_IMAGES, SIDE, SIDE), np.uint8)
    return LabelMaps(start.__getitem__, folder, memory_bytes), start.copy(), truth


write = st.tuples(
    st.integers(0, N_IMAGES - 1), st.integers(0, BYTES - 1), st.lists(st.sampled_from([0, 1, 2, 255]), max_size=2)
)


@settings(deadline=None, max_examples=30)
@given(st.lists(write, max_size=40), st.integers(0, 3))
def test_maps_on_disk_are_those_in_memory(tmp_path_factory, writes, n_held):
    found, expected, truth = maps(tmp_path_factory.mktemp("scratch"), n_held * BYTES)
    pairs = zip(truth, expected, strict=True)
    quality = LabelQuality(truth.__getitem__, np.array([metrics.confusion(t, e, N_CLASSES) for t, e in pairs]))
    for image, first, labels in writes:
        pixels = np.arange(first, min(first + 10, BYTES))
        answer = Answer(tuple(labels), ("classify",))
        flat = expected[image].ravel()
        flat[pixels] = correction.corrected(flat[pixels], answer)
        quality.count(image, pixels, *found.write(image, pixels, answer))
    for i in range(N_IMAGES):
        np.testing.assert_array_equal(found(i), expected[i])
    for matrix, t, e in zip(quality.by_image, truth, expected, strict=True):
        np.testing.assert_array_equal(matrix, metrics.confusion(t, e, N_CLASSES))


def test_only_changed_maps_are_written_and_only_when_they_changed_again(tmp_path, monkeypatch):
    saved, save = [], Image.Image.save
    monkeypatch.setattr(Image.Image, "save", lambda self, *a, **k: saved.append(1) or save(self, *a, **k))
    found, *_ = maps(tmp_path / "scratch", BYTES)
    for image in range(N_IMAGES):
        found(image)
    assert saved == []
    for image in (0, 1, 2):
        found.write(image, np.arange(BYTES), Answer((1,), ("correct",)))
    assert len(saved) == 2  # the last one is in memory
    for _ in range(3):
        for image in (0, 1, 2):
            assert (found(image) == 1).all()
    assert len(saved) == 3  # reading writes nothing again
    found.clear()
    assert not (tmp_path / "scratch").exists()


def test_an_answer_that_writes_nothing_leaves_the_map_that_it_began_with(tmp_path):
    found, start, _ = maps(tmp_path / "scratch", BYTES)
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
