"""What runs the tasks of a grid on this machine: this process, or several. `bench.cluster` does it on many machines.

Each opens a function ``submit(task, *arguments)`` that gives the future of ``task(bench, *arguments)``.
"""

import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import torch

from bench.types import InputError
from bench.workbench import Settings, Workbench

Listener = Callable[[str, int], None]


@contextmanager
def here(bench: Workbench, on_step: Listener) -> Iterator[Callable[..., Future]]:
    """In this process, one after the other: a future comes done."""
    bench.on_step = on_step
    limit_threads(bench)

    def submit(task, *arguments):
        future = Future()
        future.set_result(task(bench, *arguments))
        return future

    yield submit


@contextmanager
def processes(bench: Workbench, jobs: int, on_step: Listener) -> Iterator[Callable[..., Future]]:
    """In ``jobs`` processes, each with a GPU of its own where there are any.

    They are gone when the block ends, also by an exception; when this process is killed, they notice and end.
    """
    context = multiprocessing.get_context("spawn")
    events, devices = context.Queue(), context.SimpleQueue()
    for device in gpus(bench.trainer.device, torch.cuda.device_count(), jobs) if bench.trainer else [None] * jobs:
        devices.put(device)
    arguments = bench.settings, bench.confusion, events, devices
    with listening(lambda: events.get(timeout=0.2), on_step):
        pool = ProcessPoolExecutor(jobs, context, initializer=_enter, initargs=arguments)

        def submit(task, *arguments):  # may start a process, which inherits what is blocked: Ctrl-C is for the parent
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                return pool.submit(_call, task, *arguments)
            finally:
                signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})

        try:
            yield submit
        except BaseException:
            for process in list((pool._processes or {}).values()):
                process.kill()  # a worker's files are whole at any moment
            raise
        finally:
            pool.shutdown(cancel_futures=True)


@contextmanager
def listening(get: Callable[[], tuple[str, int]], on_step: Listener) -> Iterator[None]:
    """Pass on what workers report, until the block ends. ``get`` raises queue.Empty where nothing came for a while."""
    ended = threading.Event()

    def listen():
        while not ended.is_set():
            try:
                on_step(*get())
            except queue.Empty:
                pass

    listener = threading.Thread(target=listen, daemon=True)  # a killed worker may leave it half a message to wait for
    listener.start()
    try:
        yield
    finally:
        ended.set()
        listener.join(timeout=1)


def gpus(device: torch.device, n_gpus: int, jobs: int, visible: str | None = None) -> list[str | None]:
    """CUDA_VISIBLE_DEVICES of each of ``jobs`` workers; None where the run is on the CPU.

    ``visible``: what it is for this process, by default as the environment says. Raises InputError for more workers
    than GPUs.
    """
    if device.type != "cuda":
        return [None] * jobs
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    names = visible.split(",") if visible else [str(i) for i in range(n_gpus)]
    usable = names[:n_gpus] if device.index is None else [names[device.index]]
    if jobs > len(usable):
        raise InputError(f"--jobs {jobs} is more than the {len(usable)} GPUs there are; each takes one cell at a time")
    return usable[:jobs]


def default_jobs(bench: Workbench) -> int:
    """One process for each GPU, or for each core when training on the CPU; one for a run without a model."""
    if bench.trainer is None:
        return 1
    if bench.trainer.device.type == "cuda":
        return torch.cuda.device_count() if bench.trainer.device.index is None else 1
    return len(os.sched_getaffinity(0))


def limit_threads(bench: Workbench) -> None:
    """Sums depend on the number of threads: the preset fixes it, so that a run gives the same numbers anywhere."""
    if bench.trainer and bench.trainer.config.get("threads"):
        torch.set_num_threads(bench.trainer.config.threads)


_bench: Workbench | None = None  # a worker process has one


def _enter(settings: Settings, confusion: np.ndarray, events, devices) -> None:
    global _bench
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if (device := devices.get()) is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
        settings = replace(settings, device="cuda")
    _bench = Workbench(settings, check=False)
    _bench.confusion = confusion
    _bench.on_step = lambda what, n: events.put((what, n))
    limit_threads(_bench)


def _die_with_parent() -> None:
    multiprocessing.parent_process().join()
    os.kill(os.getpid(), signal.SIGKILL)


def _call(task, *arguments):
    return task(_bench, *arguments)
