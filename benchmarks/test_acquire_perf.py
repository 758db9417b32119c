"""Time and memory to choose 10,000 of 300,000 candidates, C = 19, features of 32 dimensions.

Run alone, on a quiet machine: ``tox -e perf``. FALCUN, CLUE and the mIoU bound compare
every candidate with every pick by definition and have no bar; ``ALC_BENCH_QUADRATIC=1`` measures them too.
"""

import gc
import os
import resource
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from pools import pool, random_columns

from bench import registry

N, N_CLASSES, DEPTH, BUDGET = 300_000, 19, 32, 10_000
GREEDY = {"coreset": 120, "badge": 120, "redal": 120}  # redal: 400 clusters of them all
QUADRATIC = {"falcun", "clue", "clairvoyant_miou"}
NAMES = sorted(registry.catalogue("strategies").classes)


@pytest.mark.parametrize("name", NAMES)
def test_acquire(benchmark, name):
    if name in QUADRATIC and not os.environ.get("ALC_BENCH_QUADRATIC"):
        pytest.skip("quadratic by definition: set ALC_BENCH_QUADRATIC=1 to measure it")
    strategy = registry.load("strategies", name)
    columns = random_columns(strategy.needs, N, N_CLASSES, DEPTH, n_images=3000)
    p = pool(columns, N_CLASSES, asked=range(0, N, 30))
    gc.collect()
    rounds = 1 if name in GREEDY or name in QUADRATIC else 3
    query = benchmark.pedantic(lambda: strategy.acquire(p, BUDGET, np.random.default_rng(0)), rounds=rounds)
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    benchmark.extra_info["peak_gib"] = round(peak_gib, 2)
    assert len(query.rows) == BUDGET
    if name not in QUADRATIC:
        assert benchmark.stats["median"] < GREEDY.get(name, 10)
        assert peak_gib < 4
