"""Superpixel makers: one interface, and one way to give a foundation other superpixels."""

import numpy as np
import pytest

from bench import registry
from bench.commands import quality
from bench.datasets.shapes import Shapes
from bench.foundation.pseudo import cache_key, pseudo_labels
from bench.foundation.recut import Recut
from bench.foundation.simulated import Simulated
from bench.foundation.superpixels import fill
from bench.types import InputError

pytestmark = pytest.mark.slow

CLASSICAL = ("grid", "slic", "felzenszwalb", "watershed")
DATASET = Shapes(train=3, size=64)


@pytest.mark.parametrize("name", CLASSICAL)
def test_the_classical_ones_cover_the_image_with_about_n(name):
    maker = registry.load("superpixels", f"{name}[n=40]")
    for image in DATASET.names("train"):
        found = maker.segment(DATASET, image)
        assert found.dtype == np.int32 and found.shape == (64, 64) and found.min() >= 1
        assert 4 <= len(np.unique(found)) <= 60
        assert (found == maker.segment(DATASET, image)).all()
    with pytest.raises(InputError, match=f"{name}: n must be"):
        registry.load("superpixels", f"{name}[n=0]")


def test_grid_makes_equal_squares_from_sizes_alone():
    class Wide(Shapes):
        def size(self, split, name):
            return 40, 80

    found = registry.load("superpixels", "grid[n=50]").segment(Wide(), "00000")
    assert found.shape == (40, 80) and (np.bincount(found.ravel())[1:] == 64).all()
    assert registry.load("superpixels", "grid[n=9999]").segment(Wide(), "00000").max() <= 40 * 80


def test_true_objects_are_leaky_and_reach_the_truth(tmp_path):
    assert registry.load("superpixels", "truth_objects").leaky
    recut = Recut("simulated", "truth_objects")
    found = quality.measure(DATASET, pseudo_labels(recut, DATASET, tmp_path))
    assert found["ceiling_miou"] == 1 and found["covered"] == 1 and recut.leaky


def test_filling_keeps_what_is_there_and_adds_new_ids():
    superpixels = np.array([[0, 4, 4], [0, 0, 1]], np.int32)
    areas = np.array([[1, 1, 2], [2, 0, 2]], np.int32)
    assert fill(superpixels, areas).tolist() == [[5, 4, 4], [6, 0, 1]]


def test_recut_keeps_the_labels_and_replaces_or_adds_superpixels():
    maker = registry.load("superpixels", "grid[n=16]")
    before = list(Simulated().generate(DATASET))
    for where in ("all", "uncovered"):
        made = Recut("simulated", "grid[n=16]", where).generate(DATASET)
        for (name, labels, superpixels), (_, same, now) in zip(before, made, strict=True):
            assert (labels == same).all()
            inside = superpixels > 0
            if where == "all":
                assert (now == maker.segment(DATASET, name)).all()
            else:
                assert (now[inside] == superpixels[inside]).all() and (now > 0).all()
    with pytest.raises(InputError, match="recut: where must be"):
        Recut("simulated", where="some")
    with pytest.raises(InputError, match="did you mean 'slic'"):
        Recut("simulated", "slik")


def test_a_recut_of_files_keeps_them_and_lies_in_the_cache(tmp_path):
    made = pseudo_labels(Simulated(), DATASET, tmp_path / "made")
    recut = registry.load("foundations", f"recut[of=files[root={made.folder}],superpixels=slic[n=20,compactness=5]]")
    again = pseudo_labels(recut, DATASET, tmp_path / "cache")
    assert again.folder != made.folder and (again.labels(0) == made.labels(0)).all() and not recut.leaky


def test_a_recut_inherits_what_it_is_made_from_and_is_keyed_by_it():
    assert Recut("weak[n=2]").trains and Recut("simulated").leaky
    specs = ("simulated", "grid"), ("simulated[seed=1]", "grid"), ("simulated", "grid[n=7]"), ("simulated", "slic")
    assert len({cache_key(Recut(*spec), DATASET) for spec in specs}) == 4
    assert cache_key(Recut("simulated", "grid"), DATASET) == cache_key(Recut("simulated", "grid"), DATASET)
