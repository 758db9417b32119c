"""The grid of strategies × oracles × seeds: round 0 once a seed, then every cell, side by side on the cores."""

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from bench import loop, registry, store
from bench.acquisition import TRUTH_COLUMNS
from bench.timing import Stopwatch
from bench.types import Candidates, InputError
from bench.workbench import Settings, Workbench

Listener = Callable[[str, int], None]


@dataclass(frozen=True)
class CellName:
    strategy: str
    oracle: str
    seed: int

    def folder(self, out: Path) -> Path:
        return out / "cells" / store.slug(self.strategy, self.oracle, f"seed{self.seed}")


class Grid:
    """All cells of a run in the folder ``out``. Building one checks every name; `run` does the work."""

    def __init__(self, bench: Workbench, strategies: list[str], oracles: list[str], n_seeds: int, out: Path):
        if n_seeds < 1:
            raise InputError(f"--seeds must be 1 or more, got {n_seeds}")
        self.bench, self.out = bench, out
        self.seeds = range(n_seeds)
        self.cells = [CellName(s, o, seed) for seed in self.seeds for o in _once(oracles) for s in _once(strategies)]
        self.needs = tuple(
            sorted({need for s in _once(strategies) for need in loop.needs(s) if need not in TRUTH_COLUMNS})
        )
        for name in dict.fromkeys((c.strategy, c.oracle) for c in self.cells):
            loop.check(*name, bench)

    @property
    def n_steps(self) -> int:
        """Training iterations (without a model: rounds) of the whole grid."""
        fits = len(self.seeds) + len(self.cells) * self.bench.settings.rounds
        return (
            fits * self.bench.trainer.n_steps
            if self.bench.trainer
            else len(self.cells) * (self.bench.settings.rounds + 1)
        )

    def run(self, jobs: int, on_step: Listener) -> list[CellName]:
        """Run what is not done yet; returns the cells that failed: each leaves its traceback in its spec.json."""
        failed = []
        with _workers(self.bench, jobs, on_step) as submit:
            starts = [submit(begin, self.out, seed, self.needs) for seed in self.seeds]
            for start in starts:
                start.result()
            futures = [submit(work, self.out, cell, self.needs) for cell in self.cells]
            for cell, future in zip(self.cells, futures, strict=True):
                if future.result():
                    failed.append(cell)
                self.collect()
        return failed

    def collect(self) -> None:
        """``rounds.csv`` of the whole folder: every cell's rows, in a fixed order."""
        frames = [
            pd.read_csv(path, float_precision="round_trip") for path in sorted(self.out.glob("cells/*/rounds.csv"))
        ]
        if frames:
            rows = pd.concat([f.dropna(axis=1, how="all") for f in frames], ignore_index=True)
            order = ["dataset", "foundation", "oracle", "strategy", "seed", "round"]
            store.write_csv(self.out / "rounds.csv", rows.sort_values(order, kind="stable"), loop.ROUND_COLUMNS)


def begin(bench: Workbench, out: Path, seed: int, needs: tuple[str, ...]) -> None:
    """Round 0 of a seed: fit on the pseudo labels, measure, and reduce the first predictions to a table."""
    load_start(bench, out, seed, needs)


def load_start(bench: Workbench, out: Path, seed: int, needs: tuple[str, ...]) -> loop.Start:
    """Round 0 of a seed from the run folder, made first where it is not there or lacks a statistic."""
    if bench.trainer is None:
        return loop.Start(bench.label_only, None, None, {})
    folder = out / "round0" / f"seed{seed}"
    model_path, table_path, spec_path = folder / "model.pth", folder / "candidates.npz", folder / "spec.json"
    if not spec_path.exists():
        with Stopwatch(bench.trainer.device) as watch:
            model = bench.fit(bench.pseudo.labels, seed, 0, folder / "logs")
        with store.replacing(model_path) as path:
            bench.trainer.save(model, path)
        store.write_json(spec_path, {"fit_s": watch.total_s, "confusion": bench.evaluate(model).tolist()})
    else:
        model = None
    spec = store.read_json(spec_path)
    if not table_path.exists() or not set(needs) <= set(np.load(table_path).files):
        model = model or bench.trainer.load(model_path)
        table, timings = bench.acquire_table(model, bench.pseudo.labels, needs)
        with store.replacing(table_path) as path, open(path, "wb") as file:
            np.savez(file, **table.columns, _timings=[timings["predict_s"], timings["acquire_s"]])
    with np.load(table_path) as table:
        predict_s, acquire_s = table["_timings"].tolist()
        columns = {name: table[name] for name in table.files if name != "_timings"}
    timings = {"fit_s": spec["fit_s"], "predict_s": predict_s, "acquire_s": acquire_s}
    return loop.Start(Candidates(columns), np.array(spec["confusion"]), model_path, timings)


def work(bench: Workbench, out: Path, cell: CellName, needs: tuple[str, ...]) -> str | None:
    """Run one cell; returns the traceback if it failed."""
    folder = cell.folder(out)
    oracle, (strategy, _) = registry.load("oracles", cell.oracle), registry.load_strategy(cell.strategy)
    protocol = bench.protocol()
    spec = vars(cell) | {
        "settings": protocol,
        "protocol_hash": store.digest(protocol),
        "leaky": oracle.leaky,
        "leaky_foundation": bench.foundation.leaky,
        "reads_truth": strategy.reads_truth,
    }
    store.write_json(folder / "spec.json", spec | {"status": "running"})
    try:
        start = load_start(bench, out, cell.seed, needs)
        running = loop.Cell(bench, cell.strategy, cell.oracle, cell.seed, folder, start)
        running.run()
    except Exception:  # whatever breaks one cell, the others go on
        error = traceback.format_exc()
        store.write_json(folder / "spec.json", spec | {"status": "failed", "error": error})
        return error
    store.write_json(folder / "spec.json", spec | {"status": "done"})
    return None


@contextmanager
def _workers(bench: Workbench, jobs: int, on_step: Listener) -> Iterator[Callable[..., Future]]:
    """A function that runs ``task(bench, *arguments)`` and returns a future: here, or in ``jobs`` processes."""
    if jobs == 1:
        bench.on_step = on_step
        _limit_threads(bench)

        def here(task, *arguments):
            future = Future()
            future.set_result(task(bench, *arguments))
            return future

        yield here
        return
    context = multiprocessing.get_context("spawn")
    events = context.Queue()
    listener = threading.Thread(target=_listen, args=(events, on_step), daemon=True)
    listener.start()
    pool = ProcessPoolExecutor(jobs, context, initializer=_enter, initargs=(bench.settings, events))
    try:
        yield lambda task, *arguments: pool.submit(_call, task, *arguments)
    except BaseException:
        for process in list(pool._processes.values()):
            process.terminate()  # a worker's files are whole at any moment
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        events.put(None)
        listener.join()


_bench: Workbench | None = None  # a worker process has one


def _enter(settings: Settings, events) -> None:
    global _bench
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent stops its workers
    _bench = Workbench(settings, check=False)
    _bench.on_step = lambda what, n: events.put((what, n))
    _limit_threads(_bench)


def _call(task, *arguments):
    return task(_bench, *arguments)


def _listen(events, on_step: Listener) -> None:
    while (event := events.get()) is not None:
        on_step(*event)


def _limit_threads(bench: Workbench) -> None:
    """Sums depend on the number of threads: the preset fixes it, so that a run gives the same numbers anywhere."""
    if bench.trainer and bench.trainer.config.get("threads"):
        torch.set_num_threads(bench.trainer.config.threads)


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))


def default_jobs(bench: Workbench) -> int:
    """One process for each GPU, or for each core when training on the CPU; one for a run without a model."""
    if bench.trainer is None:
        return 1
    if bench.trainer.device.type == "cuda":
        return torch.cuda.device_count()
    return len(os.sched_getaffinity(0))
