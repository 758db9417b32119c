"""The only clock of the suite: it waits for the device before it reads the time."""

import time

import torch


class Stopwatch:
    """Adds up the seconds spent in its ``with`` blocks: ``total_s``. ``device``: synchronised when it is a GPU."""

    def __init__(self, device: torch.device | str = "cpu"):
        self.device = torch.device(device)
        self.total_s = 0.0

    def __enter__(self):
        synchronise(self.device)
        self._start_s = time.perf_counter()
        return self

    def __exit__(self, *_):
        synchronise(self.device)
        self.total_s += time.perf_counter() - self._start_s


def synchronise(device: torch.device) -> None:
    """Wait until everything queued on ``device`` is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
