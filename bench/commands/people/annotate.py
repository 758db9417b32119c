"""``alc-bench annotate``: a person answers the questions of one strategy, on a page in the browser or by a script."""

import secrets
import socket
import sys
import threading
from pathlib import Path

from bench import registry, report
from bench.annotate.answers import identity
from bench.annotate.desk import CHANCES, Desk, Person, Training
from bench.commands import progress
from bench.commands.run import add_settings, settings_of
from bench.experiment.grid import Grid
from bench.experiment.run import Request, grid_of, work_through
from bench.runs.journal import Journal
from bench.types import InputError

try:
    import uvicorn

    from bench.annotate.server import app
except ModuleNotFoundError as error:
    raise InputError(f'annotate needs {error.name}: pip install "alc-bench[annotate]"') from error

EXAMPLES = (
    "alc-bench annotate --strategy cil_pixel --out runs/by-hand",
    'alc-bench annotate --dataset "folder[name=streets]" --data-root streets --foundation "files[root=labels]" '
    "--strategy cil_pixel --budget 200 --out runs/streets",
)
HERE = "127.0.0.1"
LINGER_S = 60.0  # how long the server waits for a page that wants to hear that all is done


def add_arguments(parser) -> None:
    parser.add_argument("--strategy", default="cil_pixel", help="one; with its rule and its refiner, if it has them")
    parser.add_argument("--seed", type=int, default=0)
    add_settings(parser)
    parser.add_argument("--strict", action="store_true", help="refuse a dataset of which images or masks are missing")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: results/runs/<dataset>-<protocol>")
    parser.add_argument(
        "--repeat-share", type=float, default=0.0, metavar="P", help="of the questions, asked twice: do people agree?"
    )
    parser.add_argument("--port", type=int, default=0, help="of the page; default: a free one")
    parser.add_argument("--host", default=HERE, help="address to serve on; another than the default is seen by others")


def main(args) -> int:
    if not registry.load_strategy(args.strategy).strategy.stateless:
        raise InputError(f"{args.strategy} keeps something from round to round, so that no stopped session could go on")
    if not 0 <= args.repeat_share <= 1:
        raise InputError(f"--repeat-share must be between 0 and 1, got {args.repeat_share}")
    request = Request(
        settings_of(args),
        strategies=[args.strategy],
        oracles=["person"],
        seeds=[args.seed],
        out=args.out,
        command=args.command,
        jobs=1,
        strict=args.strict,
    )
    classes = registry.catalogue("oracles").classes
    try:
        failed = _served(request, args.host, args.port, args.repeat_share, classes)
    finally:
        classes.pop("person", None)
    return 1 if failed else 0


def _served(request: Request, host: str, port: int, repeat_share: float, oracles: dict) -> list[Path]:
    """Serve the page until all questions are answered. Returns the folders of the cells that failed."""
    desk, needs = Desk(request.settings.rounds, repeat_share), CHANCES if request.settings.model != "none" else ()
    oracles["person"] = lambda: Person(
        desk, needs
    )  # nobody else can answer for a person, so no other command knows him
    grid = grid_of(request)
    desk.training = Training(grid.setup.learner.n_steps if grid.setup.learner else 0)
    folder = grid.cells[0].folder(grid.out)
    journal = Journal(folder)
    desk.open(folder, map(_id, journal.queries), journal.n_measured)
    address = _bound(host, port)
    token, dataset = secrets.token_urlsafe(24), grid.setup.dataset
    hosts = () if host != HERE else (HERE, "localhost")
    if host != HERE:
        print(f"--host {host}: whoever reaches this machine and knows the token can answer", file=sys.stderr)
    web = app(desk, dataset.classes, dataset.palette, lambda name: dataset.image("train", name), token, hosts)
    server = uvicorn.Server(uvicorn.Config(web, log_level="warning", access_log=False, server_header=False))
    work = _Work(grid, request, desk, server)
    print(f"http://{host}:{address.getsockname()[1]}/?token={token}", flush=True)
    work.start()
    server.run(sockets=[address])
    if work.error is not None:
        raise work.error
    if desk.outcome is None:
        raise KeyboardInterrupt
    if (grid.out / "rounds.csv").exists():
        report.write([grid.out])
    options = f"--strategy {request.strategies[0]} --seed {request.seeds[0]} --to DIR"
    print(f"corrected labels: alc-bench export {grid.out} {options}")
    for failed in work.failed:
        print(f"failed: {failed.name}; the traceback is in {failed / 'spec.json'}", file=sys.stderr)
    return work.failed


def _id(row: dict) -> str:
    """The id of the question of a row of queries.csv."""
    names = ("kind", "image", "superpixel", "row", "column", "label_before", "opinion")
    return identity(*(row[name] for name in names))


class _Work(threading.Thread):
    """The run, in a thread of its own, which stops the server once it is done and somebody has heard so."""

    def __init__(self, grid: Grid, request: Request, desk: Desk, server: uvicorn.Server):
        super().__init__(daemon=True)
        self.grid, self.request, self.desk, self.server = grid, request, desk, server
        self.error: BaseException | None = None
        self.failed: list[Path] = []

    def run(self) -> None:
        said = ""
        try:
            with progress.bar() as bar:
                self.failed = work_through(self.grid, self.request, _Heard(bar, self.desk))
            said = f"a round failed; see {self.failed[0] / 'spec.json'}" if self.failed else ""
        except BaseException as error:  # the thread that waits raises it
            self.error, said = error, str(error) or type(error).__name__
        self.desk.finish(said)
        self.desk.told.wait(LINGER_S if not said else 5)
        self.server.should_exit = True


class _Heard:
    """A bar whose steps the desk hears, too."""

    def __init__(self, bar: progress.Bar, desk: Desk):
        self.begin, self.bar, self.desk = bar.begin, bar, desk

    def step(self, what: str, n: int) -> None:
        self.bar.step(what, n)
        self.desk.step(what, n)


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that the address can be printed before the server starts."""
    try:
        found = socket.create_server((host, port), backlog=64)
    except (OSError, OverflowError) as error:
        raise InputError(f"--host {host} --port {port}: {error}; choose another, or leave --port out") from error
    return found
