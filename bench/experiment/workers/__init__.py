"""The workers on the tasks of a grid: this process or several on this machine, a Ray cluster, the processes of a
torchrun.

Each opens a function ``submit(task, *arguments)`` that gives the future of ``task(worker, *arguments)``.
"""

import queue
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch

from bench.experiment.measured import Measured, Step
from bench.experiment.problem import Problem, Settings, Setup
from bench.learners import Learner


@dataclass(frozen=True)
class Worker:
    """A process that runs cells: its request, the data, and the receiver of its reports."""

    setup: Setup
    problem: Problem
    on_step: Step

    @property
    def learner(self) -> Learner | None:
        return self.setup.learner

    @classmethod
    def start(cls, settings: Settings, measured: Measured, on_step: Step) -> "Worker":
        """A worker in a process of its own: the data was checked and measured by the process that asks for it."""
        setup = Setup.of(settings, check=False)
        return cls.of(setup, setup.read(measured=measured), on_step)

    @classmethod
    def of(cls, setup: Setup, problem: Problem, on_step: Step) -> "Worker":
        """Sums depend on the number of threads: the learner fixes it, so that a run gives the same numbers anywhere."""
        if setup.learner and setup.learner.threads:
            torch.set_num_threads(setup.learner.threads)
        return cls(setup, problem, on_step)

    def peak_memory_gib(self) -> float:
        """The most that this process has held so far, on the GPU if it trains there."""
        if self.learner and self.learner.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.learner.device) / 2**30
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


@contextmanager
def listening(get: Callable[[], tuple[str, int]], on_step: Step) -> Iterator[None]:
    """Pass on what workers report, until the block ends. ``get`` raises queue.Empty if nothing came for a while."""
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
