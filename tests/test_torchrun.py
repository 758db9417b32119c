"""Two processes that train one cell together: they agree, the first one writes, and it goes on where it was."""

import os
import subprocess
import sys

import pandas as pd
import pytest

from bench import commands, files
from bench.experiment.workers import torchrun as ranks

pytestmark = [pytest.mark.slow, pytest.mark.first]

COMMAND = ["run", "--preset", "smoke", "--dataset", "shapes[train=12,val=6,size=64]", "--seeds", "1", "--jobs", "1"]
COMMAND += ["--strategy", "sim", "--cfg-options", "max_iters=3"]
SCRIPT = """import sys
from bench import commands, report

report.write = lambda *_, **__: None
sys.exit(commands.main())
"""


def torchrun(tmp_path, out, *more):
    environment = os.environ | {
        "ALC_BENCH_CACHE": str(tmp_path / "cache"),
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(tmp_path),
    }
    launch = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29511"]
    script = tmp_path / "unreported.py"
    script.write_text(SCRIPT)
    arguments = [*COMMAND, "--launcher", "pytorch", "--device", "cpu", "--out", str(out), *more]
    return subprocess.run(
        [*launch, str(script), *arguments], capture_output=True, text=True, env=environment, timeout=300
    )


def test_two_processes_train_a_cell(tmp_path):
    out = tmp_path / "run"
    done = torchrun(tmp_path, out, "--rounds", "1")
    assert done.returncode == 0, done.stderr
    rounds = pd.read_csv(out / "rounds.csv")
    assert rounds["round"].tolist() == [0, 1] and rounds.model_miou.notna().all()
    assert files.read_json(out / "spec.json")["protocol"]["processes"] == 2
    assert files.read_json(next(out.glob("cells/*/spec.json")))["status"] == "done"
    assert not list(tmp_path.glob("alc-bench-*"))  # the other process's copy
    again = torchrun(tmp_path, out, "--rounds", "1")
    assert again.returncode == 0, again.stderr
    pd.testing.assert_frame_equal(pd.read_csv(out / "rounds.csv"), rounds)


def test_outside_of_torchrun_it_is_one_line(monkeypatch, capsys):
    monkeypatch.delenv("RANK", raising=False)
    assert commands.main([*COMMAND, "--launcher", "pytorch"]) == 2
    assert "torchrun" in capsys.readouterr().err


@pytest.mark.parametrize("more", [["--ray", "local"], ["--model", "none"]])
def test_what_does_not_go_together_is_refused(more, monkeypatch, capsys):
    monkeypatch.setattr(ranks, "join", lambda device: device)
    assert commands.main(["run", "--launcher", "pytorch", *more]) == 2
    assert "neither --ray nor --model none" in capsys.readouterr().err
