"""Strategies that choose step by step or draw, against plain loops, scikit-learn and scikit-activeml."""

import numpy as np
import pytest
from pools import pool, random_columns
from sklearn.cluster import KMeans, kmeans_plusplus

from bench import registry
from bench.acquisition import highest, never_asked
from bench.kernels.distances import between, clusters, draw, k_centre, plus_plus, squared

RNG = np.random.default_rng(0)
POINTS = RNG.normal(size=(150, 6)).astype(np.float32) + 3
TWIN = "the independent twin is a test-only dependency"


def acquire(spec, n=150, budget=20, asked=None, rng=None, **columns):
    strategy = registry.load("strategies", spec)
    p = pool(random_columns(strategy.needs, n, seed=3) | columns, 5, asked)
    return strategy.acquire(p, budget, rng or np.random.default_rng(1)).rows, p


class Given:
    """A generator that hands out the uniform numbers that scikit-activeml draws for a pool of ``n``."""

    def __init__(self, seed, n):
        utils = pytest.importorskip("skactiveml.utils", reason=TWIN)
        self.random = utils.check_random_state(seed, n + 1).random_sample


def test_coreset_is_the_greedy_choice_of_a_plain_loop():
    rows, _ = acquire("coreset", asked=[3, 70], feature=POINTS)
    centres = [3, 70]
    for row in rows:
        distance = [min(((POINTS[i] - POINTS[j]) ** 2).sum() for j in centres) for i in range(150)]
        assert row == np.argmax(distance)
        centres.append(row)


def test_coreset_is_that_of_scikit_activeml():
    # Its public class takes a classifier and a pool of samples; the choice alone has no other name.
    core_set = pytest.importorskip("skactiveml.pool._core_set", reason=TWIN)
    labelled = np.full(150, np.nan)
    labelled[[3, 70]] = 0
    theirs = core_set.k_greedy_center(POINTS, labelled, batch_size=20, random_state=0)[0]
    assert acquire("coreset", asked=[3, 70], feature=POINTS)[0].tolist() == theirs.tolist()


def test_coreset_starts_at_the_first_tie_when_nothing_was_asked():
    rows, p = acquire("coreset", feature=POINTS)
    assert rows[0] == p.ties.argmin()
    assert rows[1] == ((POINTS - POINTS[rows[0]]) ** 2).sum(1).argmax()


def test_many_centres_in_blocks_as_one_by_one(monkeypatch):
    monkeypatch.setattr("bench.kernels.distances.BLOCK", 64)
    assert (
        k_centre(POINTS, 10, np.arange(50)).tolist()
        == acquire("coreset", budget=10, asked=range(50), feature=POINTS)[0].tolist()
    )


def gradients(p):
    a = p.candidates.probability_sum / p.candidates.size[:, None]
    a = np.eye(5)[a.argmax(1)] - a
    return np.einsum("nc,nd->ncd", a, p.candidates.feature).reshape(len(a), -1)


def test_badge_distances_are_those_of_the_gradients_themselves(monkeypatch):
    pairwise = pytest.importorskip("sklearn.metrics.pairwise", reason=TWIN)
    seen = {}

    def spy(to, first, n, rng):
        seen.update(distances=np.stack([to(i) for i in range(len(first))]), first=first)
        return np.arange(n)

    monkeypatch.setattr("baselines.diversity.plus_plus", spy)
    _, p = acquire("badge", feature=POINTS)
    rows = never_asked(p, 0)[0]
    g = gradients(p)[rows]
    np.testing.assert_allclose(seen["distances"], pairwise.euclidean_distances(g, squared=True), rtol=1e-3, atol=1e-3)
    assert seen["first"].argmax() == (g**2).sum(1).argmax() and seen["first"].sum() == 1


def test_badge_is_k_means_plus_plus_on_the_gradients_themselves():
    """A loop over explicit gradients; scikit-activeml's Badge counts the origin as a centre, the paper not."""
    rows, p = acquire("badge", feature=POINTS, rng=np.random.default_rng(4))
    order, rng = never_asked(p, 0)[0], np.random.default_rng(4)
    g = gradients(p)[order]
    rng.random()
    chosen = [int((g**2).sum(1).argmax())]
    while len(chosen) < 20:
        squares = np.array([min(((x - g[i]) ** 2).sum() for i in chosen) for x in g])
        cumulative = np.cumsum(squares / squares.sum())
        chosen.append(int(np.searchsorted(cumulative, rng.random(), side="right")))
    assert rows.tolist() == order[chosen].tolist()


def fixed(predict):
    """A scikit-activeml classifier whose input holds its output."""
    base = pytest.importorskip("skactiveml.base", reason=TWIN)

    class Fixed(base.SkactivemlClassifier):
        def fit(self, x, y, sample_weight=None):
            return self

        def predict_proba(self, x):
            return predict(x)

    return Fixed(classes=range(5))


def test_falcun_is_that_of_scikit_activeml_given_the_same_uniform_numbers():
    activeml = pytest.importorskip("skactiveml.pool", reason=TWIN)
    rows, p = acquire("falcun", rng=Given(2, 150))
    order = never_asked(p, 0)[0]
    probabilities = (p.candidates.probability_sum / p.candidates.size[:, None])[order]
    theirs = activeml.Falcun(gamma=10, random_state=2)
    query = theirs.query(probabilities, np.full(150, np.nan), fixed(lambda x: x), fit_clf=False, batch_size=20)
    assert rows.tolist() == order[query].tolist()


def test_plus_plus_spreads_as_well_as_that_of_scikit_learn():
    to, even = squared(POINTS), np.ones(150)
    ours, theirs = [], []
    for seed in range(150):
        rows = plus_plus(to, even, 8, np.random.default_rng(seed))
        others = kmeans_plusplus(POINTS, 8, random_state=seed, n_local_trials=1)[1]
        ours.append(between(POINTS, POINTS[rows]).min(1).sum())
        theirs.append(between(POINTS, POINTS[others]).min(1).sum())
    error = np.hypot(np.std(ours), np.std(theirs)) / np.sqrt(150)
    assert abs(np.mean(ours) - np.mean(theirs)) < 4 * error


def test_draws_follow_their_weights_and_avoid_what_is_taken():
    rng = np.random.default_rng(0)
    weights = np.zeros(3000)
    weights[[5, 1023, 1024, 2999]] = 1, 2, 3, 4
    taken = np.zeros(3000, bool)
    counts = np.bincount([draw(weights, taken, rng) for _ in range(4000)], minlength=3000)
    assert counts.sum() == counts[[5, 1023, 1024, 2999]].sum()
    assert (np.abs(counts[[5, 1023, 1024, 2999]] / 4000 - [0.1, 0.2, 0.3, 0.4]) < 0.03).all()
    taken[:2990] = True
    assert min(draw(np.zeros(3000), taken, rng) for _ in range(200)) >= 2990


def inertia(points, weights, centres):
    return (weights * between(points, centres).min(1)).sum()


def test_clusters_are_no_looser_than_those_of_scikit_learn_and_the_same_in_each_run():
    weights = RNG.random(150).astype(np.float32)
    ours, theirs = [], []
    for seed in range(40):
        centres, members = clusters(POINTS, 8, np.random.default_rng(seed), weights)
        again = clusters(POINTS, 8, np.random.default_rng(seed), weights)
        assert (centres == again[0]).all() and (members == between(POINTS, centres).argmin(1)).all()
        ours.append(inertia(POINTS, weights, centres))
        found = KMeans(8, random_state=seed).fit(POINTS, sample_weight=weights)
        theirs.append(inertia(POINTS, weights, found.cluster_centers_))
    error = np.hypot(np.std(ours), np.std(theirs)) / np.sqrt(40)
    assert np.mean(ours) - np.mean(theirs) < 3 * error


def clue_centres(monkeypatch, spec, **columns):
    """What a strategy asks, its pool, and the points, weights and centres of its clusters."""
    seen = {}

    def spy(points, n, rng, weights, iterations):
        centres, members = clusters(points, n, rng, weights, iterations)
        seen.update(points=points, weights=weights, centres=centres)
        return centres, members

    monkeypatch.setattr("baselines.diversity.clusters", spy)
    rows, p = acquire(spec, budget=8, feature=POINTS, **columns)
    return rows, p, seen


def test_clue_asks_the_nearest_to_each_centre_weighted_by_entropy(monkeypatch):
    rows, p, seen = clue_centres(monkeypatch, "clue")
    order = never_asked(p, 0)[0]
    nearest = between(seen["centres"], POINTS[order]).argmin(1)
    assert len(set(nearest)) == 8 and rows.tolist() == order[nearest].tolist()
    np.testing.assert_allclose(seen["weights"], (p.candidates.entropy_sum / p.candidates.size)[order])
    np.testing.assert_allclose(seen["points"], POINTS[order])


def test_clue_takes_the_entropy_at_its_temperature(monkeypatch):
    """Audit, row 20."""
    name = "tempered_entropy_sum[temperature=0.1]"
    _, p, seen = clue_centres(monkeypatch, "clue[temperature=0.1]")
    order = never_asked(p, 0)[0]
    np.testing.assert_allclose(seen["weights"], (getattr(p.candidates, name) / p.candidates.size)[order])


def test_clue_is_as_tight_as_scikit_learn_on_average():
    """Audit, row 20. The source's clusters are those of `KMeans` with its defaults; over 40 seeds, within the error."""
    ours, theirs = [], []
    for seed in range(40):
        with pytest.MonkeyPatch.context() as patch:
            _, _, seen = clue_centres(patch, "clue", rng=np.random.default_rng(seed))
        ours.append(inertia(seen["points"], seen["weights"], seen["centres"]))
        theirs.append(KMeans(8, random_state=seed).fit(seen["points"], sample_weight=seen["weights"]).inertia_)
    error = np.hypot(np.std(ours), np.std(theirs)) / np.sqrt(40)
    assert np.mean(ours) - np.mean(theirs) < 3 * error


def test_clue_gives_a_shared_nearest_to_the_first_centre_alone():
    features = np.r_[np.zeros((3, 1)), np.full((3, 1), 100.0)].astype(np.float32)
    rows, _ = acquire("clue", n=6, budget=4, feature=features)
    assert len(set(rows.tolist())) == 4


def redal_scores(p):
    """The source's: entropy in bits, the mean over the 5 classes; alpha 1 and beta 0.1, as for S3DIS."""
    bits = p.candidates.entropy_sum / np.log(2)
    return (bits / 5 + 0.1 * p.candidates.colour_gradient_sum) / p.candidates.size


def test_redal_by_hand():
    """Audit, row 10.

    Half of the pixels even over four classes, half sure: 1 bit, a quarter of a bit a class; gradient 0.05.
    """
    columns = {"size": np.array([10, 10]), "entropy_sum": np.array([10 * np.log(2), 10 * np.log(2) - 0.01])}
    columns |= {"colour_gradient_sum": np.array([0.0, 0.5]), "image": np.zeros(2, np.int32)}
    strategy = registry.load("strategies", "redal")
    assert (strategy.alpha, strategy.beta, strategy.clusters, strategy.decay) == (1, 0.1, 400, 0.95)
    p = pool(random_columns(strategy.needs, 2, n_classes=4) | columns, 4)
    scores = [0.25, 0.25 - 0.001 / (4 * np.log(2)) + 0.1 * 0.05]
    assert scores[1] > scores[0] and strategy.acquire(p, 1, np.random.default_rng(0)).rows.tolist() == [1]


def test_redal_as_a_loop_that_lowers_each_cluster_by_its_picks():
    cluster = RNG.integers(0, 4, 60)
    features = (100.0 * np.eye(4)[cluster]).astype(np.float32)
    rows, p = acquire("redal[clusters=4,decay=0.8]", n=60, budget=25, feature=features)
    scores, picks, expected = redal_scores(p), np.zeros(4), []
    while len(expected) < 25:
        now = scores * 0.8 ** picks[cluster]
        now[expected] = -1
        expected.append(int(now.argmax()))
        picks[cluster[expected[-1]]] += 1
    assert rows.tolist() == expected


def test_redal_without_decay_is_its_score():
    rows, p = acquire("redal[decay=1]", feature=POINTS)
    assert rows.tolist() == highest(redal_scores(p), p, 20).tolist()


def test_power_draws_in_proportion_to_the_power_of_the_score():
    scores = np.array([1.0, 2.0, 4.0, 0.0])
    columns = {"size": np.ones(4), "entropy_sum": scores, "image": np.zeros(4, np.int32)}
    first = [
        acquire("power[of=entropy,beta=2]", 4, 1, rng=np.random.default_rng(s), **columns)[0][0] for s in range(1000)
    ]
    assert np.abs(np.bincount(first, minlength=4) / 1000 - scores**2 / 21).max() < 0.06


def test_softrank_draws_in_inverse_proportion_to_the_rank():
    columns = {"size": np.ones(3), "entropy_sum": np.array([5.0, 9.0, 7.0]), "image": np.zeros(3, np.int32)}
    first = [acquire("softrank[of=entropy]", 3, 1, rng=np.random.default_rng(s), **columns)[0][0] for s in range(1000)]
    expected = np.array([1 / 3, 1, 1 / 2]) / (11 / 6)
    assert np.abs(np.bincount(first, minlength=3) / 1000 - expected).max() < 0.06


@pytest.mark.parametrize("wrapper", ["power", "softrank"])
def test_little_noise_leaves_the_order(wrapper):
    rows, p = acquire(f"{wrapper}[of=entropy,beta=1e9]")
    assert rows.tolist() == registry.load("strategies", "entropy").acquire(p, 20, None).rows.tolist()


def test_pixelpick_takes_turns_and_draws_from_each_image_s_top_share():
    image = np.repeat([0, 1, 2], 50).astype(np.int32)
    rows, p = acquire("pixelpick[share=0.2]", budget=15, image=image)
    assert np.bincount(image[rows]).tolist() == [5, 5, 5]
    assert (np.bincount(image[rows[:3]]) == 1).all()
    second, first = np.sort(p.candidates.representative_probability, axis=1)[:, -2:].T
    score = 1 - first + second
    best = [set(np.flatnonzero(image == i)[np.argsort(-score[image == i])[:10]].tolist()) for i in range(3)]
    seen = set()
    for seed in range(60):
        rows = acquire("pixelpick[share=0.2]", budget=15, image=image, rng=np.random.default_rng(seed))[0]
        assert all(r in best[image[r]] for r in rows.tolist())
        seen |= set(rows.tolist())
    assert seen == set().union(*best)


def test_pixelpick_goes_on_in_order_when_the_share_is_used_up():
    rows, p = acquire("pixelpick[score=confidence,share=0.01]", budget=50, n=50, image=np.zeros(50, np.int32))
    assert rows.tolist() == p.candidates.representative_probability.max(1).argsort().tolist()


def test_class_balanced_entropy_gives_each_class_its_part_and_the_rest_to_entropy():
    """8 questions: 5 to the four classes but the background, one each and one more to a drawn one; 3 to entropy."""
    strategy = registry.load("strategies", "class_balanced_entropy[share=0.66,background=0]")
    p = pool(random_columns(strategy.needs, 150, seed=3) | {"size": np.ones(150, int)}, 5, [7])
    by_class, entropy = p.candidates.class_entropy_sum.copy(), p.candidates.entropy_sum.copy()
    rng, expected = np.random.default_rng(4), []
    order = rng.permutation([1, 2, 3, 4])
    by_class[7] = entropy[7] = -1
    for i, k in enumerate([order[0], *order]):  # the first drawn class chooses twice
        if i == 0:
            expected.append(int(by_class[:, k].argmax()))
            continue
        free = by_class[:, k].copy()
        free[expected] = -1
        expected.append(int(free.argmax()))
    for _ in range(3):
        entropy[expected] = -1
        expected.append(int(entropy.argmax()))
    assert strategy.acquire(p, 8, np.random.default_rng(4)).rows.tolist() == expected


def test_class_balanced_entropy_without_a_share_is_entropy():
    rows, p = acquire("class_balanced_entropy[share=0]")
    assert rows.tolist() == registry.load("strategies", "entropy").acquire(p, 20, None).rows.tolist()


@pytest.mark.parametrize(("number", "beta"), [(1, 1), (3, 10), (5, 100), (9, 100)])
def test_clasp_pe_is_a_plain_loop_with_noise_that_fades(number, beta):
    """8 questions: 5 to the four classes but the background, and 3 to all; each draw is noise on the log of a score."""
    strategy = registry.load("strategies", "clasp_pe[background=0]")
    p = pool(random_columns(strategy.needs, 150, seed=3), 5, [7], number)
    c, rng, expected = p.candidates, np.random.default_rng(4), []
    rows = [row for row in np.argsort(p.ties) if row != 7]
    order = rng.permutation([1, 2, 3, 4])
    for scores, n in [*((c.class_entropy_sum[:, k], 1 + (k == order[0])) for k in order), (c.entropy_sum, 3)]:
        noise = dict(zip(rows, rng.gumbel(size=len(rows)), strict=True))
        keys = {row: np.log(scores[row] / c.size[row]) + noise[row] / beta for row in rows if row not in expected}
        expected += sorted(keys, key=lambda row: -keys[row])[:n]
    assert strategy.acquire(p, 8, np.random.default_rng(4)).rows.tolist() == expected


@pytest.mark.parametrize(("share", "n_foreground"), [(0.66, 13), (1, 20), (0, None)])
def test_foreground_random_draws_its_share_among_predicted_foreground(share, n_foreground):
    """As a plain loop: the first of them along the ties, then the first of all others."""
    dominant = np.arange(150) % 5
    spec = f"foreground_random[share={share},background=3]"
    rows, p = acquire(spec, asked=range(30), dominant=dominant)
    order = [row for row in np.argsort(p.ties) if row >= 30]
    drawn = [row for row in order if dominant[row] != 3][: int(20 * share)]
    assert rows.tolist() == drawn + [row for row in order if row not in drawn][: 20 - len(drawn)]
    if n_foreground:
        assert (dominant[rows[:n_foreground]] != 3).all()


def test_foreground_random_without_foreground_is_random():
    rows, p = acquire("foreground_random", dominant=np.zeros(150, int))
    assert rows.tolist() == np.argsort(p.ties)[:20].tolist()
