"""A Ray cluster on this machine gives what one process gives, also when it loses a worker."""

import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest

from bench import cluster, grid, store, workers
from bench.types import InputError
from bench.workbench import Settings, Workbench

SHAPES = "shapes[train=12,val=6,size=64]"
STRATEGIES = ["random", "area"]


@pytest.fixture
def bench(tmp_path):
    return Workbench(Settings(SHAPES, "simulated", model="none", rounds=100, budget="1", cache=str(tmp_path / "cache")))


def run(bench, out, open_workers) -> pd.DataFrame:
    cells = grid.Grid(bench, STRATEGIES, ["perfect"], 2, out)
    with store.claimed(out, bench.protocol(), {}):
        assert cells.run(open_workers) == []
    return pd.read_csv(out / "rounds.csv").drop(columns=store.TIMINGS)


def ray_workers() -> list[int]:
    """Those of this user that are at a task."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if path.read_bytes().startswith(b"ray::_call"):
                found.append(int(path.parent.name))
        except OSError:
            pass
    return found


def test_two_workers_one_of_them_killed_give_the_serial_results(bench, tmp_path):
    pytest.importorskip("ray")
    serial = run(bench, tmp_path / "serial", lambda: workers.here(bench, lambda *_: None))
    killed, steps = [], []

    def kill_one():
        deadline = time.monotonic() + 60
        while not killed and time.monotonic() < deadline:
            begun = list((tmp_path / "ray").glob("cells/*/rounds.csv"))
            if begun and (pids := ray_workers()):
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = run(bench, tmp_path / "ray", lambda: cluster.nodes(bench, "local", lambda *step: steps.append(step)))
    killer.join()
    assert killed
    pd.testing.assert_frame_equal(found, serial, check_exact=True)
    assert ("round", 1) in steps  # progress came while it ran


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "host:port", "127.0.0.1:99999"])
def test_no_cluster_is_one_line(bench, address):
    pytest.importorskip("ray")
    opened = cluster.nodes(bench, address, print)
    with pytest.raises(InputError, match=f"--ray {address}: .*auto, local or"), opened:
        pass


def test_a_node_that_does_not_see_the_folder_says_so(tmp_path):
    shared = None, None, None, tmp_path
    found = cluster._call(shared, None, tmp_path / "absent")
    assert isinstance(found, InputError) and "must be in a folder that all nodes share" in str(found)
