"""One cell of the grid: rounds of acquire, ask, correct, fit, measure."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench import files, registry, seeds
from bench.acquisition import Strategy
from bench.adjudication import ASK, Verdict
from bench.annotation import Coming, Retracted
from bench.experiment.models import Models
from bench.experiment.problem import MEMORY_BYTES, Problem, Setup, Step
from bench.experiment.round0 import Round0
from bench.experiment.session import PLACE, Session, places
from bench.experiment.truth import truth_columns
from bench.kernels.statistics import BASE, OF_TRUTH, statistic
from bench.labels import LabelMaps
from bench.learners import Learner
from bench.runs.folder import staying
from bench.runs.journal import Journal, forget
from bench.timing import Clock
from bench.types import Answer, Candidates, InputError, Pool, Query


@dataclass(frozen=True)
class Cell:
    """One strategy, one oracle, one seed, by their names."""

    strategy: str
    oracle: str
    seed: int

    def folder(self, out: Path) -> Path:
        return out / "cells" / files.slug(self.strategy, self.oracle, f"seed{self.seed}")


def run_cell(
    problem: Problem,
    learner: Learner | None,
    cell: Cell,
    round0: Round0,
    folder: Path,
    on_step: Step = lambda what, n: None,
    memory_bytes: int = MEMORY_BYTES,
) -> None:
    """Rounds of acquire, ask, correct, fit, measure. Complete rounds in ``folder`` are played back and not done again.

    Reports ("round", 1) for each round, and the learner's reports on its fits.
    """
    strategy, _, refiner = registry.load_strategy(cell.strategy)
    if not strategy.stateless:
        forget(folder)  # its state is that of the rounds before, which only those rounds give
    journal = Journal(folder)
    session = _session(problem, cell, journal, memory_bytes)
    labels = session.labels
    models = Models(problem, learner, round0, cell.seed, journal, on_step)
    check_there = staying(folder)
    about = {"question": strategy.question, "leaky": int(session.oracle.leaky), "bound": int(strategy.reads_truth)}
    keys = {**problem.called, **vars(cell), **about}
    for number in range(journal.n_measured, problem.settings.rounds + 1):
        check_there()
        to_ask = number > 0 and not journal.has_answers(number)
        clock = Clock(journal.seconds(number))
        if to_ask:
            table = session.drawn_order(models.pool(number, labels, needs(cell.strategy, cell.oracle)))
            if strategy.reads_truth:
                table = Candidates(dict(table.columns) | truth_columns(session, table, strategy.question))
            pool = session.pool(number, table)
            with clock("acquire_s"):
                query = acquire(strategy, pool, problem, cell.seed)
            ranking, wrong = strategy.ranking(pool, query), session.wrong(table)
            first = journal.n_asked
            while (n_asked := ask(session, journal, number, table, query, clock)) is None:
                del journal.queries[first:]
                session = _session(problem, cell, journal, memory_bytes)
                labels = session.labels
            journal.add_detection(number, session.detection(ranking, wrong, table, pool, query.rows[:n_asked]))
            if refiner is not None:
                refine(refiner, session, journal, number, table, query)
            if learner is not None:
                journal.write_answers()  # a fit takes long, and may be interrupted
        confusion = models.measure(number, labels)
        journal.add_round(keys | {"round": number}, problem.classes, session.quality, confusion, problem.seconds)
        journal.write_round()
        models.forget(but=number)
        on_step("round", 1)
    models.forget()


def _session(problem: Problem, cell: Cell, journal: Journal, memory_bytes: int) -> Session:
    """The session of a cell, brought to where the journal says it is."""
    labels, rule = LabelMaps(problem.pseudo.labels, memory_bytes), registry.load_strategy(cell.strategy).rule
    session = Session(problem, cell.oracle, cell.seed, labels, rule)
    session.play_back(journal)
    return session


def acquire(strategy: Strategy, pool: Pool, problem: Problem, seed: int) -> Query:
    """The strategy's questions in this round: at most as many as the budget can pay for, and none twice. One that was
    asked in an earlier round is among them only if the strategy ``reasks``."""
    n = len(pool.candidates)
    most = problem.budget.most(n, problem.seconds) if problem.budget else math.ceil(n / 20)
    query = strategy.acquire(pool, most, seeds.generator(seed, "acquire", pool.round))
    if pool.asked[query.rows].any() and not strategy.reasks:
        raise InputError(f"{type(strategy).__name__} asks a superpixel again; asked ones are banned")
    return query


def ask(session: Session, journal: Journal, number: int, table: Candidates, query: Query, clock: Clock) -> int | None:
    """Ask the questions of a round one by one, until the budget is spent; returns how many superpixels, and None where
    an answer is taken back: then the round is to be asked anew.

    Each answer is judged, and the decision is written, before the next question. A doubt that a rule leaves for later,
    or that is open when the budget is spent, leaves the label as it is.
    """
    problem, before = session.problem, session.spent
    chosen = table.take(query.rows)
    statistics = {need: getattr(chosen, need) for need in (*session.rule.needs, "label")}

    def is_spent() -> bool:  # the last answer may pass it
        return problem.budget is not None and session.spent - before >= problem.budget.amount

    for row, place in enumerate(places(chosen)):
        if is_spent():
            return row
        with clock("answer_s"):
            where = problem.pseudo.region(*place[:2])
            session.oracle.expect(len(chosen) - row, coming(session, query.kind, chosen, row, journal.n_asked))
        of_row = {need: values[row] for need, values in statistics.items()}
        verdict: Verdict = ASK
        while verdict is ASK:
            with clock("answer_s"):
                question = session.question(query.kind, place, where, journal.n_asked)
                opinion = session.opinions.n(*place[:2]) + 1
                try:
                    answer = session.answer(question, where, opinion)
                except Retracted:
                    return None
            with clock("correct_s"):
                verdict = session.judge(question, answer, of_row)
                harm = session.hear(question, where, answer, verdict)
            journal.add_question(number, problem.names[question.image], question, answer, opinion, verdict, harm)
            if session.rule.later or is_spent():
                break
    return len(query.rows)


def coming(session: Session, kind: str, chosen: Candidates, first: int, number: int) -> Iterator[Coming]:
    """The questions about the rows of ``chosen`` from the ``first`` on, as they are now; ``number``: of answers before
    them."""
    for row in range(first, len(chosen)):
        image, superpixel, y, x = (int(getattr(chosen, name)[row]) for name in PLACE)
        where = session.problem.pseudo.region(image, superpixel)
        question = session.question(kind, (image, superpixel, y, x), where, number + row - first)
        yield Coming(question, where, {need: getattr(chosen, need)[row] for need in session.oracle.needs})


def refine(refiner, session: Session, journal: Journal, number: int, table: Candidates, query: Query) -> None:
    """Let the refiner relabel superpixels that nobody was asked about."""
    pool = session.pool(number, table)
    asked = query.rows[pool.asked[query.rows]]  # a budget in seconds may have ended before the query
    keys = table.image.tolist(), table.superpixel.tolist()
    modes = [session.mode(keys[0][row], keys[1][row]) for row in asked]
    rng = seeds.generator(session.seed, "refine", number)
    rows, labels = refiner.refine(pool, asked, np.array(modes, np.uint8), rng)
    for row, label in zip(rows.tolist(), labels.tolist(), strict=True):
        image, superpixel = keys[0][row], keys[1][row]
        where = session.problem.pseudo.region(image, superpixel)
        harm = session.write(image, superpixel, where, Answer((label,), ("correct",)))
        journal.add_refinement(number, session.problem.names[image], superpixel, label, harm)


def needs(strategy: str, oracle: str) -> tuple[str, ...]:
    """The statistics that a strategy, its rule, its refiner and an annotator read from the model; those that read the
    truth are left out."""
    wanted = (*registry.load_strategy(strategy).needs, *registry.load("oracles", oracle).needs)
    return tuple(dict.fromkeys(need for need in wanted if need not in OF_TRUTH))


def check(strategy: str, oracle: str, setup: Setup) -> None:
    """Raise InputError, before any work, for a cell that could not run: unknown names, missing statistics."""
    method, annotator = registry.load_strategy(strategy), registry.load("oracles", oracle)
    kind = method.strategy.question
    _check_slips(strategy, method)
    for plugin, name in ((annotator, oracle), (method.rule, f"the rule of {strategy}")):
        if kind not in plugin.kinds:
            verb = "answers" if plugin is annotator else "judges answers to"
            raise InputError(f"{strategy} asks {kind!r} questions; {name} {verb} {', '.join(plugin.kinds)}")
    reading = [name for plugin, name in ((annotator, oracle), (method.strategy, strategy)) if plugin.reads_truth]
    if reading and (lacking := setup.dataset.lacking_truth()):
        raise InputError(f"{reading[0]} reads the truth: {lacking}")
    if told := set(method.rule.needs) & set(OF_TRUTH):
        raise InputError(f"the rule of {strategy} needs {', '.join(sorted(told))}, which reads the truth; no rule may")
    for need in method.needs:
        if setup.learner and need not in BASE:
            try:
                statistic(need)
            except InputError as error:
                raise InputError(f"strategy {strategy!r} needs what is not there: {error}") from error
    available = setup.available_statistics()
    missing = [need for need in needs(strategy, oracle) if available is not None and need not in available]
    if missing:
        lacking = f"strategy {strategy!r} needs the statistics {', '.join(missing)}"
        file = setup.settings.scores or "FILE"
        raise InputError(f"{lacking}; a run without a model has those of --scores {file} alone")


def _check_slips(strategy: str, method: registry.Method) -> None:
    name = registry.parse(strategy.partition("+")[0])[0]
    if method.rule.later and not method.strategy.reasks:
        raise InputError(
            f"{strategy} leaves doubts to later rounds, and {name} asks nothing again; leave out later=true"
        )
    if method.strategy.reads_slips and not method.rule.asks_again and not method.strategy.reasks:
        raise InputError(
            f"{strategy} estimates the error rate from second answers, and its rule asks for none; "
            f"add a rule, as in {name}+adaptive, or give the rate, as in {name}[rate=0.1]"
        )
