"""Statistics that need passes, windows, components, features or thresholds, against plain loops over pixels."""

import math

import numpy as np
import pytest
import torch
from pools import Scene
from scipy import ndimage

from bench.kernels import superpixel_statistics
from bench.kernels.statistics import QUALITY_BINS, STATISTICS, reads, statistic
from bench.types import VOID, InputError

pytestmark = pytest.mark.slow

SCENES = [
    Scene(0),
    Scene(1, n_classes=2, void=0),
    Scene(2, n_classes=6, height=20, width=9, n_superpixels=3),
    Scene(3, height=1, width=2),
]


PARAMETERS = {
    "impurity_entropy_sum": "impurity_entropy_sum[window=3]",
    "tempered_entropy_sum": "tempered_entropy_sum[temperature=2]",
    "tempered_ratio_sum": "tempered_ratio_sum[temperature=2]",
}


def entropy(p):
    return -sum(v * math.log(v) for v in p if v > 0)


def close(s, name, pixel, **given):
    """The statistic is the sum, over the superpixel, of ``pixel(row, column)``."""
    got = s.maps([name], **given)[name]
    assert got.shape[0] == len(s.ids)
    for i, superpixel in enumerate(s.ids):
        np.testing.assert_allclose(got[i], sum(pixel(*at) for at in s.pixels(superpixel)), rtol=2e-5, atol=1e-5)


@pytest.mark.parametrize("s", SCENES)
def test_rows_are_those_of_the_one_pass_statistics(s):
    table = superpixel_statistics(s.probabilities, s.labels, s.superpixels, implementation="reference")
    assert table["superpixel"].tolist() == s.ids.tolist()
    assert len(s.maps(["aiou_sum"])["aiou_sum"]) == len(s.ids)


@pytest.mark.parametrize("s", SCENES[:3])
def test_feature_is_the_mean_over_pixels_of_the_cell_each_lies_in(s):
    height, width = s.labels.shape
    _, h, w = s.features.shape
    got = s.maps(["feature"])["feature"]
    for i, superpixel in enumerate(s.ids):
        cells = [s.features[:, row * h // height, column * w // width].numpy() for row, column in s.pixels(superpixel)]
        np.testing.assert_allclose(got[i], np.mean(cells, axis=0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("s", SCENES)
def test_entropies_of_the_passes(s):
    p = np.stack([logits.double().softmax(0).numpy() for logits in s.passes])
    close(s, "predictive_entropy_sum", lambda r, c: entropy(p[:, :, r, c].mean(0)))
    close(s, "expected_entropy_sum", lambda r, c: np.mean([entropy(one[:, r, c]) for one in p]))
    close(s, "vote_entropy_sum", lambda r, c: entropy(np.bincount(p[:, :, r, c].argmax(1)) / len(p)))


def test_passes_may_come_one_by_one_and_in_any_size():
    s = SCENES[0]
    small = [torch.randn(s.n_classes, 5, 4), torch.randn(s.n_classes, 7, 9)]
    size = {"size": s.labels.shape, "mode": "bilinear"}
    full = [torch.nn.functional.interpolate(p[None], **size)[0] for p in small]
    names = ["predictive_entropy_sum", "expected_entropy_sum"]
    one, other = s.maps(names, passes=iter(small)), s.maps(names, passes=full)
    for name in names:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-5)


@pytest.mark.parametrize("s", SCENES)
@pytest.mark.parametrize("temperature", [0.1, 2.5])
def test_ratio_at_a_temperature(s, temperature):
    p = (s.logits.double() / temperature).softmax(0).numpy()

    def ratio(r, c):
        second, first = np.sort(p[:, r, c])[-2:]
        return second / first

    close(s, f"tempered_ratio_sum[temperature={temperature}]", ratio)


@pytest.mark.parametrize("s", SCENES)
@pytest.mark.parametrize("window", [1, 3, 7])
def test_impurity_times_entropy_in_a_window(s, window):
    def pixel(r, c):
        k = window // 2
        rows, columns = slice(max(r - k, 0), r + k + 1), slice(max(c - k, 0), c + k + 1)
        shares = np.bincount(s.predicted[rows, columns].ravel()) / s.predicted[rows, columns].size
        inside = s.probabilities[:, rows, columns].reshape(s.n_classes, -1).T
        return entropy(shares) * np.mean([entropy(p) for p in inside]) / math.log(s.n_classes) ** 2

    close(s, f"impurity_entropy_sum[window={window}]", pixel)


@pytest.mark.parametrize("s", SCENES)
@pytest.mark.parametrize("temperature", [0.1, 1, 2.5])
def test_entropy_at_a_temperature(s, temperature):
    p = (s.logits.double() / temperature).softmax(0).numpy()
    close(s, f"tempered_entropy_sum[temperature={temperature}]", lambda r, c: entropy(p[:, r, c]))


@pytest.mark.parametrize("s", SCENES)
def test_entropy_by_class(s):
    p = s.probabilities
    close(s, "class_entropy_sum", lambda r, c: entropy(p[:, r, c]) * p[:, r, c])


@pytest.mark.parametrize("s", SCENES)
def test_colour_gradient(s):
    """Among the 49 pixels within 4, as 50 nearest points are; at most 0.1, so that noise has to be faint here."""
    rng = np.random.default_rng(int(s.image.sum()))
    image = (100 + rng.integers(0, 60, s.image.shape)).astype(np.uint8)
    height, width = s.labels.shape

    def pixel(r, c):
        around = [(i, j) for i in range(height) for j in range(width) if (i - r) ** 2 + (j - c) ** 2 <= 16]
        return min(np.mean([np.abs(image[r, c].astype(float) - image[at]).mean() / 255 for at in around]), 0.1)

    close(s, "colour_gradient_sum", pixel, images=image)
    values = [pixel(r, c) for r in range(height) for c in range(width)]
    assert min(values) < 0.09 and (max(values) == 0.1 or height == 1)


@pytest.mark.parametrize("s", SCENES)
def test_adjusted_iou_from_sets_of_pixels(s):
    known = np.where(s.labels == VOID, s.predicted, s.labels)
    iou = np.zeros(s.labels.shape)
    for c in range(s.n_classes):
        parts, n_parts = ndimage.label(s.predicted == c, np.ones((3, 3)))
        targets, n_targets = ndimage.label(known == c, np.ones((3, 3)))
        sets = [set(np.flatnonzero(parts == i)) for i in range(1, n_parts + 1)]
        for part in sets:
            met = [t for t in (set(np.flatnonzero(targets == i)) for i in range(1, n_targets + 1)) if t & part]
            target = set().union(*met)
            others = set().union(*(p for p in sets if p is not part))
            iou.ravel()[list(part)] = len(part & target) / len(part | (target - others))
    close(s, "aiou_sum", lambda r, c: iou[r, c])


@pytest.mark.parametrize("s", SCENES)
def test_statistics_of_confident_learning(s):
    tau = np.linspace(0.3, 0.6, s.n_classes)
    p, y, predicted = s.probabilities, s.labels, s.predicted

    def by_class(r, c):
        out = np.zeros(s.n_classes)
        if y[r, c] != VOID:
            out[y[r, c]] = p[y[r, c], r, c]
        return out

    def confident(r, c):
        other = y[r, c] != VOID and predicted[r, c] != y[r, c]
        return int(other and p[predicted[r, c], r, c] >= tau[predicted[r, c]])

    def quality(r, c):
        out = np.zeros(2 * QUALITY_BINS)
        if y[r, c] != VOID:
            n = min(int(-4 * math.log2(p[y[r, c], r, c])), QUALITY_BINS - 1)
            out[n + QUALITY_BINS * (predicted[r, c] == y[r, c])] = 1
        return out

    close(s, "label_probability_sum", by_class)
    close(s, "confident_count", confident, thresholds=tau)
    close(s, "quality_histogram", quality)


def test_logits_are_upsampled_as_the_one_pass_statistics_do():
    s = Scene(4, height=12, width=10)
    small = torch.randn(s.n_classes, 5, 3)
    s.logits = small
    for corners in (False, True):
        arguments = (small, s.labels, s.superpixels, ["entropy_sum"])
        options = {"logits": True, "align_corners": corners, "implementation": "reference"}
        got = s.maps(["expected_entropy_sum"], passes=[small], align_corners=corners)["expected_entropy_sum"]
        np.testing.assert_allclose(got, superpixel_statistics(*arguments, **options)["entropy_sum"], rtol=1e-4)


def test_an_image_without_superpixels_has_no_rows():
    s = Scene(5)
    s.superpixels = s.superpixels * 0
    names = [n for n, s in STATISTICS.items() if not s.fused and "truth" not in s.reads]
    names = [PARAMETERS.get(n, n) for n in names]
    for name, column in s.maps(names, thresholds=np.ones(s.n_classes)).items():
        assert len(column) == 0, name


def test_what_is_missing_or_unknown_is_named():
    s = SCENES[0]
    inputs = {"image": "images", "features": "features", "passes": "passes", "thresholds": "thresholds"}
    for name in STATISTICS:
        for read in reads([name]) - {"truth"}:
            with pytest.raises(InputError, match=f"'{name}' reads {read}: expected one for each image, got 0"):
                s.maps([name], **{inputs[read]: None})
    with pytest.raises(InputError, match="'truth_answer' reads truth"):
        s.maps(["truth_answer"])
    with pytest.raises(InputError, match="nothing_sum"):
        s.maps(["nothing_sum"])
    with pytest.raises(InputError, match="width"):
        s.maps(["impurity_entropy_sum[width=3]"])
    with pytest.raises(InputError, match="image"):
        s.maps(["colour_gradient_sum"], images=s.image[1:])
    with pytest.raises(InputError, match="pass"):
        s.maps(["vote_entropy_sum"], passes=[])


def test_one_door_gives_both_kinds_of_statistics_of_images_of_any_size_and_from_either_kind_of_scores():
    scenes = [Scene(0, depth=5), Scene(3, height=9, width=20), Scene(7)]
    names = [PARAMETERS.get(n, n) for n, s in STATISTICS.items() if "truth" not in s.reads and n != "feature"]
    thresholds = np.linspace(0.3, 0.6, 4)
    alone = [s.maps(names, thresholds=thresholds) for s in scenes]
    batch = superpixel_statistics(
        *([getattr(s, a) for s in scenes] for a in ("logits", "labels", "superpixels")),
        names,
        logits=True,
        images=[s.image for s in scenes],
        passes=[s.passes for s in scenes],
        thresholds=thresholds,
    )
    for name in names:
        assert list(batch)[6:] == names
        assert batch[name].tobytes() == b"".join(table[name].tobytes() for table in alone), name
        of = statistic(name)
        assert batch[name].dtype == of.dtype and batch[name].shape[1:] == of.shape(4), name
    s = scenes[0]
    arrays = s.logits.softmax(0), s.labels, s.superpixels, ["entropy_sum", "aiou_sum", "label_probability_sum"]
    for name, column in superpixel_statistics(*arrays).items():
        np.testing.assert_allclose(column, s.maps(arrays[3])[name], rtol=1e-5)
    assert list(superpixel_statistics(*arrays, base=False)) == arrays[3]
