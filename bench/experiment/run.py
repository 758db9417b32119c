"""A run: settings, strategies, annotators and seeds, worked through into one folder."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

from bench import files, registry
from bench.datasets import coverage
from bench.experiment.grid import Grid
from bench.experiment.problem import Problem, Setup
from bench.experiment.settings import Settings
from bench.experiment.workers import local, ray, torchrun
from bench.runs import bundle, source, specs
from bench.runs.folder import claimed, environment, remember
from bench.runs.specs import MOST_CELLS
from bench.types import InputError

STRATEGIES, ORACLES, SEEDS = ("random", "entropy", "cil_pixel", "sim"), ("perfect",), 2
PLURAL = {"strategy": "strategies", "oracle": "oracles"}


class Progress(Protocol):
    """A run's reports while it works: the steps that come, and each finished one."""

    def begin(self, what: str, total: int | None, by: tuple[str, ...] = ...) -> None: ...
    def step(self, what: str, n: int) -> None: ...


@dataclass(frozen=True)
class Request:
    """The request of a user, on the command line or from Python.

    ``out``: the run's folder, None for one named by dataset and protocol. ``command``: the line that does the same, for
    the record. ``jobs``: cells at a time, None for one a GPU or core. ``ray``: the address of a cluster. ``launcher``:
    ``pytorch`` if torchrun started this process. ``reference``: ``full`` trains once a seed on the whole truth, too.
    ``repeat``: how often all cells are run again. ``bundle``: whether images and maps are kept in the run, None for
    "if they are small". ``strict``: refuse a dataset of which images are missing. ``again``: strategies and oracles, or
    all; their cells are removed and made once more.
    """

    settings: Settings
    strategies: Sequence[str] = STRATEGIES
    oracles: Sequence[str] = ORACLES
    seeds: Sequence[int] = range(SEEDS)
    out: Path | None = None
    command: str = ""
    jobs: int | None = None
    ray: str | None = None
    launcher: str | None = None
    reference: str | None = None
    repeat: int = 0
    bundle: bool | None = None
    strict: bool = False
    again: Sequence[str] = ()

    @classmethod
    def of(cls, options: Mapping[str, Any], command: str = "") -> "Request":
        """From options by name, those of `Settings` among them; None stands for the default.

        ``strategy`` and ``oracle`` take a name or several, ``seeds`` a number, a text (`parse_seeds`) or the seeds.
        Raises InputError for an unknown name and for settings that do not go together.
        """
        of_settings = {f.name for f in fields(Settings)}
        names = {f.name for f in fields(cls)} - {"settings", "command"}
        names = names - {"strategies", "oracles"} | {"strategy", "oracle"} | of_settings
        own: dict[str, Any] = {}
        settings: dict[str, Any] = {"reuse": not options.get("repeat")}  # a repeated run reads no fits of the first
        for name, value in options.items():
            registry.one_of(name, sorted(names), "option")
            if value is None:
                continue
            if name in PLURAL:
                own[PLURAL[name]] = [value] if isinstance(value, str) else list(value)
            elif name == "again":
                own[name] = [value] if isinstance(value, str) else list(value)
            elif name == "seeds":
                own[name] = parse_seeds(str(value)) if isinstance(value, (int, str)) else list(value)
            elif name in of_settings:
                settings[name] = value if name == "rounds" else _text(value)
            else:
                own[name] = Path(value) if name == "out" else value
        return cls(Settings(**settings), command=command, **own)

    def __post_init__(self):
        for name, least in (("jobs", 1), ("repeat", 0)):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < least):
                raise InputError(f"--{name} must be {least} or more, got {value!r}")
        for name, known in (("launcher", "pytorch"), ("reference", "full")):
            if getattr(self, name) not in (None, known):
                raise InputError(f"--{name} must be {known}, got {getattr(self, name)!r}")
        trained = self.settings.model != "none"
        if self.launcher and (self.ray or not trained):
            raise InputError("--launcher trains one cell on many GPUs; it goes with neither --ray nor --model none")
        if self.reference and not trained:
            raise InputError("--reference full trains a model; it does not go with --model none")


def grid_of(request: Request, check: bool = True) -> Grid:
    """The grid of a request; ``check``: read all of the data first. Prints missing data on standard error."""
    setup = Setup.of(request.settings, check)
    if request.reference and (lacking := setup.dataset.lacking_truth()):
        raise InputError(f"--reference full trains on the truth: {lacking}")
    name = setup.dataset.name or registry.parse(request.settings.dataset)[0]
    out = request.out or Path("results/runs") / f"{files.slug(name)}-{files.digest(setup.protocol())[:8]}"
    grid = Grid(setup, list(request.strategies), list(request.oracles), request.seeds, out, request.again)
    if torchrun.is_first():
        coverage.tell(setup.dataset, request.strict, ("train", "val") if setup.learner else ("train",))
        coverage.tell_classes(setup.dataset.classes, setup.pixels)
    return grid


def carry_out(request: Request, progress: Progress) -> tuple[Path, list[Path]]:
    """Do all that is asked; returns the run's folder and those of the cells that failed."""
    if request.launcher:
        device = torchrun.join(request.settings.device)
        request = replace(request, settings=replace(request.settings, device=device), jobs=1)
    grid = grid_of(request)
    grid.out = torchrun.place(grid.out)
    return grid.out, work_through(grid, request, progress)


def work_through(grid: Grid, request: Request, progress: Progress) -> list[Path]:
    """Work through the grid, and again as often as ``repeat`` says. Returns the folders of the cells that failed."""
    setup, out, protocol = grid.setup, grid.out, grid.setup.protocol()
    root = request.settings.data_root
    record = {
        "command": request.command,
        "data_root": str(Path(root).resolve()) if root else None,
        **{"strategies": grid.strategies, "oracles": grid.oracles, "seeds": grid.seeds},
        **{"foundation": setup.settings.foundation, "rounds": setup.settings.rounds},
        **environment(),
    }
    n_images, by = len(setup.dataset.names("train")), ("fit",) if setup.learner else ("round",)
    with claimed(out, protocol, record, grid.anew) as begin:
        progress.begin("making and reading labels", 2 * n_images)
        problem = setup.read(progress.step)
        begin(pseudo_labels=str(problem.pseudo.folder.resolve()))
        grid.remove_again()
        with suppress(files.Unwritable):  # then report and export ask for --follow
            source.trust(specs.of_run(out / "spec.json"))
        remember(out, request.command)
        keep = bundle.size(problem.pseudo) < bundle.LIMIT_BYTES if request.bundle is None else request.bundle
        if keep and torchrun.is_first():
            bundle.write(problem.dataset, problem.pseudo, out)
        workers = _workers(request, setup, problem, progress.step)
        progress.begin("cells", grid.n_steps(), by)
        if request.reference:
            grid.reference(workers)
        failed = [cell.folder(out) for cell in grid.run(workers)]
        for k in range(1, request.repeat + 1):
            again = Grid(setup, grid.strategies, grid.oracles, grid.seeds, out / f"repeat{k}", request.again)
            with claimed(again.out, protocol, record, again.anew) as begin_again:
                begin_again()
                again.remove_again()
                progress.begin(f"cells again ({k} of {request.repeat})", again.n_steps(), by)
                failed += [cell.folder(again.out) for cell in again.run(workers)]
    return failed


def _workers(request: Request, setup: Setup, problem: Problem, on_step) -> Callable:
    """Opens the workers: see `bench.experiment.workers`."""
    address = request.ray
    if address:
        return lambda: ray.nodes(setup, problem, address, on_step)
    jobs = request.jobs or local.default_jobs(setup)
    if jobs == 1:
        return lambda: local.here(setup, problem, on_step)
    return lambda: local.processes(setup, problem, jobs, on_step)


def parse_seeds(text: str) -> Sequence[int]:
    """``3`` is seeds 0, 1 and 2; ``2,3``, ``0-4`` and ``0-2,7`` name them, ``5,`` a single one."""
    if re.fullmatch(r"-?\d+", text := text.strip()):
        if int(text) < 1:
            raise InputError(f"--seeds must be 1 or more, got {text}")
        return range(int(text))
    found: list[int] = []
    for part in text.removesuffix(",").split(","):
        ends = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        if not ends or int(ends[2] or ends[1]) < int(ends[1]):
            raise InputError(f"--seeds: expected how many, or which as in 2,3 or 0-4; got {text!r}")
        found += range(int(ends[1]), min(int(ends[2] or ends[1]), int(ends[1]) + MOST_CELLS) + 1)  # the grid refuses
    return found


def _text(value: Any) -> Any:
    """Paths and numbers as the command line gives them."""
    return str(value) if isinstance(value, (Path, int, float)) and type(value) is not bool else value
