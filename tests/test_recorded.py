"""Answers that a person gave are played back, on the questions that he was asked and no others."""

import pandas as pd
import pytest
from problems import TIMINGS

from bench import registry
from bench.annotation import reply
from bench.types import InputError, Question, Truth, unknown

pytestmark = pytest.mark.slow

RUN = ("run", "--model", "none", "--dataset", "shapes[train=4,val=2,size=32]", "--rounds", "2", "--seeds", "1")
RULE = "area+confirmed"


@pytest.fixture(scope="module")
def asked(alc, tmp_path_factory):
    """The folder of a cell that people answered, with errors, and second opinions."""
    out = tmp_path_factory.mktemp("asked")
    assert alc(*RUN, "--strategy", RULE, "--oracle", "noisy[rate=0.4]", "--out", out, report_too=False).code == 0
    (cell,) = (out / "cells").iterdir()
    assert pd.read_csv(cell / "queries.csv").opinion.max() > 1
    return cell


def played(alc, out, answers, strategy=RULE):
    oracle = f"recorded[answers={answers}]"
    return alc(*RUN, "--strategy", strategy, "--oracle", oracle, "--out", out, report_too=False)


def numbers(path):
    return pd.read_csv(path, dtype=str, keep_default_na=False).drop(columns=[*TIMINGS, "oracle"], errors="ignore")


def test_the_same_strategy_gets_the_same_answers(alc, asked, tmp_path):
    assert played(alc, tmp_path / "out", asked / "queries.csv").code == 0
    (cell,) = (tmp_path / "out" / "cells").iterdir()
    for name in ("queries.csv", "rounds.csv"):
        pd.testing.assert_frame_equal(numbers(cell / name), numbers(asked / name))


def test_a_question_that_nobody_was_asked_is_named(alc, asked, tmp_path):
    done = played(alc, tmp_path / "out", asked / "queries.csv", "random")
    (spec,) = (tmp_path / "out" / "cells").glob("*/spec.json")
    assert done.code == 1 and "queries.csv: nobody answered this correction question about pixel (" in spec.read_text()


def test_the_class_that_a_person_named_stays_where_another_label_is_shown(asked):
    table = pd.read_csv(asked / "queries.csv", dtype=str, keep_default_na=False)
    table.loc[:, "answer"], table.loc[:, "actions"], table.loc[:, "label_before"] = "", "confirm", "1"
    table.to_csv(path := asked.parent / "queries.csv", index=False)
    oracle = registry.load("oracles", f"recorded[answers={path}]")
    assert not oracle.reads_truth and oracle.reads == [path]
    row = table.iloc[0]
    for shown in (0, 1):
        question = Question("correction", 0, 1, int(row.row), int(row.column), shown, None, 0, 3)
        answer = oracle.answer(question, Truth(unknown((32, 32)), None, row.image), None)
        assert answer == reply(question, (1,))


def test_other_answers_are_another_identity(alc, asked, tmp_path):
    path = tmp_path / "queries.csv"
    path.write_bytes((asked / "queries.csv").read_bytes())
    assert played(alc, tmp_path / "out", path).code == 0
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table.loc[0, "answer"], table.loc[0, "actions"] = "2", "correct"
    table.to_csv(path, index=False)
    done = played(alc, tmp_path / "out", path)
    assert done.code == 2 and "the code of the oracle (or a file that it reads) changed since" in done.err


@pytest.mark.parametrize("spec", ["recorded", "recorded[maps=a,answers=b]", "recorded[answers=no/such.csv]"])
def test_what_cannot_be_played_is_refused(spec):
    with pytest.raises(InputError, match=r"either maps=DIR|no such file"):
        registry.load("oracles", spec)
