"""A run that is stopped in any way goes on with the same command and ends as if nothing had happened."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from problems import SHAPES, TIMINGS, here, read, setup_of

from bench import commands, files, metrics, report
from bench.experiment import cell, grid, models
from bench.experiment.grid import Grid
from bench.experiment.workers import local
from bench.labels import LabelMaps, LabelQuality
from bench.registry import catalogue
from bench.runs import schema
from bench.runs.folder import claimed
from bench.runs.journal import Journal

pytestmark = pytest.mark.slow

FIT = ["run", "--preset", "smoke", "--cfg-options", "max_iters=5", "--dataset", SHAPES, "--rounds", "2", "--seeds", "1"]
FIT += ["--strategy", "sim", "--strategy", "cil+lcm[epochs=2]", "--oracle", "tired[half_life=10]", "--budget", "8"]
FIT += ["--jobs", "1", "--out"]
LABELS = ["run", "--model", "none", "--dataset", SHAPES, "--strategy", "random", "--strategy", "area", "--seeds", "1"]
SECONDS = [*TIMINGS, "evaluate_s"]

# Imports everything once, then runs commands, each in a process group of its own that is killed from within at a given
# count of a given step, or runs to the end.
KILLER = """
import json, os, signal, sys
import numpy as np
from bench import commands, compat, kernels, report
from bench.commands import progress, run
from bench.experiment.session import Session
from bench.learners import network as networks
compat.install()
import mmseg.models, mmengine.runner

report.write = lambda folders: None
ones = np.ones((1, 8, 8), np.float32), np.zeros((8, 8), np.uint8), np.ones((8, 8), np.int32)
kernels.superpixel_statistics(*ones, ["sim"], logits=True)  # compiled code is loaded once

def killing(owner, name, count):
    original, left = getattr(owner, name), [count]
    def counted(*args, **kwargs):
        left[0] -= 1
        if left[0] < 0:
            os.killpg(0, signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(owner, name, counted)

STEPS = {
    "fit": (progress.Bar, "step"),
    "predict": (networks, "Prediction"),
    "answer": (Session, "answer"),
    "write": (os, "replace"),
}
for argv, moment in json.loads(sys.argv[1]):
    if (child := os.fork()) == 0:
        os.setsid()
        if moment:
            killing(*STEPS[moment[0]], moment[1])
        os._exit(commands.main(argv))
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    print("ended", moment, status, flush=True)
"""


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = str(tmp_path_factory.mktemp("cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALC_BENCH_CACHE", folder)
        yield folder


@pytest.fixture(autouse=True)
def no_report(monkeypatch):
    monkeypatch.setattr(report, "write", lambda folders: None)


def tables(out: Path) -> dict[str, pd.DataFrame]:
    found = [*out.glob("rounds.csv"), *out.glob("cells/*/*.csv")]
    frames = {str(path.relative_to(out)): pd.read_csv(path) for path in found if path.name != "timings.csv"}
    return {name: frame.drop(columns=SECONDS, errors="ignore") for name, frame in frames.items()}


def labels(out: Path, problem) -> list[np.ndarray]:
    """The label maps of all cells, played back."""
    found = []
    for rounds in sorted(out.glob("cells/*/rounds.csv")):
        maps = LabelMaps(problem.pseudo.labels, 2**20)
        assert list(Journal(rounds.parent).play_back(problem.pseudo, maps))
        found += [maps(i) for i in range(len(problem.names))]
    return found


def same(a: Path, b: Path) -> None:
    one, other = tables(a), tables(b)
    assert one.keys() == other.keys() and any("queries" in name for name in one)
    for name, frame in one.items():
        pd.testing.assert_frame_equal(frame, other[name], check_exact=True)


def litter(out: Path) -> list[Path]:
    return [*out.rglob(f"{files.PARTIAL}*"), *out.rglob("model-*.pth")]


def test_killed_at_five_moments_it_ends_as_if_nothing_had_happened(tmp_path, cache):
    rng = np.random.default_rng(8)
    moments = [("write", int(rng.integers(1, 6))), ("predict", int(rng.integers(7, 19)))]
    moments += [("answer", int(rng.integers(1, 8))), ("fit", int(rng.integers(13, 17)))]
    moments += [("write", int(rng.integers(4, 20))), None]
    killed, whole = [*FIT, str(tmp_path / "killed")], [*FIT, str(tmp_path / "whole")]
    runs = json.dumps([*((killed, moment) for moment in moments), (whole, None)])
    done = subprocess.run([sys.executable, "-c", KILLER, runs], capture_output=True, text=True)
    codes = [int(line.rsplit(" ", 1)[1]) for line in done.stdout.splitlines() if line.startswith("ended")]
    assert codes == [-signal.SIGKILL] * 5 + [0, 0], done.stderr
    same(tmp_path / "killed", tmp_path / "whole")
    assert not litter(tmp_path / "killed")
    problem = read(setup_of(cache=cache))
    for one, other in zip(labels(tmp_path / "killed", problem), labels(tmp_path / "whole", problem), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_interrupted_fit_costs_no_answers_and_a_whole_one_is_not_done_again(tmp_path, cache, monkeypatch):
    command = [*FIT, str(tmp_path), "--rounds", "1"]
    fit, fitted = models.fit, []

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(models, "fit", stop)
        assert commands.main(command) == 130
    folder = next(tmp_path.glob("cells/sim*"))
    answers = (folder / "queries.csv").read_bytes()
    assert len(pd.read_csv(folder / "queries.csv")) == 8 and len(pd.read_csv(folder / "rounds.csv")) == 1
    with monkeypatch.context() as patch:
        patch.setattr(models, "evaluate", stop)  # after a fit
        patch.setattr(cell, "ask", lambda *_: 1 / 0)
        assert commands.main(command) == 130
    monkeypatch.setattr(models, "fit", lambda *a: fitted.append(a[5].parent.name) or fit(*a))
    assert commands.main(command) == 0
    assert fitted and not any(name.startswith("sim") for name in fitted)
    assert (folder / "queries.csv").read_bytes() == answers


def test_answers_without_their_last_file_are_asked_again(tmp_path):
    keys = dict.fromkeys(schema.names(schema.ROUNDS, "key"), 0)
    row = dict.fromkeys(schema.names(schema.QUERIES), 0) | {"round": 1, "answer": "", "actions": "confirm"}
    row |= {"image": "a", "kind": "correction"}
    done = Journal(tmp_path)
    done.seconds(0)
    done.add_round(
        keys, ("a", "b"), LabelQuality(None, metrics.ByImage(2, np.ones((1, 2, 3), int))), None, {"confirm": 1.0}
    )
    done.write_round()
    done.queries.append(row)
    schema.write(tmp_path / "queries.csv", done.queries)  # killed here
    found = Journal(tmp_path)
    assert (found.n_measured, found.has_answers(1), found.queries) == (1, False, [])
    done.seconds(1)
    done.write_answers()
    found = Journal(tmp_path)
    assert (found.n_measured, found.has_answers(1), found.n_asked) == (1, True, 1)


def test_leftovers_of_a_killed_run_go_and_do_not_count_as_files(tmp_path):
    (tmp_path / f"{files.PARTIAL}1234-spec.json").write_text("{")
    with claimed(tmp_path, {}, {}):
        assert sorted(p.name for p in tmp_path.iterdir()) == [".lock", "spec.json"]


def children(pid: int) -> set[int]:
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True)
    return {int(line) for line in found.stdout.split()}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize(("how", "jobs"), [("SIGINT", 2), ("SIGTERM", 1), ("SIGKILL", 2)])
def test_workers_go_with_their_parent(tmp_path, cache, how, jobs):
    command = [sys.executable, "-m", "bench", *LABELS, "--rounds", "100000", "--budget", "1", "--jobs", str(jobs)]
    command += ["--out", str(tmp_path)]
    run = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 300
    while len(list(tmp_path.glob("cells/*/rounds.csv"))) < jobs and time.monotonic() < deadline and run.poll() is None:
        time.sleep(0.05)
    started = children(run.pid)
    assert jobs == 1 or len(started) >= jobs
    if how == "SIGINT":  # as a terminal sends it: to the workers, too
        os.killpg(run.pid, signal.SIGINT)
    else:
        run.send_signal(getattr(signal, how))
    _, said = run.communicate(timeout=120)
    if how != "SIGKILL":
        assert run.returncode == 130
        assert said.splitlines()[-1] == "alc-bench: stopped; the same command goes on from here"
        assert "Traceback" not in said
    deadline = time.monotonic() + 60
    while any(map(alive, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(map(alive, started))


def test_a_failing_cell_is_recorded_the_others_go_on_and_it_is_tried_again(tmp_path, cache, monkeypatch, capsys):
    command = [*LABELS, "--rounds", "2", "--jobs", "1", "--out", str(tmp_path)]
    with monkeypatch.context() as patch:
        patch.setattr(catalogue("strategies").classes["random"], "acquire", lambda *_: 1 / 0)
        assert commands.main(command) == 1
    assert "failed" in capsys.readouterr().err
    specs = {
        name: files.read_json(tmp_path / "cells" / f"{name}__perfect__seed0" / "spec.json")
        for name in ("random", "area")
    }
    assert specs["random"]["status"] == "failed" and "ZeroDivisionError" in specs["random"]["error"]
    assert specs["area"]["status"] == "done"
    written = (tmp_path / "cells" / "area__perfect__seed0" / "rounds.csv").stat().st_mtime_ns
    assert commands.main(command) == 0
    assert (tmp_path / "cells" / "area__perfect__seed0" / "rounds.csv").stat().st_mtime_ns == written
    assert set(pd.read_csv(tmp_path / "rounds.csv").strategy) == {"random", "area"}


def test_a_failing_round_0_fails_the_cells_of_its_seed_alone(tmp_path, cache, monkeypatch):
    load_round0 = grid.load_round0

    def failing(problem, learner, out, seed, *more):
        if seed == 0:
            raise ZeroDivisionError
        return load_round0(problem, learner, out, seed, *more)

    monkeypatch.setattr(grid, "load_round0", failing)
    setup = setup_of(rounds=1, cache=cache)
    cells = Grid(setup, ["random", "area"], ["perfect"], range(2), tmp_path)
    failed = cells.run(here(setup))
    assert failed == [cell for cell in cells.cells if cell.seed == 0]
    assert set(pd.read_csv(tmp_path / "rounds.csv").seed) == {1}


def test_a_worker_that_dies_is_replaced(tmp_path, cache):
    setup = setup_of(rounds=60, budget="1", cache=cache)
    problem, cells = setup.read(), Grid(setup, ["random", "area"], ["perfect"], range(1), tmp_path)
    pids = []

    def kill_one(what, n):
        if what == "round" and not pids:
            pids.extend(children(os.getpid()))
            spawned = [pid for pid in pids if alive(pid) and b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
            os.kill(spawned[0], signal.SIGKILL)

    assert cells.run(lambda: local.processes(setup, problem, 2, kill_one)) == []
    assert pids and len(pd.read_csv(tmp_path / "rounds.csv")) == 2 * 61


def test_files_that_may_not_grow_end_the_run_with_one_line_and_it_goes_on(tmp_path, cache):
    """A limit on the size of files stands for a full disk: the same refusal, from the same calls."""
    out, whole = tmp_path / "run", tmp_path / "whole"
    command = [*LABELS, "--rounds", "6", "--budget", "20", "--jobs", "1", "--out"]
    assert commands.main([*command, str(whole)]) == 0
    largest = max(path.stat().st_size for path in whole.glob("cells/*/queries.csv"))

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest // 2, resource.RLIM_INFINITY))

    full = [sys.executable, "-m", "bench", *command, str(out)]
    stopped = subprocess.run(full, capture_output=True, text=True, preexec_fn=limit)
    assert stopped.returncode == 2 and "Traceback" not in stopped.stderr
    assert stopped.stderr.splitlines()[-1].startswith(f"alc-bench: cannot write {out}")
    assert "File too large" in stopped.stderr
    assert not litter(out)
    assert commands.main([*command, str(out)]) == 0
    same(out, whole)


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    mount = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_full_and_a_read_only_disk_are_one_line_and_harm_nothing(small_disk, cache, capfd, tmp_path_factory):
    command = [*LABELS, "--rounds", "3", "--jobs", "1", "--out"]
    whole, out = tmp_path_factory.mktemp("whole"), small_disk / "run"
    assert commands.main([*command, str(whole)]) == 0
    filler = small_disk / "filler"
    filler.write_bytes(bytes(236 * 1024))
    assert commands.main([*command, str(out)]) == 2
    *_, last = capfd.readouterr().err.splitlines()
    assert last.startswith("alc-bench: cannot write") and "No space left on device" in last
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    assert commands.main([*command, str(out)]) == 2
    *_, last = capfd.readouterr().err.splitlines()
    assert last == f"alc-bench: --out {out}: Read-only file system"
    subprocess.run(["mount", "-o", "remount,rw,size=64m", str(small_disk)], check=True)
    assert commands.main([*command, str(out)]) == 0
    same(out, whole)
