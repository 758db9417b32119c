"""A package of one's own: it is written, installed, found by its entry point, and its own tests pass."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.mark.parametrize(("kind", "name"), [("strategy", "my_score"), ("oracle", "hasty")])
def test_a_new_package_passes_its_own_tests(alc, tmp_path, kind, name):
    assert alc("new", kind, name, "--to", tmp_path / name).code == 0
    assert "@ file:" in (tmp_path / name / "tox.ini").read_text()
    site = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*pip, "--target", site, tmp_path / name], check=True, capture_output=True, text=True)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(site), str(REPOSITORY)])}

    def python(*words):
        command = [sys.executable, "-m", *map(str, words)]
        return subprocess.run(command, cwd=tmp_path / name, env=environment, capture_output=True, text=True)

    done = python("pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert done.returncode == 0 and "2 passed" in done.stdout, done.stdout + done.stderr
    run = ("run", "--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--rounds", 1, "--seeds", 1)
    given = ("--strategy", "area", "--oracle", name) if kind == "oracle" else ("--strategy", name)
    done = python("bench", *run, *given, "--out", tmp_path / "out")
    if kind == "oracle":
        assert done.returncode == 0, done.stderr
        assert f'"{name}": "0.1.0"' in (tmp_path / "out" / "spec.json").read_text()  # which version it was
    else:  # it is there, and asks for a model
        assert done.returncode == 2 and "needs the statistics top1_sum, agree_count" in done.stderr


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
