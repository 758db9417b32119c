"""The work of a run before it starts: cells, finished parts, time, memory and disk.

Times come from rounds that were run before, on a machine of as many cores, with the same dataset, preset and options,
in the run's own folder or in ``results/runs``. Else they come from a few training iterations and predictions now.
"""

import os
import resource
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench import files, kernels
from bench.experiment.grid import Grid, n_done
from bench.experiment.problem import MEMORY_BYTES, Setup
from bench.runs import specs
from bench.timing import Stopwatch

ITERATIONS = 4  # measured ones, after one that warms up
N_IMAGES = 8  # to train on and predict meanwhile
UNKNOWN = "no run like this before; without a model a round is taken to last a second"
PIXEL_BYTES = 0.1  # of a label map and its superpixels, as PNG: about


@dataclass(frozen=True)
class Costs:
    """Seconds of a round's fit and of the rest of it, the memory of a process in GiB, and the source of these
    figures."""

    fit_s: float
    other_s: float
    memory_gib: float
    source: str


def estimate(grid: Grid, jobs: int, measured: Costs) -> dict[str, str]:
    """The lines of the plan, by their headings."""
    setup, left, to_begin = grid.setup, grid.left(), grid.seeds_to_begin()
    names = setup.dataset.names("train")
    n_rounds = len(grid.cells) * setup.settings.rounds
    n_cells, n_seeds = len(grid.cells), len(grid.seeds)
    there = dict(zip(grid.cells, n_done([cell.folder(grid.out) for cell in grid.cells]), strict=True))
    round_s = measured.fit_s + measured.other_s
    jobs_used = min(jobs, max(len(left), 1))
    n_fits = grid.fits_left() if setup.learner else 0
    known = setup.pseudo_folder.is_dir()
    n_begun = sum(n > 0 and cell in left for cell, n in there.items())
    done = f"{n_cells - len(left)} done, {n_begun} begun, {len(left) - n_begun} to do"
    cached = f"pseudo labels: {'' if known else 'not yet '}in {setup.pseudo_folder}; round 0 of"
    seconds = span_s([round_s] * len(to_begin), jobs) + span_s([round_s * n for n in left.values()], jobs)
    pool_px = len(names) * float(np.prod(setup.dataset.size("train", names[0])))
    memory = measured.memory_gib + min(4 * pool_px, 3 * MEMORY_BYTES) / 2**30
    model = setup.learner.model_bytes() if setup.learner else 0
    disk = model * (len(to_begin) + 2 * jobs_used) + pool_px * PIXEL_BYTES * (not known)
    return {
        "cells": f"{n_cells}: {done}; rounds of questions: {sum(there.values())} of {n_rounds} done",
        "cached": f"{cached} {n_seeds - len(to_begin)} of {n_seeds} seeds",
        "time": f"about {duration(seconds)} on {jobs_used} at a time: {n_fits} fits of {duration(measured.fit_s)}, "
        f"{duration(measured.other_s)} a round beside",
        "memory": f"about {memory:.1f} GiB a process, {memory * jobs_used:.1f} GiB together",
        "disk": f"about {disk / 2**20:.0f} MiB more, at most {model * 2 * jobs_used / 2**20:.0f} MiB of it for a time",
        "from": measured.source,
    }


def span_s(tasks_s: list[float], jobs: int) -> float:
    """How long ``jobs`` workers need at least for tasks of these seconds."""
    return max(sum(tasks_s) / jobs, max(tasks_s)) if tasks_s else 0.0


def duration(seconds: float) -> str:
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


def earlier(setup: Setup, folders: list[Path]) -> Costs | None:
    """The median round of earlier runs of the same dataset, preset and options on as many cores."""
    protocol, rounds, memory = setup.protocol(), [], []
    alike = [k for k in ("dataset", "names", "config", "model") if k in protocol]
    for folder in folders:
        if not (folder / "spec.json").exists():
            continue
        spec = specs.of_run(folder / "spec.json")
        found = spec.get("protocol", {})
        if spec.get("cores") != os.cpu_count() or any(found.get(k) != protocol[k] for k in alike):
            continue
        for path in folder.glob("cells/*/timings.csv"):
            timings = files.read_csv(path, ("round", "fit_s"))
            rounds.append(timings[timings["round"] > 1])  # the first has its predictions from round 0
            memory.append(specs.of_cell(path.with_name("spec.json")).get("peak_memory_gib", 0.0))
    table = pd.concat(rounds).dropna() if rounds else pd.DataFrame()
    if not len(table):
        return None
    other_s = table.drop(columns=["round", "fit_s"]).sum(axis=1).median()
    return Costs(table.fit_s.median(), other_s, max(memory), f"{len(table)} rounds that were run before")


def measure(setup: Setup, needs: tuple[str, ...]) -> Costs:
    """Train for a few steps and predict a few images, now. Needs a model, and images of the train split."""
    assert setup.learner is not None
    learner, names = setup.learner.with_steps(ITERATIONS + 1), setup.dataset.names("train")
    images = [setup.dataset.image("train", name) for name in names[:N_IMAGES]]
    samples = [(image, np.zeros(image.shape[:2], np.uint8)) for image in images]
    fit, steady, predict = (Stopwatch(learner.device) for _ in range(3))
    count = 0

    def step(n):
        nonlocal count
        count += n
        if count == 1:  # the first step warms up
            steady.__enter__()
        elif count == ITERATIONS + 1:
            steady.__exit__()

    with fit:
        model = learner.fit(samples * N_IMAGES, 0, Path(setup.settings.cache) / "logs", None, step)
    fused = [need for need in needs if need not in kernels.BASE and kernels.statistic(need).fused]
    for watch in (Stopwatch(learner.device), predict):  # the first time compiles
        with watch:
            for prediction, (_, labels) in zip(learner.predict(model, images), samples, strict=True):
                kernels.superpixel_statistics(prediction.logits, labels, _squares(labels), fused, logits=True)
    fit_s = fit.total_s - steady.total_s + setup.learner.n_steps * steady.total_s / ITERATIONS
    other_s = predict.total_s / len(images) * (len(names) + len(setup.dataset.names("val")))
    source = f"{ITERATIONS} training iterations and {len(images)} predictions, measured now on one process"
    return Costs(fit_s, other_s, held_gib(), source)


def held_gib() -> float:
    """The most memory that this process has held so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def _squares(labels: np.ndarray) -> np.ndarray:
    """A hundred superpixels."""
    rows, columns = np.indices(labels.shape) * 10 // np.array(labels.shape)[:, None, None]
    return (1 + 10 * rows + columns).astype(np.int32)


def plan(grid: Grid, jobs: int) -> dict[str, str]:
    """`estimate` from the best source."""
    folders = sorted({path.resolve() for path in (grid.out, *Path("results/runs").glob("*"))})
    costs = earlier(grid.setup, folders)
    if costs is None and grid.setup.learner is not None:
        costs = measure(grid.setup, grid.needs)
    return estimate(grid, jobs, costs or Costs(0.0, 1.0, held_gib(), UNKNOWN))
