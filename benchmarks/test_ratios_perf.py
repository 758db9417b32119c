"""Kernels and a whole acquisition against the committed baseline: ratios of times, round by round in one process.

To a copy of the full-size probabilities, and on a small image to the plain loop. A ratio depends on the machine far
less than a time does. `MARGIN` is what it may rise by before a test fails; what moved is printed, failed or not.
``ALC_BENCH_BASELINE=1 tox -e perf -- benchmarks/test_ratios_perf.py`` writes the baseline anew.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from runs import write_run
from test_pool_perf import Generated
from test_questions_perf import Questions, generated

from bench import registry, report
from bench.commands.time import maps
from bench.commands.time.kernels import SIZES, scene
from bench.experiment.acquire import acquire_table
from bench.kernels import IMPLEMENTATIONS, superpixel_statistics
from bench.kernels.statistics import STATISTICS
from bench.timing import compare
from bench.types import Pool

BASELINE = Path(__file__).with_name("baseline.json")
MARGIN = 1.5
NEEDS = {"sim": ("sim",), "representative": (), "all": tuple(n for n, s in STATISTICS.items() if s.fused)}
KERNELS = [i for i in IMPLEMENTATIONS if i not in ("reference", "torch", "gpu")]


@pytest.fixture(scope="module")
def moved():
    """``moved(name, ratio)`` holds a ratio against the baseline; all of them are printed at the end."""
    old = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    new = {}

    def check(name, ratio):
        new[name] = float(f"{ratio:.3g}")
        if not os.environ.get("ALC_BENCH_BASELINE"):
            assert name in old, f"no baseline for {name!r}: write one with ALC_BENCH_BASELINE=1"
            assert ratio <= MARGIN * old[name], f"{name}: {ratio:.3g}, in the baseline {old[name]}"

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield check
    torch.set_num_threads(before)
    print(f"\n{'ratio of times':56}{'now':>9}{'baseline':>10}")
    for name, ratio in new.items():
        print(f"{name:56}{ratio:9.3g}{old.get(name, float('nan')):10.3g}{ratio / old.get(name, ratio) - 1:+7.0%}")
    if os.environ.get("ALC_BENCH_BASELINE"):
        BASELINE.write_text(json.dumps(old | new, indent=2) + "\n")


def inputs(size):
    """What is read from either source, labels and superpixels, of a generated image."""
    logits, labels, superpixels = scene(*SIZES[size])
    full = torch.nn.functional.interpolate(logits[None], labels.shape, mode="bilinear")[0].softmax(0).contiguous()
    return {"probabilities": full, "logits": logits}, labels, superpixels


@pytest.fixture(scope="module", params=["voc", "cityscapes"])
def image(request):
    return request.param, *inputs(request.param)


@pytest.mark.parametrize("needs", NEEDS)
@pytest.mark.parametrize("source", ["probabilities", "logits"])
@pytest.mark.parametrize("implementation", KERNELS)
def test_a_kernel_to_a_copy(benchmark, image, moved, implementation, source, needs):
    size, scores, labels, superpixels = image
    benchmark.group = f"{size}, from {source}"
    options = {"logits": source == "logits", "implementation": implementation, "threads": 1}
    target = torch.empty_like(scores["probabilities"])

    def kernel():
        return superpixel_statistics(scores[source], labels, superpixels, NEEDS[needs], **options)

    timings = compare({"copy": lambda: target.copy_(scores["probabilities"]), "kernel": kernel}, rounds=11)
    benchmark.pedantic(kernel, rounds=3)
    moved(f"{implementation} / copy, {size}, from {source}, {needs}", timings.ratio("kernel", "copy"))


@pytest.mark.parametrize("source", ["probabilities", "logits"])
@pytest.mark.parametrize("implementation", KERNELS)
def test_a_kernel_to_the_plain_loop(benchmark, moved, implementation, source):
    scores, labels, superpixels = inputs("shapes")

    def with_(name):
        options = {"logits": source == "logits", "implementation": name, "threads": 1}
        return superpixel_statistics(scores[source], labels, superpixels, NEEDS["sim"], **options)

    timings = compare({"kernel": lambda: with_(implementation), "reference": lambda: with_("reference")}, rounds=5)
    benchmark.pedantic(with_, (implementation,), rounds=20)
    moved(f"{implementation} / plain loop, shapes, from {source}, sim", timings.ratio("kernel", "reference"))


@pytest.mark.parametrize("family", maps.FAMILIES)
def test_statistics_of_maps_to_a_copy(benchmark, moved, family):
    """From logits, and nothing else; of passes there are three."""
    scores, labels, superpixels = inputs("voc")
    target = torch.empty_like(scores["probabilities"])
    kernel = maps.functions(scores["logits"], labels, superpixels, threads=1)[family]
    timings = compare({"copy": lambda: target.copy_(scores["probabilities"]), "kernel": kernel}, rounds=5)
    benchmark.pedantic(kernel, rounds=3)
    moved(f"{family} / copy, voc, from logits", timings.ratio("kernel", "copy"))


def test_a_question_to_a_copy(benchmark, moved, tmp_path):
    questions, full = Questions(*generated(), tmp_path), torch.rand(19, 1024, 2048)
    target = torch.empty_like(full)
    timings = compare({"copy": lambda: target.copy_(full), "question": lambda: questions.ask(100)}, rounds=5)
    benchmark.pedantic(questions.ask, (100,), rounds=3)
    moved("100 questions / copy, cityscapes", timings.ratio("question", "copy"))


def test_a_report_of_200_cells_to_one_of_20(benchmark, moved, tmp_path):
    runs = {n: write_run(tmp_path / f"run{n}", n_seeds=n // 4) for n in (20, 200)}
    timings = compare({n: lambda run=run: report.write([run], html=False) for n, run in runs.items()}, 3, 1)
    benchmark.pedantic(report.write, ([runs[20]],), {"html": False}, rounds=1)
    moved("report of 200 cells / of 20", timings.ratio(200, 20))


def test_help_takes_less_than_a_second_and_not_much_longer_than_python(benchmark, moved):
    def run(*arguments):
        return subprocess.run([sys.executable, *arguments], check=True, capture_output=True)

    timings = compare({"python": lambda: run("-c", ""), "help": lambda: run("-m", "bench", "--help")}, rounds=5)
    benchmark.pedantic(run, ("-m", "bench", "--help"), rounds=1)
    moved("alc-bench --help / python", timings.ratio("help", "python"))
    assert timings.median_ms("help") < 1000


@pytest.mark.parametrize("name", ["sim", "random", "entropy", "pixbal"])
def test_a_whole_acquisition_to_a_copy(benchmark, moved, name):
    """From predictions of four images to the query: statistics, table, scores, choice; a copy of four images."""
    bench, strategy = Generated(4), registry.load("strategies", name)
    full = torch.rand(bench.n_classes, *bench.map.shape)
    target = torch.empty_like(full)

    def copies():
        for _ in bench.names:
            target.copy_(full)

    def acquire():
        table, _ = acquire_table(bench, bench.learner, None, bench.pseudo.labels, strategy.needs)
        n = len(table)
        ties = np.random.default_rng(0).random(n)
        pool = Pool(table, np.zeros(n, bool), ties, bench.n_classes, np.full(n, -1, np.int16))
        return strategy.acquire(pool, n // 20, np.random.default_rng(0))

    timings = compare({"copy": copies, "acquire": acquire}, rounds=5, warm_up=1)
    benchmark.pedantic(acquire, rounds=1)
    moved(f"acquisition by {name} / copy, 4 of cityscapes", timings.ratio("acquire", "copy"))
