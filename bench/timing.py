"""The only clock of the suite: it waits for the device before it reads the time.

A comparison interleaves its functions in one process, so that other load on the machine meets all of them, and forms
ratios round by round.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch


class Stopwatch:
    """Adds up the seconds spent in its ``with`` blocks: ``total_s``, and ``cpu_s``, those of all cores of this process.

    ``device``: synchronised when it is a GPU.
    """

    def __init__(self, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self.total_s = self.cpu_s = 0.0

    def __enter__(self):
        synchronise(self.device)
        self._start_s, self._start_cpu_s = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        synchronise(self.device)
        self.total_s += time.perf_counter() - self._start_s
        self.cpu_s += time.process_time() - self._start_cpu_s


class Clock:
    """Adds seconds to the columns of a row: ``with clock("answer_s"): ...``. ``device`` as for `Stopwatch`."""

    def __init__(self, row: dict[str, float], device: torch.device | str = "cpu"):
        self.row, self.device = row, torch.device(device)

    @contextmanager
    def __call__(self, column: str) -> Iterator[None]:
        synchronise(self.device)
        start_s = time.perf_counter()  # and no other clock: this is wound twice a question
        yield
        synchronise(self.device)
        self.row[column] += time.perf_counter() - start_s


@dataclass(frozen=True)
class Timings:
    """Times of interleaved rounds: ``seconds[name]`` is (n_rounds,), the same round at the same index."""

    seconds: dict[str, np.ndarray]

    def median_ms(self, name: str) -> float:
        return float(np.median(self.seconds[name])) * 1e3

    def iqr_ms(self, name: str) -> float:
        """The spread: upper less lower quartile."""
        low, high = np.percentile(self.seconds[name], (25, 75))
        return float(high - low) * 1e3

    def ratio(self, name: str, to: str) -> float:
        """The median over rounds of the time of ``name`` over the time of ``to``."""
        return float(np.median(self.seconds[name] / self.seconds[to]))


def compare(
    functions: dict[str, Callable[[], object]], rounds: int = 9, warm_up: int = 2, device: torch.device | str = "cpu"
) -> Timings:
    """Time functions of no arguments, each once a round, after ``warm_up`` untimed rounds (compilation, caches).

    On a GPU the time is that between two events. Raises ValueError for less than one round.
    """
    if rounds < 1 or warm_up < 0:
        raise ValueError(f"rounds must be 1 or more and warm_up 0 or more, got {rounds} and {warm_up}")
    device = torch.device(device)
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for number in range(-warm_up, rounds):
        for name, function in functions.items():
            elapsed_s = _once(function, device)
            if number >= 0:
                seconds[name].append(elapsed_s)
    return Timings({name: np.array(values) for name, values in seconds.items()})


def synchronise(device: torch.device) -> None:
    """Wait until everything queued on ``device`` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _once(function, device):
    if device.type == "cuda":
        start, stop = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        function()
        stop.record()
        stop.synchronize()
        return start.elapsed_time(stop) / 1e3
    with Stopwatch(device) as watch:
        function()
    return watch.total_s
