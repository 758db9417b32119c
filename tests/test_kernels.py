"""The acquisition kernels against their plain-loop specification, hand-computed values and their own promises."""

import math
import os
from importlib.util import find_spec

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import kernels
from bench.kernels import IMPLEMENTATIONS
from bench.kernels.regions import regions
from bench.kernels.statistics import STATISTICS
from bench.types import VOID, InputError

ALL = tuple(name for name, s in STATISTICS.items() if s.fused)
# Triton's own interpreter checks the GPU code where there is no GPU: TRITON_INTERPRET=1 pytest tests/test_kernels.py
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
GPU = find_spec("triton") is not None and (INTERPRETED or torch.cuda.is_available())
NAMES = [name for name in IMPLEMENTATIONS if name != "reference" and (name != "gpu" or GPU)]
FAST = [pytest.param(name, marks=pytest.mark.gpu) if name == "gpu" else name for name in NAMES]
EXACT = ("superpixel", "size", "agree_count", "dominant", "prediction_histogram", "label_histogram")


def superpixel_statistics(scores, *maps, implementation=None, **options):
    """`kernels.superpixel_statistics`; what the gpu implementation reads lies on the GPU."""

    def placed(one):
        return [placed(x) for x in one] if isinstance(one, list) else torch.as_tensor(one).cuda()

    scores = placed(scores) if implementation == "gpu" and not INTERPRETED else scores
    return kernels.superpixel_statistics(scores, *maps, implementation=implementation, **options)


def scene(seed, n_classes, height, width, n_superpixels, zoom=1, sharpness=2.0):
    """Random logits (C, h, w), labels with 255 among them, and blocky superpixels with gaps in their ids and some 0."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, sharpness, (n_classes, -(-height // zoom), -(-width // zoom))).astype(np.float32)
    labels = rng.choice(np.r_[np.arange(n_classes), VOID], (height, width)).astype(np.uint8)
    ids = np.unique(rng.integers(1, 2**31 - 1, n_superpixels))
    grid = np.r_[0, ids][rng.integers(0, len(ids) + 1, (-(-height // 3), -(-width // 5)))]
    superpixels = np.kron(grid, np.ones((3, 5), np.int64))[:height, :width].astype(np.int32)
    return torch.from_numpy(logits), labels, superpixels


def assert_agree(table, expected, scores_at):
    """Exact counts; sums within 1e-5, or a few float32 roundings of 1 for every pixel; pixels equal or tied."""
    same = (table["row"] == expected["row"]) & (table["column"] == expected["column"])
    for i in np.flatnonzero(~same):
        mean = expected["dominant_probability_sum"][i]
        cosines = [
            p @ mean / np.linalg.norm(p) / np.linalg.norm(mean) for p in (scores_at(t, i) for t in (table, expected))
        ]
        assert cosines[0] == pytest.approx(cosines[1], rel=2e-6)
    for name in EXACT:
        np.testing.assert_array_equal(table[name], expected[name], err_msg=name)
    np.testing.assert_array_equal(table["label"][same], expected["label"][same])
    moved = np.cumsum(table["quality_histogram"] - expected["quality_histogram"], axis=1)  # a pixel at a bin's edge
    assert np.abs(moved).max(initial=0) <= 1
    for name in set(ALL) - {*EXACT, "quality_histogram"}:
        rows = same if name in ("cil", "sim", "representative_probability") else slice(None)
        size = expected["size"].reshape(-1, *[1] * (expected[name].ndim - 1))
        error = np.abs(table[name] - expected[name])[rows]
        allowed = (1e-5 * np.abs(expected[name]) + 1e-6 * (size if "sum" in name or "cil_" in name else 1))[rows]
        assert (error <= allowed).all(), f"{name}: {(error / allowed).max():.2f} of the tolerance"


@pytest.mark.parametrize("implementation", FAST)
@given(
    seed=st.integers(0, 2**32 - 1),
    n_classes=st.integers(1, 24),
    height=st.integers(1, 20),
    width=st.integers(1, 40),
    n_superpixels=st.integers(1, 12),
    from_logits=st.booleans(),
    align_corners=st.booleans(),
    zoom=st.integers(1, 5),
)
@settings(deadline=None, max_examples=40)
def test_agrees_with_the_reference(
    implementation, seed, n_classes, height, width, n_superpixels, from_logits, align_corners, zoom
):
    scores, labels, superpixels = scene(seed, n_classes, height, width, n_superpixels, zoom if from_logits else 1)
    options = {"logits": from_logits, "align_corners": align_corners}
    if not from_logits:
        scores = scores.softmax(0)
    expected = superpixel_statistics(scores, labels, superpixels, ALL, **options, implementation="reference")
    table = superpixel_statistics(scores, labels, superpixels, ALL, **options, implementation=implementation)
    full = scores
    if from_logits:
        full = torch.nn.functional.interpolate(scores[None], labels.shape, mode="bilinear", align_corners=align_corners)
        full = full[0].softmax(0)
    assert_agree(table, expected, lambda t, i: full[:, t["row"][i], t["column"][i]].double().numpy())


@pytest.mark.parametrize("implementation", [*FAST, "reference"])
def test_hand_computed(implementation):
    """Two classes, one superpixel of three pixels: every number by hand."""
    scores = torch.tensor([[[0.5, 0.8, 0.6]], [[0.5, 0.2, 0.4]]])
    table = superpixel_statistics(
        scores, np.uint8([[1, VOID, 1]]), np.int32([[7, 7, 7]]), ALL, implementation=implementation
    )
    p = np.array([[0.5, 0.5], [0.8, 0.2], [0.6, 0.4]])
    unit = p / np.linalg.norm(p, axis=1, keepdims=True)
    cil = np.array([0.5, 0.2, 0.6])  # the labels are 1, the prediction 0, 1
    mean = p.mean(0) / np.linalg.norm(p.mean(0))
    assert table["superpixel"].tolist() == [7] and table["size"].tolist() == [3]
    assert (table["row"][0], table["column"][0], table["label"][0]) == (0, int(np.argmax(unit @ mean)), 1)
    assert table["dominant"][0] == 0 and table["prediction_histogram"].tolist() == [[3, 0]]  # a tie goes to class 0
    assert table["label_histogram"].tolist() == [[0, 2, 1]] and table["agree_count"][0] == 0
    expected = {
        "entropy_sum": -(p * np.log(p)).sum(),
        "ratio_sum": 1 + 1 / 4 + 2 / 3,
        "cil_sum": 1.3,
        "nll_sum": -math.log(0.5 * 0.8 * 0.4),
        "label_margin_sum": 0 + 0.6 - 0.2,
        "cil": 0.6,
        "sim": (unit @ unit[2] * cil).sum(),
        "cil_vector": [(cil[:, None] * unit).sum(0)],
        "cil_cosine_by_label": [[(unit @ mean * cil)[1], (unit @ mean * cil)[[0, 2]].sum()]],
    }
    for name, value in expected.items():
        np.testing.assert_allclose(table[name].squeeze(), np.squeeze(value), rtol=2e-6, err_msg=name)


@pytest.mark.parametrize("implementation", FAST)
@given(seed=st.integers(0, 999), n_classes=st.integers(2, 6), levels=st.integers(1, 3))
@settings(deadline=None, max_examples=30)
def test_exact_ties_go_to_the_lowest_class_and_the_first_pixel(implementation, seed, n_classes, levels):
    """Few distinct pixels, with equal probabilities within them: classes and pixels tie in most superpixels."""
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 2, (4, n_classes)) * 2.0 ** -rng.integers(1, 1 + levels, (4, n_classes)) / n_classes
    scores = torch.from_numpy(kinds[rng.integers(0, 4, (13, 29))].transpose(2, 0, 1).astype(np.float32).copy())
    _, labels, superpixels = scene(seed, n_classes, 13, 29, 4)
    table, expected = (
        superpixel_statistics(scores, labels, superpixels, ("dominant", "prediction_histogram"), implementation=name)
        for name in (implementation, "reference")
    )
    np.testing.assert_array_equal(table["prediction_histogram"], expected["prediction_histogram"])
    np.testing.assert_array_equal(table["dominant"], expected["dominant"])
    for i, identity in enumerate(table["superpixel"]):
        member = (superpixels == identity) & (scores.argmax(0).numpy() == table["dominant"][i])
        at_r = scores[:, table["row"][i], table["column"][i]].numpy()[:, None, None]
        first = np.flatnonzero(member & (scores.numpy() == at_r).all(0))[0]
        assert table["row"][i] * 29 + table["column"][i] == first


@pytest.mark.parametrize("implementation", FAST)
@pytest.mark.parametrize("n", [1, 15, 16, 17, 63, 64, 65, 100, 1023, 1025, 2048, 2500])
def test_equal_pixels_tie_wherever_they_lie(implementation, n):
    p = np.random.default_rng(n).dirichlet(np.ones(7)).astype(np.float32)
    scores = np.broadcast_to(p[:, None, None], (7, 1, n)).copy()
    table = superpixel_statistics(
        scores, np.zeros((1, n), np.uint8), np.ones((1, n), np.int32), implementation=implementation
    )
    assert table["column"].tolist() == [0]


@pytest.mark.parametrize("from_logits", [False, True])
def test_large_superpixels_are_gathered_again(from_logits):
    """One that exceeds the buffer (16 strips of 1,024 pixels), beside small ones."""
    scores, labels, superpixels = scene(3, 4, 170, 130, 30, zoom=4 if from_logits else 1)
    superpixels[:, :100] = 9
    scores = scores if from_logits else scores.softmax(0)
    tables = [
        superpixel_statistics(scores, labels, superpixels, ALL, logits=from_logits, implementation=name, threads=1)
        for name in NAMES
    ]
    full = scores
    if from_logits:
        full = torch.nn.functional.interpolate(scores[None], labels.shape, mode="bilinear")[0].softmax(0)
    assert tables[0]["size"].max() == 17000
    for table in tables[1:]:
        assert_agree(table, tables[0], lambda t, i: full[:, t["row"][i], t["column"][i]].double().numpy())


@pytest.mark.parametrize("from_logits", [False, True])
def test_the_number_of_threads_changes_no_byte(from_logits, monkeypatch):
    """On an image that gives work to three threads and more, most of it one superpixel."""
    monkeypatch.setattr(pytest.importorskip("bench.kernels.cpu"), "WORTH_A_THREAD_PX", 2**14)
    scores, labels, superpixels = scene(5, 6, 400, 410, 40, zoom=4 if from_logits else 1)
    superpixels[140:] = 77
    scores = scores if from_logits else scores.softmax(0)
    tables = [
        superpixel_statistics(scores, labels, superpixels, ALL, logits=from_logits, threads=k) for k in (1, 2, 3, 16)
    ]
    for table in tables[1:]:
        for name, column in table.items():
            assert column.tobytes() == tables[0][name].tobytes(), name


@pytest.mark.parametrize("implementation", FAST)
@given(seed=st.integers(0, 999))
@settings(deadline=None, max_examples=20)
def test_renumbering_permutes_rows_and_pixels_count_once(implementation, seed):
    scores, labels, superpixels = scene(seed, 5, 17, 23, 8)
    scores = scores.softmax(0)
    ids = np.unique(superpixels[superpixels > 0])
    new = np.random.default_rng(seed).choice(2**31 - 1, len(ids), replace=False) + 1
    renumbered = np.zeros(superpixels.shape, np.int64)
    for old, fresh in zip(ids, new, strict=True):
        renumbered[superpixels == old] = fresh
    table = superpixel_statistics(scores, labels, superpixels, ALL, implementation=implementation)
    again = superpixel_statistics(scores, labels, renumbered, ALL, implementation=implementation)
    order = np.argsort(new)
    np.testing.assert_array_equal(again["superpixel"], new[order])
    for name in set(table) - {"superpixel"}:
        np.testing.assert_array_equal(again[name], table[name][order], err_msg=name)
    assert table["superpixel"].tolist() == ids.tolist()
    assert table["size"].tolist() == [(superpixels == i).sum() for i in ids]
    for name in ("prediction_histogram", "label_histogram"):
        np.testing.assert_array_equal(table[name].sum(1), table["size"])


@pytest.mark.parametrize("implementation", FAST)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
@pytest.mark.parametrize("from_logits", [False, True])
def test_other_precisions_are_computed_in_float32(implementation, dtype, from_logits):
    scores, labels, superpixels = scene(1, 19, 12, 20, 6)
    scores = (scores if from_logits else scores.softmax(0)).to(dtype)
    options = {"logits": from_logits, "implementation": implementation}
    table = superpixel_statistics(scores, labels, superpixels, ALL, **options)
    for name, column in superpixel_statistics(scores.float(), labels, superpixels, ALL, **options).items():
        np.testing.assert_array_equal(table[name], column, err_msg=name)


@pytest.mark.parametrize("implementation", FAST)
def test_what_is_not_needed_changes_nothing(implementation):
    """Each statistic alone is the same, to the byte, as together with all others."""
    scores, labels, superpixels = scene(2, 5, 20, 30, 6)
    together = superpixel_statistics(scores, labels, superpixels, ALL, logits=True, implementation=implementation)
    for name in ALL:
        alone = superpixel_statistics(scores, labels, superpixels, (name,), logits=True, implementation=implementation)
        assert list(alone) == ["superpixel", "size", "row", "column", "label", name]
        assert alone[name].tobytes() == together[name].tobytes() and alone[name].dtype == together[name].dtype


@pytest.mark.parametrize("implementation", [*FAST, "reference"])
def test_shapes_at_the_edges(implementation):
    """No superpixel at all; 256 classes with 255 still void; one class; saturated and zero probabilities."""
    empty = superpixel_statistics(np.full((3, 4, 5), 1 / 3, np.float32), np.zeros((4, 5), np.uint8),
                                  np.zeros((4, 5), np.int32), ALL, implementation=implementation)  # fmt: skip
    assert empty["superpixel"].shape == (0,) and empty["label_histogram"].shape == (0, 4) and empty["sim"].shape == (0,)
    scores, labels, superpixels = scene(0, 256, 4, 6, 2)
    table = superpixel_statistics(
        scores, labels * 0 + VOID, superpixels, ALL, logits=True, implementation=implementation
    )
    np.testing.assert_array_equal(table["label_histogram"][:, 256], table["size"])
    one_hot = np.zeros((3, 2, 4), np.float32)
    one_hot[1] = 1
    table = superpixel_statistics(one_hot, np.full((2, 4), 2, np.uint8), np.ones((2, 4), np.int32), ALL,
                                  implementation=implementation)  # fmt: skip
    assert table["entropy_sum"] == 0 and table["sim"] == 8 and (table["row"], table["column"]) == (0, 0)
    np.testing.assert_allclose(table["nll_sum"], -8 * math.log(1e-12), rtol=1e-6)


@pytest.mark.parametrize("implementation", [*FAST, "reference"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_nan_is_refused_where_a_superpixel_reads_it(implementation, from_logits):
    scores, labels, superpixels = scene(0, 4, 9, 12, 3)
    superpixels[:] = 1
    scores = scores if from_logits else scores.softmax(0)
    scores[2, 5, 7] = float("nan")
    with pytest.raises(InputError, match="NaN"):
        superpixel_statistics(scores, labels, superpixels, logits=from_logits, implementation=implementation)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"superpixels": np.ones((4, 6), np.int32)}, r"labels' shape \(4, 5\), got \(4, 6\)"),
        ({"superpixels": np.ones((4, 5), np.int16)}, "uint8, uint16, int32, int64 ids, got int16"),
        ({"superpixels": np.full((4, 5), -1, np.int32)}, "0 .outside. or more, got -1"),
        ({"labels": np.full((4, 5), 3, np.uint8)}, "label 3 is neither a class .0 to 2. nor 255"),
        ({"labels": np.zeros((4, 5), np.int64)}, "labels must be .H, W. uint8"),
        ({"scores": np.ones((3, 2, 5), np.float32)}, "logits=True"),
        ({"scores": np.ones((3, 4, 5), np.int32)}, "floating"),
        ({"scores": np.full((3, 4, 5), 4.0, np.float32)}, "range from 4 to 4"),
        ({"needs": ("entropy_sun",)}, "did you mean 'entropy_sum'"),
        ({"implementation": "cpuu"}, "did you mean 'cpu'"),
        ({"threads": 0}, "threads must be 1 or more"),
    ],
)
def test_bad_input_is_one_clear_line(change, message):
    given = {
        "scores": np.full((3, 4, 5), 1 / 3, np.float32),
        "labels": np.zeros((4, 5), np.uint8),
        "superpixels": np.ones((4, 5), np.int32),
    }
    with pytest.raises(InputError, match=message) as error:
        superpixel_statistics(**given | change)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("implementation", [*FAST, "reference"])
@pytest.mark.parametrize("from_logits", [False, True])
def test_a_batch_of_images_of_any_size_in_any_order(implementation, from_logits):
    options = {"logits": from_logits, "implementation": implementation}
    sizes = [(10, 31), (17, 26), (17, 26), (24, 21), (17, 26)]
    images = [scene(i, 5, *size, 4 + i) for i, size in enumerate(sizes)]
    images = [(scores if from_logits else scores.softmax(0), *maps) for scores, *maps in images]
    images.insert(2, (*images[1][:2], np.zeros(sizes[1], np.int32)))  # no superpixel
    images[3] = (*images[3][:2], images[3][2].astype(np.int64) + 2**31)  # large ids beside small ones
    alone = [superpixel_statistics(*image, ALL, **options) for image in images]
    for order in ([0, 1, 2, 3, 4, 5], [5, 3, 4, 2, 0, 1], [2], [1, 3]):
        batch = superpixel_statistics(*([images[i][k] for i in order] for k in range(3)), ALL, **options)
        assert batch["image"].dtype == np.int32 and next(iter(batch)) == "image"
        assert batch["image"].tolist() == [k for k, i in enumerate(order) for _ in alone[i]["size"]]
        for name in alone[0]:
            assert batch[name].tobytes() == b"".join(alone[i][name].tobytes() for i in order), name


@pytest.mark.parametrize("implementation", [*FAST, "reference"])
def test_ids_of_any_type_and_regions_give_the_same_bytes(implementation):
    scores, labels, superpixels = scene(4, 3, 12, 20, 6)
    superpixels = np.unique(superpixels, return_inverse=True)[1].reshape(12, 20)
    maps = [superpixels.astype(kind) for kind in (np.int64, np.int32, np.uint16, np.uint8)]
    maps += [torch.from_numpy(maps[1]), regions(maps[0]), regions(maps[-1])]
    tables = [superpixel_statistics(scores, labels, m, ALL, logits=True, implementation=implementation) for m in maps]
    for table in tables[1:]:
        for name, column in table.items():
            assert column.tobytes() == tables[0][name].tobytes(), name


@pytest.mark.parametrize("implementation", [*FAST, "reference"])
def test_a_batch_may_mix_maps_and_regions(implementation):
    images = [scene(i, 4, 12, 20, 6) for i in range(3)]
    scores, labels, maps = map(list, zip(*images, strict=True))
    options = {"logits": True, "implementation": implementation}
    expected = superpixel_statistics(scores, labels, maps, ALL, **options)
    maps[1] = regions(maps[1])
    table = superpixel_statistics(scores, labels, maps, ALL, **options)
    assert all(table[name].tobytes() == expected[name].tobytes() for name in expected)
    with pytest.raises(InputError, match=r"labels' shape \(12, 20\), got \(20, 12\)"):
        superpixel_statistics(scores[0], labels[0], regions(maps[0].T), **options)


def test_a_batch_that_does_not_fit_together():
    one, other = scene(0, 3, 8, 8, 4), scene(1, 4, 8, 8, 4)
    with pytest.raises(InputError, match=r"as many scores, labels and superpixels, got \[2, 1, 1\]"):
        superpixel_statistics([one[0]] * 2, [one[1]], [one[2]])
    with pytest.raises(InputError, match="as many"):
        superpixel_statistics([], [], [])
    with pytest.raises(InputError, match="3 classes"):
        superpixel_statistics(*map(list, zip(one, other, strict=True)), logits=True)


@pytest.mark.parametrize("implementation", [*FAST, "reference"])
def test_read_only_maps_serve_without_a_warning_and_give_the_same(implementation, recwarn):
    scores, labels, superpixels = scene(4, 3, 12, 20, 6)
    options = {"logits": True, "implementation": implementation}
    table = superpixel_statistics(scores, labels, superpixels, ALL, **options)
    for array in (labels, superpixels):
        array.flags.writeable = False
    torch.set_warn_always(True)  # else it warns once in a process
    try:
        again = superpixel_statistics(scores, labels, superpixels, ALL, **options)
    finally:
        torch.set_warn_always(False)
    assert all(again[name].tobytes() == table[name].tobytes() for name in table)
    assert not [w for w in recwarn.list if "not writable" in str(w.message)]
