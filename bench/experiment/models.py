"""The models of a cell, one a round: trained, kept until the next one is there, and asked about the pool."""

from pathlib import Path

import numpy as np

from bench import files
from bench.experiment.acquire import acquire_table
from bench.experiment.fits import fit, save
from bench.experiment.problem import Problem, Step, evaluate
from bench.experiment.round0 import Round0
from bench.labels import LabelMaps
from bench.learners import Learner, Model
from bench.runs.journal import Journal
from bench.timing import Stopwatch
from bench.types import Candidates, InputError


class Models:
    """The models after rounds 0, 1, ... of a cell. Round 0's is that of the seed. Without a learner there are none."""

    def __init__(
        self, problem: Problem, learner: Learner | None, round0: Round0, seed: int, journal: Journal, on_step: Step
    ):
        self.problem, self.learner, self.round0, self.seed = problem, learner, round0, seed
        self.journal, self.on_step = journal, on_step
        self._newest: tuple[int, Model] | None = None

    def pool(self, number: int, labels: LabelMaps, needs: tuple[str, ...]) -> Candidates:
        """The candidates of round ``number``, as the model after the round before it sees them."""
        seconds = self.journal.seconds(number)
        if number == 1 or self.learner is None:
            spent = self.round0.seconds if number == 1 else {}
            seconds |= {name: s for name, s in spent.items() if name in ("predict_s", "acquire_s")}
            return self.round0.candidates
        if not self.path(number - 1).exists():  # the cell was done, and more rounds are asked for
            logs = self.journal.folder / "logs"
            model, _ = fit(self.problem, self.learner, labels, self.seed, number - 1, logs, None, self.on_step)
            save(self.learner, model, self.path(number - 1))
            self._newest = number - 1, model
        table, spent = acquire_table(self.problem, self.learner, self.after(number - 1), labels, needs)
        seconds |= spent
        return table

    def measure(self, number: int, labels: LabelMaps) -> np.ndarray | None:
        """Train on the current labels. Returns the model's confusion on val by image, (M, C, C + 1)."""
        seconds, learner = self.journal.seconds(number), self.learner
        if number == 0 or learner is None:
            seconds |= {name: s for name, s in self.round0.seconds.items() if name in ("fit_s", "evaluate_s")}
            return self.round0.confusion
        if not files.intact(self.path(number)):  # else the run was stopped between this round's fit and its measures
            start = self.after(number - 1) if self.problem.settings.start == "warm" else None
            logs = self.journal.folder / "logs"
            model, seconds["fit_s"] = fit(self.problem, learner, labels, self.seed, number, logs, start, self.on_step)
            self.journal.write_seconds()
            save(learner, model, self.path(number))
            self._newest = number, model
        with Stopwatch(learner.device) as watch:
            confusion = evaluate(self.problem, learner, self.after(number))
        seconds["evaluate_s"] = watch.total_s
        return confusion

    def after(self, number: int) -> Model:
        """The model after a round, from memory or from its file."""
        if self._newest is None or self._newest[0] != number:
            assert self.learner is not None  # without one nobody asks for a model
            if not files.intact(path := self.path(number)):
                again = f"remove {self.journal.folder} to run the cell anew"
                raise InputError(f"{path}: damaged: it is not the model that was written; {again}")
            self._newest = number, self.learner.load(path)
        return self._newest[1]

    def path(self, number: int) -> Path:
        """The file of the model after a round; round 0's is that of the seed."""
        if number == 0:
            assert self.round0.model is not None  # a run with a model has trained it
            return self.round0.model
        return self.journal.folder / f"model-{number}.pth"

    def forget(self, but: int | None = None) -> None:
        """Remove the files of this cell's models, but that of one round."""
        for path in self.journal.folder.glob("model-*.pth"):
            if path.name != f"model-{but}.pth":
                path.unlink()
