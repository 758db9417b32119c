"""The statistics test themselves: pages are made of simulated runs whose truth is known, and all that they claim is
held against it. In the null world all strategies are equal: nothing may differ significantly.

Everything goes through the functions that make the page. A claim that is not checked here fails the test.
"""

import io

import numpy as np
import pandas as pd
import pytest
from rich.console import Console
from scipy import stats

from bench import seeds
from bench.report import budgets, claims, layout, tables
from bench.report.figures import curves
from bench.report.layout import Layout
from bench.report.results import CELL, PLAIN, Results
from bench.report.statistics import inference as s
from bench.report.study import Study
from bench.runs import schema

pytestmark = pytest.mark.slow

ORACLES = ("perfect", "noisy[rate=0.2]")
N_ROUNDS = 4
SEED_STD, NOISE_STD = 0.02, 0.01


def simulate(rng, means, n_seeds, oracles=ORACLES, stds=None, metrics=("data_miou", "model_miou")):
    """Results of runs whose curves rise to mean + seed + noise (a seed's noise is that of the whole curve)."""
    n = len(means)
    names = [f"s{i:02d}" for i in range(n)]
    keys = [(oracle, i, seed) for oracle in oracles for i in range(n) for seed in range(n_seeds)]
    oracle, place, seed = (np.repeat(list(column), N_ROUNDS) for column in zip(*keys, strict=True))
    rise = np.tile(np.linspace(0.2, 1.0, N_ROUNDS), len(keys))
    rounds = pd.DataFrame(
        dict(dataset="shapes", foundation="simulated", strategy=np.array(names)[place], oracle=oracle, seed=seed)
    )
    rounds["round"] = np.tile(np.arange(N_ROUNDS), len(keys))
    for name, step in dict(n_queries=50, cost_clicks=75, cost_bits=110.0, cost_s=150.0).items():
        rounds[name] = rounds["round"] * step
    for name in metrics:
        of_seed = np.tile(np.repeat(rng.normal(0, SEED_STD, n_seeds), N_ROUNDS), n * len(oracles))
        noise = rng.normal(0, 1, (len(keys), 1)) + 0.5 * rng.normal(0, 1, (len(keys), N_ROUNDS))
        noise *= (NOISE_STD * np.ones(n) if stds is None else stds)[place[::N_ROUNDS], None]
        rounds[name] = 0.3 + 0.2 * rise + of_seed + np.asarray(means)[place] + noise.ravel()
    for name in {c.name for c in schema.ROUNDS if c.role in ("measure", "detection")} - set(rounds):
        rounds[name] = np.nan
    rounds = rounds.assign(run="run", foreign=False, leaky=False, bound=False, protocol="")
    cells = rounds[CELL].drop_duplicates().assign(**PLAIN, run="run", foreign=False)
    return Results(rounds, cells, {})


def ranks_of(text: str) -> tuple[int, int]:
    low, _, high = text.partition("–")
    return int(low), int(high or low)


def is_outside(truth: dict[str, float], name: str, low: float, high: float) -> bool:
    """Whether ranks leave out a true one of a strategy."""
    above = sum(value > truth[name] for value in truth.values())
    below = sum(value < truth[name] for value in truth.values())
    return not low <= 1 + above <= len(truth) - below <= high


def false_claims(study: Study, truth: dict[str, float]) -> list[str]:
    """Everything on the page of ``study`` that does not hold for the true areas of its strategies."""

    def is_false(better: str, worse: str) -> bool:
        return not truth[better] > truth[worse]

    found = []
    summary = tables.summarise(study)
    best = {name for name, value in truth.items() if value == max(truth.values())}
    for setting, verdicts in study.verdicts.items():
        rows = summary[summary.oracle.eq(setting[2])]
        shown = layout.summary(study, setting, study.comparisons[setting][0].results, rows)
        table = pd.DataFrame([[cell.text for cell in row] for row in shown.cells])
        bold = pd.DataFrame([[cell.bold for cell in row] for row in shown.cells])
        for column, heading in enumerate(shown.headings):
            marked = set(table[0][bold[column]])
            if marked and not best <= marked:
                found.append(f"bold: {heading}")
            if heading == "rank":
                for name, text in zip(table[0], table[column], strict=True):
                    if text != "–" and is_outside(truth, name, *ranks_of(text)):
                        found.append(f"rank {text} of {name}")
            elif column and not heading.endswith(("area", "last round")):
                raise AssertionError(f"no test knows what the column {heading!r} claims")
        said = tables.statements(verdicts, rows)
        assert [claim.text for claim in said] == shown.notes
        for claim in said:
            assert claim.kind in claims.KINDS, f"no test knows what a sentence of the kind {claim.kind!r} claims"
            if claim.kind == "note":
                assert not any(name in claim.text for name in truth), claim.text
            found += [f"sentence: {claim.text}" for pair in claim.better if is_false(*pair)]
            if claim.kind == "apart":
                assert claim.text.startswith(f"{len(claim.better)} of ")
        for verdict in verdicts.values():
            for row in claims.pairs(verdict).itertuples():
                real = truth[row.a] - truth[row.b]
                if not row.low - 1e-12 <= real <= row.high + 1e-12 and np.isfinite(row.low):
                    found.append(f"interval: {row.a} - {row.b}")
                if (row.p < s.ALPHA or row.wins > 0) and is_false(
                    *((row.a, row.b) if row.difference > 0 else (row.b, row.a))
                ):
                    found.append(f"p or penalty: {row.a} - {row.b}")
    for row in claims.aggregate(study).itertuples():
        if is_outside(truth, row.strategy, row.rank_low, row.rank_high):
            found.append(f"rank over all settings: {row.strategy}")
    found += [f"changed: {name}" for name in claims.robustness(study).query("changed").strategy]
    return found


def false_openings(study: Study, truth: dict[str, float]) -> list[str]:
    """The sentences and ranks at a budget, with which the page opens, that do not hold for the true values."""
    best = {name for name, value in truth.items() if value == max(truth.values())}
    found = []
    for setting, _ in study.settings:
        for by_cost in budgets.of_setting(study, setting).values():
            for at in (at for answers in by_cost.values() for at in answers):
                ranks = {row["strategy"]: (row["rank_low"], row["rank_high"]) for row in at["rows"]}
                first, named = {name for name, (low, _) in ranks.items() if low == 1}, at["sentence"].split("`")[1::2]
                if "no two of the" in at["sentence"]:
                    assert not named and set(ranks.values()) == {(1, len(truth))}
                else:
                    assert set(named) <= first and len(named) == min(len(first), budgets.MOST_NAMES), at["sentence"]
                if not best <= first or any(is_outside(truth, name, *both) for name, both in ranks.items()):
                    found.append(at["sentence"])
    return found


def allowed(share: float, n: int) -> float:
    """As many as n draws with this chance give, but for one time in a thousand."""
    return stats.binom.ppf(0.999, n, share)


SIZES = [(n_strategies, n_seeds) for n_strategies in (4, 12, 37) for n_seeds in (3, 5, 10)]


def test_pages_of_equal_strategies_claim_nothing():
    """Rows 2, 12, 13 and 15: at most 5 % of the pages of equal strategies say anything false, anywhere."""
    rng, n_pages = seeds.generator(0, "null pages"), 7
    wrong = {}
    for n_strategies, n_seeds in SIZES:
        truth = {f"s{i:02d}": 0.0 for i in range(n_strategies)}
        for page in range(n_pages):
            study = Study(simulate(rng, np.zeros(n_strategies), n_seeds))
            if found := false_claims(study, truth):
                wrong[n_strategies, n_seeds, page] = found
    assert len(wrong) <= allowed(0.05, n_pages * len(SIZES)), wrong


def test_pages_of_strategies_that_differ_claim_only_what_is_so():
    """Half of them are better by far, the rest are equal: the order of the halves is found, and no other."""
    rng, n_pages = seeds.generator(0, "pages of halves"), 30
    truth = {f"s{i:02d}": 0.15 * (i < 6) for i in range(12)}
    wrong, n_found = [], 0
    for _ in range(n_pages):
        study = Study(simulate(rng, np.array(list(truth.values())), 5, ORACLES[:1]))
        wrong += [found] if (found := false_claims(study, truth)) else []
        (verdicts,) = study.verdicts.values()
        n_found += sum(len(claim.better) for claim in claims.claims(list(verdicts.values())))
    assert len(wrong) <= allowed(0.05, n_pages), wrong
    assert n_found > 0.95 * n_pages * 2 * 36


def test_pages_open_with_no_sentence_that_does_not_hold():
    """At most 5 % of the pages say anything false at any budget, under any cost; what is far better is found."""
    rng, wrong, n_pages, n_found = seeds.generator(0, "openings"), [], 6, 0
    for n_strategies, n_seeds in ((4, 3), (4, 10), (12, 5)):
        for gain in (0, 0.1):
            truth = {f"s{i:02d}": gain * (i < n_strategies // 2) for i in range(n_strategies)}
            for _ in range(n_pages):
                means = np.array(list(truth.values()))
                study = Study(simulate(rng, means, n_seeds, ORACLES[:1], metrics=("data_miou",)))
                wrong += [found] if (found := false_openings(study, truth)) else []
                (setting,) = study.verdicts
                last = budgets.of_setting(study, setting)["data"]["queries"][-1]["sentence"]
                n_found += gain > 0 and n_seeds > 3 and "no two" not in last
    assert len(wrong) <= allowed(0.05, 6 * n_pages), wrong
    assert n_found > 0.95 * 2 * n_pages


@pytest.mark.parametrize("n_strategies, n_seeds", SIZES)
def test_level_coverage_and_power_of_the_printed_test(n_strategies, n_seeds):
    """Row 2: the intervals of all pairs cover 95 % ± 2 %, and the printed margin is found with 80 % ± 5 % power."""
    rng, n = seeds.generator(0, "test of all pairs", n_strategies, n_seeds), 2400 if n_strategies < 37 else 500
    scores = rng.normal(size=(n, n_strategies, n_seeds)) + 3 * rng.normal(size=(n, 1, n_seeds))
    found = s.all_pairs(scores)
    covered = 1 - found.better.any(axis=(1, 2)).mean()
    error = 3 * np.sqrt(0.05 * 0.95 / n)
    assert 0.93 - error <= covered <= 0.97 + error
    best, _ = found.ranks
    assert (best == 1).all(axis=1).mean() == pytest.approx(covered)
    margin = np.sqrt(np.mean(found.typical_margin**2))
    scores[:, 0] += margin
    power = s.all_pairs(scores).better[:, 0, 1:].mean()
    assert power == pytest.approx(0.8, abs=0.05 + 2 * np.sqrt(0.16 / n / 3))


@pytest.mark.parametrize("n_strategies, n_seeds", [(4, 3), (4, 5), (12, 5), (12, 10)])
def test_unequal_spreads_do_not_break_the_level(n_strategies, n_seeds):
    """One or half of the strategies five times as noisy as the rest."""
    for world in ("one", "half"):
        rng = seeds.generator(0, "unequal", world, n_strategies, n_seeds)
        stds = np.ones(n_strategies)
        stds[: 1 if world == "one" else n_strategies // 2] = 5
        found = s.all_pairs(rng.normal(size=(1500, n_strategies, n_seeds)) * stds[:, None])
        share = found.better.any(axis=(1, 2)).mean()
        assert share <= allowed(0.05, 1500) / 1500


@pytest.mark.parametrize("n_seeds", [3, 5, 10])
def test_bands_of_curves_cover_their_means(n_seeds):
    """Row 14: 95 % ± 2 % of the bands hold the true mean."""
    rng, n_rounds = seeds.generator(0, "bands", n_seeds), 4000
    cost = np.arange(n_rounds)
    _, low, high = curves.interval([(cost, rng.normal(0.5, 0.02, n_rounds)) for _ in range(n_seeds)])
    assert np.mean((low <= 0.5) & (high >= 0.5)) == pytest.approx(0.95, abs=0.02)


@pytest.mark.parametrize("of_seeds, of_images, of_both", [(0, 1, 0), (1, 1, 0), (0, 0, 1), (0, 1, 1), (1, 0, 1)])
def test_intervals_over_seeds_and_images_cover_other_seeds_and_images(of_seeds, of_images, of_both):
    """Row 6: strategies differ by seed, by image, or by both; their true means are equal. The intervals hold that."""
    n_pages, n_strategies, n_seeds, n_images = 400, 4, 5, 80
    rng = seeds.generator(0, "seeds and images", of_seeds, of_images, of_both)
    wrong = 0
    for _ in range(n_pages):
        values = of_seeds * rng.normal(size=(n_strategies, n_seeds, 1)) / np.sqrt(n_images)
        values = values + of_images * rng.normal(size=(n_strategies, 1, n_images))
        values = values + of_both * rng.normal(size=(n_strategies, n_seeds, n_images))
        influence = (values - values.mean(-1, keepdims=True)) / n_images
        found = s.all_pairs(values.mean(-1), images=s.image_spread(influence))
        wrong += found.better.any()
    assert wrong <= allowed(0.05, n_pages)


def test_a_sentence_of_another_kind_fails():
    """The net itself: a sentence that names a winner as a note, or is of a kind that nobody checks, is caught."""
    study = Study(simulate(seeds.generator(0, "net"), np.zeros(4), 5))
    truth, said = {f"s{i:02d}": 0.0 for i in range(4)}, claims.claims
    for claim in (claims.Claim("note", "s00 is the best"), claims.Claim("winner", "the first is the best")):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(claims, "claims", lambda verdicts, claim=claim: [*said(verdicts), claim])
            with pytest.raises(AssertionError):
                false_claims(study, truth)
    with pytest.MonkeyPatch.context() as patch:
        claim = claims.Claim("apart", "1 of 6 pairs differ significantly", "data", frozenset({("s00", "s01")}))
        patch.setattr(claims, "claims", lambda verdicts: [*said(verdicts), claim])
        assert false_claims(study, truth)


def test_screen_says_what_was_checked():
    study = Study(simulate(seeds.generator(0, "screen"), np.zeros(4), 5))
    summary, console = tables.summarise(study), Console(file=io.StringIO(), width=200)
    layout.show(Layout(study), console)
    for setting, verdicts in study.verdicts.items():
        for claim in tables.statements(verdicts, summary[summary.oracle.eq(setting[2])]):
            assert claim.text in console.file.getvalue()
