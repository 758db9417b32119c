"""Every file of a run that is cut, emptied, changed, missing or doubled is noticed and named; never a wrong number."""

import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from problems import Nearest, by_hand

from bench import files, report
from bench.commands.export import export
from bench.costs.seconds import ASSUMED
from bench.experiment import grid
from bench.experiment.round0 import load_round0
from bench.labels import LabelQuality
from bench.runs import checksums, schema
from bench.runs.folder import add_to_spec
from bench.runs.journal import Journal
from bench.runs.source import Source
from bench.types import Answer, InputError, Question

pytestmark = pytest.mark.slow

TINY = "shapes[train=3,val=2,size=32]"
RUN = ["run", "--model", "none", "--dataset", TINY, "--seeds", 1, "--rounds", 2, "--budget", 2, "--jobs", 1]
RUN += ["--strategy", "area", "--out"]


def flipped(share):
    def flip(data):
        place = min(int(share * len(data)), len(data) - 1)
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    return flip


DAMAGE = {
    "cut in half": lambda data: data[: len(data) // 2],
    "cut by a byte": lambda data: data[:-1],
    "emptied": lambda data: b"",
    "doubled": lambda data: data + data,
    "missing": lambda data: None,
    **{f"changed at {share:.0%}": flipped(share) for share in (0, 0.2, 0.4, 0.6, 0.8, 1)},
}


def damaged(path: Path, ways=tuple(DAMAGE)):
    """Damage a file in each of these ways, one at a time, and then mend it."""
    whole = path.read_bytes()
    for how in ways:
        data = DAMAGE[how](whole)
        path.unlink() if data is None else path.write_bytes(data)
        yield how
        path.write_bytes(whole)


@pytest.fixture(scope="module")
def done(alc, tmp_path_factory):
    out = tmp_path_factory.mktemp("done") / "run"
    assert alc(*RUN, out, report_too=False).code == 0
    return out


@pytest.fixture
def run(done, tmp_path):
    return shutil.copytree(done, tmp_path / "run")


OF_RUN = ["spec.json", "rounds.csv"]
OF_CELL = [f"{name}.csv" for name in ("rounds", "queries", "classes", "timings", "detection")]
OF_CELL += ["spec.json", "images.npz", "sums.json"]


def test_these_are_all_files_of_a_run(done):
    assert sorted(p.name for p in done.iterdir() if p.is_file()) == sorted([".lock", "commands.jsonl", *OF_RUN])
    assert sorted(p.name for p in (done / "cells/area__perfect__seed0").iterdir()) == sorted(OF_CELL)


def refused(path: Path, how: str, task) -> None:
    """One line names the file."""
    with pytest.raises(InputError) as error:
        task()
        pytest.fail(how)
    assert str(path) in str(error.value) and "\n" not in str(error.value), how


@pytest.mark.parametrize("name", [*OF_RUN, *(f"cells/area__perfect__seed0/{name}" for name in OF_CELL)])
def test_a_report_names_a_damaged_file(run, name):
    for how in damaged(run / name):
        refused(run / name, how, lambda: report.load_results(run))


@pytest.mark.parametrize("name", [*OF_RUN[1:], *(f"cells/area__perfect__seed0/{name}" for name in OF_CELL)])
def test_the_same_command_makes_it_again_or_says_what_to_remove(alc, done, run, name):
    next(damaged(run / name, ["changed at 60%"]))
    found = alc(*RUN, run, report_too=False)
    if name in ("rounds.csv", "cells/area__perfect__seed0/spec.json"):
        assert found.code == 0, found.err
    else:
        (line,) = (line for line in found.err.splitlines() if line.startswith("alc-bench"))
        assert found.code == 2 and str(run / name) in line and f"remove {run / 'cells'}" in line
        shutil.rmtree((run / name).parent)
        assert alc(*RUN, run, report_too=False).code == 0
    one, other = report.load_results(done), report.load_results(run)
    seconds = schema.names(schema.ROUNDS, "time")
    assert one.drop(columns=[*seconds, "run"]).equals(other.drop(columns=[*seconds, "run"]))


@pytest.mark.parametrize("name", ["mask_jpg", "obj_jpg", "truth", "data.json"])
def test_a_damaged_file_of_the_bundle_is_named(run, tmp_path, monkeypatch, name):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))  # of one who did not make the run
    asked = schema.read(run / "cells/area__perfect__seed0/queries.csv")
    path = run / "bundle" / (name if name == "data.json" else f"{name}/{asked.image[0]}.png")
    data = Source.of(run, files.read_json(run / "spec.json")).dataset
    ways = [how for how in DAMAGE if how != "doubled" or path.suffix == ".json"]  # a PNG ends itself
    for how in damaged(path, ways):
        if name == "truth":  # which no export reads
            refused(path, how, lambda: data.truth("train", asked.image[0]))
        else:
            refused(path, how, lambda: export(run, "area", 0, tmp_path / "to"))
            assert not (tmp_path / "to").exists(), how


def test_a_finished_run_that_is_run_again_verifies_each_file_at_most_twice(alc, done, monkeypatch):
    verified, check = Counter(), files.check

    def counted(path, *rest, **more):
        verified[path] += 1
        return check(path, *rest, **more)

    monkeypatch.setattr(files, "check", counted)
    monkeypatch.setattr(checksums, "_verified", {})
    assert alc(*RUN, done).code == 0
    assert max(verified.values()) <= 2
    assert {path.name for path in verified} >= {"rounds.csv", "queries.csv", "images.npz", files.SUMS}


def test_a_doubled_cell_is_named(run):
    shutil.copytree(run / "cells/area__perfect__seed0", run / "cells/copy")
    with pytest.raises(InputError, match=r"cells/copy: the same cell as .*; remove one of the two"):
        report.load_results(run)


def test_a_cell_whose_rows_are_not_collected_yet_is_not_done(run):
    rounds = schema.read(run / "rounds.csv")
    schema.write(run / "rounds.csv", rounds.assign(strategy="random"))
    spec = files.read_json(run / "spec.json")
    files.write_spec(run / "spec.json", {name: spec[name] for name in spec if name != "files"})
    status = report.read([run]).cells.set_index("strategy").status
    assert status["area"] == "running"


def test_what_a_report_writes_into_a_run_is_none_of_its_files(run):
    """Reports of earlier versions lie in the folder itself."""
    (run / "detection.csv").write_text("of an earlier version")
    grid.collect(run)
    assert len(report.load_results(run)) == 3
    add_to_spec(run, files={"detection.csv": [1, "as an earlier version wrote"]})
    assert len(report.load_results(run)) == 3


def test_a_report_that_comes_while_rows_are_collected_reads_them(run, monkeypatch):
    write, found = schema.write, []

    def and_report(path, rows):
        for part in (rows.iloc[:-1], rows):
            write(path, part)
            found.append(len(report.load_results(run)))

    monkeypatch.setattr(schema, "write", and_report)
    grid.collect(run)
    assert found == [2, 3] and "rounds.csv" in files.read_json(run / "spec.json")["files"]


@pytest.fixture
def stopped(tmp_path):
    """A cell that was stopped after round 0 and the answers of round 1."""
    problem = by_hand(tmp_path / "pseudo")
    journal = Journal(tmp_path / "cell")
    keys = {"dataset": "hand", "foundation": "files", "strategy": "area", "oracle": "perfect", "seed": 0}
    journal.seconds(0)
    quality = LabelQuality(problem.truth, problem.measured.confusion)
    journal.add_round(keys | {"round": 0}, problem.classes, quality, None, ASSUMED)
    journal.write_round()
    journal.seconds(1)
    shown = Question("correction", 0, 1, 0, 0, 2, np.full(4, 2, np.uint8), 0, 3)
    journal.add_question(1, "x", shown, Answer((0,), ("correct",)), 1, (0,), (2, 0, 2))
    journal.add_refinement(1, "y", 3, 0, (2, 2, 0))
    journal.add_detection(1, {"auroc": 0.75})
    journal.write_answers()
    return journal.folder


OF_STOPPED = [*OF_CELL, "refined.csv", "running.json"]
OF_STOPPED.remove("spec.json")


@pytest.mark.parametrize("name", OF_STOPPED)
def test_a_stopped_cell_with_a_damaged_file_does_not_go_on(stopped, name):
    ways = set(DAMAGE) - ({"missing"} if name == "running.json" else set())  # without it, the round is asked again
    for how in damaged(stopped / name, sorted(ways)):
        refused(stopped / name, how, lambda: Journal(stopped))


@pytest.mark.parametrize("name", ["sums.json", "running.json"])
def test_a_checksum_whose_name_is_damaged_is_missed(stopped, name):
    path = stopped / name
    path.write_bytes(path.read_bytes().replace(b'"sum":', b'"sul":'))
    refused(path, "the name of the checksum", lambda: Journal(stopped))


@pytest.mark.parametrize("name", [name for name in OF_STOPPED if name.endswith(".csv")])
def test_a_row_more_in_a_round_that_was_taken_down_is_named(stopped, name):
    path = stopped / name
    last = path.read_text().splitlines(keepends=True)[-1]
    path.write_text(path.read_text() + last)
    refused(path, "its last row twice", lambda: Journal(stopped))


def test_rows_of_the_round_that_was_being_written_are_not_there_yet(stopped):
    path = stopped / "queries.csv"
    path.write_text(path.read_text() + path.read_text().splitlines(keepends=True)[-1].replace("1,0", "2,1", 1))
    assert Journal(stopped).n_asked == 1


def test_a_round_without_its_last_file_is_asked_again(stopped):
    (stopped / "running.json").unlink()
    journal = Journal(stopped)
    assert (journal.n_measured, journal.n_asked, journal.has_answers(1)) == (1, 0, False)
    assert (journal.refined, journal.detected) == ([], [])


@pytest.mark.parametrize("name", ["model.pth", "fit.json", "confusion.npy", "spec.json", "candidates.npz", "sums.json"])
def test_round_0_is_made_again(tmp_path, name):
    learner = Nearest(3)
    problem = by_hand(tmp_path / "pseudo", learner)
    load = lambda: load_round0(problem, learner, tmp_path, 0, ("cil",), lambda what, n: None)  # noqa: E731
    first, folder = load(), tmp_path / "round0" / "seed0"
    for how in damaged(folder / name):
        again = load()
        assert all(files.intact(path) for path in folder.iterdir()), how
        np.testing.assert_array_equal(first.confusion, again.confusion)
        assert first.candidates.columns.keys() == again.candidates.columns.keys()
        for column, values in first.candidates.columns.items():
            np.testing.assert_array_equal(values, again.candidates.columns[column])


@pytest.mark.parametrize("name", schema.FILES)
def test_rows_become_the_text_that_a_table_gives(tmp_path, name):
    rng = np.random.default_rng(0)
    kinds = {"text": lambda: str(rng.choice(["", "a b", 'x,"y"\nz', "NA"])), "whole": lambda: int(rng.integers(10**9))}
    kinds |= {"number": lambda: float(rng.lognormal(0, 30)), "share": lambda: float(rng.random() ** 9)}
    kinds |= {"class": lambda: int(rng.integers(256))}
    columns = schema.FILES[name]
    rows = [{c.name: kinds[c.kind]() for c in columns} for _ in range(50)]
    for row in rows[:20]:
        row |= {c.name: rng.choice([None, float("nan"), np.float64(1 / 3)]) for c in columns if c.empty}
        row |= {c.name: rng.choice([None, float("nan")]) for c in columns if c.empty and c.kind == "whole"}
    schema.write(tmp_path / name, rows)
    assert schema.encode(name, rows) == (tmp_path / name).read_bytes()
    assert schema.encode(name, rows[:9]) + schema.encode(name, rows[9:], head=False) == schema.encode(name, rows)


@pytest.mark.parametrize("kind", ["mask_jpg", "obj_jpg", "truth"])
def test_two_maps_of_a_bundle_that_changed_places_are_noticed(run, tmp_path, monkeypatch, kind):
    """Each is whole: only its name says that it is the other's."""
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))  # of one who did not make the run
    one, other = sorted((run / "bundle" / kind).iterdir())[:2]
    one.rename(tmp_path / "x"), other.rename(one), (tmp_path / "x").rename(other)
    began = Source.of(run, files.read_json(run / "spec.json"))
    read = began.dataset.truth if kind == "truth" else None
    refused(one, kind, lambda: read("train", one.stem) if read else list(began.pseudo))
