"""A plan says what is there and what is left, and where its times come from."""

import os

import numpy as np
import pandas as pd
import pytest
from problems import SHAPES, here, setup_of

from bench import commands, files, report
from bench.experiment import plan
from bench.experiment.grid import Grid

pytestmark = pytest.mark.slow


@pytest.fixture
def cells(tmp_path):
    setup = setup_of(rounds=3, cache=str(tmp_path / "cache"))
    return Grid(setup, ["random", "area"], ["perfect"], range(2), tmp_path / "run")


COSTS = plan.Costs(8.0, 2.0, 1.0, "a test")


def test_nothing_done_then_all(cells):
    before = plan.estimate(cells, 2, COSTS)
    assert before["cells"] == "4: 0 done, 0 begun, 4 to do; rounds of questions: 0 of 12 done"
    assert before["time"].startswith("about 60 s on 2 at a time")  # 12 rounds of 10 s in two processes
    assert before["from"] == "a test"
    assert cells.run(here(cells.setup)) == []
    after = plan.estimate(cells, 2, COSTS)
    assert after["cells"] == "4: 4 done, 0 begun, 0 to do; rounds of questions: 12 of 12 done"
    assert after["time"].startswith("about 0 s")


def test_a_begun_cell_counts_by_its_rounds(cells):
    assert cells.run(here(cells.setup)) == []
    folder = cells.cells[0].folder(cells.out)
    files.write_json(folder / "spec.json", files.read_json(folder / "spec.json") | {"status": "running"})
    rounds = pd.read_csv(folder / "rounds.csv")
    files.write_csv(folder / "rounds.csv", rounds[rounds["round"] <= 1])
    files.record(folder, {"rounds.csv": files.checksum((folder / "rounds.csv").read_bytes())})
    assert cells.left() == {cells.cells[0]: 2} and cells.fits_left() == 2
    lines = plan.estimate(cells, 2, COSTS)
    assert lines["cells"] == "4: 3 done, 1 begun, 0 to do; rounds of questions: 10 of 12 done"
    assert lines["time"].startswith("about 20 s on 1 at a time")


def test_the_longest_task_bounds_the_time():
    assert plan.span_s([], 4) == 0
    assert plan.span_s([10, 1, 1], 3) == 10
    assert plan.span_s([4, 4, 4, 4], 2) == 8


@pytest.mark.parametrize(("seconds", "text"), [(0.12, "0.12 s"), (59.6, "60 s"), (600, "10 min"), (9000, "2.5 h")])
def test_durations(seconds, text):
    assert plan.duration(seconds) == text


def test_times_of_earlier_rounds_count_where_all_that_decides_them_is_alike(cells, tmp_path):
    protocol = cells.setup.protocol()
    for name, fit_s, changed in (("a", 4.0, {}), ("b", 6.0, {}), ("other", 1.0, {"names": "0"})):
        folder = tmp_path / name
        files.write_json(folder / "spec.json", {"protocol": protocol | changed, "cores": os.cpu_count()})
        files.write_json(folder / "cells" / "c" / "spec.json", {"peak_memory_gib": fit_s})
        times = {"fit_s": fit_s, "predict_s": 2.0, "evaluate_s": 1.0}
        files.write_csv(folder / "cells" / "c" / "timings.csv", [{"round": r, **times} for r in range(3)])
    found = plan.earlier(cells.setup, [tmp_path / name for name in ("a", "b", "other", "absent")])
    assert found == plan.Costs(5.0, 3.0, 6.0, "2 rounds that were run before")
    assert plan.earlier(cells.setup, []) is None


def test_the_command_measures_where_nothing_is_known(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(report, "write", lambda folders: None)
    common = ["--preset", "smoke", "--dataset", SHAPES, "--strategy", "sim", "--seeds", "1", "--rounds", "2"]
    common += ["--cfg-options", "max_iters=5", "--jobs", "1"]
    assert commands.main(["plan", *common]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert list(lines) == ["cells", "cached", "time", "memory", "disk", "from"]
    assert "measured now" in lines["from"] and "3 fits" in lines["time"]
    assert "not yet in" in lines["cached"] and not (tmp_path / "results").exists()
    assert commands.main(["run", *common]) == 0
    capsys.readouterr()
    assert commands.main(["plan", *common]) == 0
    lines = dict(line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines())
    assert lines["cells"].startswith("1: 1 done") and lines["from"] == "1 rounds that were run before"
    assert np.isfinite(float(lines["memory"].split()[1]))
