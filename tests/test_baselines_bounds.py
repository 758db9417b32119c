"""The bounds against brute force: write the answer into the label map, and count."""

from itertools import combinations, product

import numpy as np
import pytest
from pools import Scene, pool

from baselines.bounds import ceiling
from bench import registry
from bench.types import VOID

C = 4


class World:
    """Scenes with a truth and an annotator's answers, some of them wrong, void or no change."""

    def __init__(self, seed, n_scenes=1, n_superpixels=7):
        rng = np.random.default_rng(seed)
        self.scenes = [Scene(10 * seed + i, C, n_superpixels=n_superpixels) for i in range(n_scenes)]
        self.truths, rows = [], []
        for i, s in enumerate(self.scenes):
            truth = rng.integers(0, C - 1, s.superpixels.max() + 1)[s.superpixels]  # class C - 1 is nowhere true
            truth = np.where(
                rng.random(truth.shape) < 0.2, VOID, np.where(rng.random(truth.shape) < 0.3, s.predicted, truth)
            )
            self.truths.append(np.where(truth == C - 1, 0, truth))
            rows += [(i, j, rng.choice([-1, 0, 1, 2, 3, VOID], p=[0.1, 0.25, 0.25, 0.25, 0.05, 0.1])) for j in s.ids]
        self.rows = rows

    def maps(self, picks=()):
        labels = [s.labels.astype(int) for s in self.scenes]
        for row in picks:
            i, superpixel, answer = self.rows[row]
            if answer >= 0:
                labels[i][self.scenes[i].superpixels == superpixel] = answer
        known = [t != VOID for t in self.truths]
        return tuple(np.concatenate([m[k] for m, k in zip(maps, known, strict=True)]) for maps in (labels, self.truths))

    def right(self, picks):
        labels, truth = self.maps(picks)
        return int((labels == truth).sum())

    def miou(self, picks):
        labels, truth = self.maps(picks)
        iou = [((labels == c) & (truth == c)).sum() / max(((labels == c) | (truth == c)).sum(), 1) for c in range(C)]
        return np.mean([v for c, v in enumerate(iou) if ((labels == c) | (truth == c)).any()])

    def pool(self, asked=()):
        columns = {
            k: [] for k in ("image", "superpixel", "size", "truth_answer", "truth_histogram", "truth_agree_histogram")
        }
        columns |= {"truth_label_histogram": []}
        for i, superpixel, answer in self.rows:
            inside = self.scenes[i].superpixels == superpixel
            y, t = self.scenes[i].labels[inside], self.truths[i][inside]
            columns["image"].append(i)
            columns["superpixel"].append(superpixel)
            columns["size"].append(inside.sum())
            columns["truth_answer"].append(answer)
            columns["truth_histogram"].append([(t == c).sum() for c in (*range(C), VOID)])
            columns["truth_agree_histogram"].append([((t == c) & (y == c)).sum() for c in range(C)])
            columns["truth_label_histogram"].append([((y == c) & (t != VOID)).sum() for c in range(C)])
        labels, truth = self.maps()
        totals = [((labels == c) & (truth == c)).sum() for c in range(C)]
        totals += [(truth == c).sum() for c in range(C)] + [(labels == c).sum() for c in range(C)]
        columns = {k: np.array(v) for k, v in columns.items()}
        columns |= {k: np.zeros(len(self.rows), np.int32) for k in ("row", "column", "label")}
        columns["truth_totals"] = np.broadcast_to(totals, (len(self.rows), 3 * C))
        return pool(columns, C, asked)

    def ask(self, name, budget, asked=()):
        return registry.load("strategies", name).acquire(self.pool(asked), budget, None).rows.tolist()


WORLDS = [World(seed) for seed in range(5)]


@pytest.mark.parametrize("w", WORLDS)
@pytest.mark.parametrize("budget", [1, 2, 3])
def test_no_other_choice_has_more_or_fewer_right_pixels(w, budget):
    every = [w.right(picks) for picks in combinations(range(len(w.rows)), budget)]
    fewer = [w.right(picks) for n in range(budget) for picks in combinations(range(len(w.rows)), n)]
    assert w.right(w.ask("clairvoyant_gain", budget)) == max(every + fewer)
    assert w.right(w.ask("clairvoyant_worst", budget)) == min(every)


@pytest.mark.parametrize("w", WORLDS)
def test_gain_never_asks_what_does_harm_and_all_the_rest(w):
    start = w.right([])
    harmless = [i for i in range(len(w.rows)) if w.right([i]) >= start]
    assert sorted(w.ask("clairvoyant_gain", 99)) == harmless


@pytest.mark.parametrize("w", [*WORLDS, World(9, n_scenes=3)])
def test_miou_is_greedy_on_the_exact_change(w):
    asked, picks = [0], []
    chosen = w.ask("clairvoyant_miou", 99, asked)
    while True:
        rest = [i for i in range(len(w.rows)) if i not in picks and i not in asked]
        gains = {i: w.miou([*picks, i]) - w.miou(picks) for i in rest}
        best = max(gains.values(), default=-1)
        if best < -1e-12:
            break
        pick = chosen[len(picks)]
        assert gains[pick] == pytest.approx(best, abs=1e-12)
        picks.append(pick)
    assert picks == chosen


@pytest.mark.parametrize("w", [World(seed, n_superpixels=4) for seed in range(3)])
def test_no_choice_and_no_answer_makes_more_pixels_right_than_the_ceiling(w):
    """Audit, row 1. Any class at any superpixel, or no change, whatever the annotator would have said."""
    above, rows = ceiling(w.pool()), w.rows
    assert len(above) == len(rows) + 1 and (np.diff(above) >= 0).all() and (np.diff(above, n=2) <= 0).all()
    start, best = w.right([]), np.zeros(3, int)
    for n in range(3):
        for picks in combinations(range(len(rows)), n):
            for classes in product([-1, *range(C)], repeat=n):
                w.rows = [(*rows[i][:2], dict(zip(picks, classes, strict=True)).get(i, -1)) for i in range(len(rows))]
                best[n] = max(best[n], w.right(picks) - start)
    w.rows = rows
    assert best.tolist() == above[:3].tolist()
    assert ceiling(w.pool(asked=[0])).tolist() <= above.tolist()


@pytest.mark.parametrize("w", WORLDS)
def test_the_best_class_reaches_the_ceiling_when_it_is_the_answer(w):
    rows, answers = w.rows, []
    for i, superpixel, _ in rows:
        truth = w.truths[i][w.scenes[i].superpixels == superpixel]
        answers.append(np.bincount(truth[truth != VOID], minlength=C).argmax())
    above, start, chosen = ceiling(w.pool()), w.right([]), w.ask("clairvoyant_best", 99)
    w.rows = [(*row[:2], answer) for row, answer in zip(rows, answers, strict=True)]
    for n in range(len(chosen) + 1):
        assert w.right(chosen[:n]) - start == above[n]
    w.rows = rows
    assert above[len(chosen)] == above[-1]


def test_the_bounds_say_that_they_read_the_truth():
    for name in ("clairvoyant_best", "clairvoyant_gain", "clairvoyant_miou", "clairvoyant_worst"):
        assert registry.load("strategies", name).reads_truth
