"""Experiment files say what the options say; the command line replaces what they say; Python takes the same options."""

import re
import shlex
from pathlib import Path

import pandas as pd
import pytest
from problems import TIMINGS

import bench
from bench import InputError
from bench.commands import COMMANDS, experiment, parser
from bench.experiment.run import parse_seeds

pytestmark = pytest.mark.slow

GRID = """
dataset = "shapes[train=3,val=2,size=32]"
model = "none"
strategy = ["area", "random"]
seeds = [1, 2]
rounds = 1
budget = 2
"""


def args_of(*words):
    args = parser(["run"]).parse_args(["run", *map(str, words)])
    args.argv = [*map(str, words)]
    return args


def test_the_command_line_replaces_what_the_file_says(tmp_path):
    file = tmp_path / "grid.toml"
    options = "[cfg-options]\nmax_iters = 30\noptim_wrapper.optimizer.lr = 0.1\n"
    file.write_text(f"{GRID}bundle = false\nstrict = true\n{options}")
    args = experiment.completed(args_of("--config", file, "--strategy", "sim", "--strategy", "abc", "--rounds", 4))
    assert (args.strategy, args.rounds, args.seeds, args.model) == (["sim", "abc"], 4, "1,2,", "none")
    assert args.bundle is False and args.strict is True and args.oracle is None
    assert args.cfg_options == ["max_iters=30", "optim_wrapper.optimizer.lr=0.1"]
    assert experiment.completed(args_of("--config", file)).strategy == ["area", "random"]
    assert experiment.completed(args_of("--rounds", 4, "--config", file)).rounds == 4


def test_what_was_asked_for_is_saved_and_read_back(tmp_path):
    words = ("--strategy", "sim", "--seeds", "0-4", "--out", "a b", "--cfg-options", "max_iters=30", "loss=text")
    asked = experiment.completed(args_of(*words, "--save-config", tmp_path / "grid.toml"))
    again = experiment.completed(args_of("--config", tmp_path / "grid.toml"))
    own = set(experiment.OWN)
    known = [{k: v for k, v in vars(a).items() if k not in own | {"cfg_options"}} for a in (asked, again)]
    assert known[0] == known[1] and again.cfg_options == ["max_iters=30", 'loss="text"']
    assert "dataset" not in (tmp_path / "grid.toml").read_text()  # a default is not what was asked for


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("stratgy = 'sim'", "unknown option 'stratgy'; did you mean 'strategy'?"),
        ("rounds = 'many'", "invalid int value: 'many'"),
        ("rounds = ", "not readable as TOML"),
        ("cfg-options = 3", "cfg-options is a table"),
        ("config = 'other.toml'", "unknown option 'config'"),
    ],
)
def test_a_file_that_says_what_cannot_be_is_named(tmp_path, text, said):
    (tmp_path / "grid.toml").write_text(text)
    with pytest.raises(InputError, match=re.escape(str(tmp_path / "grid.toml"))) as error:
        experiment.completed(args_of("--config", tmp_path / "grid.toml"))
    assert said in str(error.value)


def test_python_and_a_file_and_the_command_line_give_one_run(alc, tmp_path, capsys):
    (tmp_path / "grid.toml").write_text(GRID)
    assert alc("run", "--config", tmp_path / "grid.toml", "--out", tmp_path / "a", report_too=False).code == 0
    data, grid = "shapes[train=3,val=2,size=32]", dict(strategy=["area", "random"], seeds=[1, 2], rounds=1, budget=2)
    out = bench.run(dataset=data, model="none", **grid, out=tmp_path / "b", report=False)
    assert out == tmp_path / "b" and not (out / "report").exists()
    tables = [pd.read_csv(tmp_path / name / "rounds.csv").drop(columns=TIMINGS) for name in "ab"]
    assert set(tables[0].seed) == {1, 2}
    pd.testing.assert_frame_equal(*tables)
    with pytest.raises(InputError, match="did you mean 'strategy'"):
        bench.run(stratgy="sim")


def test_a_failed_cell_is_an_error_in_python(monkeypatch, tmp_path):
    from baselines.uninformed import Random

    monkeypatch.setattr(Random, "score", lambda *_: 1 / 0, raising=False)
    monkeypatch.setattr(Random, "acquire", lambda *_: 1 / 0, raising=False)
    data = dict(dataset="shapes[train=3,val=2,size=32]", model="none", strategy=["area", "random"], seeds=1, rounds=1)
    with pytest.raises(RuntimeError, match=r"failed: random__perfect__seed0; see spec\.json"):
        bench.run(**data, out=tmp_path / "out")
    assert set(bench.load_results(tmp_path / "out").strategy) == {"area"}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_two_examples_that_it_takes(alc, name):
    examples = [line.strip() for line in alc(name, "--help").out.partition("examples:")[2].splitlines() if line.strip()]
    assert len(examples) >= 2
    for example in examples:
        program, *words = shlex.split(example)
        assert program == "alc-bench" and parser(words).parse_args(words).main


@pytest.mark.parametrize(
    "file",
    sorted((Path(__file__).parent.parent / "results").rglob("*.toml")),
    ids=lambda p: f"{p.parent.name}-{p.stem}",
)
def test_what_the_results_were_asked_for_can_be_asked_for(file):
    args = experiment.completed(args_of("--config", file))
    found = pd.read_csv(file.with_suffix(".csv"))
    assert set(found.strategy) == set(args.strategy) and set(found.oracle) == set(args.oracle or ["perfect"])
    assert sorted(set(found.seed)) == list(parse_seeds(args.seeds)) and found["round"].max() == args.rounds
