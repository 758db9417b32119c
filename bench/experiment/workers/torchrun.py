"""Several processes that train one cell together, one for each GPU, started by torchrun:

    torchrun --nproc-per-node 4 -m bench run ... --launcher pytorch

All processes go through the same run and come to the same results, because everything in it is seeded. They meet in the
fit, each with its share of the batch (`bench.learners`). The first one writes; the others work in a copy of the run's
folder that is thrown away.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import torch
import torch.distributed as dist

from bench.types import InputError


def join(device: str) -> str:
    """Meet the others; returns the device of this process. Raises InputError outside of torchrun."""
    missing = [name for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR") if name not in os.environ]
    if missing:
        raise InputError(f"--launcher pytorch is for processes that torchrun started; not set: {', '.join(missing)}")
    if device not in ("auto", "cpu", "cuda"):
        raise InputError(
            f"--launcher pytorch gives each process its GPU; --device must be auto, cpu or cuda, got {device}"
        )
    gpu = device != "cpu" and torch.cuda.is_available()
    if gpu:
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if gpu else "gloo")
    atexit.register(dist.destroy_process_group)
    return device


def is_first() -> bool:
    """Whether this process is the one that writes; true for a process on its own."""
    return not dist.is_initialized() or dist.get_rank() == 0


def place(out: Path) -> Path:
    """The folder of this process: ``out``, or a copy of its content before the first one goes on."""
    if not dist.is_initialized():
        return out
    if not is_first():
        folder = tempfile.TemporaryDirectory(prefix="alc-bench-")
        atexit.register(folder.cleanup)
        if out.exists():
            shutil.copytree(out, Path(folder.name) / out.name, ignore=shutil.ignore_patterns(".lock"))
        out = Path(folder.name) / out.name
    dist.barrier()
    return out
