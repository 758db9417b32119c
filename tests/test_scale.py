"""Memory is bounded: label maps, truths and candidates hold no more than they are told to, and lose nothing."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from problems import read, setup_of

from bench import correction, metrics
from bench.cache import Cache
from bench.experiment import candidates
from bench.experiment.acquire import ranges_of_images
from bench.experiment.cell import Cell, run_cell
from bench.experiment.grid import Grid
from bench.experiment.labels import LabelMaps, LabelQuality
from bench.experiment.round0 import Round0
from bench.experiment.workers import local
from bench.types import Answer, InputError

SIDE, N_CLASSES, N_IMAGES = 8, 3, 6
BYTES = SIDE * SIDE  # of a map


def test_the_least_recently_used_goes_first_and_is_handed_over():
    left = []
    memory = Cache(3 * BYTES, lambda key, array: left.append((key, int(array[0]))))
    for key in range(3):
        memory.put(key, np.full(BYTES, key, np.uint8))
    memory.get(0, lambda: pytest.fail("it is there"))
    memory.put(3, np.full(BYTES, 3, np.uint8))
    assert left == [(1, 1)]
    assert memory.get(1, lambda: np.full(BYTES, 9, np.uint8))[0] == 9
    assert left == [(1, 1), (2, 2)]


def test_a_replaced_array_counts_once_and_the_newest_always_stays():
    left = []
    memory = Cache(2 * BYTES, lambda key, array: left.append(key))
    for _ in range(5):
        memory.put("a", np.zeros(BYTES, np.uint8))
    memory.put("b", np.zeros(BYTES, np.uint8))
    assert left == []
    memory.put("c", np.zeros(100 * BYTES, np.uint8))
    assert left == ["a", "b"] and len(memory.get("c", lambda: pytest.fail("it is there"))) == 100 * BYTES


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


def test_a_cell_whose_maps_lie_on_disk_gives_the_same_results(tmp_path):
    problem, files = read(setup_of(rounds=3, cache=str(tmp_path))), []
    round0 = Round0(problem.label_only, None, None, {})
    for name, memory_bytes in (("memory", 2**20), ("disk", 1)):
        folder = tmp_path / name
        run_cell(problem, None, Cell("area", "perfect", 0), round0, folder, memory_bytes=memory_bytes)
        files.append((folder / "queries.csv").read_bytes() + (folder / "classes.csv").read_bytes())
        assert not (folder / "scratch").exists()
    assert files[0] == files[1]


def test_a_small_first_image_does_not_make_large_ones_come_together():
    sizes = [1, 2**19, 2**19, 2**21, 2**20, 5, 5]
    ranges = list(ranges_of_images(lambda i: np.empty(sizes[i], np.uint8), len(sizes)))
    assert ranges == [range(0, 3), range(3, 4), range(4, 5), range(5, 7)]


def test_gathering_is_concatenating():
    rng = np.random.default_rng(0)
    lengths = [3, 0, 1, 40, 2]
    tables = [{"superpixel": np.arange(n), "sums": rng.random((n, 2)), "label": np.zeros(n, np.uint8)} for n in lengths]
    base = {name: np.int32 for name in ("row", "column", "size")}
    tables = [t | {name: np.arange(len(t["label"]), dtype=kind) for name, kind in base.items()} for t in tables]
    found = candidates.gather(iter(tables))
    np.testing.assert_array_equal(found.image, np.repeat(np.arange(5), lengths))
    for name in tables[0]:
        np.testing.assert_array_equal(getattr(found, name), np.concatenate([t[name] for t in tables]))
    with pytest.raises(InputError, match="no superpixel"):
        candidates.gather(iter(tables[1:2]))


def test_the_cells_of_a_seed_wait_for_its_round_0_only(tmp_path):
    """One seed's cells run while another seed has not begun."""
    setup, done = setup_of(rounds=1, cache=str(tmp_path)), []
    cells = Grid(setup, ["area"], ["perfect"], 3, tmp_path / "run")

    with local.here(setup, setup.read(), lambda *_: None) as submit:

        def noted(task, out, what, needs):
            done.append((task.__name__, getattr(what, "seed", what)))
            return submit(task, out, what, needs)

        assert cells.run_on(noted) == []
    assert sorted(done) == [("begin", 0), ("begin", 1), ("begin", 2), ("work", 0), ("work", 1), ("work", 2)]
    assert all(done.index(("begin", seed)) < done.index(("work", seed)) for seed in range(3))
