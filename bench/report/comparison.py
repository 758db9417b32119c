"""One setting, one metric, one cost axis: curves, areas under them, and the strategies to rank."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from bench.report.results import COSTS, Results
from bench.report.results import METRICS as OWN_METRICS
from bench.report.statistics import inference

METRICS = OWN_METRICS | {"labelled": "data_miou_labelled"}
N_BUDGETS = 10


@dataclass(frozen=True)
class Comparison:
    """The strategies of one setting under one ``metric`` (a key of `METRICS`) and one ``cost`` (a key of `COSTS`)."""

    setting: tuple[str, str, str]
    results: Results
    metric: str = "data"
    cost: str = "queries"

    @cached_property
    def rounds(self) -> pd.DataFrame:
        """strategy, seed, run, round, cost, value, std, foreign, bound: the rows that have a value."""
        table, value = self.results.rounds, METRICS[self.metric]
        std = pd.to_numeric(table[f"{value}_std"]) if f"{value}_std" in table else np.nan
        table = table.assign(cost=table[COSTS[self.cost]], value=table[value], std=std)
        table = table[["strategy", "seed", "run", "round", "cost", "value", "std", "foreign", "bound"]]
        return table.dropna(subset=["cost", "value"])

    @cached_property
    def curves(self) -> dict[str, dict[int, tuple[np.ndarray, np.ndarray]]]:
        """strategy -> seed -> (cost (r,), value (r,)) by round, bounds too, foreign results not. Repeats of a cell are
        averaged; a strategy that has stopped is `drawn_out`."""
        own = self.rounds[~self.rounds.foreign]
        own = own.groupby(["strategy", "seed", "round"], as_index=False)[["cost", "value"]].mean()
        cell = own.groupby(["strategy", "seed"]).ngroup().to_numpy()
        starts = np.flatnonzero(np.diff(cell, prepend=-1))
        parts = (np.split(own[name].to_numpy(), starts[1:]) for name in ("cost", "value"))
        curves: dict = {}
        for strategy, seed, cost, value in zip(own.strategy.iloc[starts], own.seed.iloc[starts], *parts, strict=False):
            curves.setdefault(strategy, {})[seed] = drawn_out(cost, own.cost.max()), value
        return curves

    @cached_property
    def stopped(self) -> dict[str, float]:
        """Ranked strategy -> the cost after which it asked nothing more, the mean over the cells in which it did."""
        own = self.rounds[~self.rounds.foreign & ~self.rounds.bound]
        found: dict[str, list[float]] = {}
        for (strategy, *_), cell in own.groupby(["strategy", "seed", "run"]):
            if len(cell) > 1 and cell.cost.iloc[-1] == cell.cost.iloc[-2] < own.cost.max():
                found.setdefault(strategy, []).append(cell.cost.iloc[-1])
        return {strategy: float(np.mean(costs)) for strategy, costs in found.items()}

    @cached_property
    def foreign(self) -> dict[str, pd.DataFrame]:
        """strategy -> its rounds (cost, mean value, std) as others published them."""
        table = self.rounds[self.rounds.foreign]
        found = {}
        for strategy, group in table.groupby("strategy"):
            by_round = group.groupby("round")
            std = by_round["std"].first().fillna(by_round["value"].std())
            found[strategy] = by_round[["cost", "value"]].mean().assign(std=std)
        return found

    def area_of(self, rounds: pd.DataFrame) -> float:
        """The area under a foreign mean curve over `span`; NaN if it does not cover that."""
        cost, value = rounds["cost"].to_numpy(), rounds["value"].to_numpy()
        covered = len(cost) and cost[0] <= self.span[0] and cost[-1] >= self.span[1]
        return float(inference.area_weights(cost, self.span) @ value) if covered else float("nan")

    @cached_property
    def bounds(self) -> list[str]:
        return sorted(self.rounds.loc[self.rounds.bound, "strategy"].unique())

    @cached_property
    def ranked(self) -> list[str]:
        """The strategies that compete: neither bounds nor foreign results."""
        return [strategy for strategy in self.curves if strategy not in self.bounds]

    @cached_property
    def kinds(self) -> dict[str, list[str]]:
        """kind of question -> the ranked strategies that ask it. Questions of different kinds cost differently. So over
        the number of questions each kind has a ranking of its own; over any other cost there is one, named ''."""
        if "question" not in self.results.cells or self.cost != "queries":
            return {"": self.ranked}
        asked = self.results.cells[~self.results.cells.foreign].groupby("strategy").question.first().fillna("")
        found: dict = {}
        for name in self.ranked:
            found.setdefault(str(asked[name]), []).append(name)
        return found

    @cached_property
    def incomplete(self) -> list[str]:
        """Strategies that were asked for and are done in no seed."""
        cells = self.results.cells
        return sorted(set(cells.strategy[~cells.foreign]) - set(self.curves))

    @cached_property
    def repeats(self) -> tuple[float, int] | None:
        """Sample std of the area among identical runs, pooled over the cells that were run more than once, and its
        degrees of freedom; None if no cell was."""
        own = self.rounds[~self.rounds.foreign]
        many = own[own.groupby(["strategy", "seed"]).run.transform("nunique") > 1]
        squares = df = 0
        for _, cell in many.groupby(["strategy", "seed"]):
            runs = [self.weights(g.cost.to_numpy())[0] @ g.value.to_numpy() for _, g in cell.groupby("run")]
            squares, df = squares + np.var(runs) * len(runs), df + len(runs) - 1
        return (float(np.sqrt(squares / df)), df) if df else None

    @cached_property
    def seeds(self) -> list[int]:
        """The seeds in which every ranked strategy is done: only these are aggregated."""
        common = [set(self.curves[strategy]) for strategy in self.ranked]
        return sorted(set.intersection(*common)) if common else []

    @cached_property
    def span(self) -> tuple[float, float]:
        """The costs that every ranked curve of the common seeds covers."""
        costs = [self.curves[strategy][seed][0] for strategy in self.ranked for seed in self.seeds]
        return inference.common_span(costs) if costs else (0.0, 0.0)

    @cached_property
    def ends(self) -> pd.Series:
        """strategy -> the share of its own cost, mean over the common seeds, at which `span` ends."""
        own = {n: np.mean([self.curves[n][s][0][-1] for s in self.seeds]) for n in self.ranked if self.seeds}
        return pd.Series({name: self.span[1] / cost if cost else np.nan for name, cost in own.items()}, dtype=float)

    @cached_property
    def areas(self) -> pd.DataFrame:
        """Areas under the curves over `span`: a row for each strategy, bounds last, a column for each common seed."""
        return self._scored(0)

    @cached_property
    def end(self) -> pd.DataFrame:
        """The value at the end of `span`, in the shape of `areas`."""
        return self._scored(-1)

    def weights(self, cost: np.ndarray) -> np.ndarray:
        """(1 + N_BUDGETS, r): of the rounds in the area, and in the value at each budget."""
        budgets = np.linspace(*self.span, N_BUDGETS + 1)[1:]
        return np.vstack([inference.area_weights(cost, self.span), inference.value_weights(cost, budgets)])

    @cached_property
    def scores(self) -> dict[str, np.ndarray]:
        """strategy -> (n, 1 + N_BUDGETS): its area and its values at the budgets, for each common seed; bounds too."""
        known: dict[bytes, np.ndarray] = {}
        found = {}
        for name in [*self.ranked, *(bound for bound in self.bounds if bound in self.curves)]:
            rows = np.full((len(self.seeds), 1 + N_BUDGETS), np.nan)
            for i, seed in enumerate(self.seeds):
                if seed in self.curves[name]:
                    cost, value = self.curves[name][seed]
                    key = cost.tobytes()
                    if key not in known:
                        known[key] = self.weights(cost)
                    rows[i] = known[key] @ value
            found[name] = rows
        return found

    def _scored(self, which: int) -> pd.DataFrame:
        rows = [scores[:, which] for scores in self.scores.values()]
        return pd.DataFrame(rows, index=list(self.scores), columns=self.seeds, dtype=float)


def drawn_out(cost: np.ndarray, end: float) -> np.ndarray:
    """``cost`` (r,) of the rounds of a cell; the last one stands at ``end`` if nobody was asked in it.

    Such a strategy has stopped, and more budget would change nothing: its curve goes on at the same height.
    """
    has_stopped = len(cost) > 1 and cost[-1] == cost[-2]
    return np.append(cost[:-1], max(end, cost[-1])) if has_stopped else cost
