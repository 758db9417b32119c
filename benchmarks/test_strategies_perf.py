"""What each strategy's acquisition takes beside prediction: statistics and choice; preset `probe`.

``python benchmarks/test_strategies_perf.py DATA [n_images]`` writes ``results/speed/acquisition.csv``: a row a strategy
of the registry and pool, Kvasir-SEG and the PASCAL photographs. Kvasir's labels are its truth moved by 12 px, with
Felzenszwalb's superpixels; PASCAL's are Grounded-SAM's. A round is one trip over the predictions and one choice of a
twentieth of the pool, on one thread. The network predicts each image as one that it has not seen before: a run keeps
the frozen features of `cpu`, and its later rounds predict in a fraction of these seconds. ``ratio``: acquisition
(``acquire_s``, statistics and choice) over the predictions of one trip; what a second trip predicts again counts as
acquisition. The median of the rounds, each strategy once a round. Those that compare superpixels with one
another choose from `N_MANY`, drawn at random, in a process of their own; the seconds go to as many images as have so
many. ``choose_mib``: the most memory that it takes beside the candidates.
"""

import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pools import pool, random_columns

from bench import files, registry, seeds
from bench.commands.time.kernels import status_kib
from bench.experiment.acquire import acquire_table
from bench.experiment.problem import Problem
from bench.foundation.pseudo import PseudoLabels, write
from bench.kernels.statistics import OF_TRUTH
from bench.learners import frozen
from bench.timing import Stopwatch
from bench.types import Pool

N_MANY = 50_000
DATASETS = {"kvasir": "kvasir-seg", "pascal": "pascal-voc-images/VOCdevkit"}
SHIFT_PX, MAX_ITERS = 12, 25
MULTI_PASS = {"tta_bald", "tta_expected_entropy", "tta_predictive_entropy", "tta_vote_entropy"}
QUADRATIC = {"badge", "clue", "coreset", "falcun", "redal"}
MAPS = {"aiou", "confident_learning", "ripu"}  # components, thresholds and windows


def bar(name: str) -> float | None:
    """The ratio that a strategy may not pass, if there is one. FALCUN is quadratic by definition."""
    if name in MULTI_PASS | {"falcun"}:
        return None
    return 0.5 if name in QUADRATIC else 0.25 if name in MAPS else 0.1


class First:
    """The first ``n`` train images of a dataset, a foundation too where ``superpixels`` is given."""

    resumes, folder = False, None

    def __init__(self, dataset, n, superpixels=None):
        self.dataset, self.superpixels = dataset, superpixels
        self.kept = dataset.names("train")[:n]
        self.classes, self.image, self.truth = dataset.classes, dataset.image, dataset.truth

    def names(self, split):
        return self.kept

    def generate(self, *_):
        for name in self.kept:
            yield (
                name,
                np.roll(self.truth("train", name), SHIFT_PX, (0, 1)),
                self.superpixels.segment(self.dataset, name),
            )


def opened(name: str, data: Path, n: int, scratch: Path):
    """The problem, its learner and a model."""
    dataset = registry.load("datasets", name, root=str(data / DATASETS[name]))
    if name == "pascal":
        first, folder = First(dataset, n), data / "pascal-voc" / "grounded-sam"
    else:
        first, folder = First(dataset, n, registry.load("superpixels", "felzenszwalb")), scratch / "pseudo"
        write(folder, first, first)
    frozen.MEMORY_BYTES = 0
    known = dict(dataset=name, n_classes=len(dataset.classes), device="cpu", preset="probe")
    learner = registry.load("learners", "mmseg", **known, options={"max_iters": MAX_ITERS, "param_scheduler": []})
    problem = Problem(None, {}, first, PseudoLabels(folder, first.kept), None, None, {})
    model = learner.fit(problem.samples(problem.pseudo.labels), 0, scratch / "log")
    return problem, learner, model


def once(problem, learner, model, strategy) -> dict[str, float]:
    """The seconds of one acquisition."""
    wanted = tuple(need for need in strategy.needs if need not in OF_TRUTH)
    predict, seen = learner.predict, []
    learner.predict = lambda *of: (seen.append(None) or prediction for prediction in predict(*of))
    table, spent = acquire_table(problem, learner, model, problem.pseudo.labels, wanted)
    learner.predict = predict
    n, n_trips = len(table), len(seen) / len(problem.names)
    everything = Pool(table, np.zeros(n, bool), seeds.uniform(0, "tie", table.image, table.superpixel),
                problem.n_classes, np.full(n, -1, np.int16))  # fmt: skip
    with Stopwatch() as watch:
        strategy.acquire(everything, -(-n // 20), seeds.generator(0, "acquire"))
    depth = table.feature.shape[1] if "feature" in table.columns else 0
    return spent | {
        "choose_s": watch.total_s,
        "n": n,
        "depth": depth,
        "again_s": spent["predict_s"] * (1 - 1 / n_trips),
    }


def choose_from_many(name: str, n_classes: int, depth: int) -> tuple[float, float]:
    """Seconds and MiB that it takes to choose a twentieth of `N_MANY` candidates."""
    torch.set_num_threads(1)
    strategy = registry.load("strategies", name)
    many = pool(random_columns(strategy.needs, N_MANY, n_classes, depth, n_images=1000), n_classes, asked=[])
    before_kib = status_kib("VmRSS")
    with Stopwatch() as watch:
        strategy.acquire(many, N_MANY // 20, seeds.generator(0, "acquire"))
    return watch.total_s, (status_kib("VmHWM") - before_kib) / 1024


def measure(name: str, data: Path, n_images: int, scratch: Path, rounds: int = 3, only=None) -> list[dict]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    parts = opened(name, data, n_images, scratch)
    names = [n for n in registry.catalogue("strategies").classes if not registry.load("strategies", n).reads_truth]
    strategies = {n: registry.load("strategies", n) for n in (only or names)}
    spent = {n: [] for n in strategies}
    for number in range(-1, rounds):
        for strategy in strategies:
            found = once(*parts, strategies[strategy])
            if number >= 0:
                spent[strategy].append(found)
    torch.set_num_threads(before)
    rows = []
    for strategy, found in spent.items():
        columns = ("predict_s", "acquire_s", "choose_s", "again_s")
        predict, statistics, choose, again = (np.array([s[k] for s in found]) for k in columns)
        row = {"dataset": name, "n_images": n_images, "strategy": strategy}
        for column, seconds in (("predict", predict - again), ("statistics", statistics + again), ("choose", choose)):
            row[f"{column}_ms"] = float(np.median(seconds)) * 1e3 / n_images
        if strategy in QUADRATIC:
            with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as alone:
                many = strategy, parts[0].n_classes, int(found[0]["depth"])
                seconds, row["choose_mib"] = alone.submit(choose_from_many, *many).result()
            choose[:] = seconds * found[0]["n"] / N_MANY
            row["choose_ms"] = choose[0] * 1e3 / n_images
        row["ratio"] = float(np.median((statistics + choose + again) / (predict - again)))
        rows.append(row | {"bar": bar(strategy)})
    return rows


@pytest.mark.parametrize("name", DATASETS)
def test_acquisition_beside_prediction(real_data, tmp_path, name):
    """What passes its bar is printed; none may take longer than the prediction itself."""
    rows = [row for row in measure(name, real_data, 12, tmp_path) if row["bar"]]
    print({row["strategy"]: (round(row["ratio"], 2), row["bar"]) for row in rows if row["ratio"] > row["bar"]})
    assert max(row["ratio"] for row in rows) < 1


if __name__ == "__main__":
    import tempfile

    data, n = Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 24
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for dataset in DATASETS:
            found += measure(dataset, data, n, Path(folder) / dataset, only=sys.argv[3:])
    for row in found:
        print(*(f"{x:.3g}" if isinstance(x, float) else x for x in row.values()))
    if not sys.argv[3:]:
        files.write_csv(Path(__file__).parents[1] / "results" / "speed" / "acquisition.csv", found)
