"""What a question costs, answer and correction with it, on a pool of Cityscapes' size, however many came before.

``python benchmarks/test_questions_perf.py [DATA [n]]`` asks n questions, 100,000 if it is left out (2,975 images of
1024 × 2048 px, superpixels of 16,384 px), then a tenth of them on PASCAL's labels in DATA, and writes
``results/speed/questions.csv``: the milliseconds, of the processor, of a question after as many others. The maps are in
memory: what reading and decoding them costs is no part of it.
"""

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from test_pool_perf import N_CLASSES, N_IMAGES, SHIFTS, Generated

from bench import files, metrics, seeds
from bench.costs.seconds import ASSUMED
from bench.experiment.cell import ask
from bench.experiment.measured import Measured
from bench.experiment.problem import MEMORY_BYTES, Problem, Setup
from bench.experiment.session import Session
from bench.experiment.settings import Settings
from bench.kernels.regions import regions
from bench.labels import LabelMaps
from bench.runs.journal import Journal
from bench.timing import Clock, Stopwatch
from bench.types import Candidates, Query

BEFORE = (0, 10, 100, 1_000, 10_000)
MOST = 1_000  # questions that are timed together


def generated() -> tuple[Problem, Candidates]:
    """A problem of Cityscapes' size, and its superpixels."""
    pool = Generated(N_IMAGES)
    shifted = [(pool.shifted(pool.map, i), regions(pool.superpixels(i))) for i in range(SHIFTS)]
    truths = [np.roll(labels, 40, 0) for labels, _ in shifted]
    dataset = SimpleNamespace(
        classes=range(N_CLASSES), names=lambda split: pool.names, truth=lambda split, name: truths[int(name) % SHIFTS]
    )
    pseudo = SimpleNamespace(
        names=pool.names,
        labels=lambda i: shifted[i % SHIFTS][0],
        truth=lambda dataset, i: truths[i % SHIFTS],
        regions=lambda i: shifted[i % SHIFTS][1],
        region=lambda i, superpixel: shifted[i % SHIFTS][1].region(superpixel),
    )
    ids = shifted[0][1].ids
    confusion = metrics.ByImage(N_CLASSES, [np.zeros((N_CLASSES, N_CLASSES + 1), int)] * N_IMAGES)
    measured = Measured(confusion, *(np.zeros(N_IMAGES * len(ids), kind) for kind in (np.int16, np.uint8)))
    image, which = np.divmod(np.arange(N_IMAGES * len(ids)), len(ids))
    first = [[r.region(k).start[0] for k in r.ids] for _, r in shifted]
    row, column = np.divmod([first[i % SHIFTS][k] for i, k in zip(image, which, strict=True)], pool.map.shape[1])
    columns = {
        "image": image,
        "superpixel": ids[which],
        "row": row,
        "column": column,
        "label": 0 * row,
        "size": 0 * row,
    }
    return Problem(None, {}, dataset, pseudo, measured, None, ASSUMED), Candidates(columns)


def pascal(data: Path, cache: Path) -> tuple[Problem, Candidates]:
    """PASCAL's labels with the released files, and their superpixels."""
    roots = str(data / "pascal-voc/VOCdevkit"), f"files[root={data / 'pascal-voc/grounded-sam'}]"
    settings = dict(zip(("dataset", "data_root", "foundation"), ("pascal", *roots), strict=True))
    problem = Setup.of(Settings(**settings, model="none", budget="1000", cache=str(cache))).read()
    for i in range(len(problem.names)):
        problem.truth(i), problem.pseudo.labels(i), problem.pseudo.regions(i)
    return problem, problem.label_only


class Questions:
    """A session, and the superpixels of a pool in a drawn order."""

    def __init__(self, problem: Problem, table: Candidates, folder: Path):
        problem = replace(problem, budget=None)
        self.session = Session(problem, "perfect", 0, LabelMaps(problem.pseudo.labels, MEMORY_BYTES))
        self.journal, self.n = Journal(folder), 0
        for number in range(2):
            self.journal.seconds(number)
        self.table = table.take(seeds.generator(0, "questions").permutation(len(table)))

    def ask(self, n: int) -> float:
        """Milliseconds of the processor a question of the next ``n``."""
        query = Query(np.arange(self.n, self.n + n))
        with Stopwatch() as watch:
            ask(self.session, self.journal, 1, self.table, query, Clock(self.journal.seconds(1)))
        self.n += n
        return watch.cpu_s / n * 1e3


def measure(pool: str, questions: Questions, before=BEFORE) -> list[dict]:
    rows: list[dict] = []
    questions.ask(1)
    for asked, then in zip(before, (*before[1:], before[-1] + MOST), strict=True):
        questions.ask(asked - questions.n) if asked > questions.n else None
        n = min(then - questions.n, MOST)
        rows.append({"pool": pool, "asked_before": questions.n, "n": n, "ms": questions.ask(n)})
    return rows


def test_a_question_costs_the_same_whatever_came_before(benchmark, tmp_path):
    questions = Questions(*generated(), tmp_path)
    rows = benchmark.pedantic(measure, ("generated", questions, (10, 100, 5_000)), rounds=1)
    benchmark.extra_info["ms"] = [round(row["ms"], 3) for row in rows]
    assert rows[-1]["ms"] < 1.5 * rows[0]["ms"] and rows[-1]["ms"] < 0.2


def test_a_question_on_labels_of_pascal(benchmark, tmp_path, real_data):
    questions = Questions(*pascal(real_data, tmp_path), tmp_path / "cell")
    (row,) = benchmark.pedantic(measure, ("pascal", questions, (1_000,)), rounds=1)
    assert row["ms"] < 0.2


if __name__ == "__main__":
    nowhere = Path("no cell is there")
    most = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    found = measure("generated", Questions(*generated(), nowhere), tuple(n for n in (*BEFORE, most - MOST) if n < most))
    if len(sys.argv) > 1:
        found += measure("pascal", Questions(*pascal(Path(sys.argv[1]), nowhere), nowhere), (0, 100, most // 10))
    print(*found, sep="\n")
    files.write_csv(Path(__file__).parents[1] / "results" / "speed" / "questions.csv", found)
