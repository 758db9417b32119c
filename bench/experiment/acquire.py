"""From a model to the pool: predictions, label maps and superpixels become a table, few images at a time."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from bench import kernels
from bench.experiment.candidates import gather
from bench.experiment.problem import Problem
from bench.kernels.statistics import PASSES, reads, trips
from bench.labels import Maps
from bench.learners import Learner, Model, Prediction
from bench.timing import Stopwatch
from bench.types import Candidates

KEPT_BYTES = 2**29
TOGETHER_PX = 2**20  # images are predicted, and then scored, together until they have so many pixels


def acquire_table(
    problem: Problem, learner: Learner, model: Model, labels: Maps, needs: tuple[str, ...]
) -> tuple[Candidates, dict[str, float]]:
    """The pool with the statistics ``needs``, and the seconds it took: predict_s, acquire_s.

    Compiled kernels are loaded before, once in a process; neither counts that. Reading images and maps counts as
    prediction. Statistics that compare with a threshold over the pool take a second trip over the predictions. Those of
    the first trip are kept if they fit into `KEPT_BYTES`, else made again.
    """
    first, second = trips(needs)
    kernels.load(str(learner.device), problem.n_classes, (*first, *second))
    watches = Stopwatch(learner.device), Stopwatch(learner.device)
    kept: list[Prediction] = []
    predictions = _predictions(problem, learner, model, first)
    if second:
        predictions = _keeping(predictions, kept)
    table = gather(_trip(problem, learner, predictions, labels, first, watches))
    if second:
        limits = kernels.thresholds(table.columns)
        predictions = iter(kept) if kept else _predictions(problem, learner, model, second)
        parts = list(_trip(problem, learner, predictions, labels, second, watches, limits))
        more = {name: np.concatenate([part[name] for part in parts]) for name in second}
        table = Candidates(dict(table.columns) | more)
    return table, dict(zip(("predict_s", "acquire_s"), (w.total_s for w in watches), strict=True))


def _predictions(problem, learner, model, needs) -> Iterator[Prediction]:
    read = reads(needs)
    return learner.predict(model, problem.images, "features" in read, PASSES if "passes" in read else ())


def _keeping(predictions: Iterator[Prediction], kept: list[Prediction]) -> Iterator[Prediction]:
    """The ``predictions``; their logits are in ``kept`` after the last of them, if all fit into `KEPT_BYTES`."""
    n_bytes = 0
    for prediction in predictions:
        n_bytes += prediction.logits.nbytes
        if n_bytes <= KEPT_BYTES:
            kept.append(Prediction(prediction.logits))
        else:
            kept.clear()
        yield prediction


def _trip(problem, learner, predictions, labels, needs, watches, thresholds=None) -> Iterator[dict[str, np.ndarray]]:
    read = reads(needs)
    predict, acquire = watches
    ranges = ranges_of_images(labels, len(problem.names))
    while True:
        with predict:  # reads the images, and the maps as well
            here = next(ranges, range(0))
            batch = list(islice(predictions, len(here)))
            maps = [labels(i) for i in here], [problem.pseudo.regions(i) for i in here]
        if not here:
            return
        with acquire:
            table = kernels.superpixel_statistics(
                [prediction.logits for prediction in batch],
                *maps,
                needs,
                logits=True,
                align_corners=learner.align_corners,
                images=[problem.image(i) for i in here] if "image" in read else None,
                features=[prediction.features for prediction in batch] if "features" in read else None,
                passes=[prediction.passes for prediction in batch] if "passes" in read else None,
                thresholds=thresholds,
                base=thresholds is None,
            )
            if thresholds is None:
                table["image"] += here.start
        yield table


def ranges_of_images(labels: Maps, n: int) -> Iterator[range]:
    """Ranges of the ``n`` images of about `TOGETHER_PX` pixels, to amortise each call of the kernels."""
    begin = n_px = 0
    for i in range(n):
        n_px += labels(i).size
        if n_px >= TOGETHER_PX or i + 1 == n:
            yield range(begin, i + 1)
            begin, n_px = i + 1, 0
