"""Runs the tasks of a grid on a Ray cluster, an existing one or one on this machine.

Ray schedules, gives each task its GPU, and starts a task again if its worker was lost: the cell goes on from its
folder. All nodes must have this package, and must see under the same paths the folder of the run, the one it was
started in, the data and the cache of pseudo labels (ALC_BENCH_CACHE). Results are in the run's folder as soon as a
round is whole.
"""

import os
import queue
import signal
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.experiment.problem import Problem, Setup, Step
from bench.experiment.workers import Worker, listening
from bench.types import InputError

RETRIES = 3  # of a task whose worker was lost


@contextmanager
def nodes(setup: Setup, problem: Problem, address: str, on_step: Step) -> Iterator[Callable[..., Future]]:
    """``address``: ``auto`` (the cluster this machine is part of), HOST:PORT, or ``local`` (a new one, for this run).

    Opens ``submit`` as in `bench.experiment.workers`. Raises InputError without Ray and if there is no such cluster.
    """
    ray = _ray()
    _check_address(address)
    stop = signal.getsignal(signal.SIGTERM)
    here = dict(include_dashboard=False) if address == "local" else {}
    try:
        ray.init(address, logging_level="ERROR", log_to_driver=False, runtime_env=_environment(), **here)
    except (ConnectionError, ValueError, RuntimeError, AssertionError) as error:
        raise InputError(f"--ray {address}: {str(error).splitlines()[0]}; give auto, local or HOST:PORT") from error
    signal.signal(signal.SIGTERM, stop)  # ray has put its own there
    try:
        from ray.util.queue import Empty, Queue

        events = Queue(actor_options={"num_cpus": 0})
        gpu = setup.learner is not None and setup.learner.device.type == "cuda"
        settings = replace(setup.settings, device="cuda") if gpu else setup.settings
        call = ray.remote(_call).options(num_cpus=1, num_gpus=int(gpu), max_retries=RETRIES)
        shared = ray.put((settings, problem.measured, events, Path.cwd()))

        def get():
            try:
                return events.get(timeout=0.2)
            except Empty:
                raise queue.Empty from None

        with listening(get, on_step):
            yield lambda task, out, *more: call.remote(shared, task, out.resolve(), *more).future()
    finally:
        ray.shutdown()


def _ray():
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError as error:
        raise InputError("--ray needs the package ray: pip install 'alc-bench[ray]'") from error
    return ray


def _check_address(address: str) -> None:
    """Raise InputError for a malformed address, and if nobody listens: Ray itself would try for minutes."""
    if address in ("auto", "local"):
        return
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(f"--ray {address}: {error}; give auto, local or the HOST:PORT of a Ray cluster") from error


def _environment() -> dict:
    passed = {name: value for name, value in os.environ.items() if name.startswith("ALC_BENCH_")}
    return {"env_vars": {"OMP_NUM_THREADS": "1", **passed}}


_worker: Worker | None = None  # a worker of the cluster has one


def _call(shared, task, out: Path, *arguments):
    """In a worker: the result of ``task``, or the InputError that it raises."""
    global _worker
    settings, measured, events, folder = shared
    try:
        check_shared(folder, out)
        os.chdir(folder)  # relative paths mean the same everywhere
        if _worker is None:
            tell = lambda what, n: events.actor.put_nowait.remote((what, n))  # noqa: E731
            _worker = Worker.start(settings, measured, tell)
        return task(_worker, out, *arguments)
    except InputError as error:
        return error


def check_shared(folder: Path, out: Path) -> None:
    """Raise InputError if this node does not see the folder of the run, or the one it was started in."""
    if not folder.is_dir() or not (out / "spec.json").is_file():
        where = f"node {socket.gethostname()} does not see {folder} and {out}"
        raise InputError(f"{where}; with --ray both must be in a folder that all nodes share")
