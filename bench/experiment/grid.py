"""The grid of strategies × oracles × seeds: round 0 once a seed, then every cell, wherever workers run them."""

import shutil
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, wait
from contextlib import AbstractContextManager
from functools import cache
from pathlib import Path

from bench import files, metrics, registry
from bench.experiment import cell as cells
from bench.experiment.cell import Cell, run_cell
from bench.experiment.fits import fit
from bench.experiment.problem import Setup, evaluate
from bench.experiment.round0 import folder_of, load_round0
from bench.experiment.workers import Worker
from bench.runs import checksums, identity, schema, specs
from bench.runs.folder import add_to_spec, staying
from bench.runs.journal import count_rounds, read_rounds
from bench.runs.specs import MOST_CELLS
from bench.types import InputError

ATTEMPTS = 3  # how often the workers are opened when processes of them die
COLLECT_SHARE = 0.05  # of a run's time that goes into rounds.csv of the whole folder, which is written anew each time
Submit = Callable[..., Future]  # (task, *arguments) -> the future of task(worker, *arguments)


class Grid:
    """All cells of a run in the folder ``out``. Building one checks every name; `run` does the work.

    ``again``: strategies and oracles, or "all": their cells are removed by `remove_again`, and made once more. Raises
    InputError for names that cannot be used, and for a cell that was made by other code of its plug-ins.
    """

    def __init__(
        self,
        setup: Setup,
        strategies: list[str],
        oracles: list[str],
        seeds: Sequence[int],
        out: Path,
        again: Sequence[str] = (),
    ):
        if (n := len(_once(strategies)) * len(_once(oracles)) * len(seeds)) > MOST_CELLS:
            raise InputError(f"expected at most {MOST_CELLS:,} cells; these strategies, oracles and --seeds are {n:,}")
        self.setup, self.out = setup, out
        self.strategies, self.oracles, self.seeds = _once(strategies), _once(oracles), list(dict.fromkeys(seeds))
        self.cells = [Cell(s, o, seed) for seed in self.seeds for o in self.oracles for s in self.strategies]
        self.needs = tuple(sorted({need for s in self.strategies for o in self.oracles for need in cells.needs(s, o)}))
        for name in dict.fromkeys((c.strategy, c.oracle) for c in self.cells):
            cells.check(*name, setup)
        for named in again:
            registry.one_of(
                named, ("all", *self.strategies, *self.oracles), "strategy or oracle of this run in --again"
            )
        self.again = {c for c in self.cells if {"all", c.strategy, c.oracle} & set(again)}
        self.anew = "all" in again
        code_of = cache(identity.of_cell)
        for cell in self.cells:
            if cell not in self.again:
                identity.refuse_changed_code(cell.folder(out), cell.strategy, cell.oracle, code_of)
        if setup.settings.start == "warm" and (grown := [c for c in self.left() if is_done(c.folder(out))]):
            done = f"{grown[0].folder(out)} is done, and its last model is gone"
            raise InputError(f"{done}: --start warm cannot add rounds to it; choose another --out")

    def left(self) -> dict[Cell, int]:
        """The cells that are not done, and how many rounds of questions each lacks. Raises InputError, which names the
        file, if one of theirs was damaged."""
        kept = [cell for cell in self.cells if cell not in self.again]
        for cell in kept:
            check(cell.folder(self.out))
        rounds = dict.fromkeys(self.again, self.setup.settings.rounds)
        there = zip(kept, n_done([cell.folder(self.out) for cell in kept]), strict=True)
        rounds |= {cell: self.setup.settings.rounds - n for cell, n in there}
        return {
            cell: rounds[cell]
            for cell in self.cells
            if cell in self.again or rounds[cell] > 0 or not is_done(cell.folder(self.out))
        }

    def remove_again(self) -> None:
        """Remove the cells that are to be made again, in a run that is claimed."""
        for cell in self.again:
            shutil.rmtree(cell.folder(self.out), ignore_errors=True)
        self.again = set()

    def seeds_to_begin(self) -> set[int]:
        """The seeds with a round 0 that is needed and not there."""
        if self.setup.learner is None:
            return set()
        return {cell.seed for cell in self.left() if not (folder_of(self.out, cell.seed) / "spec.json").exists()}

    def fits_left(self) -> int:
        return len(self.seeds_to_begin()) + sum(self.left().values())

    def n_steps(self) -> int:
        """Steps of training (without a model: rounds) that are left to do."""
        if self.setup.learner:
            return self.fits_left() * self.setup.learner.n_steps
        left = self.left()
        new = [cell for cell in left if not (cell.folder(self.out) / "rounds.csv").exists()]
        return len(new) + sum(left.values())  # round 0 is one, too

    def run(self, workers: Callable[[], AbstractContextManager[Submit]]) -> list[Cell]:
        """Run the remaining cells; returns the cells that failed: each leaves its traceback in its spec.json.

        ``workers`` opens the workers (`bench.experiment.workers`), anew if one of their processes was lost.
        """
        for _ in range(ATTEMPTS):
            try:
                with workers() as submit:
                    return self.run_on(submit)
            except BrokenExecutor:
                continue
        raise InputError(f"a worker process died {ATTEMPTS} times (out of memory?); what is done stays: try --jobs 1")

    def run_on(self, submit: Submit) -> list[Cell]:
        """`run`, on workers that are open: a seed's cells wait for its round 0 and for nothing else. Raises Unwritable
        if somebody removes the run's folder meanwhile."""
        check_there = staying(self.out)
        took_s, collected_at = self._timed_collect()  # a run may have been stopped between its last cell and this
        left = list(self.left())
        failed: set[Cell] = set()
        running: dict[Future, int | Cell] = {}
        tasks: deque[int | Cell] = deque(dict.fromkeys(cell.seed for cell in left))
        try:
            while tasks or running:
                if tasks:
                    seed_or_cell = tasks.popleft()
                    task: Callable = work if isinstance(seed_or_cell, Cell) else begin
                    running[submit(task, self.out, seed_or_cell, self.needs)] = seed_or_cell
                for future in wait(running, timeout=0 if tasks else None, return_when=FIRST_COMPLETED).done:
                    seed_or_cell, error = running.pop(future), _error(future)
                    check_there()
                    if isinstance(seed_or_cell, Cell):
                        failed |= {seed_or_cell} if error else set()
                    else:
                        waiting = [cell for cell in left if cell.seed == seed_or_cell]
                        if error:
                            for cell in waiting:
                                note(self.setup, self.out, cell, "failed", error=error)
                            failed.update(waiting)
                        else:
                            tasks.extend(waiting)
                if time.monotonic() - collected_at > took_s / COLLECT_SHARE:
                    took_s, collected_at = self._timed_collect()
        finally:
            collect(self.out)
        return [cell for cell in self.cells if cell in failed]

    def reference(self, workers: Callable[[], AbstractContextManager[Submit]]) -> None:
        """``reference.csv``: model mIoU on val of the preset trained on the whole truth, a row a seed."""
        path = self.out / "reference.csv"
        known = schema.read(path).to_dict("records") if files.intact(path) else []
        todo = [seed for seed in self.seeds if seed not in [row["seed"] for row in known]]
        if todo:
            with workers() as submit:
                found = [(seed, submit(supervised, self.out, seed)) for seed in todo]
                rows = known + [{"seed": seed, "model_miou": future.result()} for seed, future in found]
            schema.write(path, rows)
            files.record(self.out, {path.name: files.checksum(path.read_bytes())})

    def _timed_collect(self) -> tuple[float, float]:
        """`collect`; returns how many seconds it took, and when it ended."""
        started = time.monotonic()
        collect(self.out)
        return time.monotonic() - started, time.monotonic()


def collect(out: Path) -> None:
    """Write ``rounds.csv`` of the run in ``out``, every cell's rows in a fixed order, and record its checksum."""
    if files := sorted(out.glob("cells/*/rounds.csv")):
        order = ["dataset", "foundation", "oracle", "strategy", "seed", "round"]
        rounds, told = read_rounds(files).sort_values(order, kind="stable"), (out / "spec.json").exists()
        if told:  # a report that comes in between must not go by the sum of the rounds before
            add_to_spec(out, files={k: v for k, v in checksums.of(out).items() if k != "rounds.csv"})
        schema.write(out / "rounds.csv", rounds)
        if told:
            add_to_spec(out, files=checksums.of(out))


def supervised(worker: Worker, out: Path, seed: int) -> float:
    """Model mIoU on val after training on the truth of the train split: the best that labels could give."""
    problem, learner = worker.problem, worker.learner
    assert learner is not None  # the command line refuses --reference without a model
    logs = out / "reference" / f"seed{seed}"
    model, _ = fit(problem, learner, problem.truth, seed, 0, logs, None, worker.on_step)
    return metrics.miou(evaluate(problem, learner, model).sum(0))


def begin(worker: Worker, out: Path, seed: int, needs: tuple[str, ...]) -> str | None:
    """Round 0 of a seed: fit on the pseudo labels, measure, and reduce the first predictions to a table."""
    return _caught(lambda: load_round0(worker.problem, worker.learner, out, seed, needs, worker.on_step))


def work(worker: Worker, out: Path, cell: Cell, needs: tuple[str, ...]) -> str | None:
    """Run one cell; returns the traceback if it failed."""
    note(worker.setup, out, cell, "running")

    def run():
        parts = worker.problem, worker.learner
        round0 = load_round0(*parts, out, cell.seed, needs, worker.on_step)
        run_cell(*parts, cell, round0, cell.folder(out), worker.on_step)

    if error := _caught(run):
        note(worker.setup, out, cell, "failed", error=error)
    else:
        files = checksums.of(cell.folder(out))
        note(worker.setup, out, cell, "done", peak_memory_gib=worker.peak_memory_gib(), files=files)
    return error


def note(setup: Setup, out: Path, cell: Cell, status: str, **more) -> None:
    """Write a cell's spec.json."""
    oracle, strategy = registry.load("oracles", cell.oracle), registry.load_strategy(cell.strategy).strategy
    protocol = setup.protocol()
    spec = vars(cell) | {
        **setup.called,
        "settings": protocol,
        "protocol_hash": files.digest(protocol),
        "leaky": oracle.leaky,
        "leaky_foundation": setup.foundation.leaky,
        "reads_truth": strategy.reads_truth,
        "question": strategy.question,
        "code": identity.of_cell(cell.strategy, cell.oracle),
        "status": status,
    }
    files.write_spec(cell.folder(out) / "spec.json", spec | more)


def n_done(folders: list[Path]) -> list[int]:
    """Rounds of questions that each cell's folder holds whole."""
    paths = [folder / "rounds.csv" for folder in folders]
    counts = iter(count_rounds([path for path in paths if path.exists()]))
    return [next(counts) - 1 if path.exists() else 0 for path in paths]


def is_done(folder: Path) -> bool:
    """Whether a cell's spec.json says so; one that is damaged is written again after the cell was played back."""
    path = folder / "spec.json"
    try:
        found = path.stat()
    except OSError:
        return False
    return _says_done(path, found.st_size, found.st_mtime_ns, found.st_ino)


@cache
def _says_done(path: Path, *state: int) -> bool:
    """What `is_done` says of a file that it has seen in this state."""
    try:
        return files.read_json(path).get("status") == "done"
    except InputError:
        return False


def check(folder: Path) -> None:
    """Raise InputError, which names the file, if one of a cell's has changed since it was written."""
    checksums.verify(folder, lambda: specs.of_cell(folder / "spec.json") if is_done(folder) else {})


def _caught(task: Callable[[], object]) -> str | None:
    """The traceback of an error, if there was one. An error in one cell leaves the others; a full disk stops all."""
    try:
        task()
    except files.Unwritable:
        raise
    except Exception:
        return traceback.format_exc()
    return None


def _error(future: Future) -> str | None:
    """The result of a task; for one that was lost with its worker, the traceback of that."""
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
