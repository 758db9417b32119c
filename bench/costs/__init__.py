"""The cost of an answer, priced after the fact from the kind of question, the actions, and the number of classes.

- *questions*: 1 an answer. A budget in questions counts these.
- *clicks*: 1 an action: a confirmation costs as much as a correction, as in the papers; a multiclass answer costs a
  click a class; a crowd pays for everyone.
- *bits* over L classes: correction 1 + [wrong]·log2(L - 1) (Kim et al., ICML 2024); classification and dominant log2 L.
  Ours, as the paper has none: void counts as wrong in a correction question; "can't tell" costs as much as the question
  costs before a class is chosen (1, or log2 L without such a step); multiclass log2 L for each class named.
- *seconds*: the sum of the mean seconds of each action (`bench.costs.seconds`): assumed, measured or the user's own.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from bench.costs.seconds import ASSUMED
from bench.types import ACTIONS, QUESTIONS, InputError


@dataclass(frozen=True)
class Unit:
    """A unit of effort: its ``column`` of rounds.csv, its name on an ``axis``, and the ``short`` forms of its name.

    ``price``: the cost of an answer, from the kind of question, the actions, the number of classes and the seconds an
    action. ``least``: the lowest cost of an answer, from the seconds an action. ``since``: the format of the run
    files that has the column first.
    """

    name: str
    column: str
    axis: str
    short: tuple[str, ...]
    price: Callable[[str, list[str], int, Mapping[str, float]], float]
    least: Callable[[Mapping[str, float]], float] = lambda seconds: 1.0
    since: int = 1


def _bits(kind: str, done: list[str], n_classes: int, seconds: Mapping[str, float]) -> float:
    if kind != "correction":
        return len(done) * math.log2(n_classes)
    n_wrong = sum(action in ("correct", "void") for action in done)
    return len(done) + n_wrong * math.log2(max(n_classes - 1, 1))


UNITS = {
    unit.name: unit
    for unit in (
        Unit("questions", "n_queries", "questions asked", ("", "q", "question"), lambda kind, done, n, seconds: 1.0),
        Unit("clicks", "cost_clicks", "clicks", ("click",), lambda kind, done, n, seconds: float(len(done))),
        Unit("bits", "cost_bits", "bits", ("bit",), _bits),
        Unit(
            "seconds",
            "cost_s",
            "seconds of annotation",
            ("s", "sec", "second"),
            lambda kind, done, n, seconds: sum(seconds[action] for action in done),
            least=lambda seconds: min(seconds.values()),
        ),
    )
}


MOST = 1e12  # of a budget, in any unit: more is a typing error


def price(
    kinds: Sequence[str], actions: Sequence[str], n_classes: int, unit: str, seconds: Mapping[str, float] = ASSUMED
) -> np.ndarray:
    """(n,) float64: the cost of each answer, in ``unit``.

    ``kinds`` and ``actions`` are the columns of queries.csv: of `QUESTIONS`, and of `ACTIONS` joined by spaces.
    ``unit``: a key of `UNITS`, or a short form. Raises InputError for any word not known.
    """
    unit = unit_of(unit)
    pairs: dict[tuple[str, str], int] = {}
    rows = np.empty(len(kinds), dtype=np.intp)
    for i, pair in enumerate(zip(kinds, actions, strict=True)):
        rows[i] = pairs.setdefault(pair, len(pairs))
    return np.array([_price(kind, done.split(), n_classes, unit, seconds) for kind, done in pairs], np.float64)[rows]


@dataclass(frozen=True)
class Budget:
    """The budget of a round: ``amount`` of a ``unit`` (a key of `UNITS`)."""

    amount: float
    unit: str

    def most(self, n_left: int, seconds: Mapping[str, float] = ASSUMED) -> int:
        """How many questions it can pay for at most, of ``n_left``: no answer is cheaper than the cheapest."""
        least = UNITS[self.unit].least(seconds)
        return int(min(n_left, self.amount / least)) if least else n_left


def budget(text: str) -> Budget:
    """``"1000"``, ``"1000q"``, ``"600s"``, ``"500clicks"`` or ``"2000bits"``. Raises InputError for anything else."""
    match = re.fullmatch(r"\s*([-+]?[\d.]+(?:e[-+]?\d+)?)\s*([a-z]*)\s*", str(text), re.IGNORECASE)
    number, unit = match.groups() if match else ("", "")
    try:
        amount = float(number)
    except ValueError:
        raise InputError(f"cannot read the budget {text!r}; expected 1000, 600s, 500clicks or 2000bits") from None
    unit = unit_of(unit.lower())
    if amount > MOST:
        raise InputError(f"the budget must be at most {MOST:,.0f}, got {text!r}")
    if not amount >= 0 or (unit == "questions" and amount != int(amount)):
        raise InputError(f"the budget must be 0 or more, and whole in questions; got {text!r}")
    return Budget(amount, unit)


def unit_of(name: str) -> str:
    """A key of `UNITS`, from that or a short form of it."""
    for unit in UNITS.values():
        if name == unit.name or name in unit.short:
            return unit.name
    raise InputError(f"unknown unit {name!r} of cost; there are: {', '.join(UNITS)}")


def _price(kind: str, done: list[str], n_classes: int, unit: str, seconds: Mapping[str, float]) -> float:
    unknown = [action for action in done if action not in ACTIONS]
    if kind not in QUESTIONS or unknown or not done:
        raise InputError(f"cannot price {' '.join(done)!r} to a question {kind!r}; see bench.types for the words known")
    return UNITS[unit].price(kind, done, n_classes, seconds)
