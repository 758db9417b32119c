"""``kill -9`` at random moments: the same command, given again, ends with the bytes of one that nobody stopped.

``python benchmarks/test_kills_perf.py [n [way ...]]`` kills each way of working n times, 50 if it is left out, and
writes their rows of ``results/speed/kills.csv``; under pytest two kills of each show that it works. Each time a moment
and a victim are drawn: all processes of the command, one of its workers, or, on Ray, a node. A fifth of the moments
fall before the first file, the others after it. Where a worker or a node is lost, the command must end well by itself.
Commands are forks of this process, which has imported everything; one that ended before its moment does not count.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from itertools import count
from pathlib import Path

import pandas as pd
import pytest

from bench import commands, files, report, seeds
from bench.commands import export, prepare  # noqa: F401  imported before any fork
from bench.runs import schema
from bench.runs.folder import COMMANDS
from bench.runs.journal import read_rounds

N = 50
DATA = ["--dataset", "shapes[train=12,val=6,size=64]"]
RUN = ["run", "--model", "none", *DATA, "--strategy", "random", "--strategy", "area", "--oracle", "tired[half_life=10]"]
RUN += ["--rounds", "6", "--budget", "4", "--out"]
CUT = ["--foundation", "recut[of=simulated,superpixels=felzenszwalb]"]
WAYS = {  # the command, what it writes first, and what of it may be killed
    "run, serial": ([*RUN, "{out}", "--jobs", "1"], "{out}/cells", ["all"]),
    "run, 2 jobs": ([*RUN, "{out}", "--jobs", "2"], "{out}/cells", ["all", "worker"]),
    "run, Ray": ([*RUN, "{out}", "--ray", "{ray}"], "{out}/cells", ["all", "worker", "node"]),
    "report": (["report", "{run}", "--out", "{out}"], "{out}", ["all"]),
    "export": (["export", "{run}", "--strategy", "area", "--seed", "0", "--to", "{out}"], "{out}*", ["all"]),
    "prepare, 2 jobs": (["prepare", *DATA, *CUT, "--jobs", "2", "--out", "{out}"], "{out}", ["all"]),
}
UNEQUAL = ("spec.json", "sums.json", "timings.csv", COMMANDS, ".lock")  # seconds, dates and what is made of them
TIMES = schema.names(schema.ROUNDS, "time")


def start(argv: list[str], log: Path) -> int:
    """The process id of a fork that runs the command line, in a process group of its own."""
    if pid := os.fork():
        return pid
    os.setsid()
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1), os.dup2(file, 2)
    if argv[0] == "run":
        report.write = lambda outs: None  # it is killed on its own
    os._exit(commands.main(argv))


def ended(pid: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def is_over(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def content(out: Path) -> dict[str, bytes]:
    """All files, timings apart."""
    files = {str(path.relative_to(out)): path for path in sorted(out.rglob("*")) if path.name not in UNEQUAL}
    found = {name: path.read_bytes() for name, path in files.items() if path.is_file()}
    for name in [name for name in found if Path(name).name == "rounds.csv"]:
        found[name] = read_rounds([files[name]]).drop(columns=TIMES).to_csv().encode() if "cells" in name else b""
    return found


def below(pid: int, what: str) -> list[int]:
    """Processes that ``pid`` started, or that these did, with ``what`` in their command line."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True).stdout.splitlines()
    rows = [(int(row[0]), int(row[1]), row[2]) for row in (line.split(None, 2) for line in listed)]
    family = {pid}
    for _ in range(5):
        family |= {child for child, parent, _ in rows if parent in family}
    return [child for child, _, args in rows if child in family and what in args and child != pid]


class Nodes:
    """A Ray cluster of two nodes on this machine, of which the second may be lost."""

    def __init__(self, port: int = 6479):
        self.address = f"127.0.0.1:{port}"
        self.first = self._start("--head", f"--port={port}", "--include-dashboard=false")
        self.second = self._start(f"--address={self.address}")

    def _start(self, *more: str) -> subprocess.Popen:
        words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", "--num-cpus=1", *more]
        known = {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
        quiet = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
        node = subprocess.Popen([*words, "--node-ip-address=127.0.0.1"], env=os.environ | known, **quiet)
        for line in node.stdout:
            if "--block" in line:  # what it says last: it is up
                return node
        raise RuntimeError("ray start ended")

    def lose(self) -> None:
        self.second.kill()  # all that it started goes with it
        self.second.wait()

    def mend(self) -> None:
        if self.second.poll() is not None:
            self.second = self._start(f"--address={self.address}")

    def end(self) -> None:
        for node in (self.second, self.first):
            node.kill()
            node.wait()


def measure(way: str, n: int, folder: Path) -> dict:
    """Kill a way of working ``n`` times; counts how often the same bytes came."""
    folder.mkdir()
    argv, first, victims = WAYS[way]
    nodes, made = Nodes() if "Ray" in way else None, folder / "run"
    with contextlib.redirect_stdout(None):
        assert commands.main([*RUN, str(made)]) == 0  # here: all that it imports is there before any fork

    def words_of(out: Path) -> dict:
        return dict(out=out, run=made, ray=nodes and nodes.address)

    def begin(out: Path) -> int:
        return start([word.format(**words_of(out)) for word in argv], folder / f"{out.name}.log")

    def wait_for_first(out: Path, pid: int) -> None:
        pattern = Path(first.format(**words_of(out)))
        while not is_over(pid) and not list(pattern.parent.glob(pattern.name)):
            time.sleep(0.001)

    began = time.monotonic()
    pid = begin(folder / "whole")
    wait_for_first(folder / "whole", pid)
    first_s = time.monotonic() - began
    assert ended(pid) == 0, (folder / "whole.log").read_text()
    whole_s, whole = time.monotonic() - began, content(folder / "whole")
    row = {"way": way, "kills": 0, "of_a_part": 0, "same": 0, "whole_s": whole_s}
    for i in count():
        if row["kills"] == n:
            break
        rng, out = seeds.generator(i, "kills", way), folder / f"killed{i}"
        pid, moment, victim = begin(out), rng.uniform(-0.25, 1), rng.choice(victims)
        if moment >= 0:
            wait_for_first(out, pid)
        time.sleep(moment * (whole_s - first_s) if moment >= 0 else (1 + 4 * moment) * first_s)
        workers = below(pid, "spawn_main") if nodes is None else below(os.getpid(), "ray::_call")
        if is_over(pid) or (victim == "worker" and not workers):
            os.killpg(pid, signal.SIGKILL)
            ended(pid)
            continue
        if victim == "all":
            os.killpg(pid, signal.SIGKILL)
        elif victim == "worker":
            os.kill(int(rng.choice(workers)), signal.SIGKILL)
        else:
            nodes.lose()
        code = ended(pid)
        if victim == "all":
            if code != -signal.SIGKILL:  # it ended meanwhile
                continue
            code = ended(begin(out))
        found = content(out) if out.exists() else {}
        row["kills"] += 1
        row["of_a_part"] += victim != "all"
        row["same"] += code == 0 and found == whole
        if code != 0 or found != whole:
            other = [name for name in found.keys() | whole if found.get(name) != whole.get(name)]
            log = (folder / f"{out.name}.log").read_text()
            print(
                f"{way}, {out.name}: {victim}, {moment:.2f}; exit code {code}; other files: {other}\n{log}", flush=True
            )
        if nodes:
            nodes.mend()
    if nodes:
        nodes.end()
    return row


@pytest.mark.parametrize("way", WAYS)
def test_a_killed_command_ends_with_the_same_bytes(tmp_path, way, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    row = measure(way, 2, tmp_path / "killed")
    assert row["same"] == row["kills"] == 2


if __name__ == "__main__":
    n, path = (
        int(sys.argv[1]) if len(sys.argv) > 1 else N,
        Path(__file__).parents[1] / "results" / "speed" / "kills.csv",
    )
    for way in sys.argv[2:] or WAYS:
        with tempfile.TemporaryDirectory() as place:
            os.environ["ALC_BENCH_CACHE"] = f"{place}/cache"
            row = measure(way, n, Path(place) / "killed")
        print(row, flush=True)
        others = (
            [known for known in pd.read_csv(path).to_dict("records") if known["way"] != way] if path.exists() else []
        )
        rows = sorted([*others, row], key=lambda row: list(WAYS).index(row["way"]))
        files.write_csv(path, pd.DataFrame(rows).round(1))
