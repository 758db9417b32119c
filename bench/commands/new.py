"""``alc-bench new strategy NAME``: a small package with one plug-in of yours, its entry point, its test and its tox."""

import keyword
import re
from pathlib import Path
from string import Template

import bench
from bench import files, registry
from bench.types import InputError

EXAMPLES = ("alc-bench new strategy my_score", "alc-bench new oracle hasty --to plugins/hasty")
KINDS = {"strategy": "strategies", "oracle": "oracles"}

STRATEGY = '''"""One acquisition strategy: which labels should a person check next?"""

import numpy as np
from bench import Pool, Strategy


class $cls(Strategy):
    """$caption: mean best probability, times the share of pixels where it is not the label's."""

    needs = ("top1_sum", "agree_count")  # from bench/kernels/statistics.py: computed only when asked for
    source = "an example; name the paper and the equation here"

    def score(self, pool: Pool) -> np.ndarray:
        """One number for each superpixel of the pool; the highest are asked first."""
        c = pool.candidates
        return c.top1_sum / c.size * (1 - c.agree_count / c.size)
'''
ORACLE = '''"""One simulated annotator: what does a person answer?"""

from bench import Erring


class $cls(Erring):
    """$caption: names the class after the right one, with probability `rate`."""

    def __init__(self, rate: float = 0.1, of: str = "perfect"):
        super().__init__(of)
        self.rate = rate

    def alter(self, seen, question, truth, rng):
        """The classes said instead of those seen; it draws as often when it changes nothing."""
        slips = rng.random(len(seen)) < self.rate
        return tuple(sorted({(c + int(s)) % question.n_classes for c, s in zip(seen, slips, strict=True)}))
'''
TEST = '''"""What the suite asks of every plug-in of this kind, and a test of one's own."""

from $name import $cls

from bench.testing import $imports
'''
OWN = {
    "strategy": """

def test_contract():
    check_strategy("$name")  # as a command line names it: the entry point is there


def test_sure_disagreement_comes_first():
    columns = random_columns($cls.needs, 2)
    columns["size"][:], columns["top1_sum"][:], columns["agree_count"][:] = 10, 9.0, [10, 0]
    assert $cls().score(pool(columns, 5)).tolist() == [0, 0.9]
""",
    "oracle": """

def test_contract():
    check_oracle("$name")  # as a command line names it: the entry point is there
    check_oracle("$name[rate=1]")


def test_it_never_errs_at_a_rate_of_0():
    check_oracle(lambda: $cls(rate=0))
""",
}
PROJECT = """[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "$dist"
version = "0.1.0"
description = "A plug-in of alc-bench: the $kind $name"
requires-python = ">=3.11"
dependencies = ["alc-bench"]

[project.optional-dependencies]
test = ["pytest"]

[project.entry-points."alc_bench.$group"]
$name = "$name:$cls"

[tool.setuptools]
py-modules = ["$name"]
"""
TOX = """[tox]
env_list = py

[testenv]
deps =
    $requirement
extras = test
commands = pytest {posargs:tests}
"""
README = """# $dist

The $kind `$name` for alc-bench.

    pip install -e .
    alc-bench list                  # it stands there
    pytest                          # in this environment, seconds
    tox run                         # in a fresh one
    alc-bench run --$kind $name
"""


def add_arguments(parser) -> None:
    parser.add_argument("kind", choices=list(KINDS), help="what it is")
    parser.add_argument("name", metavar="NAME", help="in snake_case; it is called so on the command line")
    parser.add_argument("--to", type=Path, metavar="DIR", help="default: NAME")


def main(args) -> int:
    to = args.to or Path(args.name)
    write(args.kind, args.name, to)
    print(f"{to}: pip install -e {to} && alc-bench run --{args.kind} {args.name}; its tests: cd {to} && tox run")
    return 0


def write(kind: str, name: str, to: Path) -> None:
    """Write the package of a plug-in to the folder ``to``. Raises InputError for a name or a folder that is taken."""
    group = KINDS[kind]
    if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name) or keyword.iskeyword(name):
        raise InputError(f"{name!r}: expected a name in snake_case, as my_score")
    if name in registry.catalogue(group).classes or name in ("bench", "baselines", "oracles", "adjudicators"):
        raise InputError(f"there is a {kind} {name!r} already: choose another name")
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise InputError(f"{to} holds something already; name a folder that does not exist yet with --to")
    cls = "".join(word.capitalize() for word in name.split("_"))
    caption = name.replace("_", " ").capitalize()
    source = Path(bench.__file__).parents[1]
    here = (source / "pyproject.toml").is_file()  # a checkout, of which no index has a release
    told = dict(kind=kind, name=name, group=group, cls=cls, caption=caption, dist=name.replace("_", "-"))
    told["imports"] = {"strategy": "check_strategy, pool, random_columns", "oracle": "check_oracle"}[kind]
    told["requirement"] = f"alc-bench @ {source.as_uri()}" if here else f"alc-bench=={bench.__version__}"
    contents = {
        f"{name}.py": {"strategy": STRATEGY, "oracle": ORACLE}[kind],
        f"tests/test_{name}.py": TEST + OWN[kind],
        "pyproject.toml": PROJECT,
        "tox.ini": TOX,
        "README.md": README,
    }
    for inner, text in contents.items():
        with files.replacing(to / inner) as path:
            path.write_text(Template(text).substitute(told), encoding="utf-8")
