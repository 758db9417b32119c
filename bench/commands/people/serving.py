"""The page of `bench.annotate.server` in the command line: served until all questions are answered."""

import secrets
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench import registry
from bench.annotate.desk import Desk, Person
from bench.datasets import Dataset
from bench.types import InputError

if TYPE_CHECKING:
    import uvicorn

HERE = "127.0.0.1"
LINGER_S = 60.0  # how long the server waits for a page that wants to hear that all is done


def add_arguments(parser) -> None:
    parser.add_argument("--port", type=int, default=0, help="of the page; default: a free one")
    parser.add_argument("--host", default=HERE, help="address to serve on; another than the default is seen by others")


@contextmanager
def answering(desk: Desk, needs: tuple[str, ...] = ()) -> Iterator[None]:
    """The oracle ``person`` is there: nobody else can answer for a person, so no other command knows him."""
    oracles: dict = registry.catalogue("oracles").classes
    oracles["person"] = lambda: Person(desk, needs)
    try:
        yield
    finally:
        del oracles["person"]


def serve(desk: Desk, dataset: Dataset, host: str, port: int, work: Callable[[], str]) -> None:
    """Serve the page while ``work``, in a thread of its own, asks the desk; it returns what the page says of a failure.

    Prints the address. Raises the error of ``work``, and KeyboardInterrupt where the server was stopped before.
    """
    try:
        import uvicorn

        from bench.annotate.server import app
    except ModuleNotFoundError as error:
        raise InputError(f'the page needs {error.name}: pip install "alc-bench[annotate]"') from error
    address = _bound(host, port)
    token = secrets.token_urlsafe(24)
    hosts = () if host != HERE else (HERE, "localhost")
    if host != HERE:
        print(f"--host {host}: whoever reaches this machine and knows the token can answer", file=sys.stderr)
    web = app(desk, dataset.classes, dataset.palette, lambda name: dataset.image("train", name), token, hosts)
    server = uvicorn.Server(uvicorn.Config(web, log_level="warning", access_log=False, server_header=False))
    asking = _Asking(work, desk, server)
    print(f"http://{host}:{address.getsockname()[1]}/?token={token}", flush=True)
    asking.start()
    server.run(sockets=[address])
    if asking.error is not None:
        raise asking.error
    if desk.outcome is None:
        raise KeyboardInterrupt


class _Asking(threading.Thread):
    """The work, which stops the server once it is done and somebody has heard so."""

    def __init__(self, work: Callable[[], str], desk: Desk, server: "uvicorn.Server"):
        super().__init__(daemon=True)
        self.work, self.desk, self.server = work, desk, server
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            failure = self.work()
        except BaseException as error:  # the thread that waits raises it
            self.error, failure = error, str(error) or type(error).__name__
        self.desk.finish(failure)
        if self.desk.offers.seen:  # else nobody has opened the page
            self.desk.told.wait(LINGER_S if not failure else 5)
        self.server.should_exit = True


def _bound(host: str, port: int) -> socket.socket:
    """A socket that is bound, so that the address can be printed before the server starts."""
    try:
        found = socket.create_server((host, port), backlog=64)
    except (OSError, OverflowError) as error:
        raise InputError(f"--host {host} --port {port}: {error}; choose another, or leave --port out") from error
    return found
