"""The clock, read with a fake one: no test here depends on how fast a machine is."""

import numpy as np
import pytest

from bench import timing


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until somebody moves it."""

    class Clock:
        now_s = 100.0

    monkeypatch.setattr(timing.time, "perf_counter", lambda: Clock.now_s)
    return Clock


def test_a_stopwatch_adds_up_its_blocks_also_those_that_fail(clock):
    watch = timing.Stopwatch()
    with watch:
        clock.now_s += 2
    clock.now_s += 50
    with pytest.raises(KeyError), watch:
        clock.now_s += 4
        raise KeyError
    assert watch.total_s == 6


def test_functions_are_interleaved_and_the_warm_up_is_not_counted(clock):
    calls = []

    def function(name, durations):
        durations = iter(durations)

        def run():
            calls.append(name)
            clock.now_s += next(durations)

        return run

    timings = timing.compare(
        {"a": function("a", [90, 1, 2, 6]), "b": function("b", [70, 2, 2, 3])}, rounds=3, warm_up=1
    )
    assert calls == ["a", "b"] * 4
    np.testing.assert_allclose(timings.seconds["a"], [1, 2, 6])
    assert timings.median_ms("a") == pytest.approx(2000)
    assert timings.iqr_ms("a") == pytest.approx(2500)
    assert timings.ratio("a", "b") == pytest.approx(1)  # the median of 1/2, 1 and 2, not the ratio of the medians


def test_no_rounds_are_refused():
    with pytest.raises(ValueError, match="rounds must be 1 or more"):
        timing.compare({"a": lambda: None}, rounds=0)
