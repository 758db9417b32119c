"""What is done with an answer: each rule against a plain loop on random votes, budgets, resumed cells, and no truth."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from problems import read, setup_of

from bench import registry
from bench.adjudication import ASK, LEAVE, Adjudicator, Case, posterior
from bench.experiment.cell import Cell, run_cell
from bench.experiment.round0 import Round0
from bench.testing import check_adjudicator
from bench.types import VOID, Answer, InputError, Question

N_CLASSES, SHOWN = 4, 2
SPECS = [*registry.catalogue("adjudicators").classes, "confirmed[votes=3,most=5,label_votes=1]", "majority[n=5]"]
SPECS += ["posterior[prior=label]", "posterior[level=0.99,rate=0.2,most=4]"]
TABLES = ("queries.csv", "classes.csv", "detection.csv")


def answer(c):
    """The answer of a person who sees the class ``c``; None: cannot tell."""
    words = {SHOWN: ((), "confirm"), VOID: ((), "void"), None: ((), "give_up")}
    labels, action = words.get(c, ((c,), "correct"))
    return Answer(labels, (action,))


def judged(rule, people, **statistics):
    """What a rule makes of people who answer one after another: the last verdict, and how many were asked."""
    question = Question("correction", 0, 0, 0, 0, SHOWN, np.full(9, SHOWN, np.uint8), 0, N_CLASSES)
    for n in range(1, len(people) + 1):
        votes = tuple(() if c is None else (c,) for c in people[:n])
        case = Case(question, tuple(answer(c) for c in people[:n]), votes, statistics=statistics)
        verdict = rule.decide(case)
        rule.learn(case, verdict)
        if verdict is not ASK:
            return verdict, n
    return ASK, len(people)


def crowds(n=400, slips=0.4, seed=0):
    """Twelve people for each of ``n`` superpixels, who err at random; some find no class, or cannot tell."""
    rng = np.random.default_rng(seed)
    kinds = np.array([*range(N_CLASSES), VOID, None], object)
    for _ in range(n):
        right = kinds[rng.integers(5)]
        yield [right if rng.random() > slips else kinds[rng.integers(len(kinds))] for _ in range(12)]


def written(c):
    return (c,) if c not in (SHOWN, VOID, None) else LEAVE


def until_agreed(people, votes=2, most=9, label_votes=0):
    if people[0] in (SHOWN, VOID, None):
        return LEAVE, 1
    count = {SHOWN: label_votes}
    for n, c in enumerate(people[:most], 1):
        if c is not None:
            count[c] = count.get(c, 0) + 1
        for named, times in count.items():
            if times >= votes:
                return written(named), n
    return LEAVE, most


def most_named(people, n):
    for asked in range(1, n + 1):
        count = {}
        for c in people[:asked]:
            if c is not None:
                count[c] = count.get(c, 0) + 1
        top = [*sorted(count.values(), reverse=True), 0, 0]
        if top[0] > top[1] + n - asked or asked == n:
            for c, times in count.items():
                if times == top[0]:
                    return written(c), asked
    return LEAVE, n


def two_and_one(people):
    return (written(people[1]), 2) if people[0] == people[1] else (written(people[2]), 3)


@pytest.mark.parametrize(
    ("spec", "plain"),
    [
        ("first", lambda people: (written(people[0]), 1)),
        ("confirmed", until_agreed),
        ("confirmed[most=2]", lambda people: until_agreed(people, most=2)),
        ("confirmed[votes=3,most=5,label_votes=1]", lambda people: until_agreed(people, 3, 5, 1)),
        ("majority", lambda people: most_named(people, 3)),
        ("majority[n=4]", lambda people: most_named(people, 4)),
        ("two_readers", two_and_one),
    ],
)
def test_a_rule_decides_as_a_plain_loop_does(spec, plain):
    rule = registry.load("adjudicators", spec)
    for people in crowds():
        assert judged(rule, people) == plain(people), people


@pytest.mark.parametrize(("slips", "trusts"), [(0.0, True), (0.02, True), (0.3, False)])
def test_adaptive_decides_as_the_plain_loop_of_its_definition(slips, trusts):
    rule, n_second, n_differ, n_contradictions, n_trusted = registry.load("adjudicators", "adaptive"), 0, 0, 0, 0
    for people in crowds(2000, slips):
        expected = until_agreed(people)
        if people[0] not in (SHOWN, VOID, None):
            n_contradictions += 1
            if n_second >= 40 and (n_differ + 1) / (2 * (n_second + 2)) < 0.03 and n_contradictions % 10:
                expected, n_trusted = (written(people[0]), 1), n_trusted + 1
            elif people[1] is not None:
                n_second, n_differ = n_second + 1, n_differ + (people[1] != people[0])
        assert judged(rule, people) == expected, people
    assert (n_trusted > 500) == trusts


def test_the_posterior_by_hand():
    """Two of four people name class 1, one class 0, and one void, each other of three at a rate of 0.1."""
    found = posterior(np.array([0.6, 0.1, 0.2, 0.1]), np.array([1, 2, 0, 1]), rate=0.3)
    weights = np.array([0.6 * 0.7 * 0.1**3, 0.1 * 0.7**2 * 0.1**2, 0.2 * 0.1**4, 0.1 * 0.7 * 0.1**3])
    assert found == pytest.approx(weights / weights.sum())


def until_sure(people, prior, rate, level=0.9, later=None, checks=False, most=9):
    """The verdict and the number of answers of a rule that reckons in logarithms, from the definition alone."""
    if people[0] in (VOID, None):
        return LEAVE, 1
    votes, named = np.zeros(N_CLASSES + 1), {SHOWN}
    for n, c in enumerate(people[:most], 1):
        if c is not None:
            named.add(min(c, N_CLASSES))
            votes[min(c, N_CLASSES)] += 1
        if n == 3:  # the second answer has been learned
            rate = later or rate
        belief = [np.log((0.999 * p + 0.001 / N_CLASSES) * N_CLASSES / (N_CLASSES + 1)) for p in prior]
        belief.append(-np.log(N_CLASSES + 1))
        belief += votes * np.log(1 - rate) + (votes.sum() - votes) * np.log(rate / N_CLASSES)
        share = np.exp(belief) / np.exp(belief).sum()
        best = max(sorted(named), key=lambda k: share[k])
        if n == most or (share[best] >= level and not (checks and n == 1 and people[0] != SHOWN)):
            return written(VOID if best == N_CLASSES else best), n
    raise AssertionError("never")


@pytest.mark.parametrize("rate", [0.02, 0.3])
def test_posterior_decides_as_the_plain_loop_of_bayes(rate):
    rng = np.random.default_rng(1)
    rule = registry.load("adjudicators", f"posterior[rate={rate}]")
    by_label = registry.load("adjudicators", f"posterior[rate={rate},prior=label,level=0.99]")
    for people in crowds():
        prior, doubt = rng.dirichlet(np.full(N_CLASSES, 0.4)), rng.random()
        assert judged(rule, people, label=SHOWN, probability_sum=9 * prior) == until_sure(people, prior, rate)
        even = np.where(np.arange(N_CLASSES) == SHOWN, 1 - doubt, doubt / 3)
        assert judged(by_label, people, label=SHOWN, cil=doubt) == until_sure(people, even, rate, 0.99)


def test_posterior_estimates_the_rate_and_has_each_tenth_contradiction_checked():
    rule, rng = registry.load("adjudicators", "posterior"), np.random.default_rng(2)
    n_second = n_differ = n_contradictions = n_checked = 0
    for people in crowds(1500, slips=0.1):
        prior, contradicts = rng.dirichlet(np.full(N_CLASSES, 0.4)), people[0] not in (SHOWN, VOID, None)
        rate = later = min((n_differ + 1) / (2 * (n_second + 2)), 0.45)
        second, differ = n_second + 1, n_differ + (people[1] != people[0])
        if contradicts and people[1] is not None:
            later = min((differ + 1) / (2 * (second + 2)), 0.45)
        checks = n_contradictions % 10 == 9
        expected = until_sure(people, prior, rate, later=later, checks=checks)
        assert judged(rule, people, label=SHOWN, probability_sum=9 * prior) == expected, people
        n_contradictions += contradicts
        n_checked += checks and contradicts
        if expected[1] > 1 and contradicts and people[1] is not None:
            n_second, n_differ = second, differ
    assert n_checked > 50 and 0.02 < rule.rate_now < 0.3


@pytest.mark.parametrize("spec", SPECS)
def test_a_rule_keeps_the_contract(spec):
    check_adjudicator(spec)


class Undecided(Adjudicator):
    """Asks for ever."""

    source = "a test"

    def decide(self, case):
        return ASK


class Forgetful(Adjudicator):
    """Keeps in `decide` what it should keep in `learn`."""

    source = "a test"
    n = 0

    def decide(self, case):
        self.n += 1
        return LEAVE if self.n % 2 else case.answers[-1].labels


@pytest.mark.parametrize(("rule", "reason"), [(Undecided, "asked 100 people"), (Forgetful, "decided otherwise")])
def test_a_rule_that_breaks_the_contract_is_told(rule, reason):
    with pytest.raises(AssertionError, match=reason):
        check_adjudicator(rule)


@pytest.mark.parametrize(
    "spec", ["confirmed[votes=0]", "confirmed[votes=3,most=2]", "majority[n=0]", "posterior[rate=0]"]
)
def test_a_rule_refuses_what_makes_no_sense(spec):
    with pytest.raises(InputError, match="must be"):
        registry.load("adjudicators", spec)


@pytest.fixture(scope="module")
def problem(tmp_path_factory):
    return read(setup_of(rounds=3, budget="17", cache=str(tmp_path_factory.mktemp("cache"))))


def worked(problem, folder, strategy, oracle="noisy[rate=0.3]", rounds=3):
    fewer = dataclasses.replace(problem, settings=dataclasses.replace(problem.settings, rounds=rounds))
    run_cell(fewer, None, Cell(strategy, oracle, 0), Round0(problem.label_only, None, None, {}), folder)
    return pd.read_csv(folder / "queries.csv", dtype={"answer": str, "decided": str}, keep_default_na=False)


def test_budgets_count_answers_and_a_row_says_what_was_decided(problem, tmp_path):
    asked = worked(problem, tmp_path, "area+confirmed")
    rounds = pd.read_csv(tmp_path / "rounds.csv")
    assert rounds.n_queries.tolist() == [0, 17, 34, 51]
    assert rounds.n_superpixels.tolist() == [0, *asked[asked.opinion == 1].groupby("round").size().cumsum()]
    assert rounds.n_superpixels.iloc[-1] < 51
    for _, of_round in asked.groupby("round"):
        for _, of_one in of_round.groupby(["image", "superpixel"]):
            assert of_one.opinion.tolist() == list(range(1, len(of_one) + 1))
            assert (of_one.decided[:-1] == "ask").all()
        open_doubts = of_round.groupby(["image", "superpixel"]).decided.last().eq("ask")
        assert open_doubts.sum() <= 1  # the one at which the budget was spent
    unwritten = asked[asked.decided.isin(["ask", "leave"])]
    assert not unwritten[["corrected_px", "harmed_px", "rewronged_px"]].any(axis=None)
    assert not asked.duplicated(["image", "superpixel", "opinion"]).any()


def test_a_rule_changes_nothing_where_it_is_the_first_answer(problem, tmp_path):
    worked(problem, tmp_path / "a", "area")
    worked(problem, tmp_path / "b", "area+first")
    for name in TABLES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_two_methods_that_ask_the_same_opinion_meet_the_same_slip(problem, tmp_path):
    one, other = (
        worked(problem, tmp_path / name, f"area+{name}").set_index(["image", "superpixel", "opinion"])
        for name in ("confirmed", "majority")
    )
    both = one.index.intersection(other.index)
    assert (both.get_level_values("opinion") == 2).sum() > 5
    assert (one.answer[both] == other.answer[both]).all()
    by_superpixel = other.answer.unstack("opinion").dropna()
    assert (by_superpixel[1] != by_superpixel[2]).any()


def test_a_cell_in_which_nobody_is_asked_keeps_its_labels(problem, tmp_path):
    assert worked(problem, tmp_path / "whole", "nobody").empty
    for rounds in (1, 3):
        worked(problem, tmp_path / "parts", "nobody", rounds=rounds)
    for name in TABLES:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()
    measured = pd.read_csv(tmp_path / "whole" / "rounds.csv")
    assert measured["round"].tolist() == [0, 1, 2, 3] and not measured.n_queries.any()
    assert measured.data_miou.nunique() == 1 and measured.precision.isna().all()


@pytest.fixture(scope="module")
def doubted(problem, tmp_path_factory):
    """The same problem with the doubts of a scores file, drawn at random."""
    table, file = problem.label_only, tmp_path_factory.mktemp("scores") / "scores.csv"
    columns = {"image": np.array(problem.names)[table.image]}
    columns |= {name: getattr(table, name) for name in ("superpixel", "row", "column")}
    columns["cil"] = np.random.default_rng(3).random(len(table)).round(6)
    pd.DataFrame(columns).to_csv(file, index=False)
    return read(setup_of(rounds=3, budget="17", scores=str(file), cache=problem.settings.cache))


METHODS = ["area+adaptive", "area+majority", "area+confirmed[most=3]", "cil_area+posterior[prior=label]"]
METHODS += ["net_gain[of=cil_area]+adaptive"]  # which reads the slip rate


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("oracle", ["noisy[rate=0.02]", "crowd[n=2,vote=dawid_skene]"])
def test_a_stopped_and_resumed_cell_ends_with_the_same_bytes(doubted, tmp_path, method, oracle):
    costly = dataclasses.replace(doubted, budget=dataclasses.replace(doubted.budget, amount=60))
    worked(costly, tmp_path / "whole", method, oracle)
    for rounds in (1, 2, 3):
        worked(costly, tmp_path / "parts", method, oracle, rounds)
    for name in TABLES:
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "parts" / name).read_bytes()


def test_a_rule_sees_no_truth_and_no_id(problem, tmp_path, monkeypatch):
    """The truth of what is asked changes nothing but the answers: a rule is given those, and the labels."""
    seen = []

    class Watching(Adjudicator):
        needs = ("size",)

        def decide(self, case):
            seen.append(case)
            return case.answers[-1].labels

    load = registry.load_strategy
    monkeypatch.setattr(registry, "load_strategy", lambda spec: load(spec)._replace(rule=Watching()))
    worked(problem, tmp_path, "area", rounds=1)
    assert len(seen) == 17
    for case in seen:
        assert case.question.superpixel == 0 and case.price == 1
        assert case.statistics == {"size": case.size, "label": case.question.label}
        fields = {"question", "answers", "votes", "price", "statistics", "first_label"}
        assert {f.name for f in dataclasses.fields(case)} == fields


def test_a_rule_that_needs_the_truth_is_refused(monkeypatch):
    from bench.experiment.cell import check

    rule = registry.load("adjudicators", "first")
    rule.needs = ("truth_answer",)
    load = registry.load_strategy
    monkeypatch.setattr(registry, "load_strategy", lambda spec: load(spec)._replace(rule=rule))
    with pytest.raises(InputError, match="truth_answer, which reads the truth"):
        check("area", "perfect", setup_of())
