"""The statistics that read the truth, for the bounds: strategies that declare that they do."""

import copy

import numpy as np

from bench.experiment.session import Session, places, pool_places, rows_of
from bench.types import Candidates


def truth_columns(session: Session, table: Candidates, kind: str) -> dict[str, np.ndarray]:
    """The statistics that read the truth, for a strategy that declares that it does; zeros if it was asked."""
    n, n_classes = len(table), session.problem.n_classes
    is_open = np.ones(n, bool)
    if session.given:
        is_open[rows_of(table, np.array(list(session.given)))] = False
    answers = np.full(n, -1, np.int16)
    oracle = copy.deepcopy(session.oracle)  # looking ahead must not teach the one that is asked
    for i, place in enumerate(places(table)):
        if is_open[i]:
            where = session.problem.pseudo.region(*place[:2])
            answer = session.answer(session.question(kind, place, where, session.n_answers), where, oracle=oracle)
            if len(answer.labels) == 1:
                answers[i] = answer.labels[0]
    parts = [_counts(session, image) for image in range(len(session.problem.names))]
    of_row = pool_places(table)
    true, agree, labelled = (np.concatenate(x)[of_row] * is_open[:, None] for x in zip(*parts, strict=True))
    whole = session.quality.by_image.sum()
    totals = np.r_[np.diag(whole), whole.sum(1), whole[:, :n_classes].sum(0)]
    return {
        "truth_answer": answers,
        "truth_histogram": true,
        "truth_agree_histogram": agree,
        "truth_label_histogram": labelled,
        "truth_totals": np.broadcast_to(totals, (n, 3 * n_classes)),
    }


def _counts(session: Session, image: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each superpixel of an image, by ascending id: its pixels by true class, void last. Then those with a right
    label, by class; and those with a known truth, by label."""
    regions, n_classes = session.problem.pseudo.regions(image), session.problem.n_classes
    pixels, numbers = regions.all_pixels(), regions.numbers()
    truth, labels = (
        np.minimum(x.ravel()[pixels], n_classes) for x in (session.problem.truth(image), session.labels(image))
    )
    known = truth < n_classes

    def count(classes, where):
        keys = (numbers * (n_classes + 1) + classes)[where]
        return np.bincount(keys, minlength=len(regions) * (n_classes + 1)).reshape(-1, n_classes + 1)

    agree, labelled = count(truth, known & (truth == labels)), count(labels, known)
    return count(truth, slice(None)), agree[:, :-1], labelled[:, :-1]
