"""The contract that every refiner keeps: it relabels what nobody was asked about, with classes, and nothing else."""

import copy

import numpy as np
import pytest
from pools import pool, random_columns

from bench import registry
from bench.acquisition import Refiner
from bench.kernels.statistics import statistic

SPECS = [*sorted(registry.catalogue("refiners").classes), "lcm[tau=0,void=keep,softmax=twice,epochs=3]"]
N, N_CLASSES = 60, 5
EARLIER, NOW = np.arange(5), np.arange(5, 20)  # rows asked before, and in this round


def made(spec, asked=(*EARLIER, *NOW)):
    refiner = registry.load("refiners", spec)
    return refiner, pool(random_columns(refiner.needs, N, N_CLASSES), N_CLASSES, list(asked), round=2)


def refine(refiner, p, rows=NOW, seed=1):
    labels = (np.arange(len(rows)) % N_CLASSES).astype(np.uint8)
    return refiner.refine(p, rows, labels, np.random.default_rng(seed))


@pytest.mark.parametrize("spec", SPECS)
def test_declares_what_it_needs_and_where_it_is_from(spec):
    refiner = registry.load("refiners", spec)
    assert isinstance(refiner, Refiner) and refiner.source
    assert all(statistic(need).name for need in refiner.needs)


@pytest.mark.parametrize("spec", SPECS)
def test_relabels_rows_never_asked_once_each_with_classes(spec):
    refiner, p = made(spec)
    rows, labels = refine(refiner, p)
    assert rows.shape == labels.shape and rows.dtype.kind == "i" and labels.dtype == np.uint8
    assert len(np.unique(rows)) == len(rows) and not p.asked[rows].any() and (labels < N_CLASSES).all()


@pytest.mark.parametrize("spec", SPECS)
def test_the_same_generator_gives_the_same_labels_and_its_input_stays_as_it_was(spec):
    refiner, p = made(spec)
    before = copy.deepcopy(p)
    one, other = refine(refiner, p), refine(made(spec)[0], p)
    assert [part.tolist() for part in one] == [part.tolist() for part in other]
    for name, column in before.candidates.columns.items():
        np.testing.assert_array_equal(p.candidates.columns[name], column)
    for name in ("asked", "answered", "action", "ties"):
        np.testing.assert_array_equal(getattr(p, name), getattr(before, name))


@pytest.mark.parametrize("spec", SPECS)
def test_a_round_without_answers_and_a_pool_without_open_rows(spec):
    refiner, p = made(spec, asked=EARLIER)
    rows, labels = refine(refiner, p, rows=NOW[:0])
    assert len(rows) == len(labels) and not p.asked[rows].any()
    refiner, p = made(spec, asked=range(N))
    assert [len(part) for part in refine(refiner, p)] == [0, 0]


def test_some_refiner_relabels_something_here():
    assert len(refine(*made("lcm[tau=0]"))[0])
