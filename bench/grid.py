"""The grid of strategies × oracles × seeds: round 0 once a seed, then every cell, wherever workers run them."""

import traceback
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench import history, loop, metrics, registry, store
from bench.kernels.statistics import OF_TRUTH
from bench.timing import Stopwatch
from bench.types import Candidates, InputError
from bench.workbench import Workbench

ATTEMPTS = 3  # how often the workers are opened when processes of them die
Submit = Callable[..., Future]  # (task, *arguments) -> the future of task(bench, *arguments)


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
        self.strategies, self.oracles, self.seeds = _once(strategies), _once(oracles), range(n_seeds)
        self.cells = [CellName(s, o, seed) for seed in self.seeds for o in self.oracles for s in self.strategies]
        needs = {need for s in self.strategies for need in loop.needs(s) if need not in OF_TRUTH}
        self.needs = tuple(sorted(needs))
        for name in dict.fromkeys((c.strategy, c.oracle) for c in self.cells):
            loop.check(*name, bench)

    def left(self) -> dict[CellName, int]:
        """The cells that are not done, and how many rounds of questions each lacks."""
        rounds = {cell: self.bench.settings.rounds - n_done(cell.folder(self.out)) for cell in self.cells}
        return {cell: n for cell, n in rounds.items() if n > 0 or not is_done(cell.folder(self.out))}

    def starts_left(self) -> set[int]:
        """The seeds whose round 0 is needed and not there."""
        if self.bench.trainer is None:
            return set()
        return {cell.seed for cell in self.left() if not (start_folder(self.out, cell.seed) / "spec.json").exists()}

    def fits_left(self) -> int:
        return len(self.starts_left()) + sum(self.left().values())

    def n_steps(self) -> int:
        """Training iterations (without a model: rounds) that are left to do."""
        return self.fits_left() * (self.bench.trainer.n_steps if self.bench.trainer else 1)

    def run(self, workers: Callable[[], AbstractContextManager[Submit]]) -> list[CellName]:
        """Run what is not done yet; returns the cells that failed: each leaves its traceback in its spec.json.

        ``workers`` opens what runs the tasks (`bench.workers`, `bench.cluster`), anew where a process of it was lost.
        """
        for _ in range(ATTEMPTS):
            try:
                with workers() as submit:
                    return self._run(submit)
            except BrokenExecutor:
                continue
        raise InputError(f"a worker process died {ATTEMPTS} times (out of memory?); what is done stays: try --jobs 1")

    def _run(self, submit: Submit) -> list[CellName]:
        self.collect()  # a run may have been stopped between its last cell and this
        left, failed, running = list(self.left()), set(), {}
        tasks = deque(dict.fromkeys(cell.seed for cell in left))
        while tasks or running:
            if tasks:
                seed_or_cell = tasks.popleft()
                task = work if isinstance(seed_or_cell, CellName) else begin
                running[submit(task, self.out, seed_or_cell, self.needs)] = seed_or_cell
            for future in wait(running, timeout=0 if tasks else None, return_when=FIRST_COMPLETED).done:
                seed_or_cell, error = running.pop(future), _error(future)
                if isinstance(seed_or_cell, CellName):
                    failed |= {seed_or_cell} if error else set()
                    self.collect()
                else:
                    waiting = [cell for cell in left if cell.seed == seed_or_cell]
                    if error:
                        for cell in waiting:
                            note(self.bench, self.out, cell, "failed", error=error)
                        failed.update(waiting)
                    else:
                        tasks.extend(waiting)
        return [cell for cell in self.cells if cell in failed]

    def reference(self, workers: Callable[[], AbstractContextManager[Submit]]) -> None:
        """``reference.csv``: model mIoU on val of the preset trained on the whole truth, a row a seed."""
        path = self.out / "reference.csv"
        known = store.read_csv(path, ("seed", "model_miou")).to_dict("records") if path.exists() else []
        todo = [seed for seed in self.seeds if seed not in [row["seed"] for row in known]]
        if todo:
            with workers() as submit:
                found = [(seed, submit(supervised, self.out, seed)) for seed in todo]
                rows = known + [{"seed": seed, "model_miou": future.result()} for seed, future in found]
            store.write_csv(path, rows)

    def collect(self) -> None:
        """``rounds.csv`` of the whole folder: every cell's rows, in a fixed order."""
        frames = [history.read_rounds(path) for path in sorted(self.out.glob("cells/*/rounds.csv"))]
        if frames:
            rows = pd.concat([f.dropna(axis=1, how="all") for f in frames], ignore_index=True)
            order = ["dataset", "foundation", "oracle", "strategy", "seed", "round"]
            store.write_csv(self.out / "rounds.csv", rows.sort_values(order, kind="stable"), loop.ROUND_COLUMNS)


def supervised(bench: Workbench, out: Path, seed: int) -> float:
    """Model mIoU on val after training on the truth of the train split: what labels could give at best."""
    return metrics.miou(bench.evaluate(bench.fit(bench.truth, seed, 0, out / "reference" / f"seed{seed}")))


def begin(bench: Workbench, out: Path, seed: int, needs: tuple[str, ...]) -> str | None:
    """Round 0 of a seed: fit on the pseudo labels, measure, and reduce the first predictions to a table."""
    return _caught(lambda: load_start(bench, out, seed, needs))


def start_folder(out: Path, seed: int) -> Path:
    return out / "round0" / f"seed{seed}"


def load_start(bench: Workbench, out: Path, seed: int, needs: tuple[str, ...]) -> loop.Start:
    """Round 0 of a seed from the run folder, made first where it is not there or lacks a statistic."""
    if bench.trainer is None:
        return loop.Start(bench.label_only, None, None, {})
    folder = start_folder(out, seed)
    model_path, table_path, spec_path = folder / "model.pth", folder / "candidates.npz", folder / "spec.json"
    model, device = None, bench.trainer.device
    if not model_path.exists():
        with Stopwatch(device) as watch:
            model = bench.fit(bench.pseudo.labels, seed, 0, folder / "logs")
        store.write_json(folder / "fit.json", {"fit_s": watch.total_s})
        bench.save(model, model_path)
    if not spec_path.exists():
        model = model or bench.trainer.load(model_path)
        with Stopwatch(device) as watch:
            confusion = bench.evaluate(model).tolist()
        fit = store.read_json(folder / "fit.json")
        store.write_json(spec_path, fit | {"evaluate_s": watch.total_s, "confusion": confusion})
    if not table_path.exists() or not set(needs) <= set(np.load(table_path).files):
        model = model or bench.trainer.load(model_path)
        table, timings = bench.acquire_table(model, bench.pseudo.labels, needs)
        with store.replacing(table_path) as path, open(path, "wb") as file:
            np.savez(file, **table.columns, _timings=[timings["predict_s"], timings["acquire_s"]])
    spec = store.read_json(spec_path)
    with np.load(table_path) as table:
        predict_s, acquire_s = table["_timings"].tolist()
        columns = {name: table[name] for name in table.files if name != "_timings"}
    timings = {name: spec[name] for name in ("fit_s", "evaluate_s")} | {"predict_s": predict_s, "acquire_s": acquire_s}
    return loop.Start(Candidates(columns), np.array(spec["confusion"]), model_path, timings)


def work(bench: Workbench, out: Path, cell: CellName, needs: tuple[str, ...]) -> str | None:
    """Run one cell; returns the traceback if it failed."""
    note(bench, out, cell, "running")

    def run():
        start = load_start(bench, out, cell.seed, needs)
        loop.Cell(bench, cell.strategy, cell.oracle, cell.seed, cell.folder(out), start).run()

    if error := _caught(run):
        note(bench, out, cell, "failed", error=error)
    else:
        note(bench, out, cell, "done", peak_memory_gib=bench.peak_memory_gib())
    return error


def note(bench: Workbench, out: Path, cell: CellName, status: str, **more) -> None:
    """Write a cell's spec.json."""
    oracle, (strategy, _) = registry.load("oracles", cell.oracle), registry.load_strategy(cell.strategy)
    protocol = bench.protocol()
    spec = vars(cell) | {
        "settings": protocol,
        "protocol_hash": store.digest(protocol),
        "leaky": oracle.leaky,
        "leaky_foundation": bench.foundation.leaky,
        "reads_truth": strategy.reads_truth,
        "status": status,
    }
    store.write_json(cell.folder(out) / "spec.json", spec | more)


def n_done(folder: Path) -> int:
    """Rounds of questions that a cell's folder holds whole."""
    path = folder / "rounds.csv"
    return len(history.read_rounds(path)) - 1 if path.exists() else 0


def is_done(folder: Path) -> bool:
    path = folder / "spec.json"
    return path.exists() and store.read_json(path).get("status") == "done"


def _caught(task: Callable[[], object]) -> str | None:
    """The traceback of what broke, if anything did. What breaks one cell leaves the others; a full disk breaks all."""
    try:
        task()
    except store.Unwritable:
        raise
    except Exception:
        return traceback.format_exc()
    return None


def _error(future: Future) -> str | None:
    """What a task returned; for one that was lost with its worker, the traceback of that."""
    try:
        found = future.result()
    except (InputError, BrokenExecutor):
        raise
    except Exception:
        return traceback.format_exc()
    if isinstance(found, InputError):
        raise found
    return found


def _once(names: list[str]) -> list[str]:
    return list(dict.fromkeys(names))
