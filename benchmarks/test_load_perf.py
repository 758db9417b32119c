"""What a cell costs where there are many: time of the processor and memory of ``run --model none`` and of ``report``.

``python benchmarks/test_load_perf.py [n ...]`` runs grids of so many cells (10, 50, 200, 800, 1,000 and 2,000 if they
are left out), reports each, and writes their rows of ``results/speed/load.csv``. Commands are forks of this process,
which has imported everything: the time to start is no part of a cell's.
"""

import os
import sys
import tempfile
from pathlib import Path

import pandas as pd

from bench import commands, files, report

SIZES = (10, 50, 200, 800, 1000, 2000)
STRATEGIES = ("random", "area", "power[of=area]", "softrank[of=area]", "power[of=area,beta=4]")
RUN = ["run", "--model", "none", "--dataset", "shapes[train=12,val=6,size=64]", "--rounds", "4", "--budget", "4"]
RUN += [word for name in STRATEGIES for word in ("--strategy", name)]
RUN += ["--oracle", "perfect", "--oracle", "noisy[rate=0.1]", "--jobs", "1"]
PER_SEED = 2 * len(STRATEGIES)
RESULTS = Path(__file__).parents[1] / "results" / "speed" / "load.csv"


def measured(argv: list[str]) -> tuple[float, float]:
    """Seconds of the processor, and the most memory in MiB, of a command that must end well."""
    if (pid := os.fork()) == 0:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        if argv[0] == "run":
            report.write = lambda outs: None
        os._exit(commands.main(argv))
    _, status, used = os.wait4(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0, argv
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measure(n: int, folder: Path) -> dict:
    run, to = folder / f"run{n}", folder / f"report{n}"
    run_s, run_mib = measured([*RUN, "--seeds", str(n // PER_SEED), "--out", str(run)])
    report_s, report_mib = measured(["report", str(run), "--out", str(to)])
    row = {"cells": n, "run_s": run_s, "run_ms_a_cell": 1e3 * run_s / n, "run_mib": run_mib}
    row |= {"report_s": report_s, "report_ms_a_cell": 1e3 * report_s / n, "report_mib": report_mib}
    return row | {"page_mb": (to / "report.html").stat().st_size / 1e6}


def prepared(folder: Path) -> Path:
    """Imports all that the commands need, and makes the pseudo labels."""
    os.environ["ALC_BENCH_CACHE"] = str(folder / "cache")
    assert commands.main([*RUN, "--seeds", "1", "--out", str(folder / "first")]) == 0
    return folder


def test_a_cell_costs_the_same_among_many(benchmark, tmp_path, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", "")  # is set back afterwards
    prepared(tmp_path)
    few, many = benchmark.pedantic(lambda: [measure(n, tmp_path) for n in (20, 100)], rounds=1)
    benchmark.extra_info["ms"] = [round(row["run_ms_a_cell"]) for row in (few, many)]
    assert many["run_ms_a_cell"] < 1.2 * few["run_ms_a_cell"]
    assert many["report_ms_a_cell"] < few["report_ms_a_cell"]
    assert many["report_mib"] < 1536 and many["page_mb"] < 15


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        prepared(Path(place))
        for n in map(int, sys.argv[1:] or SIZES):
            row = measure(n, Path(place))
            print(row, flush=True)
            known = {old["cells"]: old for old in pd.read_csv(RESULTS).to_dict("records")} if RESULTS.exists() else {}
            known[n] = row
            files.write_csv(RESULTS, pd.DataFrame([known[n] for n in sorted(known)]).round(1))
