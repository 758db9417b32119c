"""One progress bar for a run, with the time left."""

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class Bar:
    """``begin`` names what comes and how many steps it has; ``step`` advances it and counts what was done."""

    def __init__(self, progress: Progress):
        self.progress = progress
        self.task = progress.add_task("", total=None, counts="")
        self.begin("checking data", None)

    def begin(self, what: str, total: int | None, by: tuple[str, ...] = ("fit", "label", "read")) -> None:
        self.progress.reset(self.task, description=what, total=total, counts="")
        self.counts: dict[str, int] = {}
        self.by = by

    def step(self, what: str, n: int) -> None:
        """``n`` of ``what`` are done: steps if the bar goes ``by`` them; cells and rounds are counted."""
        self.counts[what] = self.counts.get(what, 0) + n
        shown = " ".join(f"{k} {v}" for k, v in self.counts.items() if k in ("cell", "round"))
        self.progress.update(self.task, advance=n if what in self.by else 0, counts=shown)


@contextmanager
def bar() -> Iterator[Bar]:
    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[counts]}")
    left = TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(compact=True)
    with Progress(*columns, *left, console=Console(stderr=True)) as progress:  # results go to standard output
        yield Bar(progress)
