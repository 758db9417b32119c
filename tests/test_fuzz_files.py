"""Mutated files of every kind that is read: the same numbers, those of an independent reader, or one line."""

import runpy
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


def test_no_mutated_file_ends_in_a_traceback_or_in_other_numbers(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path))
    program = runpy.run_path(str(Path(__file__).parent.parent / "benchmarks" / "fuzz_files.py"))
    counts = program["main"](100, seed=7)
    assert sum(of.total() for of in counts.values()) == 100
    assert not any(of[fault] for of in counts.values() for fault in program["FAULTS"]), capsys.readouterr().err
