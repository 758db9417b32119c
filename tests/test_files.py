"""What a run leaves on disk is whole, reads back exactly, belongs to one process and one protocol."""

import os
import re
import signal
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import files
from bench.runs.folder import claimed, environment
from bench.types import InputError

HOLD = """
import sys, time
from pathlib import Path
from bench.runs.folder import claimed
with claimed(Path(sys.argv[1]), {"rounds": 4}, {}):
    print("held", flush=True)
    time.sleep(600)
"""


def listing(folder):
    return sorted(p.name for p in folder.iterdir())


def test_a_failing_write_leaves_the_old_file_and_no_litter(tmp_path):
    path = tmp_path / "x.json"
    files.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        files.write_json(path, {"a": object()})
    with pytest.raises(ZeroDivisionError), files.replacing(path) as temporary:
        temporary.write_text("half")
        raise ZeroDivisionError
    assert files.read_json(path) == {"a": 1}
    assert listing(tmp_path) == ["x.json"]


def test_a_full_disk_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "x.csv"
    files.write_csv(path, [{"a": 1}])

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(Exception, match="No space left"):
        files.write_csv(path, [{"a": 2}])
    assert path.read_text() == "a\n1\n"
    assert listing(tmp_path) == ["x.csv"]


def test_a_reader_sees_the_old_file_until_the_new_one_is_whole(tmp_path):
    path = tmp_path / "deep" / "er" / "x.txt"
    with files.replacing(path) as temporary:
        temporary.write_text("old")
    with files.replacing(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20))
def test_floats_read_back_exactly(tmp_path_factory, values):
    path = tmp_path_factory.getbasetemp() / "floats.csv"
    files.write_csv(path, [{"data_miou": v, "n": 1} for v in values])
    assert files.read_csv(path, ("data_miou",)).data_miou.tolist() == values


def test_a_table_without_rows_keeps_its_columns(tmp_path):
    files.write_csv(tmp_path / "x.csv", [], ["a", "b"])
    assert list(files.read_csv(tmp_path / "x.csv", ("a", "b")).columns) == ["a", "b"]


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe{}", b"nonsense", b"[]", b"null", b"3"])
def test_json_that_cannot_be_read_is_one_line(tmp_path, content):
    path = tmp_path / "spec.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))) as caught:
        files.read_json(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [None, b"", b"b\n1\n", b'a,b\n1,"2\n', b"a\n1,2\n4,5,6\n", b"\xff\xfe\x00,a"])
def test_csv_that_cannot_be_read_is_one_line(tmp_path, content):
    path = tmp_path / "rounds.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))) as caught:
        files.read_csv(path, ("a",))
    assert "\n" not in str(caught.value)


def test_a_digest_is_of_the_content_and_not_of_the_order():
    assert files.digest({"a": 1, "b": [1, 2]}) == files.digest({"b": [1, 2], "a": 1})
    assert files.digest({"a": 1}) != files.digest({"a": 2})
    assert re.fullmatch("[0-9a-f]{32}", files.digest(None))


def test_a_file_digest_is_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert files.file_digest(tmp_path / "a") == files.file_digest(tmp_path / "b")
    with pytest.raises(InputError, match="No such file"):
        files.file_digest(tmp_path / "c")


spec = st.text("ab=[],+/. 01_", min_size=1, max_size=12)


@given(spec, spec)
def test_a_slug_is_a_folder_name_of_its_own(one, other):
    slugs = files.slug("s", one, "seed0"), files.slug("s", other, "seed0")
    assert re.fullmatch(r"[\w.+-]+", slugs[0])
    assert (slugs[0] == slugs[1]) == (one == other) or "__" in one + other


def test_plain_names_stay_readable():
    assert files.slug("cil_area", "perfect", "seed3") == "cil_area__perfect__seed3"
    assert files.slug("power[of=sim]", "perfect", "seed0").startswith("power-of-sim__perfect__seed0-")


def test_a_folder_is_claimed_again_by_the_same_protocol_only(tmp_path):
    out = tmp_path / "deep" / "run"
    for _ in range(2):
        with claimed(out, {"rounds": 4, "budget": None}, {"command": "x"}):
            assert files.read_json(out / "spec.json")["command"] == "x"
    before = (out / "spec.json").read_bytes()
    with (
        pytest.raises(
            InputError, match=r"another protocol \(budget: null there, \"9\" now; start: null .*\"warm\" now"
        ),
        claimed(out, {"rounds": 4, "budget": "9", "start": "warm"}, {}),
    ):
        raise AssertionError("not reached")
    assert (out / "spec.json").read_bytes() == before


def test_a_claim_of_which_nothing_came_is_given_up(tmp_path):
    out = tmp_path / "run"
    with pytest.raises(InputError, match="no labels"), claimed(out, {"rounds": 4}, {}):
        raise InputError("no labels")
    with claimed(out, {"rounds": 5}, {}):
        (out / "rounds.csv").write_text("a\n")
    with pytest.raises(InputError, match="no disk"), claimed(out, {"rounds": 5}, {}):
        raise InputError("no disk")
    assert files.read_json(out / "spec.json")["protocol"] == {"rounds": 5}


def test_a_folder_of_other_things_is_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(InputError, match="holds files but no run"), claimed(tmp_path, {}, {}):
        raise AssertionError("not reached")
    assert listing(tmp_path) == ["thesis.tex"]


def test_what_cannot_be_a_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=f"--out {out}"), claimed(out, {}, {}):
            raise AssertionError("not reached")


def test_the_lock_keeps_a_second_process_out_and_dies_with_its_owner(tmp_path):
    out = tmp_path / "run"
    with subprocess.Popen([sys.executable, "-c", HOLD, str(out)], stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="in use by another run"), claimed(out, {"rounds": 4}, {}):
            raise AssertionError("not reached")
        os.kill(owner.pid, signal.SIGKILL)
        owner.wait()
    with claimed(out, {"rounds": 4}, {}):
        pass


def test_the_environment_names_what_ran():
    found = environment()
    assert {"torch", "numpy", "alc-bench", "mmsegmentation"} <= set(found["versions"])
    assert found["cores"] >= 1
