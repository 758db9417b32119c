"""The seconds of an annotator's action: assumed, measured, or a user's own.

*assumed*: ours, not measurements. A look takes 2 s, choosing a class or none 2 s, rejecting the label shown 1 s. They
keep the order that the user study of Kim et al. (ICML 2024) argues for, confirming < classifying.

*measured*: 18,605 times that people took to click on one object of a class that they were given, in an image of PASCAL
VOC 2012 (Bearman et al., *What's the Point*, ECCV 2016; released with the points). Their quantiles are beside this
file. Measured is one click, the class given. Inferred, by us, is the rest: that choosing the class of one superpixel
that is shown takes as long (``classify``), and that the other actions keep the assumed proportions to it.
"""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

import numpy as np
from scipy import stats

from bench.types import ACTIONS, InputError

ASSUMED = {"confirm": 2.0, "correct": 5.0, "classify": 4.0, "void": 5.0, "give_up": 4.0}
MEASURED_FILE = "seconds-measured.csv"
# The shares whose quantiles are kept: every hundredth, and ever finer ones of the long tail.
SHARES = np.r_[np.arange(100) / 100, 1 - 0.01 / 2 ** np.arange(1, 8), 1]


@dataclass(frozen=True)
class Times:
    """The seconds that each action takes: the mean, and the second and third moments about it; ``source`` says whence.

    These three add up over independent draws, so that they say how long any number of actions takes.
    """

    name: str
    mean: Mapping[str, float]
    variance: Mapping[str, float]
    third: Mapping[str, float]
    source: str

    def total(self, actions: Sequence[str], level: float = 0.95) -> tuple[float, float, float]:
        """Seconds of these ``actions`` together: the mean, and the interval that holds a share ``level`` of totals.

        Each time is an independent draw. A Pearson type III distribution with the total's three moments gives the
        interval; without spread it is the mean twice.
        """
        mean, variance, third = (sum(of[a] for a in actions) for of in (self.mean, self.variance, self.third))
        if variance <= 0:
            return mean, mean, mean
        shares, skew = [(1 - level) / 2, (1 + level) / 2], third / variance**1.5
        low, high = stats.pearson3.ppf(shares, skew, loc=mean, scale=math.sqrt(variance))
        return mean, max(float(low), 0.0), float(high)


def read(given: str) -> Times:
    """``assumed``, ``measured``, or a file: of the columns action,seconds, a line or more for every action; or of one
    time a line, those of a ``classify``, to which the other actions keep the assumed proportions.

    Raises InputError for a file that is neither.
    """
    if given == "assumed":
        none = dict.fromkeys(ACTIONS, 0.0)
        return Times(given, ASSUMED, none, none, "assumed by us")
    if given == "measured":
        text = resources.files("bench.costs").joinpath(MEASURED_FILE).read_text(encoding="utf-8")
        shares, seconds = np.array([line.split(",") for line in text.split()[1:]], np.float64).T
        source = "one click on an object of a given class, measured (Bearman et al., ECCV 2016); the rest inferred"
        return _in_proportion(given, moments(shares, seconds), source)
    return _own(given)


def quantiles(seconds: np.ndarray) -> np.ndarray:
    """(len(SHARES),) the quantiles of (n,) times that `MEASURED_FILE` holds."""
    return np.quantile(seconds, SHARES)


def moments(shares: np.ndarray, seconds: np.ndarray) -> tuple[float, float, float]:
    """Mean, and second and third moments about it, of a distribution that has these quantiles and is spread evenly
    between them."""
    a, b, weight = seconds[:-1], seconds[1:], np.diff(shares)
    mean = float(((a + b) / 2) @ weight)
    a, b = a - mean, b - mean
    return mean, float((a * a + a * b + b * b) / 3 @ weight), float((a + b) * (a * a + b * b) / 4 @ weight)


def _own(path: str) -> Times:
    expected = "expected one time a line, or a CSV file of the columns action,seconds"
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            lines = [line.strip() for line in file if line.strip()]
        if lines and lines[0].replace(" ", "") != "action,seconds":
            times = {"classify": [float(line) for line in lines]}
        else:
            times = {}
            for row in csv.DictReader(lines):
                times.setdefault(row["action"].strip(), []).append(float(row["seconds"]))
    except (OSError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: {expected}: {error!r}") from error
    if bad := [action for action, found in times.items() if not all(0 <= s < math.inf for s in found)]:
        raise InputError(f"{path}: seconds must be finite and 0 or more; not so for {', '.join(bad)}")
    if lines and "," not in lines[0]:
        return _in_proportion(path, _moments(times["classify"]), f"{path}; other actions in the assumed proportions")
    if set(times) != set(ACTIONS):
        raise InputError(f"{path}: expected a line for each of {', '.join(ACTIONS)}; got {', '.join(times) or 'none'}")
    found = {action: _moments(seconds) for action, seconds in times.items()}
    mean, variance, third = ({action: of[k] for action, of in found.items()} for k in range(3))
    return Times(path, mean, variance, third, path)


def _moments(seconds: list[float]) -> tuple[float, float, float]:
    mean = float(np.mean(seconds))
    return mean, float(np.var(seconds)), float(np.mean((np.array(seconds) - mean) ** 3))


def _in_proportion(name: str, found: tuple[float, float, float], source: str) -> Times:
    """``found``: the moments of a ``classify``."""
    ratio = {action: ASSUMED[action] / ASSUMED["classify"] for action in ACTIONS}
    powers = ({action: moment * r**power for action, r in ratio.items()} for power, moment in enumerate(found, 1))
    mean, variance, third = powers
    return Times(name, mean, variance, third, source)
