"""Prices by hand, budgets, the user's own table, and that the order of two logs may depend on the price."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import seeds
from bench.costs import UNITS, Budget, budget, price
from bench.types import ACTIONS, QUESTIONS, InputError


@pytest.mark.parametrize(
    ("kind", "actions", "bits", "clicks", "seconds"),
    [
        ("correction", "confirm", 1, 1, 2),
        ("correction", "correct", 1 + math.log2(20), 1, 5),
        ("correction", "void", 1 + math.log2(20), 1, 5),
        ("correction", "give_up", 1, 1, 4),
        ("correction", "confirm correct confirm", 3 + math.log2(20), 3, 9),
        ("classification", "classify", math.log2(21), 1, 4),
        ("dominant", "void", math.log2(21), 1, 5),
        ("multiclass", "classify classify classify", 3 * math.log2(21), 3, 12),
    ],
)
def test_prices_by_hand(kind, actions, bits, clicks, seconds):
    priced = [price([kind], [actions], 21, unit)[0] for unit in ("bits", "clicks", "seconds", "questions")]
    assert priced == pytest.approx([bits, clicks, seconds, 1])


def test_a_class_that_has_no_rival_needs_no_further_bit():
    assert price(["correction"], ["correct"], 1, "bits")[0] == 1
    assert price(["correction"], ["correct"], 2, "bits")[0] == 1


@given(st.integers(0, 10**6), st.integers(0, 50), st.integers(1, 30), st.sampled_from(list(UNITS)))
def test_a_column_costs_what_its_rows_cost(seed, n, n_classes, unit):
    rng = seeds.generator(seed, "log")
    rows = [(rng.choice(list(QUESTIONS)), rng.choice(ACTIONS, size=rng.integers(1, 5))) for _ in range(n)]
    kinds, actions = [kind for kind, _ in rows], [" ".join(done) for _, done in rows]
    one_by_one = [price([k], [a], n_classes, unit)[0] for k, a in zip(kinds, actions, strict=True)]
    column = price(kinds, actions, n_classes, unit)
    assert column.dtype == np.float64 and column.shape == (len(rows),)
    np.testing.assert_array_equal(column, one_by_one)


def test_the_order_of_two_strategies_depends_on_the_price():
    """19 classes. One log finds wrong labels, the other is shown right ones, and asks more often."""
    finder, confirmer = ["correct"] * 10, ["confirm"] * 26
    total = {
        unit: [price(["correction"] * len(log), log, 19, unit).sum() for log in (finder, confirmer)]
        for unit in ("clicks", "bits", "seconds")
    }
    assert total["clicks"] == [10, 26]
    assert total["bits"] == pytest.approx([10 + 10 * math.log2(18), 26])
    assert total["seconds"] == [50, 52]
    cheaper = {unit: int(np.argmin(costs)) for unit, costs in total.items()}
    assert cheaper == {"clicks": 0, "bits": 1, "seconds": 0}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1000", (1000, "questions")),
        (1000, (1000, "questions")),
        ("1000q", (1000, "questions")),
        ("600s", (600, "seconds")),
        ("1.5e3 seconds", (1500, "seconds")),
        ("500clicks", (500, "clicks")),
        ("2000.5bits", (2000.5, "bits")),
        ("0", (0, "questions")),
    ],
)
def test_budgets(text, expected):
    assert budget(text) == Budget(*expected)


@pytest.mark.parametrize(
    "text", ["-1", "-1s", "nan", "nans", "inf", "1e999s", "10kg", "s", "", "1.5", "1.2.3s", "1 0s", None]
)
def test_bad_budgets_are_refused_in_one_line(text):
    with pytest.raises(InputError) as error:
        budget(text)
    assert "\n" not in str(error.value)


def test_words_that_nobody_knows_are_refused():
    for kind, actions, unit in [("correction", "shrug", "bits"), ("guess", "confirm", "bits"), ("correction", "", "s")]:
        with pytest.raises(InputError, match="cannot price"):
            price([kind], [actions], 3, unit)
    with pytest.raises(InputError, match="unknown unit 'euros'"):
        price(["correction"], ["confirm"], 3, "euros")
