"""What the questions of a cell have cost and changed so far, counted once a question."""

from array import array
from collections import Counter
from collections.abc import Mapping

import numpy as np

from bench import costs
from bench.runs.schema import ROUNDS, names
from bench.types import VOID

COUNTS = names(ROUNDS, "count")
HARM = names(ROUNDS, "harm")
REFINED_PX = names(ROUNDS, "refined")


class Tally:
    """Sums over rows of queries.csv and refined.csv, to which rows are only added between two calls.

    ``n_classes`` and ``seconds``, those of an action, decide the prices (`bench.costs`).
    """

    def __init__(self, n_classes: int, seconds: Mapping[str, float]):
        self.n_classes, self.seconds = n_classes, seconds
        self._prices: dict[tuple[str, str], tuple[float, ...]] = {}  # of a kind of question and actions: there are few
        self._spent = [array("d") for _ in costs.UNITS]  # a price a question: a sum of all rounds as one, not in parts
        self._sums: Counter[str] = Counter()
        self._n_refined = 0

    def upto(self, queries: list[dict], refined: list[dict]) -> dict[str, float]:
        """The columns of rounds.csv that sum up all rows."""
        for row in queries[len(self._spent[0]) :]:
            for unit, price in zip(self._spent, self._price(row["kind"], row["actions"]), strict=True):
                unit.append(price)
            self._sums.update(_outcome(row))
            self._add(row, HARM)
        for row in refined[self._n_refined :]:
            self._add(row, REFINED_PX)
        self._n_refined = len(refined)
        spent = {
            unit.column: float(np.frombuffer(prices).sum()) if prices else 0.0
            for unit, prices in zip(costs.UNITS.values(), self._spent, strict=True)
        }
        return spent | {name: self._sums[name] for name in (*COUNTS, *HARM, *REFINED_PX)}

    def _price(self, kind: str, actions: str) -> tuple[float, ...]:
        if (done := (kind, actions)) not in self._prices:
            by_unit = (costs.price([kind], [actions], self.n_classes, unit, self.seconds) for unit in costs.UNITS)
            self._prices[done] = tuple(float(price[0]) for price in by_unit)
        return self._prices[done]

    def _add(self, row: dict, columns: list[str]) -> None:
        for name in columns:
            if (pixels := row[name]) is not None and pixels == pixels:  # none where an image has no truth
                self._sums[name] += int(pixels)


def _outcome(row: dict) -> list[str]:
    """The `COUNTS` that an answer adds to: it confirmed the label, named another class, or no class."""
    answer, shown = row["answer"], str(row["label_before"])
    if answer == shown or (not answer and row["actions"].endswith("confirm")):
        found = "n_confirmed"
    else:
        found = "n_void" if answer in ("", str(VOID)) else "n_corrected"
    return ["n_queries", found] + ["n_superpixels"] * (row["opinion"] == 1)
