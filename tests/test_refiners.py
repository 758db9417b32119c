"""The contract that every refiner keeps: it relabels what nobody was asked about, with classes, and nothing else."""

import numpy as np
import pytest
from pools import pool, random_columns

from bench import registry
from bench.testing import check_refiner

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
def test_keeps_the_contract(spec):
    check_refiner(spec)


def test_some_refiner_relabels_something_here():
    assert len(refine(*made("lcm[tau=0]"))[0])
