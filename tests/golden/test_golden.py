"""Runs whose files must not change while the code is moved: ``tox run -e golden``.

``digests.json`` holds a digest of what each cell's files say, timings apart. After a change that is meant to move
numbers it is written anew: ``tox run -e golden -- --write-golden``. Trained networks differ between kinds of processor
in the last bit, so that a run with training is compared only where it was written.
"""

import hashlib
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

DIGESTS = Path(__file__).with_name("digests.json")
TIMINGS = ["fit_s", "predict_s", "acquire_s", "answer_s", "correct_s"]
LATER = ["n_superpixels", "opinion", "decided"]  # columns of format 3: the digests say what they said before
FILES = ("rounds.csv", "queries.csv", "refined.csv", "classes.csv")
STRATEGIES = ("random", "entropy", "cil_pixel", "sim+lcm[tau=0.1]", "ripu", "confident_learning")
ORACLES = ("perfect", "noisy[rate=0.2]", "tired")
SHAPES = ["--dataset", "shapes[train=60,val=20]", "--rounds", "3", "--jobs", "2"]
TRAINED = [*SHAPES, "--preset", "smoke", "--seeds", "2"]
TRAINED += [part for name in STRATEGIES for part in ("--strategy", name)]
TRAINED += [part for name in ORACLES for part in ("--oracle", name)]
KILLED = [*SHAPES, "--preset", "smoke", "--seeds", "1", "--strategy", "sim+lcm[tau=0.1]", "--strategy", "random"]
KILLED += ["--oracle", "crowd[n=3,of=noisy[rate=0.4],vote=dawid_skene]"]


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    flags = next((line for line in lines if line.startswith("flags")), "")
    return f"{platform.machine()} {'avx512' if 'avx512f' in flags else 'avx2' if 'avx2' in flags else 'plain'}"


def start(arguments, out, cache) -> subprocess.Popen:
    environment = os.environ | {"ALC_BENCH_CACHE": str(cache)}
    command = [sys.executable, "-m", "bench", "run", *arguments, "--out", str(out)]
    return subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def finish(arguments, out, cache) -> dict[str, str]:
    process = start(arguments, out, cache)
    error = process.communicate()[1]
    assert process.returncode == 0, error[-2000:]
    found = {}
    for path in sorted(path for name in FILES for path in out.glob(f"cells/*/{name}")):
        table = pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns=[*TIMINGS, *LATER], errors="ignore")
        said = hashlib.blake2b(table.to_csv(index=False).encode(), digest_size=8).hexdigest()
        found[str(path.relative_to(out / "cells"))] = said
    return found


def compare(request, name, found, trained: bool) -> None:
    known = json.loads(DIGESTS.read_text()) if DIGESTS.exists() else {}
    if request.config.getoption("--write-golden"):
        known[name] = {"processor": processor() if trained else "any", "files": found}
        DIGESTS.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")
        return
    if name not in known:
        pytest.skip(f"{DIGESTS.name} holds nothing of this run: write it with --write-golden")
    if known[name]["processor"] not in ("any", processor()):
        pytest.skip(f"written on {known[name]['processor']}, this is {processor()}")
    assert found == known[name]["files"]


def test_training(request, tmp_path):
    compare(request, "training", finish(TRAINED, tmp_path / "run", tmp_path / "cache"), trained=True)


def test_labels_of_pascal(request, tmp_path, real_data):
    files = real_data / "pascal-voc" / "grounded-sam"
    data = ["--dataset", "pascal", "--data-root", str(real_data / "pascal-voc" / "VOCdevkit")]
    data += ["--foundation", f"files[root={files}]", "--model", "none", "--scores", str(files / "cil_pixel.csv")]
    grid = ["--seeds", "2", "--rounds", "3", "--budget", "500", "--oracle", "perfect", "--oracle", "noisy[rate=0.2]"]
    grid += [part for name in ("area", "cil_pixel", "cil_area", "random") for part in ("--strategy", name)]
    compare(request, "pascal", finish([*data, *grid], tmp_path / "run", tmp_path / "cache"), trained=False)


def test_a_run_that_is_killed_and_goes_on(request, tmp_path):
    out, cache = tmp_path / "run", tmp_path / "cache"
    process = start(KILLED, out, cache)
    deadline = time.monotonic() + 300
    while not list(out.glob("cells/*/model-*.pth")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not (out / "rounds.csv").exists() or len(pd.read_csv(out / "rounds.csv")) < 8
    compare(request, "killed", finish(KILLED, out, cache), trained=True)
