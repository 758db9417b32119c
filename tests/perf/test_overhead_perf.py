"""How much of a round on shapes is neither training nor prediction: less than a tenth."""

import pandas as pd

from bench import grid, loop, timing, workers
from bench.workbench import Settings, Workbench


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
