"""How much a learner gains from right labels, and in how many seconds.

The gain is the val mIoU of models trained on the truth less that of models trained on the pseudo labels. The effect of
a correction on a model is visible only if this gap is wide beside the spread over seeds.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from bench import files, metrics, seeds
from bench.experiment.problem import Problem, Step, evaluate
from bench.learners import Learner
from bench.timing import Stopwatch

ROW = ("dataset", "preset", "n_steps", "labels", "seed", "data_miou", "model_miou", "fit_s", "fit_cpu_s")
Key = tuple[str, Learner]  # how a preset is called, and the learner that it makes


def rows(
    problems: Mapping[Key, Problem], n_seeds: int, on_step: Step = lambda what, n: None
) -> Iterator[dict[str, str | float]]:
    """A `ROW` for each seed, preset and kind of labels: truth or pseudo. mIoU in [0, 1].

    Seed by seed, so that other load on the machine meets every preset. ``fit_s``: seconds of the clock;
    ``fit_cpu_s``: of this process, on all cores. Logs go to the cache, models nowhere.
    """
    for seed in range(n_seeds):
        for (preset, learner), problem in problems.items():
            torch.set_num_threads(learner.threads or torch.get_num_threads())
            kinds = {"truth": problem.truth, "pseudo": problem.pseudo.labels}
            for labels, maps in kinds.items():
                truths = map(problem.truth, range(len(problem.names)))
                data = [metrics.confusion(t, maps(i), problem.n_classes) for i, t in enumerate(truths)]
                logs = Path(problem.settings.cache) / "logs"
                drawn, step = seeds.integer(seed, "fit", 0), lambda n: on_step("fit", n)
                with files.writing(logs), Stopwatch(learner.device) as watch:
                    model = learner.fit(problem.samples(maps), drawn, logs, None, step)
                miou = [metrics.miou(np.sum(m, axis=0)) for m in (data, evaluate(problem, learner, model))]
                what = problem.called["dataset"], preset, learner.n_steps, labels, seed
                yield dict(zip(ROW, (*what, *miou, watch.total_s, watch.cpu_s), strict=True))


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """By preset and steps: ``truth`` and ``pseudo``, mean mIoU of models trained on them, ``window``, ``spread``,
    ``ratio`` of the two, and mean seconds of a fit.

    ``spread``: the standard deviation over seeds of a model's mIoU, of both kinds of labels together (the root of the
    mean of the two variances); NaN for one seed.
    """
    by = ["preset", "n_steps"]
    by_seed = table.pivot(index=[*by, "seed"], columns="labels", values="model_miou").groupby(by, sort=False)
    found = by_seed.mean()
    found["window"] = found["truth"] - found["pseudo"]
    found["spread"] = (by_seed.std() ** 2).mean(axis=1) ** 0.5
    found["ratio"] = found["window"] / found["spread"]
    return found.join(table.groupby(by)[["fit_s", "fit_cpu_s"]].mean()).reset_index()
