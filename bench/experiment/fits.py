"""A fit is made once: a second one with the same labels, seed and preset is read from the cache.

Models lie in the cache, by content, whole or not at all; above `CACHE_BYTES` the oldest ones go.
"""

import hashlib
import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from bench import files, seeds
from bench.experiment.problem import Problem, Step
from bench.learners import Learner, Model, n_processes
from bench.runs import identity
from bench.timing import Stopwatch
from bench.types import InputError

CACHE_BYTES = 2**31


def fit(
    problem: Problem,
    learner: Learner,
    labels: Callable[[int], np.ndarray],
    seed: int,
    round: int,
    log_dir: Path,
    start: Model | None,
    on_step: Step,
) -> tuple[Model, float]:
    """A model trained on the train images with these label maps, and the seconds that its fit took when it was made.

    One seed and round draw the same numbers in every cell. A fit that goes on from ``start``, or that several
    processes share, or that the settings exclude, is not looked for in the cache. Reports ("fit", n) for n steps.
    """
    drawn = seeds.integer(seed, "fit", round)
    alone = start is None and n_processes() == 1 and problem.settings.reuse
    path = Path(problem.settings.cache) / "fits" / f"{_key(problem, learner, labels, drawn)}.pth" if alone else None
    if path is not None and (known := _known(path, learner)):
        on_step("fit", learner.n_steps)
        return known
    with files.writing(log_dir), Stopwatch(learner.device) as watch:
        model = learner.fit(problem.samples(labels), drawn, log_dir, start, lambda n: on_step("fit", n))
    if path is not None:
        data = _bytes(learner, model)
        files.write_json(path.with_suffix(".json"), {"fit_s": watch.total_s, "model": files.checksum(data)})
        files.write_bytes(path, data)
        _trim(path)
    return model, watch.total_s


def save(learner: Learner, model: Model, path: Path) -> None:
    """Write a model's file whole, and take down its checksum; a disk that takes no more is named."""
    data = _bytes(learner, model)
    files.write_bytes(path, data)
    files.record(path.parent, {path.name: files.checksum(data)})


def _bytes(learner: Learner, model: Model) -> bytes:
    buffer = io.BytesIO()  # torch would hide why a disk takes no more
    learner.save(model, buffer)
    return buffer.getvalue()


def _known(path: Path, learner: Learner) -> tuple[Model, float] | None:
    """A model in the cache and its seconds; None if it is not there, or changed, or goes meanwhile."""
    try:
        known = files.read_json(path.with_suffix(".json"))
        files.check(path, known["model"], "")
        return learner.load(path), known["fit_s"]
    except (InputError, KeyError, FileNotFoundError):
        return None


def _key(problem: Problem, learner: Learner, labels, drawn: int) -> str:
    maps = hashlib.blake2b(digest_size=16)
    for i in range(len(problem.names)):
        maps.update(np.ascontiguousarray(labels(i)).data)
    made_by = identity.code(learner, learner.sources()), identity.versions(trained=True)
    sums = learner.device.type, learner.threads, torch.__version__  # what the last digits depend on
    return files.digest([learner.recipe(), *made_by, repr(problem.dataset.identity()), maps.hexdigest(), drawn, *sums])


def _trim(newest: Path) -> None:
    """Remove the oldest models beyond `CACHE_BYTES`; one that another process removes first is gone as well."""
    files = []
    for path in newest.parent.glob("*.pth"):
        with suppress(FileNotFoundError):
            found = path.stat()
            files.append((-found.st_mtime, path, found.st_size))
    held = 0
    for _, path, size in sorted(files):
        held += size
        if held > CACHE_BYTES and path != newest:
            path.unlink(missing_ok=True)
            path.with_suffix(".json").unlink(missing_ok=True)
