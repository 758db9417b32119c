"""Tests that need a GPU: ``tox run -e gpu``. Figures go to ``results/speed/gpu-<name>/``; without a GPU all skips.

The data of the papers is read where ALC_BENCH_DATA says; without it the parts that need it skip.
"""

import re
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
import torch

from bench import files
from bench.commands import main
from bench.runs import schema
from bench.timing import Stopwatch

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no GPU here")]
N_CELLS = (1, 2, 4, 8)
PRESETS = Path(__file__).parent / "presets"
WHOLE = "results/presets/whole.py"


@pytest.fixture(scope="module")
def out():
    name = torch.cuda.get_device_name()
    folder = Path("results/speed") / f"gpu-{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}"
    about = {"gpu": name, "torch": torch.__version__, "cuda": torch.version.cuda, "date": date.today().isoformat()}
    files.write_json(folder / "about.json", about | {"command": "tox run -e gpu"})
    return folder


def timed(csv, *where, presets):
    chosen = [word for preset in presets for word in ("--preset", str(preset))]
    assert main(["time", "fit", "--device", "cuda", *where, *chosen, "--out", str(csv)]) == 0
    assert pd.read_csv(csv)["model_miou"].notna().all()


def pascal(data):
    files = f"files[root={data / 'pascal-voc/grounded-sam'}]"
    return "--dataset", "pascal", "--data-root", str(data / "pascal-voc-images/VOCdevkit"), "--foundation", files


def test_kernels(out):
    assert main(["time", "kernels", "--device", "cuda", "--out", str(out / "time.csv")]) == 0


def kvasir(data):
    return "--dataset", "kvasir", "--data-root", str(data / "kvasir-seg"), "--foundation", "weak[n=40]"


def camvid(data):
    files = f"files[root={data / 'camvid/espnetv2-cityscapes'}]"
    recut = f"recut[of={files},superpixels=felzenszwalb,cut=labels]"
    return "--dataset", "folder[name=camvid]", "--data-root", str(data / "camvid"), "--foundation", recut


@pytest.mark.parametrize("where", [kvasir, pascal, camvid])
def test_fits(out, real_data, where):
    timed(out / f"fit-{where.__name__}.csv", *where(real_data), presets=["cpu"])


def test_what_bf16_and_channels_last_save(out, real_data):
    presets = [WHOLE, PRESETS / "whole-bf16.py", PRESETS / "whole-nchw.py"]
    timed(out / "precision-kvasir.csv", *kvasir(real_data), "--seeds", "1", presets=presets)


def test_a_paper_preset_trains_at_full_crop(out, real_data):
    """50 iterations of the network and the crop of the papers, from random weights: what is asked is the seconds."""
    presets = [PRESETS / f"paper-{kind}.py" for kind in ("float32", "bf16", "bf16-channels-last")]
    timed(out / "paper-pascal-50-iterations.csv", *pascal(real_data), "--seeds", "1", presets=presets)


def test_cells_that_share_a_gpu_give_the_numbers_of_one_at_a_time(out, tmp_path, monkeypatch):
    """Seconds a cell at 1, 2, 4 and 8 at a time, a seed each; a seed's rounds are the same, timings apart."""
    rows, said = [], {}
    for jobs in N_CELLS:
        monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / f"cache{jobs}"))
        run, grid = tmp_path / str(jobs), ["--strategy", "sim", "--seeds", str(jobs), "--rounds", "1"]
        with Stopwatch("cuda") as watch:
            assert main(["run", "--device", "cuda", *grid, "--jobs", str(jobs), "--out", str(run)]) == 0
        rows.append({"jobs": jobs, "n_cells": jobs, "cell_s": watch.total_s / jobs})
        files.write_csv(out / "cells.csv", rows)
        timings = schema.names(schema.ROUNDS, "time")
        rounds = pd.read_csv(run / "rounds.csv").drop(columns=timings, errors="ignore")
        for seed, its in rounds.groupby("seed"):
            assert said.setdefault(seed, its.to_csv(index=False)) == its.to_csv(index=False)
