"""A package of one's own: it is written, installed, found by its entry point, and its own tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent


RUN = ("run", "--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--rounds", "1", "--seeds", "1", "--out")
TRIED = f"""
import pytest
from bench import commands
for name in ("my_score", "hasty"):
    print(name, int(pytest.main(["-q", "-p", "no:cacheprovider", "--import-mode=importlib", name + "/tests"])))
print("oracle", commands.main([*{RUN!r}, "of_oracle", "--strategy", "area", "--oracle", "hasty"]))
print("strategy", commands.main([*{RUN!r}, "of_strategy", "--strategy", "my_score"]))
"""


def test_new_packages_pass_their_own_tests_and_run(alc, tmp_path):
    site, names = tmp_path / "site", {"strategy": "my_score", "oracle": "hasty"}
    for kind, name in names.items():
        assert alc("new", kind, name, "--to", tmp_path / name).code == 0
        assert "@ file:" in (tmp_path / name / "tox.ini").read_text()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    packages = [tmp_path / name for name in names.values()]
    subprocess.run([*pip, "--target", site, *packages], check=True, capture_output=True, text=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)])}
    command = [sys.executable, "-c", TRIED]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.stdout.count("2 passed") == 2 and "my_score 0\n" in said and "hasty 0\n" in said, said
    assert "oracle 0\n" in done.stdout, done.stderr
    assert '"hasty": "0.1.0"' in (tmp_path / "of_oracle" / "spec.json").read_text()  # which version it was
    assert "strategy 2\n" in done.stdout  # it is there, and asks for a model
    assert "needs the statistics top1_sum, agree_count" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("strategy", "My-Score"), "expected a name in snake_case"),
        (("strategy", "class"), "expected a name in snake_case"),
        (("strategy", "entropy"), "there is a strategy 'entropy' already"),
        (("strategy", "bench"), "already"),
        (("dataset", "mine"), "invalid choice: 'dataset'"),
    ],
)
def test_names_that_cannot_be(alc, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    done = alc("new", *words)
    assert done.code == 2 and said in done.err and not list(tmp_path.iterdir())


def test_a_folder_that_holds_something_is_left_alone(alc, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    done = alc("new", "strategy", "my_score", "--to", tmp_path)
    assert done.code == 2 and "holds something already" in done.err and len(list(tmp_path.iterdir())) == 1
