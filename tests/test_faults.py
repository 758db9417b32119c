"""A bare or hostile environment, limits, races and people who remove things: the same bytes, or one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.runs import schema

pytestmark = pytest.mark.slow

RUN = ["run", "--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--strategy", "random"]
RUN += ["--strategy", "area", "--seeds", "1", "--rounds", "2", "--budget", "2", "--jobs", "1", "--out"]
LONG = [*RUN[:-1], "--rounds", "1000", "--budget", "1", "--out"]
# Imports everything once, and then does each case in a fork: what to change before the command, and what meanwhile.
CASES = """
import json, os, resource, shutil, sys, time
from bench import commands, report
from bench.commands import run

def closed_pipe():
    read, write = os.pipe()
    os.dup2(write, 1), os.close(read), os.close(write)

def no_files():
    n = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (n, n))

def home():
    del os.environ["ALC_BENCH_CACHE"]
    os.environ["HOME"] = "/dev/null/home"

def clock():
    began = time.time()
    time.time = lambda: 2 * began - time.monotonic() - 1e6  # runs backwards

def start(name, argv, before=lambda: None):
    if pid := os.fork():
        return pid
    for number, stream in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{name}.{stream}", os.O_WRONLY | os.O_CREAT), number)
    before()
    if name != "bare":
        report.write = lambda outs: None if argv[0] == "run" else write(outs)
    os._exit(commands.main(argv))

def end(pid):
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

RUN, LONG, write, codes = json.loads(sys.argv[1]), json.loads(sys.argv[2]), report.write, {}
codes["bare"] = end(start("bare", [*RUN, "läufe"]))
codes["list"] = end(start("list", ["list"], closed_pipe))
codes["info"] = end(start("info", ["info", "läufe"], closed_pipe))
codes["home"] = end(start("home", [*RUN, "home"], home))
codes["files"] = end(start("files", [*RUN, "files"], no_files))
codes["clock"] = end(start("clock", [*RUN, "clock"], clock))
os.mkdir("dead")
open("dead/.lock", "w").write("of a host that is gone")
codes["dead"] = end(start("dead", [*RUN, "dead"]))
racers = [start(name, [*RUN, "race"]) for name in ("race1", "race2")]
codes |= dict(zip(("race1", "race2"), map(end, racers)))
pid = start("gone", [*LONG, "gone"])
while not os.path.exists("gone/cells/random__perfect__seed0/timings.csv"):
    time.sleep(0.01)
shutil.rmtree("gone", ignore_errors=True)
codes["gone"] = end(pid)
print(json.dumps(codes))
"""


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """The folder of the cases, and their exit codes by name."""
    folder = tmp_path_factory.mktemp("cases")
    bare = {"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), "LC_ALL": "C", "TERM": "dumb"}
    bare |= {"TMPDIR": "/nowhere", "ALC_BENCH_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}  # HOME is not set
    command = [sys.executable, "-c", CASES, json.dumps(RUN), json.dumps(LONG)]
    told = subprocess.run(command, cwd=folder, env=bare, capture_output=True, text=True, timeout=300)
    assert told.returncode == 0, told.stderr
    return folder, json.loads(told.stdout)


def files(run: Path) -> dict[str, bytes]:
    found = {str(path.relative_to(run)): path.read_bytes() for path in run.glob("cells/*/queries.csv")}
    times = schema.names(schema.ROUNDS, "time")
    return found | {"rounds.csv": schema.read(run / "rounds.csv").drop(columns=times).to_csv().encode()}


@pytest.fixture(scope="module")
def whole(alc, tmp_path_factory) -> dict[str, bytes]:
    out = tmp_path_factory.mktemp("whole") / "run"
    assert alc(*RUN, out, report_too=False).code == 0
    return files(out)


def test_without_home_locale_terminal_and_folder_for_temporary_files(done, whole):
    folder, codes = done
    assert codes["bare"] == 0 and files(folder / "läufe") == whole
    assert all((folder / "läufe" / "report" / name).is_file() for name in ("report.html", "curves.pdf"))


@pytest.mark.parametrize("name", ["clock", "dead"])
def test_a_clock_that_goes_back_and_the_lock_of_a_dead_host_change_nothing(done, whole, name):
    folder, codes = done
    assert codes[name] == 0 and files(folder / name) == whole


@pytest.mark.parametrize("name", ["list", "info"])
def test_when_nobody_reads_on_a_command_ends_quietly(done, name):
    folder, codes = done
    assert codes[name] == 141 and (folder / f"{name}.err").read_text() == ""


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("home", "alc-bench: cannot write /dev/null/home/.cache/alc-bench"),
        ("files", "Too many open files"),
        ("gone", "was removed while the run wrote there"),
    ],
)
def test_one_line_says_what_is_in_the_way(done, name, line):
    folder, codes = done
    said = (folder / f"{name}.err").read_text().strip().splitlines()
    assert codes[name] == 2 and said[-1].startswith("alc-bench: ") and line in said[-1]
    assert not any("Traceback" in text for text in said)


def test_of_two_that_race_for_a_folder_one_runs_and_the_other_says_so(done, whole):
    folder, codes = done
    assert sorted([codes["race1"], codes["race2"]]) == [0, 2] and files(folder / "race") == whole
    loser = "race1" if codes["race1"] else "race2"
    assert "in use by another run" in (folder / f"{loser}.err").read_text()
