"""What only a GPU can show: ``tox run -e gpu``. Figures go to ``results/gpu-<name>/``; without a GPU all of it skips.

The data of the papers is read where ALC_BENCH_DATA says; without it the parts that need it skip.
"""

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import torch

from bench import runfiles, store
from bench.commands import main
from bench.timing import Stopwatch

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")
N_CELLS = (1, 2, 4, 8)
PRESETS = Path(__file__).parent / "presets"
WHOLE = "results/presets/whole.py"


@pytest.fixture(scope="module")
def out():
    name = torch.cuda.get_device_name()
    folder = Path("results") / f"gpu-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}"
    about = {"gpu": name, "torch": torch.__version__, "cuda": torch.version.cuda, "date": date.today().isoformat()}
    store.write_json(folder / "about.json", about | {"command": "tox run -e gpu"})
    return folder


def timed(csv, *where, presets):
    chosen = [word for preset in presets for word in ("--preset", str(preset))]
    assert main(["time", "--fit", "--device", "cuda", *where, *chosen, "--out", str(csv)]) == 0
    assert pd.read_csv(csv)["model_miou"].notna().all()


def pascal(data):
    files = f"files[root={data / 'pascal-voc/grounded-sam'}]"
    return "--dataset", "pascal", "--data-root", str(data / "pascal-voc-images/VOCdevkit"), "--foundation", files


def test_kernels(out):
    assert main(["time", "--device", "cuda", "--out", str(out / "time.csv")]) == 0


def test_fits(out):
    timed(out / "fit-shapes.csv", presets=["cpu"])


def test_fits_on_kvasir(out, real_data):
    where = ["--dataset", "kvasir", "--data-root", str(real_data / "kvasir-seg"), "--foundation", "weak[n=40]"]
    timed(out / "fit-kvasir.csv", *where, presets=["cpu", WHOLE, PRESETS / "whole-bf16.py", PRESETS / "whole-nchw.py"])


def test_fits_on_pascal(out, real_data):
    timed(out / "fit-pascal.csv", *pascal(real_data), presets=["cpu"])


def test_a_paper_preset_trains_at_full_crop(out, real_data):
    """50 iterations of the network and the crop of the papers, from random weights: what is asked is the seconds."""
    presets = [PRESETS / f"paper-{kind}.py" for kind in ("float32", "bf16", "bf16-channels-last")]
    timed(out / "paper-pascal-50-iterations.csv", *pascal(real_data), "--seeds", "1", presets=presets)


def test_cells_that_share_a_gpu_give_the_numbers_of_one_at_a_time(out, tmp_path, monkeypatch):
    """Seconds a cell at 1, 2, 4 and 8 at a time; all with the same rounds.csv, timings aside."""
    rows, said = [], []
    for jobs in N_CELLS:
        monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / f"cache{jobs}"))
        run = tmp_path / str(jobs)
        grid = ["--strategy", "random", "--strategy", "sim", "--seeds", "4", "--rounds", "1", "--jobs", str(jobs)]
        with Stopwatch("cuda") as watch:
            assert main(["run", "--device", "cuda", *grid, "--out", str(run)]) == 0
        rounds = pd.read_csv(run / "rounds.csv")
        rows.append({"jobs": jobs, "n_cells": 8, "cell_s": watch.total_s / 8})
        timings = runfiles.names(runfiles.ROUNDS, "time")
        said.append(rounds.drop(columns=timings, errors="ignore").to_csv(index=False))
    store.write_csv(out / "cells.csv", rows)
    assert len(set(said)) == 1
