"""A Ray cluster on this machine gives what one process gives, also when it loses a worker."""

import os
import signal
import threading
import time
from pathlib import Path

import pandas as pd
import pytest
from problems import TIMINGS, here, setup_of

from bench.experiment.grid import Grid
from bench.experiment.workers import ray
from bench.runs.folder import claimed
from bench.types import InputError

pytestmark = [pytest.mark.slow, pytest.mark.first]

STRATEGIES = ["random", "area"]


@pytest.fixture
def setup(tmp_path, monkeypatch):
    monkeypatch.setenv("RAY_worker_niceness", "0")  # Ray's own 15 is last in the queue of a busy machine
    return setup_of(rounds=100, budget="1", cache=str(tmp_path / "cache"))


def run(setup, out, open_workers) -> pd.DataFrame:
    cells = Grid(setup, STRATEGIES, ["perfect"], range(2), out)
    with claimed(out, setup.protocol(), {}):
        assert cells.run(open_workers) == []
    return pd.read_csv(out / "rounds.csv").drop(columns=TIMINGS)


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


def test_two_workers_one_of_them_killed_give_the_serial_results(setup, tmp_path):
    pytest.importorskip("ray")
    problem = setup.read()
    serial = run(setup, tmp_path / "serial", here(setup, problem))
    killed, steps = [], []

    def kill_one():
        deadline = time.monotonic() + 300
        while not killed and time.monotonic() < deadline:
            begun = list((tmp_path / "ray").glob("cells/*/rounds.csv"))
            if begun and (pids := ray_workers()):
                os.kill(pids[0], signal.SIGKILL)
                killed.append(pids[0])
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    opened = lambda: ray.nodes(setup, problem, "local", lambda *step: steps.append(step))  # noqa: E731
    found = run(setup, tmp_path / "ray", opened)
    killer.join()
    assert killed
    pd.testing.assert_frame_equal(found, serial, check_exact=True)
    assert ("round", 1) in steps  # progress came while it ran


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nonsense", "host:port", "127.0.0.1:99999"])
def test_no_cluster_is_one_line(setup, address):
    pytest.importorskip("ray")
    opened = ray.nodes(setup, setup.read(), address, print)
    with pytest.raises(InputError, match=f"--ray {address}: .*auto, local or"), opened:
        pass


def test_a_node_that_does_not_see_the_folder_says_so(tmp_path):
    with pytest.raises(InputError, match="must be in a folder that all nodes share"):
        ray.check_shared(tmp_path, tmp_path / "absent")
