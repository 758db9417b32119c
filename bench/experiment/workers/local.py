"""Workers on this machine: this process, or several."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice

import torch

from bench.experiment.measured import Measured, Step
from bench.experiment.problem import Problem, Settings, Setup
from bench.experiment.workers import Worker, listening


@contextmanager
def here(setup: Setup, problem: Problem, on_step: Step) -> Iterator[Callable[..., Future]]:
    """In this process, one after the other: a future comes done."""
    worker = Worker.of(setup, problem, on_step)

    def submit(task, *arguments):
        future: Future = Future()
        future.set_result(task(worker, *arguments))
        return future

    yield submit


@contextmanager
def processes(setup: Setup, problem: Problem, jobs: int, on_step: Step) -> Iterator[Callable[..., Future]]:
    """In ``jobs`` processes, on the GPUs in turn if there are any.

    They are gone when the block ends, also by an exception; when this process is killed, they notice and end.
    """
    context = multiprocessing.get_context("spawn")
    events, devices = context.Queue(), context.SimpleQueue()
    for device in gpus(setup.learner.device, torch.cuda.device_count(), jobs) if setup.learner else [None] * jobs:
        devices.put(device)
    arguments = setup.settings, problem.measured, events, devices
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


def gpus(device: torch.device, n_gpus: int, jobs: int, visible: str | None = None) -> Sequence[str | None]:
    """CUDA_VISIBLE_DEVICES of each of ``jobs`` workers, which share GPUs if there are more of them; None on the CPU.

    ``visible``: its value for this process, by default from the environment.
    """
    if device.type != "cuda":
        return [None] * jobs
    visible = os.environ.get("CUDA_VISIBLE_DEVICES") if visible is None else visible
    names = visible.split(",") if visible else [str(i) for i in range(n_gpus)]
    usable = names[:n_gpus] if device.index is None else [names[device.index]]
    return list(islice(cycle(usable), jobs))


def default_jobs(setup: Setup) -> int:
    """One process for each GPU, or for each core when training on the CPU; one for a run without a model."""
    if setup.learner is None:
        return 1
    if setup.learner.device.type == "cuda":
        return torch.cuda.device_count() if setup.learner.device.index is None else 1
    return len(os.sched_getaffinity(0))


_worker: Worker | None = None  # a process of the pool has one


def _enter(settings: Settings, measured: Measured, events, devices) -> None:
    global _worker
    threading.Thread(target=_die_with_parent, daemon=True).start()
    if (device := devices.get()) is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = device
        settings = replace(settings, device="cuda")
    _worker = Worker.start(settings, measured, lambda what, n: events.put((what, n)))


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a process of a pool
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)


def _call(task, *arguments):
    return task(_worker, *arguments)
