"""Seconds of an action: assumed, measured, the user's own; and the interval of a total against drawn ones."""

import numpy as np
import pandas as pd
import pytest
from runs import write_run

from bench import seeds
from bench.costs import price, seconds
from bench.report import prices, results
from bench.types import ACTIONS, InputError


def test_assumed_seconds_have_no_spread():
    times = seconds.read("assumed")
    assert times.mean == seconds.ASSUMED and set(times.mean) == set(ACTIONS)
    assert times.total(["confirm", "correct", "give_up"]) == (11, 11, 11)


def test_measured_seconds_scale_the_assumed_proportions_to_one_click():
    times = seconds.read("measured")
    assert times.mean["classify"] == pytest.approx(10.87, rel=0.005)
    for action in ACTIONS:
        ratio = seconds.ASSUMED[action] / seconds.ASSUMED["classify"]
        assert times.mean[action] == pytest.approx(ratio * times.mean["classify"])
        assert times.variance[action] == pytest.approx(ratio**2 * times.variance["classify"])
        assert times.third[action] == pytest.approx(ratio**3 * times.third["classify"])


def test_the_shipped_quantiles_are_those_of_the_released_times(real_data):
    measured = np.loadtxt(real_data / "annotation-times" / "whats-the-point.txt", usecols=1)
    shipped = pd.read_csv(seconds.__file__.replace("seconds.py", seconds.MEASURED_FILE))
    np.testing.assert_allclose(shipped.share, seconds.SHARES, atol=1e-7)
    np.testing.assert_allclose(shipped.seconds, seconds.quantiles(measured), rtol=1e-5)
    mean, variance, _ = seconds.moments(seconds.SHARES, seconds.quantiles(measured))
    assert mean == pytest.approx(measured.mean(), rel=0.005) and variance**0.5 == pytest.approx(
        measured.std(), rel=0.03
    )


def test_moments_of_what_is_spread_evenly_are_by_hand():
    mean, variance, third = seconds.moments(np.array([0, 1]), np.array([2.0, 8.0]))
    assert (mean, variance) == pytest.approx((5, 3)) and third == pytest.approx(0)
    # half in [0, 0], half in [0, 2]: E x = 1/2, E x^2 = 2/3, E x^3 = 1
    mean, variance, third = seconds.moments(np.array([0, 0.5, 1]), np.array([0, 0, 2.0]))
    assert (mean, variance, third) == pytest.approx((0.5, 2 / 3 - 1 / 4, 1 - 3 * 0.5 * 2 / 3 + 2 * 0.125))


def test_the_interval_holds_95_percent_of_drawn_totals(tmp_path):
    rng = seeds.generator(0, "times")
    one = rng.lognormal(2, 0.8, 5000)
    file = tmp_path / "times.txt"
    file.write_text("".join(f"{t}\n" for t in one))
    mean, low, high = seconds.read(str(file)).total(["classify"] * 100)
    totals = rng.choice(one, (4000, 100)).sum(1)
    assert mean == pytest.approx(totals.mean(), rel=0.01)
    assert np.mean(totals < low) == pytest.approx(0.025, abs=0.01)
    assert np.mean(totals > high) == pytest.approx(0.025, abs=0.01)


def test_times_by_action_are_the_users(tmp_path):
    file = tmp_path / "seconds.csv"
    file.write_text(
        "action,seconds\n" + "".join(f"{action},{i}\n{action},{i + 2}\n" for i, action in enumerate(ACTIONS))
    )
    times = seconds.read(str(file))
    assert times.mean == {action: i + 1 for i, action in enumerate(ACTIONS)}
    assert set(times.variance.values()) == {1.0} and set(times.third.values()) == {0.0}
    assert price(["correction"] * 2, ["correct", "confirm give_up"], 3, "seconds", times.mean).tolist() == [2, 6]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("action,seconds\nconfirm,1\n", "a line for each"),
        ("action,price\nconfirm,1\n", "action,seconds"),
        ("action,seconds\nconfirm,soon\n", "action,seconds"),
        ("action,seconds\nconfirm\n", "action,seconds"),
        ("action,seconds\n" + "".join(f"{action},nan\n" for action in ACTIONS), "finite"),
        ("action,seconds\n" + "".join(f"{action},-1\n" for action in ACTIONS), "finite"),
        ("3.5\n-1\n", "finite"),
        ("3.5\nsoon\n", "one time a line"),
        ("", "a line for each"),
        (None, "one time a line"),
    ],
)
def test_bad_files_are_refused_in_one_line(tmp_path, content, said):
    file = tmp_path / "seconds.csv"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match=said) as error:
        seconds.read(str(file))
    assert str(file) in str(error.value) and "\n" not in str(error.value)


def test_a_report_prices_all_answers_with_an_interval(tmp_path):
    out = write_run(tmp_path / "run", strategies=("random", "sim"), n_seeds=2, rounds=1, model=False)
    times = seconds.read("measured")
    found = prices.table(results.read([out]), times)
    files = sorted(out.glob("cells/sim__*/queries.csv"))
    actions = [pd.read_csv(file).actions.str.split().sum() for file in files]
    row = found[found.strategy.eq("sim")].iloc[0]
    assert row.seconds == pytest.approx(np.mean([sum(times.mean[a] for a in done) for done in actions]))
    assert row.low < row.seconds < row.high and row.n_queries == np.mean(list(map(len, actions)))
    assert "one click on an object of a given class, measured" in prices.remark(times)
