"""Round 0 of a seed, the same in all its cells: the model trained on the pseudo labels, and the first pool."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench import files
from bench.experiment.acquire import acquire_table
from bench.experiment.fits import fit, save
from bench.experiment.problem import Problem, Step, evaluate
from bench.learners import Learner
from bench.timing import Stopwatch
from bench.types import Candidates


@dataclass(frozen=True)
class Round0:
    """The pool of round 1, the confusion of the model on val by image, its file, and the seconds that each took.

    Without a model there is a pool alone.
    """

    candidates: Candidates
    confusion: np.ndarray | None
    model: Path | None
    seconds: dict[str, float]


def folder_of(out: Path, seed: int) -> Path:
    return out / "round0" / f"seed{seed}"


def load_round0(
    problem: Problem, learner: Learner | None, out: Path, seed: int, needs: tuple[str, ...], on_step: Step
) -> Round0:
    """Round 0 of a seed from the run folder ``out``, made first if it is not there, was damaged or lacks a
    statistic."""
    if learner is None:
        assert problem.label_only is not None  # it is what a run without a model reads
        return Round0(problem.label_only, None, None, {})
    folder = folder_of(out, seed)
    model_path, table_path, spec_path = folder / "model.pth", folder / "candidates.npz", folder / "spec.json"
    confusion_path, fit_path, model = folder / "confusion.npy", folder / "fit.json", None
    if not (files.intact(model_path) and files.intact(fit_path)):
        model, fit_s = fit(problem, learner, problem.pseudo.labels, seed, 0, folder / "logs", None, on_step)
        files.write_spec(fit_path, {"fit_s": fit_s})
        files.record(folder, {fit_path.name: files.checksum(fit_path.read_bytes())})
        save(learner, model, model_path)
    if not (files.intact(spec_path) and files.intact(confusion_path)):
        model = learner.load(model_path) if model is None else model
        with Stopwatch(learner.device) as watch:
            confusion = evaluate(problem, learner, model)
        with files.replacing(confusion_path) as path, open(path, "wb") as file:
            np.save(file, confusion)
        files.write_spec(spec_path, files.read_json(fit_path) | {"evaluate_s": watch.total_s})
        files.record(folder, {path.name: files.checksum(path.read_bytes()) for path in (confusion_path, spec_path)})
    if not files.intact(table_path) or not set(needs) <= set(np.load(table_path, allow_pickle=False).files):
        model = learner.load(model_path) if model is None else model
        table, seconds = acquire_table(problem, learner, model, problem.pseudo.labels, needs)
        with files.replacing(table_path) as path, open(path, "wb") as file:
            arrays: dict[str, Any] = {**table.columns, "_seconds": [seconds["predict_s"], seconds["acquire_s"]]}
            np.savez(file, **arrays)
        files.record(folder, {table_path.name: files.checksum(table_path.read_bytes())})
    with np.load(table_path, allow_pickle=False) as table:
        seconds = dict(zip(("predict_s", "acquire_s"), table["_seconds"].tolist(), strict=True))
        columns = {name: table[name] for name in table.files if name != "_seconds"}
    spec = files.read_json(spec_path)
    seconds |= {name: spec[name] for name in ("fit_s", "evaluate_s")}
    return Round0(Candidates(columns), np.load(confusion_path, allow_pickle=False), model_path, seconds)
