"""The strategy that expects slips: its formula by hand, where it stops, and the rate that it is told."""

import dataclasses

import numpy as np
import pytest
from pools import pool
from problems import setup_of

from bench import registry
from bench.experiment.cell import check
from bench.types import InputError


def columns(**statistics):
    """Four superpixels of 10, 20, 40 and 100 pixels."""
    n = np.arange(4)
    base = dict(image=n.astype(np.int32), superpixel=n + 1, row=n.astype(np.int32), column=n.astype(np.int32))
    return base | dict(label=n.astype(np.uint8), size=np.array([10, 20, 40, 100])) | statistics


DOUBT = np.array([0.9, 0.1, 0.5, 0.15])


@pytest.mark.parametrize(
    ("of", "statistics"),
    [
        ("sim", {"sim": DOUBT * [10, 20, 40, 100]}),
        ("cil", {"cil_sum": DOUBT * [10, 20, 40, 100]}),
        ("cil_area", {"cil": DOUBT}),
    ],
)
def test_it_asks_by_pixels_mended_less_pixels_broken_and_stops(of, statistics):
    """At a rate of 0.2: 10 · 0.7 = 7, 20 · -0.1 = -2, 40 · 0.3 = 12, 100 · -0.05 = -5."""
    strategy, p = registry.load("strategies", f"net_gain[of={of},rate=0.2]"), pool(columns(**statistics), 5)
    assert strategy.score(p) == pytest.approx([7, -2, 12, -5])
    rng = np.random.default_rng(0)
    assert strategy.acquire(p, 4, rng).rows.tolist() == [2, 0]
    assert strategy.acquire(p, 1, rng).rows.tolist() == [2]


def test_auto_reads_the_rate_of_the_run():
    strategy, p = registry.load("strategies", "net_gain[of=cil_area]"), pool(columns(cil=DOUBT), 5)
    for rate, rows in ((0.05, [2, 3, 0, 1]), (0.25, [2, 0]), (0.6, [0]), (0.95, [])):
        asked = strategy.acquire(dataclasses.replace(p, slip_rate=rate), 4, np.random.default_rng(0)).rows
        assert asked.tolist() == rows


@pytest.mark.parametrize("spec", ["net_gain", "net_gain[of=cil_area]+first"])
def test_auto_without_second_answers_is_refused(spec):
    with pytest.raises(InputError, match=r"add a rule, as in net_gain\+adaptive, or give the rate"):
        check(spec, "perfect", setup_of())


@pytest.mark.parametrize("spec", ["net_gain[of=area]", "net_gain[rate=2]", "net_gain[rate=often]"])
def test_what_makes_no_sense_is_refused(spec):
    with pytest.raises(InputError):
        registry.load("strategies", spec)
