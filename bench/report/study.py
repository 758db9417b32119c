"""The tests of a comparison, and all comparisons of a report, at one level: 5 % for any false difference."""

from dataclasses import dataclass, field, fields
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from bench.report.comparison import METRICS, N_BUDGETS, Comparison
from bench.report.results import METRICS as OWN_METRICS
from bench.report.results import Results
from bench.report.statistics import inference
from bench.report.statistics.inference import OverImages, Pairs
from bench.runs import confusions
from bench.types import InputError

AREA, BUDGETS = 0, slice(1, None)  # places in `Comparison.scores`


@dataclass(frozen=True)
class Verdict:
    """The tests of the ranked strategies ``of`` a comparison.

    ``level``: of each pair by area; by default 5 % for any false difference in this comparison alone.
    """

    of: Comparison
    level: float | None = None

    @cached_property
    def pairs(self) -> Pairs:
        """The test of all pairs by area; strategies of different `Comparison.kinds` are not compared."""
        return self._test(AREA, self.pair_level, self.of.repeats)

    @cached_property
    def budgets(self) -> Pairs:
        """The tests of all pairs by value at `N_BUDGETS` equally spaced budgets, the leading axis; corrected for the
        budgets too."""
        return self._test(BUDGETS, self.pair_level / N_BUDGETS, None)

    @property
    def n_pairs(self) -> int:
        """How many pairs of strategies compete with each other."""
        return sum(inference.n_pairs(len(names)) for names in self.of.kinds.values())

    @property
    def pair_level(self) -> float:
        return inference.family_level(self.n_pairs) if self.level is None else self.level

    @cached_property
    def over_images(self) -> bool:
        """Whether the test stands on seeds and images, for every cell keeps its confusion matrices by image."""
        return len(self._cells) > 0 and not self.without_images

    @cached_property
    def without_images(self) -> int:
        """How many of the cells that are compared keep no confusion matrices by image, or have no folder any more."""
        return sum(not folder or not (Path(folder) / confusions.FILE).exists() for folder in self._cells.folder)

    @property
    def n_cells(self) -> int:
        return len(self._cells)

    @property
    def _cells(self) -> pd.DataFrame:
        cells, of = self.of.results.cells, self.of
        own = cells.status.eq("done") & cells.strategy.isin(of.ranked) & cells.seed.isin(of.seeds)
        return cells[own & ~cells.foreign]

    @cached_property
    def _influence(self) -> np.ndarray:
        """(s, n, 1 + N_BUDGETS, N): the influence of each image on each score
        (`bench.runs.confusions.Counts.influence`)."""
        found: dict = {}
        for cell in self._cells.itertuples():
            file = Path(cell.folder) / confusions.FILE
            kept = confusions.read(file)
            counts = kept.model if self.of.metric == "model" else kept.data
            cost, _ = self.of.curves[cell.strategy][cell.seed]
            if counts is None or len(counts) != len(cost):
                got = "none" if counts is None else len(counts)
                wanted = f"{len(cost)} rounds of the {self.of.metric}, as in rounds.csv"
                raise InputError(f"{file}: expected {wanted}; got {got}")
            one = counts.influence(self.of.weights(cost), void_counts=self.of.metric != "labelled")
            found.setdefault((cell.strategy, cell.seed), []).append(one)
        sizes = {one.shape[-1] for runs in found.values() for one in runs}
        if len(sizes) > 1:
            numbers = ", ".join(map(str, sorted(sizes)))
            raise InputError(f"{' · '.join(self.of.setting)}: cells keep {numbers} images; they do not compare")
        return np.array([[np.mean(found[name, seed], axis=0) for seed in self.of.seeds] for name in self.of.ranked])

    @cached_property
    def _image_spreads(self) -> dict[str, OverImages]:
        """kind of question -> the variance that other images would add, the scores on a leading axis."""
        return {kind: inference.image_spread(self._influence[rows]) for kind, rows in self._rows.items()}

    @property
    def _rows(self) -> dict[str, list[int]]:
        return {kind: [self.of.ranked.index(name) for name in names] for kind, names in self.of.kinds.items()}

    def _test(self, which: int | slice, level: float, repeats: tuple[float, int] | None) -> Pairs:
        s, n = len(self.of.ranked), len(self.of.seeds)
        leading = () if which == AREA else (N_BUDGETS,)
        found = {field.name: np.full((*leading, s, s), np.nan) for field in fields(Pairs)}
        for kind, rows in self._rows.items() if n else ():
            scores = np.array([self.of.scores[self.of.ranked[row]] for row in rows])  # (s, n, 1 + N_BUDGETS)
            spread = self._image_spreads[kind].at(which) if self.over_images else None
            chosen = np.moveaxis(scores, -1, 0)[which]
            part = inference.all_pairs(chosen, level, spread, repeats)
            for name, values in found.items():
                values[..., np.array(rows)[:, None], rows] = getattr(part, name)
        return Pairs(**found)


@dataclass(frozen=True)
class Study:
    """All that a report compares under one ``cost``: a verdict for each setting and metric, at one level together.

    ``level``: of each pair of strategies; by default 5 % for any false difference in this study.
    ``answers``: the earlier results of `bench.report.budgets`.
    """

    results: Results
    cost: str = "queries"
    level: float | None = None
    answers: dict = field(default_factory=dict, repr=False)

    @cached_property
    def settings(self) -> list[tuple[tuple[str, str, str], Results]]:
        return list(self.results.settings())

    @cached_property
    def comparisons(self) -> dict[tuple[str, str, str], list[Comparison]]:
        """setting -> one for each metric. Labelled pixels only if others published that alone."""
        found = {}
        for setting, block in self.settings:
            all_of = [Comparison(setting, block, metric, self.cost) for metric in METRICS]
            found[setting] = [c for c in all_of if c.metric in OWN_METRICS or _alone(c, all_of[0])]
        return found

    @cached_property
    def tested(self) -> list[Comparison]:
        """The comparisons that have something to test."""
        return [c for row in self.comparisons.values() for c in row if len(c.ranked) > 1 and c.seeds]

    @cached_property
    def verdicts(self) -> dict[tuple[str, str, str], dict[str, Verdict]]:
        """setting -> metric -> the verdict."""
        level = self.pair_level
        return {setting: {c.metric: Verdict(c, level) for c in row} for setting, row in self.comparisons.items()}

    @property
    def pair_level(self) -> float:
        return inference.family_level(self.n_pairs) if self.level is None else self.level

    @property
    def n_pairs(self) -> int:
        """How many pairs the tables test: in each comparison, and once more over all settings of a metric."""
        by_metric: dict[str, list[int]] = {}
        for of in self.tested:
            by_metric.setdefault(of.metric, []).append(Verdict(of).n_pairs)
        return sum(sum(pairs) + (min(pairs) if len(pairs) > 1 else 0) for pairs in by_metric.values())


def _alone(labelled: Comparison, data: Comparison) -> bool:
    """Whether others published a value over labelled pixels, and none over all, of some strategy."""
    return bool(set(labelled.foreign) - set(data.foreign))
