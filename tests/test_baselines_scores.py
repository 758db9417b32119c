"""Every score against another way to get it: loops over pixels, cleanlab, or numbers worked out by hand."""

import math

import numpy as np
import pytest
import torch
from pools import Scene, pool, random_columns, scene_pool

from bench import registry
from bench.types import VOID, InputError

SCENES = [Scene(seed, n_classes=4) for seed in range(3)]


def scores(spec, scenes=SCENES, asked=None):
    strategy = registry.load("strategies", spec)
    return strategy.score(scene_pool(scenes, strategy.needs, asked))


def entropy(p):
    return -sum(v * math.log(v) for v in p if v > 0)


class Pixel:
    def __init__(self, scene, row, column):
        self.p = scene.probabilities[:, row, column]
        self.predicted = int(self.p.argmax())
        y = int(scene.labels[row, column])
        self.label = self.predicted if y == VOID else y
        self.q = self.p[self.label]
        self.second, self.first = np.sort(self.p)[-2:]
        self.passes = [logits[:, row, column].double().softmax(0).numpy() for logits in scene.passes]


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def representative(pixels):
    """Mean of p over the dominant class, and the pixel of that class most like it."""
    dominant = np.bincount([x.predicted for x in pixels]).argmax()
    members = [x for x in pixels if x.predicted == dominant]
    mean = np.mean([x.p for x in members], axis=0)
    return mean, members[int(np.argmax([round(cosine(x.p, mean), 12) for x in members]))]


def softmin(pixels):
    q = np.array([x.q for x in pixels])
    weights = np.exp((1 - q) / 0.1)
    return -(q * weights).sum() / weights.sum()


def log_ratio(s):
    return math.log(1 + s) / s


def ripu_region(pixels):
    shares = np.bincount([x.predicted for x in pixels]) / len(pixels)
    return entropy(shares) / math.log(4) * np.mean([entropy(x.p) for x in pixels]) / math.log(4)


def bald(x):
    return entropy(np.mean(x.passes, axis=0)) - np.mean([entropy(p) for p in x.passes])


TWINS = {
    "random": lambda s: 0.0,
    "area": len,
    "entropy": lambda s: np.mean([entropy(x.p) for x in s]),
    "confidence": lambda s: np.mean([1 - x.first for x in s]),
    "margin": lambda s: np.mean([1 - (x.first - x.second) for x in s]),
    "bvsb": lambda s: np.mean([x.second / x.first for x in s]),
    "bvsb[temperature=0.5]": lambda s: np.mean([(x.second / x.first) ** 2 for x in s]),
    "tta_bald": lambda s: np.mean([bald(x) for x in s]),
    "tta_predictive_entropy": lambda s: np.mean([entropy(np.mean(x.passes, axis=0)) for x in s]),
    "tta_expected_entropy": lambda s: np.mean([entropy(p) for x in s for p in x.passes]),
    "tta_vote_entropy": lambda s: np.mean([entropy(np.bincount(np.argmax(x.passes, 1)) / 3) for x in s]),
    "cil_pixel": lambda s: 1 - representative(s)[1].q,
    "cil": lambda s: np.mean([1 - x.q for x in s]),
    "cil_area": lambda s: (1 - representative(s)[1].q) * len(s),
    "sim": lambda s: sum(cosine(x.p, representative(s)[1].p) * (1 - x.q) for x in s),
    "softmin": softmin,
    "normalized_margin": lambda s: -np.mean([(x.q - np.delete(x.p, x.label).max() + 1) / 2 for x in s]),
    "weighted_entropy": lambda s: 1 - np.mean([log_ratio(entropy(x.p) / math.log(4) / x.q) for x in s]),
    "cross_entropy": lambda s: np.mean([-math.log(x.q) for x in s]),
    "label_cleaning": lambda s: np.mean([-math.log(x.q) - max(entropy(x.p) - 0.3 * math.log(4), 0) for x in s]),
    "ripu_region": ripu_region,
}


@pytest.mark.parametrize("spec", TWINS)
def test_score_from_pixels(spec):
    expected = [TWINS[spec]([Pixel(s, *at) for at in s.pixels(i)]) for s in SCENES for i in s.ids]
    np.testing.assert_allclose(scores(spec), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("spec, column", [("ripu[window=5]", "impurity_entropy_sum[window=5]"), ("aiou", "aiou_sum")])
def test_means_of_maps(spec, column):
    """The maps themselves have their twins in test_maps."""
    p = scene_pool(SCENES, [column]).candidates
    mean = getattr(p, column) / p.size
    np.testing.assert_allclose(scores(spec), 1 - mean if spec == "aiou" else mean)


def test_bald_is_never_below_zero_where_passes_agree():
    s = Scene(1)
    s.passes = [s.logits] * 5
    assert (scores("tta_bald", [s]) >= 0).all() and scores("tta_bald", [s]).max() < 1e-6


def test_abc_from_pixels_with_the_rarity_of_labels_not_asked_before():
    p = scene_pool(SCENES, ["label_histogram"], asked=[0, 4]).candidates
    n = np.delete(p.label_histogram, [0, 4], axis=0).sum(0)[:4]
    share = n / n.sum()
    imbalance = sum(v * math.log(v / 0.25) for v in share)
    rarity = (n.min() / n) ** imbalance**3
    expected = []
    for s in SCENES:
        for i in s.ids:
            pixels = [Pixel(s, *at) for at in s.pixels(i)]
            mean = representative(pixels)[0]
            expected.append(sum(cosine(x.p, mean) * rarity[x.label] * (1 - x.q) for x in pixels))
    np.testing.assert_allclose(scores("abc", asked=[0, 4]), expected, rtol=1e-6)


def test_abc_gives_classes_without_a_label_no_weight():
    columns = random_columns(["cil_cosine_by_label", "label_histogram"], 3, n_classes=3)
    columns["label_histogram"] = np.array([[10, 0, 0, 5], [0, 0, 90, 0], [0, 70, 0, 0]])
    strategy, p = registry.load("strategies", "abc"), pool(columns, 3, asked=[2])
    imbalance = 0.1 * math.log(0.2) + 0.9 * math.log(1.8)
    np.testing.assert_allclose(strategy.rarity(p), [1, 0, (1 / 9) ** imbalance**3])


@pytest.mark.parametrize("over, shares", [("regions", (1 / 4, 3 / 4)), ("pixels", (10 / 100, 90 / 100))])
def test_class_balanced_by_hand(over, shares):
    """Audit, row 24. Cai et al. count superpixels by dominant class, Kim et al. sum sizes; over all, asked or not."""
    columns = random_columns(["ratio_sum", "dominant"], 4, n_classes=2)
    columns |= {
        "size": np.array([10, 20, 30, 40]),
        "ratio_sum": np.array([2.0, 12, 12, 40]),
        "dominant": np.array([0, 1, 1, 1]),
    }
    got = registry.load("strategies", f"class_balanced[over={over}]").score(pool(columns, 2, asked=[3]))
    ratios = np.array([0, 0.5, 0.25, 1])  # 0.2, 0.6, 0.4 and 1 on a scale from 0.2 to 1
    np.testing.assert_allclose(got, ratios * np.exp(-np.array(shares)[[0, 1, 1, 1]]))


@pytest.mark.parametrize("nu", [0, 6, 12])
def test_pixbal_from_pixels(nu):
    mean = np.mean([s.probabilities[:, r, c] for s in SCENES for i in s.ids for r, c in s.pixels(i)], axis=0)
    expected = []
    for s in SCENES:
        for i in s.ids:
            pixels = [Pixel(s, *at) for at in s.pixels(i)]
            expected.append(np.mean([x.second / x.first / (nu * mean[x.predicted] + 1) ** 2 for x in pixels]))
    np.testing.assert_allclose(scores(f"pixbal[nu={nu}]"), expected, rtol=1e-6)


def one_superpixel_a_pixel(seed=0):
    s = Scene(seed, void=0)
    s.superpixels = np.arange(1, s.labels.size + 1, dtype=np.int32).reshape(s.labels.shape)
    s.ids = np.arange(1, s.labels.size + 1)
    return s


@pytest.mark.parametrize(
    "spec, method, as_quality",
    [
        ("cil", "self_confidence", lambda x: 1 - x),
        ("normalized_margin", "normalized_margin", lambda x: -x),
        ("weighted_entropy", "confidence_weighted_entropy", lambda x: 1 - x),
    ],
)
def test_pixel_scores_are_those_of_cleanlab(spec, method, as_quality):
    rank = pytest.importorskip("cleanlab.rank", reason="cleanlab is the independent twin; it is a test-only dependency")
    s = one_superpixel_a_pixel()
    flat = s.probabilities.reshape(s.n_classes, -1).T
    theirs = rank.get_label_quality_scores(s.labels.ravel().astype(int), flat, method=method)
    np.testing.assert_allclose(as_quality(scores(spec, [s])), theirs, rtol=1e-6)


def test_weighted_entropy_of_a_superpixel_is_bounded_however_small_the_label_s_probability():
    """Audit, row 19. The mean of cleanlab's scores of the pixels: one pixel does not outweigh all the others."""
    rank = pytest.importorskip("cleanlab.rank", reason="cleanlab is the independent twin; it is a test-only dependency")
    s = Scene(5, void=0)
    for i, found in zip(s.ids, scores("weighted_entropy", [s]), strict=True):
        rows, columns = np.nonzero(s.superpixels == i)
        pixels = s.labels[rows, columns].astype(int), s.probabilities[:, rows, columns].T
        theirs = rank.get_label_quality_scores(*pixels, method="confidence_weighted_entropy")
        assert found == pytest.approx(1 - theirs.mean(), rel=1e-6)


def test_label_cleaning_by_the_source_s_normalised_form():
    """Audit, row 9. InnerEye divides both by ln C: at C = 4 and p = (0.7, 0.1, 0.1, 0.1) the cut is 0.4159."""
    p, n = np.array([0.7, 0.1, 0.1, 0.1]), np.log(4)
    source = -np.log(p[1]) / n - max(-(p * np.log(p)).sum() / n - 0.3, 0)
    s = Scene(0, n_classes=4)
    s.logits = torch.from_numpy(np.broadcast_to(np.log(p)[:, None, None], s.logits.shape).copy())
    s.labels = np.ones_like(s.labels)
    np.testing.assert_allclose(scores("label_cleaning", [s]), source * n, rtol=1e-5)
    assert source * n == pytest.approx(2.3026 - (0.9404 - 0.4159), abs=1e-4)


def test_softmin_is_that_of_cleanlab():
    rank = pytest.importorskip("cleanlab.segmentation.rank", reason="cleanlab is the independent twin; test-only")
    s = Scene(7, void=0)
    theirs = []
    for i in s.ids:
        rows, columns = np.nonzero(s.superpixels == i)
        labels, p = s.labels[rows, columns].astype(int), s.probabilities[:, rows, columns]
        theirs.append(rank.get_label_quality_scores(labels[None, None], p[None, :, None], verbose=False)[0][0])
    np.testing.assert_allclose(-scores("softmin", [s]), theirs, rtol=1e-6)


@pytest.mark.parametrize("n_classes", [2, 5])
def test_confident_learning_is_that_of_cleanlab_but_for_pixels_at_the_cut(n_classes):
    theirs = pytest.importorskip("cleanlab.segmentation.filter", reason="cleanlab is the independent twin; test-only")
    scenes = [Scene(seed, n_classes, height=40, width=30, void=0) for seed in range(4)]
    for s in scenes:
        s.superpixels += 3
        s.ids = np.unique(s.superpixels)
    needs = registry.load("strategies", "confident_learning").needs
    p = scene_pool(scenes, needs)
    ours = registry.load("strategies", "confident_learning").score(p) * p.candidates.size
    labels, probabilities = (np.stack([getattr(s, k) for s in scenes]) for k in ("labels", "probabilities"))
    flags = theirs.find_label_issues(labels.astype(int), probabilities, n_jobs=1, verbose=False)
    expected = np.array([flags[i][s.superpixels == j].sum() for i, s in enumerate(scenes) for j in s.ids])
    n = p.candidates.confident_count.sum()
    both = p.candidates.quality_histogram[:, :64] + p.candidates.quality_histogram[:, 64:]
    at_cut = np.searchsorted(np.cumsum(both.sum(0)[::-1]), n)
    room = p.candidates.quality_histogram[:, :64][:, ::-1][:, at_cut]
    assert flags.sum() > 50 and abs(ours.sum() - flags.sum()) < room.sum()
    assert (np.abs(ours - expected) <= room + 1e-9).all() and (room < 0.2 * p.candidates.size).mean() > 0.5


def test_sim_worth_by_hand():
    """Three classes, of 100 pixels; the last superpixel is void."""
    columns = random_columns(["sim", "probability_sum", "label_histogram"], 4, n_classes=3) | {
        "size": np.array([50, 30, 10, 10]),
        "sim": np.array([5.0, 15.0, 10.0, 1.0]),
        "probability_sum": np.array([[40.0, 10, 0], [10, 14, 6], [0, 6, 4], [10, 0, 0]]),
        "label_histogram": np.array([[50, 0, 0, 0], [0, 30, 0, 0], [0, 0, 10, 0], [0, 0, 0, 10]]),
    }
    found = registry.load("strategies", "sim_worth[power=2]").score(pool(columns, n_classes=3))
    shares = np.array([50 + 60, 30 + 30, 10 + 10]) / 190
    a, b, c = shares**-0.5
    expected = [50 * 0.01 * (b + a), 30 * 0.25 * ((10 * a + 6 * c) / 16 + b), 10 * (b + c), 10 * 0.01 * a]
    np.testing.assert_allclose(found, expected)


@pytest.mark.parametrize(
    "unit, confirm, correct", [("seconds", 2, 5), ("bits", 1, 1 + math.log2(3)), ("clicks", 1, 1), ("questions", 1, 1)]
)
def test_priced_by_the_belief_that_the_label_is_right(unit, confirm, correct):
    """A label that the model gives 0.75 is confirmed three times of four: 0.75·2 s + 0.25·5 s = 2.75 s."""
    columns = random_columns(["cil", "entropy_sum"], 3)
    columns |= {
        "size": np.ones(3, int),
        "entropy_sum": np.array([11.0, 5, 6]),
        "cil": np.array([0.25, 1, 0.5]),
        "label": np.array([0, 1, VOID], np.uint8),
    }
    right = np.array([0.75, 0, 0])  # void is never confirmed
    got = registry.load("strategies", f"priced[of=entropy,unit={unit}]").score(pool(columns, 4))
    np.testing.assert_allclose(got, [11, 5, 6] / (right * confirm + (1 - right) * correct))


def test_priced_by_the_classes_that_are_predicted_where_all_are_asked_for():
    columns = random_columns(["prediction_histogram", "entropy_sum"], 3)
    columns |= {"size": np.ones(3, int), "entropy_sum": np.array([6.0, 6, 6])}
    columns["prediction_histogram"] = np.array([[1, 0, 0, 0], [1, 9, 0, 0], [1, 1, 1, 0]])
    strategy = registry.load("strategies", "priced[of=entropy,unit=clicks,question=multiclass]")
    assert strategy.needs == ("entropy_sum", "prediction_histogram") and strategy.question == "multiclass"
    assert strategy.score(pool(columns, 4)).tolist() == [6, 3, 2]
    strategy = registry.load("strategies", "priced[of=entropy[question=dominant]]")
    assert strategy.needs == ("entropy_sum",) and strategy.question == "dominant"
    assert strategy.score(pool(columns, 4)).tolist() == [6 / 4] * 3


def test_priced_takes_the_seconds_of_a_file_and_no_scores_below_zero(tmp_path):
    prices = {"confirm": 1, "correct": 9, "classify": 1, "void": 1, "give_up": 1}
    (tmp_path / "s.csv").write_text("action,seconds\n" + "".join(f"{k},{v}\n" for k, v in prices.items()))
    columns = random_columns(["cil", "entropy_sum"], 1) | {"cil": np.array([0.5])}
    p = pool(columns, 4)
    got = registry.load("strategies", f"priced[of=entropy,seconds={tmp_path / 's.csv'}]").score(p)
    np.testing.assert_allclose(got, columns["entropy_sum"] / columns["size"] / 5)
    with pytest.raises(InputError, match="scores of 0 or more"):
        needs = registry.load("strategies", "priced[of=normalized_margin]").needs
        registry.load("strategies", "priced[of=normalized_margin]").score(pool(random_columns(needs, 3), 4))


@pytest.mark.parametrize("name", ["bald", "vote_entropy", "predictive_entropy", "expected_entropy"])
def test_a_name_without_its_passes_is_answered_with_the_one_that_says_them(name):
    """Audit, row 21."""
    with pytest.raises(InputError, match=f"unknown strategy '{name}'; did you mean 'tta_{name}'"):
        registry.load("strategies", name)
