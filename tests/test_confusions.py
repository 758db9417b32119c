"""Confusion matrices by image: what goes in comes out, and the spread over images is that of a paired bootstrap."""

import zipfile

import numpy as np
import pytest

from bench import metrics, seeds
from bench.runs import confusions
from bench.runs.confusions import Counts, Images
from bench.types import InputError

R, N, C = 4, 30, 3


@pytest.fixture
def matrices():
    """(R, N, C, C + 1): a few images change in each round."""
    rng = seeds.generator(0, "test images")
    found = np.zeros((R, N, C, C + 1), int)
    found[0] = rng.integers(0, 300, (N, C, C + 1)) * (rng.random((N, C, C + 1)) < 0.6)
    found[0, :, range(C), range(C)] += 200
    for r in range(1, R):
        found[r] = found[r - 1]
        touched = rng.choice(N, 5, replace=False)
        moved = found[r, touched, 0, 1] // 2
        found[r, touched, 0, 1] -= moved
        found[r, touched, 0, 0] += moved
    return found


def test_what_is_written_is_read(tmp_path, matrices):
    file = tmp_path / "images.npz"
    for model in (None, Counts.of(matrices[:, :7])):
        confusions.write(file, Images(Counts.of(matrices), model))
        found = confusions.read(file)
        assert all((found.data.matrices(r) == matrices[r]).all() for r in range(R))
        assert (found.data.totals() == matrices.sum(1)).all() and len(found.data) == R
        assert (found.model is None) == (model is None)
    assert (found.model.matrices(R - 1) == matrices[-1, :7]).all()
    assert [p.name for p in tmp_path.iterdir()] == ["images.npz"]


def test_matrices_without_zeros_give_the_changes_of_dense_ones(matrices):
    dense = sparse = Counts.empty(N, C)
    for r in range(R):
        touched = np.arange(N) if r == 0 else np.flatnonzero((matrices[r] != matrices[r - 1]).any((1, 2)))
        dense = dense.after(touched, matrices[r, touched])
        sparse = sparse.after_sparse(touched, metrics.ByImage(C, matrices[r]))
    for part in confusions.PARTS[:-1]:
        np.testing.assert_array_equal(getattr(sparse, part), getattr(dense, part))
    np.testing.assert_array_equal(sparse.matrices(R - 1), matrices[-1])


def test_rounds_are_added_one_by_one_and_only_changes_are_kept(matrices):
    counts = Counts.empty(N, C).after(range(N), matrices[0])
    first = len(counts.image)
    for r in range(1, R):
        touched = np.flatnonzero((matrices[r] != matrices[r - 1]).any((1, 2)))
        counts = counts.after(touched, matrices[r, touched])
    assert (counts.totals() == matrices.sum(1)).all()
    assert first == np.count_nonzero(matrices[0]) and len(counts.image) - first <= 2 * 5 * (R - 1)
    assert (counts.until(1).totals() == matrices[:2].sum(1)).all() and len(counts.until(1)) == 2
    with pytest.raises(InputError, match=r"shape \(2, 3, 4\), got \(1, 3, 4\)"):
        counts.after([0, 1], matrices[0, :1])
    with pytest.raises(InputError, match="each image once, from 0 to 29"):
        counts.after([1, 1], matrices[0, :2])


def test_a_broken_or_foreign_file_is_one_line(tmp_path, matrices):
    file = tmp_path / "images.npz"
    confusions.write(file, Images(Counts.of(matrices)))
    whole = file.read_bytes()
    foreign = tmp_path / "foreign.npz"
    np.savez(foreign, x=np.arange(3))
    pickled = tmp_path / "pickled.npz"
    np.savez(pickled, format=np.array([{}], object))
    short = tmp_path / "short.npz"
    with np.load(file) as parts:
        np.savez(short, **{name: parts[name][:-1] if name == "data_image" else parts[name] for name in parts.files})
    np.save(tmp_path / "array.npy", np.arange(3))
    broken = [(tmp_path / "array.npy").read_bytes(), b"", whole[: len(whole) // 2], b"not an archive"]
    for i, content in enumerate(broken):
        (tmp_path / f"{i}.npz").write_bytes(content)
    for path in [foreign, pickled, short, tmp_path / "none.npz", *(tmp_path / f"{i}.npz" for i in range(len(broken)))]:
        with pytest.raises(InputError, match=path.name) as error:
            confusions.read(path)
        assert "\n" not in str(error.value)


def test_a_damaged_archive_is_one_line(tmp_path, matrices):
    file = tmp_path / "images.npz"
    confusions.write(file, Images(Counts.of(matrices)))
    whole = file.read_bytes()
    directory = whole.rindex(b"PK\x01\x02")
    for place, bit in ((10, 64), (8, 1), (6, 64)):  # method, "encrypted", version
        changed = bytearray(whole)
        changed[directory + place] ^= bit
        file.write_bytes(changed)
        with pytest.raises(InputError, match="not readable as confusion matrices by image"):
            confusions.read(file)


@pytest.mark.parametrize("shape", [[10**13, 3], [-5, 3], [3, -2], [10**12, 10**6], [30, 0], [30]])
def test_a_shape_is_that_of_a_data_set(tmp_path, shape):
    none = np.zeros(0, np.uint8)
    parts = dict(data_ends=np.zeros(2, np.uint8), data_image=none, data_place=none, data_change=none)
    np.savez(tmp_path / "images.npz", format=np.int64(1), data_shape=np.array(shape), **parts)
    with pytest.raises(InputError, match=r"are of no data set|do not fit together"):
        confusions.read(tmp_path / "images.npz")


def test_a_file_takes_no_more_memory_than_is_in_it(tmp_path):
    file, zeros = tmp_path / "images.npz", np.zeros(10**7, np.uint8)
    parts = dict(data_ends=np.array([10**7]), data_place=zeros, data_change=zeros, data_shape=np.array([1, 2]))
    np.savez_compressed(file, format=np.int64(1), data_image=zeros, **parts)
    with pytest.raises(InputError, match="unpacks to 30,"):
        confusions.read(file)
    with zipfile.ZipFile(file, "w") as archive, archive.open("data_ends.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, {"descr": "<i8", "fortran_order": False, "shape": (10**13,)})
    with pytest.raises(InputError, match="not readable as confusion matrices by image"):
        confusions.read(file)


@pytest.mark.parametrize("void_counts", [True, False])
def test_gradient_is_the_difference_quotient(matrices, void_counts):
    matrix = matrices[0].sum(0).astype(float)
    gradient = metrics.miou_gradient(matrix, void_counts)
    for place in np.ndindex(matrix.shape):
        step = np.zeros_like(matrix)
        step[place] = 1e-3
        quotient = (metrics.miou(matrix + step, void_counts) - metrics.miou(matrix - step, void_counts)) / 2e-3
        assert gradient[place] == pytest.approx(quotient, rel=1e-4, abs=1e-12)
    absent = matrix.copy()
    absent[2] = absent[:, 2] = 0
    assert (metrics.miou_gradient(absent, void_counts) * absent).sum() == pytest.approx(0, abs=1e-15)


def test_influence_is_the_spread_of_a_paired_bootstrap_over_images(matrices):
    """Row 6: seeds that share their images say nothing of other images; this does."""
    weights = np.array([[0.2, 0.3, 0.3, 0.2], [0, 0, 0, 1.0]])
    influence = Counts.of(matrices).influence(weights)
    assert influence.shape == (2, N) and influence.sum(1) == pytest.approx([0, 0], abs=1e-12)
    rng = seeds.generator(1, "bootstrap")
    drawn = []
    for _ in range(3000):
        times = rng.multinomial(N, np.full(N, 1 / N))
        drawn.append(weights @ [metrics.miou(m) for m in np.einsum("n,rncd->rcd", times, matrices)])
    assert np.sqrt((influence**2).sum(1)) == pytest.approx(np.std(drawn, axis=0), rel=0.06)


def test_dice_and_iou_by_hand():
    """Row 23: an image with 3 of 4 polyp pixels found and 1 too many; one without a polyp; a void label is wrong."""
    found = np.array([[[5, 1, 0], [1, 3, 0]], [[9, 0, 0], [0, 0, 0]], [[4, 0, 0], [0, 2, 2]]])
    dice, iou = metrics.dice_and_iou(found)
    assert dice[:, 1] == pytest.approx([2 * 3 / 8, np.nan, 2 * 2 / 6], nan_ok=True)
    assert iou[:, 1] == pytest.approx([3 / 5, np.nan, 2 / 4], nan_ok=True)
    assert dice[1, 0] == iou[1, 0] == 1
