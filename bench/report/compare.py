"""One setting, one metric, one cost axis: curves, areas under them, and what may be ranked."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bench.report import statistics
from bench.report.results import COSTS, METRICS, Results


@dataclass(frozen=True)
class Comparison:
    """The strategies of one setting under one ``metric`` ('data' or 'model') and one ``cost`` (a key of `COSTS`)."""

    setting: tuple[str, str, str]
    results: Results
    metric: str = "data"
    cost: str = "queries"

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """strategy, seed, run, round, cost, value, std, foreign, bound: the rows that have a value."""
        table, value = self.results.rounds, METRICS[self.metric]
        table = table.assign(cost=table[COSTS[self.cost]], value=table[value], std=table.get(f"{value}_std", np.nan))
        table = table[["strategy", "seed", "run", "round", "cost", "value", "std", "foreign", "bound"]]
        return table.dropna(subset=["cost", "value"])

    @cached_property
    def curves(self) -> dict[str, dict[int, tuple[np.ndarray, np.ndarray]]]:
        """strategy -> seed -> (cost (r,), value (r,)) by round, bounds too, foreign results not.

        Repeats of a cell are averaged.
        """
        own = self.rounds[~self.rounds.foreign].groupby(["strategy", "seed", "round"])[["cost", "value"]].mean()
        curves: dict = {}
        for (strategy, seed), group in own.groupby(level=[0, 1]):
            curves.setdefault(strategy, {})[seed] = (group.cost.to_numpy(), group.value.to_numpy())
        return curves

    @cached_property
    def foreign(self) -> dict[str, pd.DataFrame]:
        """strategy -> its rounds (cost, mean value, std) as others published them."""
        table = self.rounds[self.rounds.foreign]
        found = {}
        for strategy, group in table.groupby("strategy"):
            by_round = group.groupby("round")
            found[strategy] = (
                by_round[["cost", "value"]].mean().assign(std=by_round["std"].first().fillna(by_round["value"].std()))
            )
        return found

    def area_of(self, rounds: pd.DataFrame) -> float:
        """The area under a foreign mean curve over `span`; NaN where it does not cover that."""
        cost, value = rounds["cost"].to_numpy(), rounds["value"].to_numpy()
        covered = len(cost) and cost[0] <= self.span[0] and cost[-1] >= self.span[1]
        return statistics.area(cost, value, self.span) if covered else float("nan")

    @cached_property
    def bounds(self) -> list[str]:
        return sorted(self.rounds.loc[self.rounds.bound, "strategy"].unique())

    @cached_property
    def ranked(self) -> list[str]:
        """What competes: neither bounds nor foreign results."""
        return [strategy for strategy in self.curves if strategy not in self.bounds]

    @cached_property
    def incomplete(self) -> list[str]:
        """Strategies that were asked for and are done in no seed."""
        cells = self.results.cells
        return sorted(set(cells.strategy[~cells.foreign]) - set(self.curves))

    @cached_property
    def repeat_spread(self) -> float:
        """Sample std of the area among identical runs, pooled over the cells that were run more than once; NaN if
        none."""
        own = self.rounds[~self.rounds.foreign]
        spreads = []
        for _, cell in own.groupby(["strategy", "seed"]):
            runs = [statistics.area(g.cost.to_numpy(), g.value.to_numpy(), self.span) for _, g in cell.groupby("run")]
            if len(runs) > 1:
                spreads.append(np.var(runs, ddof=1))
        return float(np.sqrt(np.mean(spreads))) if spreads else float("nan")

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds in which every ranked strategy is done: only these are aggregated."""
        common = [set(self.curves[strategy]) for strategy in self.ranked]
        return sorted(set.intersection(*common)) if common else []

    @cached_property
    def span(self) -> tuple[float, float]:
        """The costs that every ranked curve of the common seeds covers."""
        costs = [self.curves[strategy][seed][0] for strategy in self.ranked for seed in self.seeds]
        return statistics.common_span(costs) if costs else (0.0, 0.0)

    @cached_property
    def areas(self) -> pd.DataFrame:
        """Areas under the curves over `span`: a row for each strategy, bounds last, a column for each common seed."""
        return self._each(lambda cost, value: statistics.area(cost, value, self.span))

    @cached_property
    def last(self) -> pd.DataFrame:
        """The value at the end of `span`, in the shape of `areas`."""
        return self._each(lambda cost, value: np.interp(self.span[1], cost, value))

    def _each(self, measure) -> pd.DataFrame:
        names = [*self.ranked, *(bound for bound in self.bounds if bound in self.curves)]
        rows = [[measure(*self.curves[n][s]) if s in self.curves[n] else np.nan for s in self.seeds] for n in names]
        return pd.DataFrame(rows, index=names, columns=self.seeds, dtype=float)
