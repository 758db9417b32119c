"""A list of what to check first: its files, and its answers on their way back, as if a person had given them."""

import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from pycocotools import mask

from bench import registry
from bench.annotate import lists
from bench.runs import schema
from bench.types import VOID, InputError

pytestmark = pytest.mark.slow

SHAPES = "shapes[train=12,val=6,size=64]"
DATA = ["--dataset", SHAPES, "--model", "none", "--strategy", "area", "--budget", "10"]


@pytest.fixture(scope="module")
def ranked(alc, tmp_path_factory):
    out = tmp_path_factory.mktemp("list")
    done = alc("rank", *DATA, "--out", out)
    assert done.code == 0 and "10 questions" in done.out, done.err
    return out


def answered(folder, to):
    """The list with the answers of the truth."""
    data, table = registry.load("datasets", SHAPES), pd.read_csv(folder / "rank.csv")
    true = [int(data.truth("train", one.image)[one.row, one.column]) for one in table.itertuples()]
    right = np.array(true) == table.shown
    table["action"] = np.where(right, "confirm", np.where(np.array(true) == VOID, "void", "correct"))
    table["label"] = pd.array(true, "Int64")
    table.loc[table.action != "correct", "label"] = pd.NA
    table.to_csv(to, index=False)
    return table


def test_the_list_says_where_each_superpixel_lies(ranked):
    table = pd.read_csv(ranked / "rank.csv")
    assert list(table.columns) == list(lists.COLUMNS) and table.score.is_monotonic_decreasing
    told = json.loads((ranked / "rank.json").read_text())
    assert told["classes"][table.shown[0]] == table.shown_name[0]
    for one in told["questions"]:
        size = [one["height"], one["width"]]
        rows, columns = np.nonzero(mask.decode({"size": size, "counts": one["rle"].encode()}))
        assert (rows.min(), rows.max() + 1, columns.min(), columns.max() + 1) == tuple(
            one[side] for side in ("top", "bottom", "left", "right")
        )
        assert len(rows) == one["score"]  # the score of area
        with Image.open(ranked / one["crop"]) as crop:
            assert crop.width >= min(one["right"] - one["left"], 64)


def test_answers_of_a_list_end_a_run_as_those_of_an_annotator(alc, ranked, tmp_path):
    answered(ranked, tmp_path / "answers.csv")
    hand = alc("annotate", *DATA, "--rounds", 1, "--answers", tmp_path / "answers.csv", "--out", tmp_path / "hand")
    assert hand.code == 0 and "alc-bench export" in hand.out and "answers" not in hand.err, hand.err
    assert alc("run", *DATA, "--rounds", 1, "--seeds", 1, "--out", tmp_path / "run", report_too=False).code == 0
    tables = [schema.read(tmp_path / name / "rounds.csv") for name in ("hand", "run")]
    kept = [column for column in tables[0] if column not in ("oracle", *schema.names(schema.ROUNDS, "time"))]
    pd.testing.assert_frame_equal(tables[0][kept], tables[1][kept])


def test_answers_to_other_questions_are_counted_and_impossible_ones_refused(alc, ranked, tmp_path):
    table = answered(ranked, tmp_path / "answers.csv")
    table.loc[0, ["action", "label"]] = "correct", 99
    table.to_csv(tmp_path / "wrong.csv", index=False)
    done = alc("annotate", *DATA, "--rounds", 1, "--answers", tmp_path / "wrong.csv", "--out", tmp_path / "wrong")
    assert done.code == 2 and "wrong.csv, question 1: expected one of confirm" in done.err
    more = pd.concat([table.iloc[1:], table.iloc[1:2].assign(id="other")])
    right = pd.read_csv(tmp_path / "answers.csv").iloc[:1]
    pd.concat([more, right]).to_csv(tmp_path / "more.csv", index=False)
    done = alc("annotate", *DATA, "--rounds", 1, "--answers", tmp_path / "more.csv", "--out", tmp_path / "more")
    assert done.code == 0 and "1 answers are to no question of this run" in done.err, done.err


def test_what_is_no_list_is_said(tmp_path):
    for name, text in (("a.csv", "x,y\n1,2\n"), ("b.json", "[]"), ("c.csv", "id,action,label\nq,correct,road\n")):
        (tmp_path / name).write_text(text)
        with pytest.raises(InputError, match=name):
            lists.read(tmp_path / name, 3)
    with pytest.raises(InputError, match=r"none\.csv"):
        lists.read(tmp_path / "none.csv", 3)
    (tmp_path / "d.json").write_text(
        '{"questions": [{"id": "q", "action": "correct", "label": 2}, {"id": "r", "action": null}]}'
    )
    assert lists.read(tmp_path / "d.json", 3) == {
        "q": {"action": "correct", "label": 2, "seconds": None, "annotator": None}
    }
