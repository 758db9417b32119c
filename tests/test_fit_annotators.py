"""Two people's label maps: distances by hand, a width that is found again, the real ones."""

import fit_annotators
import numpy as np
import pytest
from trees import save

from bench import seeds
from bench.types import InputError

pytestmark = pytest.mark.slow


def write(folder, first, second):
    for i, pair in enumerate(zip(first, second, strict=True)):
        for who, labels in zip("ab", pair, strict=True):
            save(folder / f"{i:02d}_{who}.png", labels)
    return fit_annotators.pairs(str(folder / "*_a.png"), str(folder / "*_b.png"))


def test_distances_and_differences_by_hand(tmp_path):
    first = np.array([[0, 0, 0, 1, 1]], np.uint8)
    second = np.array([[0, 0, 1, 1, 1]], np.uint8)
    found = fit_annotators.profile(write(tmp_path, [first], [second])).set_index("distance_px")
    # distances 3 2 1 1 2 in the first, 2 1 1 2 3 in the second; the middle pixel differs, at distance 1 in both
    assert found.pixels[:4].tolist() == [4, 4, 2, 0] and found.differing[:4].tolist() == [2, 0, 0, 0]


def test_the_width_and_rate_that_people_erred_with_are_found_again(tmp_path):
    """Two people who err within 3 px of the true outline in a quarter of the pixels."""
    rng = seeds.generator(0, "people")
    row = np.arange(64)
    truth = np.broadcast_to((row[:, None] >= 32).astype(np.uint8), (64, 64))
    near = np.broadcast_to(((row >= 29) & (row < 35))[:, None], truth.shape)
    maps = [np.where(near & (rng.random(truth.shape) < 0.25), 1 - truth, truth) for _ in range(8)]
    first = [truth.copy()] * 8
    fit = fit_annotators.fit(fit_annotators.profile(write(tmp_path, first, maps)))
    assert 3 <= fit.width_px <= 6 and fit.far == 0
    assert fit.disagree == pytest.approx(np.mean([m != truth for m in maps]))
    assert 2 * fit.rate * (1 - fit.rate) == pytest.approx(fit.near)


def test_void_is_left_out_and_masks_may_have_any_two_values(tmp_path):
    first = np.array([[0, 0, 1, 1, 2, 255]], np.uint8)
    second = np.array([[0, 0, 1, 1, 2, 2]], np.uint8)
    found = fit_annotators.profile(write(tmp_path / "void", [first], [second]))
    assert found.pixels.sum() == 10 and found.differing.sum() == 0
    with pytest.raises(InputError, match="are equal"):
        fit_annotators.fit(found)
    masks = fit_annotators.profile(write(tmp_path / "masks", [first[:, :4] * 255], [second[:, :4] * 40]))
    assert masks.differing.sum() == 0


def test_what_does_not_fit_is_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="finds 0 files"):
        fit_annotators.pairs(str(tmp_path / "*.png"), str(tmp_path / "*.png"))
    with pytest.raises(InputError, match="equal in size"):
        fit_annotators.profile(write(tmp_path, [np.eye(3, dtype=np.uint8)], [np.eye(4, dtype=np.uint8)]))


def test_the_figure_in_the_docs_is_that_of_two_real_people(real_data, tmp_path, capsys):
    folder = real_data / "observers" / "chase-db1"
    patterns = [f"{folder}/*_1stHO.png", f"{folder}/*_2ndHO.png"]
    assert fit_annotators.main([*patterns, "--out", str(tmp_path / "people.csv")]) == 0
    said = capsys.readouterr().out
    assert "28 images, two people each" in said and "boundary[width_px=2,rate=0.14]" in said
