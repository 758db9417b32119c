"""The progress bar goes by the steps that it was told to, and counts cells and rounds beside."""

import io

from rich.console import Console
from rich.progress import Progress

from bench.commands.progress import Bar


def test_steps_move_it_and_cells_and_rounds_are_counted():
    bar = Bar(Progress(console=Console(file=io.StringIO())))
    (task,) = bar.progress.tasks
    bar.begin("cells", 10, ("fit",))
    for what, n in (("fit", 3), ("round", 1), ("round", 1), ("cell", 1), ("fit", 2), ("label", 9)):
        bar.step(what, n)
    assert (task.description, task.completed, task.total) == ("cells", 5, 10)
    assert task.fields["counts"] == "round 2 cell 1"
    bar.begin("again", 4)
    assert (task.completed, task.total, task.fields["counts"]) == (0, 4, "")
    bar.step("label", 1)
    assert task.completed == 1


def test_off_a_terminal_a_line_now_and_then_says_how_long_it_will_take(monkeypatch):
    clock, said = [0.0], io.StringIO()
    monkeypatch.setattr("bench.commands.progress.time.monotonic", lambda: clock[0])
    bar = Bar(Progress(console=Console(file=said), disable=True))
    bar.begin("cells", 12, ("fit",))
    for clock[0], n in ((10, 1), (40, 3), (50, 1), (80, 1)):
        bar.step("fit", n)
    bar.step("round", 1)
    assert said.getvalue().splitlines() == [
        "cells: 4 of 12 steps, about 80 s left",
        "cells: 6 of 12 steps, about 80 s left",
    ]
