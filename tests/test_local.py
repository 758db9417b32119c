"""Workers on this machine: which GPU each gets, and what a task sees in this process."""

from dataclasses import replace

import pytest
import torch
from problems import Nearest, by_hand, setup_of

from bench.experiment.workers import local


@pytest.mark.parametrize(
    "device, n_gpus, jobs, visible, expected",
    [
        ("cpu", 4, 2, None, [None, None]),
        ("cuda", 4, 2, "", ["0", "1"]),
        ("cuda", 2, 2, "5,7", ["5", "7"]),
        ("cuda:1", 4, 1, "5,7,8,9", ["7"]),
        ("cuda", 2, 5, "5,7", ["5", "7", "5", "7", "5"]),
        ("cuda:1", 2, 2, "5,7", ["7", "7"]),
    ],
)
def test_each_worker_has_a_gpu_which_it_shares_where_there_are_fewer(device, n_gpus, jobs, visible, expected):
    assert local.gpus(torch.device(device), n_gpus, jobs, visible) == expected


def test_a_run_without_a_model_has_one_process():
    assert local.default_jobs(setup_of()) == 1


def test_here_a_future_comes_done(tmp_path):
    problem = by_hand(tmp_path)
    setup, steps = setup_of(), []
    with local.here(setup, problem, lambda *of: steps.append(of)) as submit:
        future = submit(lambda worker, n: (worker.problem is problem, worker.learner, worker.on_step("round", n)), 3)
        assert future.done() and future.result()[:2] == (True, None)
    assert steps == [("round", 3)]


def test_a_worker_takes_the_threads_that_its_learner_fixes(tmp_path, monkeypatch):
    learner, set_to = Nearest(3), []
    learner.threads = 3
    monkeypatch.setattr(torch, "set_num_threads", set_to.append)
    setup, problem = replace(setup_of(), learner=learner), by_hand(tmp_path, learner)
    with local.here(setup, problem, lambda *_: None) as submit:
        assert submit(lambda worker: worker.learner).result() is learner
    assert set_to == [3]
