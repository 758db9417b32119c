"""The label correction module: what it may relabel, what it is taught, and its named options."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from pools import pool

from bench import registry
from bench.types import VOID, InputError

pytestmark = pytest.mark.slow

C = 4
COUNTS = (40, 25, 15, 6)  # answers by class: 2 and 3 are the tail, 3 is the rarest


def world(n_open=80, seed=0, purity=0.97):
    """Superpixels whose mean softmax tells their class; the first were asked this round. Labels are random."""
    rng = np.random.default_rng(seed)
    true = np.r_[np.repeat(np.arange(C), COUNTS), rng.integers(0, C, n_open)]
    n, size = len(true), 10
    p = np.full((n, C), (1 - purity) / (C - 1))
    p[np.arange(n), true] = purity
    label = rng.integers(0, C + 1, n)
    columns = {"image": np.zeros(n, np.int32), "superpixel": np.arange(1, n + 1), "size": np.full(n, size)}
    columns |= {k: np.zeros(n, np.int32) for k in ("row", "column", "label")}
    columns |= {"probability_sum": p * size, "label_histogram": np.eye(C + 1, dtype=int)[label] * size}
    n_asked = sum(COUNTS)
    return columns, true, label, np.arange(n_asked)


def refine(spec="lcm[epochs=40]", seed=1, asked_before=(), round=1, labels=None):
    columns, true, label, asked = world()
    p = pool(columns, C, [*asked, *asked_before], round)
    labels = true[asked].astype(np.uint8) if labels is None else labels
    rows, new = registry.load("refiners", spec).refine(p, asked, labels, np.random.default_rng(seed))
    return rows, new, true, label


def test_relabels_what_was_never_asked_and_differs_with_a_frequent_class_alone():
    rows, new, true, label = refine("lcm[tau=0.5,epochs=40]")
    assert len(rows) > 10 and new.dtype == np.uint8 and (np.diff(rows) > 0).all() and rows.min() >= sum(COUNTS)
    assert (new == true[rows]).all()
    allowed = (label != true) & np.isin(true, [0, 1]) & (label != 3) & (np.arange(len(true)) >= sum(COUNTS))
    assert rows.tolist() == np.flatnonzero(allowed).tolist()


def test_rows_asked_in_earlier_rounds_stay():
    first = refine("lcm[tau=0.5,epochs=40]")[0]
    assert not set(refine("lcm[tau=0.5,epochs=40]", asked_before=first[:5])[0]) & set(first[:5])


def test_the_threshold_is_by_round_and_its_last_stays():
    assert len(refine("lcm[tau=1/0.3,epochs=5]", round=1)[0]) == 0
    second, third = (refine("lcm[tau=1/0.3,epochs=40]", round=r)[0] for r in (2, 3))
    assert len(second) and second.tolist() == third.tolist()


def test_void_labels_are_relabelled_or_kept():
    rows, _, _, label = refine("lcm[tau=0.5,epochs=40]")
    kept, _, _, _ = refine("lcm[tau=0.5,epochs=40,void=keep]")
    assert (label[rows] == C).any() and kept.tolist() == rows[label[rows] != C].tolist()


@pytest.mark.parametrize("softmax", ["once", "twice"])
def test_softmax_before_cross_entropy_is_an_option(softmax):
    """One step of Adam on one batch, against the loss written out."""
    means, labels = torch.rand(8, C), torch.tensor([0, 0, 0, 1, 1, 2, 2, 0])
    torch.manual_seed(0)
    ours = registry.load("refiners", f"lcm[epochs=1,softmax={softmax}]").taught(means, labels, np.array([4, 2, 2, 0]))
    torch.manual_seed(0)
    widths = [C, 256, 128, 64, C]
    linear = [torch.nn.Linear(a, b) for a, b in pairwise(widths)]
    x = means
    for layer in linear[:-1]:
        x = layer(x).relu()
    x = linear[-1](x)
    p = (x.softmax(1) if softmax == "twice" else x).softmax(1)
    weights = torch.tensor([2.0, 4.0, 4.0, 0.0])[labels]
    parameters = [t for layer in linear for t in layer.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-4)
    (-(weights * p[range(8), labels].log()).sum() / weights.sum()).backward()
    optimizer.step()
    for mine, other in zip(ours.parameters(), parameters, strict=True):
        torch.testing.assert_close(mine, other)


def test_the_same_generator_gives_the_same_labels_and_global_draws_are_left_alone():
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    one, other = refine(seed=3), refine(seed=3)
    assert torch.equal(torch.rand(3), expected)
    assert one[0].tolist() == other[0].tolist() and one[1].tolist() == other[1].tolist()


def test_nothing_to_learn_or_to_relabel():
    rows, new, _, _ = refine(labels=np.full(sum(COUNTS), VOID, np.uint8))
    assert len(rows) == len(new) == 0
    rows, new, _, _ = refine(asked_before=range(sum(COUNTS), sum(COUNTS) + 80))
    assert len(rows) == len(new) == 0


@pytest.mark.parametrize(
    "spec", ["lcm[tau=2]", "lcm[tau=often]", "lcm[softmax=thrice]", "lcm[void=drop]", "lcm[epochs=0]"]
)
def test_parameters_that_make_no_sense_are_refused(spec):
    with pytest.raises(InputError):
        registry.load("refiners", spec)


@pytest.mark.parametrize("spec", ["abc+lcm", "power[of=sim,beta=1e+2]+lcm[tau=0.9/0.99,epochs=3]"])
def test_a_refiner_is_written_behind_a_plus(spec):
    strategy, _, refiner = registry.load_strategy(spec)
    assert hasattr(strategy, "acquire") and hasattr(refiner, "refine")
    assert registry.load_strategy("sim").refiner is None
