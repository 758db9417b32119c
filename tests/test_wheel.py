"""A wheel, installed elsewhere, has all that the commands need: nothing is read from the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.first]

REPOSITORY = Path(__file__).parent.parent
RUN = ("run", "--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--rounds", "1", "--seeds", "1")


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """``elsewhere(*words)``: Python with the wheel on its path, in an empty folder."""
    folder = tmp_path_factory.mktemp("wheel")
    for name in ("bench", "baselines", "oracles", "adjudicators"):
        shutil.copytree(REPOSITORY / name, folder / "source" / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder / "source")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    built = [*pip, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", folder, folder / "source"]
    subprocess.run(built, check=True, capture_output=True, text=True)
    (wheel,) = folder.glob("*.whl")
    put = [*pip, "install", "--no-deps", "--no-index", "--target", folder / "site", wheel]
    subprocess.run(put, check=True, capture_output=True, text=True)
    (folder / "empty").mkdir()
    environment = os.environ | {"PYTHONPATH": str(folder / "site"), "ALC_BENCH_CACHE": str(folder / "cache")}

    def python(*words):
        command = [sys.executable, *map(str, words)]
        done = subprocess.run(command, cwd=folder / "empty", env=environment, capture_output=True, text=True)
        assert done.returncode == 0, f"{words}\n{done.stderr}"
        return done.stdout

    python.site = folder / "site"
    return python


COMMANDS = (
    ("list",),
    (*RUN, "--strategy", "area", "--seconds", "measured", "--out", "a", "--save-config", "a.toml"),
    ("run", "--config", "a.toml", "--seeds", "1,", "--out", "b"),
    ("plan", "--config", "a.toml"),
    ("quality", "--dataset", "shapes[train=3,size=32]", "--foundation", "simulated[like=pascal]"),
    ("audit", "--dataset", "shapes[train=3,size=32]", "--oracle", "perfect", "--samples", "2", "--out", "f"),
    ("rank", "--dataset", "shapes[train=3,size=32]", "--model", "none", "--strategy", "area", "--out", "g"),
    ("merge", "a", "b", "--out", "c"),
    ("info", "c"),
    ("pack", "c"),
    ("report", "c.zip"),
    ("export", "a", "--strategy", "area", "--seed", "0", "--to", "d"),
    ("board", "a", "--out", "board"),
    ("prepare", "--dataset", "shapes[train=3,size=32]", "--foundation", "simulated", "--out", "e"),
    ("new", "strategy", "my_score"),
    ("time", "kernels", "--sizes", "shapes", "--rounds", "1"),
)


def test_every_command_runs_from_a_wheel(elsewhere):
    code = f"""
import bench, baselines, oracles, adjudicators
from bench import commands, report, testing
write = report.write
assert bench.__file__.startswith({str(elsewhere.site)!r})
assert set(commands.COMMANDS) - {{"annotate"}} == {{words[0] for words in {COMMANDS!r}}}
for words in {COMMANDS!r}:
    report.write = write if words[0] == "report" else lambda *_, **__: None  # one is enough
    assert commands.main(list(words)) == 0, words
testing.check_strategy("sim")
testing.check_oracle("noisy")
"""
    assert "broken" not in elsewhere("-c", code)
