"""Scores beside SIM, tried on one model a seed: the data mIoU after each quarter of four rounds of questions.

``python benchmarks/tried_scores.py DATA`` writes ``results/tried/scores.csv``: a row a dataset, score and seed, with
the area under the curve and the last value. A model of each seed, trained on the pseudo labels, scores the pool once,
as if it stayed so; each superpixel has one label, so that an answer moves a row of truths from one column of the
confusion matrix to another. What looks good here is then run as a strategy, with a model a round, on seeds that were
not looked at.
"""

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from baselines.worth import worth
from bench import files, metrics, seeds
from bench.experiment.acquire import acquire_table
from bench.experiment.problem import Setup
from bench.experiment.session import Session
from bench.experiment.settings import Settings
from bench.experiment.truth import truth_columns
from bench.labels import LabelMaps

SEEDS, ROUNDS, QUARTERS = range(10, 15), 4, 4
NEEDS = ("sim", "cil", "cil_sum", "agree_count", "label_histogram", "probability_sum")


def datasets(data: Path) -> dict[str, dict]:
    files = f"files[root={data / 'camvid/espnetv2-cityscapes'}]"
    return {
        "shapes": dict(dataset="shapes"),
        "kvasir": dict(dataset="kvasir", data_root=str(data / "kvasir-seg"), foundation="weak[n=40]"),
        "pascal": dict(
            dataset="pascal",
            data_root=str(data / "pascal-voc-images/VOCdevkit"),
            foundation=f"files[root={data / 'pascal-voc/grounded-sam'}]",
        ),
        "camvid": dict(
            dataset="folder[name=camvid]",
            data_root=str(data / "camvid"),
            foundation=f"recut[of={files},superpixels=felzenszwalb,cut=labels]",
        ),
    }


def tables(where: dict, logs: Path):
    """For each seed: it, the pool with `NEEDS` and its truth, and the confusion matrix of the pseudo labels."""
    setup = Setup.of(Settings(**where, device="cpu"))
    problem = setup.read(lambda what, n: None)
    labels, learner = problem.pseudo.labels, setup.learner
    images = range(len(problem.names))
    confusion = sum(metrics.confusion(problem.truth(i), labels(i), problem.n_classes) for i in images).astype(float)
    for seed in SEEDS:
        model = learner.fit(problem.samples(labels), seeds.integer(seed, "fit", 0), logs)
        pool = acquire_table(problem, learner, model, labels, NEEDS)[0]
        truth = truth_columns(Session(problem, "perfect", seed, LabelMaps(labels, 2**30)), pool, "correction")
        yield seed, pool, truth, confusion


def scores(pool, seed: int) -> dict[str, np.ndarray]:
    """By name, (n,) each; n and m: the pixels of a superpixel and its mean of 1 - p[label]."""
    n, rows = pool.size, np.arange(len(pool))
    m, sim = pool.cil_sum / n, pool.sim / n
    label, p = pool.label_histogram[:, :-1].argmax(1), pool.probability_sum
    other = p.copy()
    other[rows, label] = 0
    found = {f"n m^{a}": n * m**a for a in (0, 1, 1.5, 2, 3)} | {f"n sim^{a}": n * sim**a for a in (1, 1.25, 1.5)}
    found |= {"random": seeds.uniform(seed, "tried", pool.image, pool.superpixel), "m": m, "n cil": n * pool.cil}
    found |= {"n disagree": n - pool.agree_count, "n (best other p - p)": other.max(1) - p[rows, label]}
    for power in (0.25, 0.5, 1):
        both = worth(pool, power)
        for a in (1, 1.25, 1.5):
            found |= {f"n sim^{a} worth^{power}": n * sim**a * both, f"n m^{a} worth^{power}": n * m**a * both}
    return found


def curve(score, pool, truth, confusion, budget: int) -> np.ndarray:
    """(1 + ROUNDS * QUARTERS,) data mIoU."""
    n_classes, confusion = len(confusion), confusion.copy()
    label, answer = pool.label.astype(int), truth["truth_answer"].astype(int)
    found = [metrics.miou(confusion)]
    for part in np.array_split(np.argsort(-score, kind="stable")[: budget * ROUNDS], ROUNDS * QUARTERS):
        for i in part[(answer[part] >= 0) & (answer[part] < n_classes) & (label[part] < n_classes)]:
            moved = truth["truth_histogram"][i, :n_classes]
            confusion[:n_classes, label[i]] -= moved
            confusion[:n_classes, answer[i]] += moved
        found.append(metrics.miou(confusion))
    return np.array(found)


if __name__ == "__main__":
    out = []
    with TemporaryDirectory() as logs:
        for name, where in datasets(Path(sys.argv[1])).items():
            for seed, pool, truth, confusion in tables(where, Path(logs)):
                budget = 300 if name == "pascal" else -(-len(pool) // 20)
                for score, values in scores(pool, seed).items():
                    found = curve(values, pool, truth, confusion, budget)
                    out.append({"dataset": name, "score": score, "seed": seed, "area": found.mean(), "last": found[-1]})
    files.write_csv(Path(__file__).parents[1] / "results" / "tried" / "scores.csv", out)
