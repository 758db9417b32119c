"""The images of a foundation, divided among processes."""

import multiprocessing
import queue
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from bench.datasets import Dataset
from bench.foundation import Foundation, pseudo
from bench.types import InputError


def write(
    folder: Path,
    foundation: Foundation,
    dataset: Dataset,
    jobs: int,
    step: Callable[[], object],
    on_failure: Callable[[str, Exception], object],
) -> None:
    """`bench.foundation.pseudo.write` in ``jobs`` processes, each with a range of the train images of its own.

    The files are the same for any number of jobs. Raises InputError for a foundation that cannot resume, and the error
    of a process; the others end with it.
    """
    if jobs == 1:
        return pseudo.write(folder, foundation, dataset, step=step, on_failure=on_failure)
    if not foundation.resumes or foundation.trains:
        raise InputError(f"--jobs {jobs}: {type(foundation).__name__.lower()} makes its images in one go; leave it out")
    context = multiprocessing.get_context("spawn")
    events = context.Queue()
    parts = [part.tolist() for part in np.array_split(dataset.names("train"), jobs) if len(part)]
    n_threads = max(1, torch.get_num_threads() // len(parts))
    arguments = [(folder, foundation, dataset, part, n_threads, events) for part in parts]
    processes = [context.Process(target=_work, args=given, daemon=True) for given in arguments]
    try:
        for process in processes:
            process.start()
        n_left = len(processes)
        while n_left:
            try:
                what, *told = events.get(timeout=1)
            except queue.Empty:
                if any(process.exitcode for process in processes):
                    raise InputError("a process of --jobs was killed, maybe for memory; run it with fewer") from None
                continue
            if what == "error":
                raise told[0]
            if what == "step":
                step()
            elif what == "failed":
                on_failure(*told)
            else:
                n_left -= 1
    finally:
        for process in processes:
            process.kill()  # files are whole at any moment
            process.join()


def _work(folder, foundation, dataset, part, n_threads, events):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    torch.set_num_threads(n_threads)

    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a process that `write` started

    def step():
        if not parent.is_alive():
            raise SystemExit
        events.put(("step",))

    try:
        pseudo.write(
            folder,
            foundation,
            dataset,
            step=step,
            on_failure=lambda name, error: events.put(("failed", name, InputError(str(error)))),
            only=part,
        )
        events.put(("end",))
    except Exception as error:
        events.put(("error", error if isinstance(error, InputError) else RuntimeError(repr(error))))
