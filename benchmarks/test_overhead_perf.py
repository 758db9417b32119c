"""What a round costs besides training and prediction, each less than a tenth: all of it on shapes, and acquisition."""

import numpy as np
import pandas as pd
import pytest

from bench import timing
from bench.experiment.acquire import acquire_table
from bench.experiment.cell import Cell, needs, run_cell
from bench.experiment.fits import fit
from bench.experiment.problem import Setup
from bench.experiment.round0 import load_round0
from bench.experiment.settings import Settings
from bench.experiment.workers import Worker

STRATEGIES = ("random", "entropy", "cil_pixel", "sim")  # a run's default; round 0 computes what they need together


def quiet(what, n):
    pass


def worker_of(settings: Settings) -> Worker:
    setup = Setup.of(settings)
    return Worker.of(setup, setup.read(), quiet)


def test_a_round_is_training_and_prediction(benchmark, tmp_path):
    worker = worker_of(Settings("shapes", rounds=3, cache=str(tmp_path / "cache")))
    parts, cell = (worker.problem, worker.learner), Cell("sim", "perfect", 0)
    round0 = load_round0(*parts, tmp_path, 0, needs(cell.strategy, cell.oracle), quiet)
    folder = cell.folder(tmp_path)
    with timing.Stopwatch() as whole:
        benchmark.pedantic(run_cell, (*parts, cell, round0, folder), rounds=1)
    rounds = pd.read_csv(folder / "timings.csv")[1:]
    rounds.loc[rounds["round"] == 1, ["predict_s", "acquire_s"]] = 0.0  # spent in round 0, for all cells of the seed
    spent = rounds.drop(columns="round").sum()
    model_s = spent[["fit_s", "predict_s", "evaluate_s"]].sum()
    spent["others_s"] = whole.total_s - spent.sum()
    benchmark.extra_info.update(spent.round(3), overhead=1 - model_s / whole.total_s)
    assert model_s > 0.9 * whole.total_s


@pytest.mark.parametrize("dataset", ["shapes", "kvasir"])
def test_acquisition_beside_prediction(benchmark, tmp_path, request, dataset):
    settings = {}
    if dataset == "kvasir":
        root = request.getfixturevalue("real_data") / "kvasir-seg"
        settings = {"foundation": "weak[n=40]", "data_root": str(root), "cfg_options": {"max_iters": 25}}
    worker = worker_of(Settings(dataset, cache=str(tmp_path / "cache"), **settings))
    parts, labels = (worker.problem, worker.learner), worker.problem.pseudo.labels
    wanted = tuple(dict.fromkeys(need for name in STRATEGIES for need in needs(name, "perfect")))
    model, _ = fit(*parts, labels, 0, 0, tmp_path / "log", None, quiet)
    acquire_table(*parts, model, labels, wanted)  # reads all maps, and warms up
    trips = [acquire_table(*parts, model, labels, wanted)[1] for _ in range(4)]
    benchmark.pedantic(acquire_table, (*parts, model, labels, wanted), rounds=1)
    ratios = [trip["acquire_s"] / trip["predict_s"] for trip in trips]
    benchmark.extra_info["acquire_to_predict"] = round(float(np.median(ratios)), 3)
    print(f"\n{dataset}: acquisition takes {np.median(ratios):.3f} of the time of prediction")
    assert np.median(ratios) < 0.1
