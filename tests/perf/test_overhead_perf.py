"""What a round costs besides training and prediction, each less than a tenth: all of it on shapes, and acquisition."""

import numpy as np
import pandas as pd
import pytest

from bench import grid, loop, timing, workers
from bench.workbench import Settings, Workbench

STRATEGIES = ("random", "entropy", "cil_pixel", "sim")  # a run's default; round 0 computes what they need together


def test_a_round_is_training_and_prediction(benchmark, tmp_path):
    bench = Workbench(Settings("shapes", "simulated", rounds=3, cache=str(tmp_path / "cache")))
    cell = grid.CellName("sim", "perfect", 0)
    with workers.here(bench, lambda *_: None):
        start = grid.load_start(bench, tmp_path, 0, loop.needs(cell.strategy))
        folder = cell.folder(tmp_path)
        running = loop.Cell(bench, cell.strategy, cell.oracle, cell.seed, folder, start)
        with timing.Stopwatch() as whole:
            benchmark.pedantic(running.run, rounds=1)
    rounds = pd.read_csv(folder / "timings.csv")[1:]
    rounds.loc[rounds["round"] == 1, ["predict_s", "acquire_s"]] = 0.0  # spent in round 0, for all cells of the seed
    spent = rounds.drop(columns="round").sum()
    model_s = spent[["fit_s", "predict_s", "evaluate_s"]].sum()
    spent["others_s"] = whole.total_s - spent.sum()
    benchmark.extra_info.update(spent.round(3), overhead=1 - model_s / whole.total_s)
    assert model_s > 0.9 * whole.total_s


@pytest.mark.parametrize("dataset", ["shapes", "kvasir"])
def test_acquisition_beside_prediction(benchmark, tmp_path, request, dataset):
    settings = {"foundation": "simulated"}
    if dataset == "kvasir":
        root = request.getfixturevalue("real_data") / "kvasir-seg"
        settings = {"foundation": "weak[n=40]", "data_root": str(root), "cfg_options": {"max_iters": 25}}
    bench = Workbench(Settings(dataset, cache=str(tmp_path / "cache"), **settings))
    needs = tuple(dict.fromkeys(need for name in STRATEGIES for need in loop.needs(name)))
    with workers.here(bench, lambda *_: None):
        model = bench.fit(bench.pseudo.labels, 0, 0, tmp_path / "log")
        bench.acquire_table(model, bench.pseudo.labels, needs)  # reads all maps, and warms up
        trips = [bench.acquire_table(model, bench.pseudo.labels, needs)[1] for _ in range(4)]
        benchmark.pedantic(bench.acquire_table, (model, bench.pseudo.labels, needs), rounds=1)
    ratios = [trip["acquire_s"] / trip["predict_s"] for trip in trips]
    benchmark.extra_info["acquire_to_predict"] = round(float(np.median(ratios)), 3)
    print(f"\n{dataset}: acquisition takes {np.median(ratios):.3f} of the time of prediction")
    assert np.median(ratios) < 0.1
