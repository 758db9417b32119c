"""One progress bar for a run, with the time left; off a terminal, a line now and then that says the same."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_S = 30  # seconds between two lines off a terminal


class Bar:
    """``begin`` names the next part and its number of steps; ``step`` advances it and counts finished work."""

    def __init__(self, progress: Progress):
        self.progress = progress
        self.task = progress.add_task("", total=None, counts="")
        self.begin("checking data", None)

    def begin(self, what: str, total: int | None, by: tuple[str, ...] = ("fit", "label", "read")) -> None:
        self.progress.reset(self.task, description=what, total=total, counts="")
        self.counts: dict[str, int] = {}
        self.by = by
        self.begun = self.said = time.monotonic()

    def step(self, what: str, n: int) -> None:
        """``n`` of ``what`` are done: steps if the bar goes ``by`` them; cells and rounds are counted."""
        self.counts[what] = self.counts.get(what, 0) + n
        shown = " ".join(f"{k} {v}" for k, v in self.counts.items() if k in ("cell", "round"))
        self.progress.update(self.task, advance=n if what in self.by else 0, counts=shown)
        if not self.progress.console.is_terminal and time.monotonic() - self.said > LINE_S:
            self.said = time.monotonic()
            self.progress.console.print(self.line(), soft_wrap=True, markup=False, highlight=False)

    def line(self) -> str:
        """The finished part and about how long the rest will take, if each step takes as long as those before."""
        (task,) = self.progress.tasks
        done = f"{task.description}: {task.completed:g} of {task.total or 0:g} steps {task.fields['counts']}".rstrip()
        if not task.completed or task.total is None:
            return done
        left_s = (time.monotonic() - self.begun) / task.completed * (task.total - task.completed)
        return f"{done}, about {left_s / 60:.0f} min left" if left_s >= 120 else f"{done}, about {left_s:.0f} s left"


@contextmanager
def bar() -> Iterator[Bar]:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}")
    left = TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(compact=True)
    console = Console(stderr=True)  # results go to standard output
    with Progress(*columns, *left, console=console, disable=not console.is_terminal) as progress:
        yield Bar(progress)
