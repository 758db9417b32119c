"""Time and memory of a run on labels alone with 150 classes: does either grow faster than the images?

    python benchmarks/many_classes.py results/speed/many-classes.csv 1000 20000

Each image has 64 × 64 px and 16 superpixels, of any of the classes; a fifth of the pseudo labels is wrong. A row is one
``alc-bench run --model none`` in a process of its own: ``area``, one seed, three rounds of questions.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from bench import seeds
from bench.datasets.files import write_lines

N_CLASSES, SIDE, BLOCK, WRONG = 150, 64, 16, 0.2
GIB = 2**20  # of the KiB in which Linux counts the most memory that a process held


def generate(root: Path, n: int) -> None:
    """A tree for the dataset `folder`, and beside it label maps and superpixels for the foundation `files`."""
    rng = seeds.generator(0, "many classes")
    blocks = np.ones((BLOCK, BLOCK), np.uint8)
    superpixels = np.kron(np.arange(1, 17, dtype=np.uint8).reshape(4, 4), blocks)
    places = [root / "annotations" / "train", root / "mask_jpg", root / "obj_jpg"]
    for place in places:
        place.mkdir(parents=True)
    write_lines(root / "classes.txt", (f"class {i:03d}" for i in range(N_CLASSES)))
    for i in range(n):
        truth = rng.integers(N_CLASSES, size=(4, 4), dtype=np.uint8)
        labels = np.where(rng.random((4, 4)) < WRONG, rng.integers(N_CLASSES, size=(4, 4), dtype=np.uint8), truth)
        for place, values in zip(places, (np.kron(truth, blocks), np.kron(labels, blocks), superpixels), strict=True):
            Image.fromarray(values).save(place / f"{i:06d}.png", compress_level=1)


def measure(root: Path, n: int) -> dict:
    """Time and memory of a run in a process of its own."""
    options = ["--dataset", "folder", "--data-root", root, "--foundation", f"files[root={root}]", "--model", "none"]
    options += ["--strategy", "area", "--seeds", "1", "--rounds", "3", "--jobs", "1", "--no-bundle"]
    command = [sys.executable, "-m", "bench", "run", *map(str, options), "--out", str(root / "run")]
    environment = os.environ | {"ALC_BENCH_CACHE": str(root / "cache"), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - began
    if status:
        raise SystemExit(f"the run of {n} images ended with {os.waitstatus_to_exitcode(status)}")
    timings = pd.read_csv(next(root.glob("run/cells/*/timings.csv")))
    rounds_s = timings.drop(columns="round").sum(axis=1).iloc[1:]
    return {
        "images": n,
        "classes": N_CLASSES,
        "peak_gib": round(used.ru_maxrss / GIB, 2),
        "seconds": round(seconds, 1),
        "ms_an_image": round(1000 * seconds / n, 2),
        "cpu_ms_an_image": round(1000 * (used.ru_utime + used.ru_stime) / n, 2),
        "round_ms_an_image": round(float(1000 * rounds_s.mean() / n), 2),
    }


def main(out: str, *counts: str) -> None:
    rows = []
    for n in map(int, counts):
        with tempfile.TemporaryDirectory(prefix="many-classes-") as folder:
            generate(Path(folder), n)
            rows.append(measure(Path(folder), n))
            print(rows[-1], flush=True)
    pd.DataFrame(rows).to_csv(out, index=False)


if __name__ == "__main__":
    main(*sys.argv[1:])
