"""The public door: all that it promises is there, it costs no torch, and its tables are those of a run's folder."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from runs import write_run

import bench
from bench import InputError, compare, load_results


def test_all_that_the_stub_names_is_there_and_nothing_else():
    stub = Path(bench.__file__).with_suffix(".pyi").read_text()
    named = {line.split()[-1] for line in stub.splitlines() if line.startswith("from .")}
    assert set(bench.__all__) == named and len(bench.__all__) == len(named)
    for name in bench.__all__:
        assert hasattr(bench, name)  # `ASK` is None
    assert named <= set(dir(bench))
    with pytest.raises(AttributeError):
        _ = bench.no_such_name


def test_neither_the_door_nor_the_command_line_waits_for_torch():
    code = """
import sys
import bench
from bench import commands
commands.main(["no such command"])
from bench import InputError, Query, STATISTICS, generator, load_results, compare
print(sorted({"torch", "mmengine", "mmseg", "ray"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "[]\n"


def test_results_are_a_row_for_each_round_of_each_cell(tmp_path):
    run = write_run(tmp_path / "run", n_seeds=2, rounds=3)
    table = load_results(run)
    assert len(table) == 4 * 2 * 4  # strategies, seeds, rounds with round 0
    assert set(table.strategy) == {"random", "entropy", "cil_pixel", "sim"} and not table.foreign.any()
    written = pd.read_csv(run / "rounds.csv")
    keys = ["strategy", "seed", "round"]
    found = table.sort_values(keys, ignore_index=True)[written.columns]
    pd.testing.assert_frame_equal(found, written.sort_values(keys, ignore_index=True), check_dtype=False)
    pd.testing.assert_frame_equal(load_results(str(run)), table)
    pd.testing.assert_frame_equal(load_results((run,)), table)


def test_runs_are_compared_in_the_tables_of_the_report(tmp_path):
    one = write_run(tmp_path / "one", n_seeds=3)
    two = write_run(tmp_path / "two", n_seeds=3, oracles=("noisy[rate=0.2]",))
    tables = compare([one, str(two)], cost="clicks")
    assert set(tables) == {"summary", "coverage", "pairs", "detection", "aggregate", "robustness"}
    assert len(tables["summary"]) == 8 and set(tables["summary"].oracle) == {"perfect", "noisy[rate=0.2]"}
    assert (tables["summary"].cost == "clicks").all()
    best = tables["summary"][tables["summary"].oracle == "perfect"].set_index("strategy").data_area_mean.idxmax()
    assert best == "sim"
    with pytest.raises(InputError, match="no such"):
        load_results(tmp_path / "nowhere")
