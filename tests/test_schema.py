"""One schema of the run files: what is written reads back, older files are read, newer ones refused."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench import costs, files, load_results, metrics
from bench.datasets.files import read_png
from bench.datasets.shapes import Shapes
from bench.runs import schema
from bench.types import InputError

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", schema.FILES)
def test_what_is_written_reads_back_with_its_kinds(tmp_path, name):
    columns = schema.FILES[name]
    values = {"text": "a b", "whole": 3, "class": 4, "number": 0.1 + 0.2, "share": 1 / 3}
    words = {c.name: " ".join(c.words[-2:]) for c in columns if c.words}
    row = {c.name: round(values[c.kind], 3) if c.role == "time" else words.get(c.name, values[c.kind]) for c in columns}
    row |= {"evaluate_s": 0.25} if "evaluate_s" in row else {}
    schema.write(tmp_path / name, [row, row])
    found = schema.read(tmp_path / name)
    assert found.to_dict("records") == [row, row] and list(found) == schema.names(columns)
    kinds = {"text": "OTU", "whole": "i", "class": "i", "number": "f", "share": "f"}
    assert all(found[c.name].dtype.kind in kinds[c.kind] for c in columns)


def test_every_column_says_what_it_is_and_costs_and_measures_have_theirs():
    assert all(c.what and c.kind in schema.WORDS for columns in schema.FILES.values() for c in columns)
    rounds = schema.names(schema.ROUNDS)
    assert {unit.column for unit in costs.UNITS.values()} <= set(rounds)
    assert {measure.column for measure in metrics.MEASURES} <= set(rounds)


def test_timings_are_written_to_the_millisecond(tmp_path):
    row = dict.fromkeys(schema.names(schema.TIMINGS), 1.23456) | {"round": 0}
    schema.write(tmp_path / "timings.csv", [row])
    assert schema.read(tmp_path / "timings.csv").fit_s.tolist() == [1.235]


COLUMNS = (
    schema.Column("name", "text", "a name"),
    schema.Column("n", "whole", "a count"),
    schema.Column("later", "share", "came later", since=2),
    schema.Column("word", "text", "came later", since=2),
)


def test_a_column_that_came_later_is_empty_and_one_of_the_first_format_is_missed(tmp_path):
    (tmp_path / "x.csv").write_text("name,n,own\nNA,1,5\n")
    found = schema.parse(tmp_path / "x.csv", COLUMNS)
    assert found.name.tolist() == ["NA"] and found.own.tolist() == [5] and found.word.tolist() == [""]
    assert found.later.isna().all() and found.n.dtype == np.int64
    (tmp_path / "x.csv").write_text("name,later\na,0.5\n")
    with pytest.raises(InputError, match="missing columns: n"):
        schema.parse(tmp_path / "x.csv", COLUMNS)
    assert schema.parse(tmp_path / "x.csv", COLUMNS, required=["name"]).n.isna().all()


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a,1.5,0.5", "line 3: n is 1.5; expected a whole number"),
        ("a,x,0.5", "line 3: n is x; expected a whole number"),
        ("a,,0.5", "line 3: n is empty; expected a whole number"),
        ("a,1,1.5", "line 3: later is 1.5; expected a share between 0 and 1"),
        ("a,1,inf", "line 3: later is inf; expected a share between 0 and 1"),
    ],
)
def test_a_value_of_another_kind_is_named_with_its_line(tmp_path, row, said):
    (tmp_path / "x.csv").write_text(f"name,n,later\na,1,\n{row}\n")
    with pytest.raises(InputError, match=said):
        schema.parse(tmp_path / "x.csv", COLUMNS)


def test_a_newer_format_is_refused_in_one_line(tmp_path):
    schema.refuse_newer(tmp_path / "spec.json", {"protocol": {"format": schema.FORMAT}})
    schema.refuse_newer(tmp_path / "spec.json", {})
    with pytest.raises(InputError, match=f"a run of format 99; this version reads up to {schema.FORMAT}"):
        schema.refuse_newer(tmp_path / "spec.json", {"protocol": {"format": 99}})


def test_without_rows_the_columns_stay(tmp_path):
    schema.write(tmp_path / "queries.csv", [])
    assert len(pd.read_csv(tmp_path / "queries.csv")) == 0
    assert list(schema.read(tmp_path / "queries.csv")) == schema.names(schema.QUERIES)


FORMAT_1 = Path(__file__).parent / "format1"


@pytest.fixture
def old(tmp_path):
    """A run of the first format, as commit 8fabfad left it, with the pseudo labels that it began with."""
    run = shutil.copytree(FORMAT_1, tmp_path / "old")
    spec = files.read_json(run / "spec.json")
    files.write_json(run / "spec.json", spec | {"pseudo_labels": str(run / "pseudo")})
    return run


def test_a_run_of_the_first_format_is_read_with_empty_columns_reported_and_exported(alc, old, tmp_path):
    rounds = load_results(old)
    assert len(rounds) == 4 and rounds[schema.names(schema.DETECTION)].isna().all(axis=None)
    assert rounds.data_miou.notna().all() and rounds.data_dice.isna().all()
    done = alc("report", old, "--out", tmp_path / "report", "--follow")
    assert done.code == 0, done.err
    assert "wrong labels found" not in done.out and (tmp_path / "report" / "report.html").exists()
    done = alc("export", old, "--strategy", "sim+lcm[epochs=2]", "--seed", 0, "--to", tmp_path / "to", "--follow")
    assert done.code == 0, done.err
    labels = [read_png(path) for path in sorted((tmp_path / "to").glob("annotations/train/*.png"))]
    truth = [Shapes(train=4, size=32).truth("train", f"{i:05d}") for i in range(4)]
    matrix = sum(metrics.confusion(t, found, 7) for t, found in zip(truth, labels, strict=True))
    last = rounds[rounds.strategy.str.startswith("sim") & rounds["round"].eq(1)]
    assert metrics.miou(matrix) == last.data_miou.item()


def test_a_run_of_the_first_format_is_not_gone_on_with(alc, old):
    run = ("run", "--dataset", "shapes[train=4,val=2,size=32]", "--preset", "smoke", "--cfg-options", "max_iters=2")
    run += ("--strategy", "random", "--seeds", 1, "--rounds", 1, "--budget", 3, "--jobs", 1, "--out", old)
    done = alc(*run)
    assert done.code == 2 and f"format: 1 there, {schema.FORMAT} now" in done.err


def test_a_run_of_a_newer_format_is_not_reported(alc, old):
    spec = files.read_json(old / "spec.json")
    files.write_json(old / "spec.json", spec | {"protocol": spec["protocol"] | {"format": 99}})
    done = alc("report", old)
    assert done.code == 2 and "a run of format 99" in done.err and len(done.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("actions", "confirm bribe", "actions is confirm bribe: unknown bribe; expected confirm, correct"),
        ("kind", "riddle", "kind is riddle: unknown riddle; expected correction"),
        ("answer", "256", "answer is 256: unknown 256; expected a class id, 0 to 255"),
        ("decided", "-1", "decided is -1: unknown -1; expected a class id, 0 to 255, leave, ask"),
        ("label_before", 256, "label_before is 256; expected a class id, 0 to 255"),
        ("superpixel", -1, "superpixel is -1; expected a whole number, 0 or more"),
    ],
)
def test_what_no_cell_says_is_refused_with_its_line(tmp_path, column, value, said):
    row = {c.name: "" if c.kind == "text" else 0 for c in schema.QUERIES} | {"kind": "correction", "actions": "void"}
    path = tmp_path / "queries.csv"
    pd.DataFrame([row, row | {column: value}]).to_csv(path, index=False)
    with pytest.raises(InputError, match=f"line 3: {said}"):
        schema.read(path)
