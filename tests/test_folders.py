"""Folders are written beside their place, by one process at a time, and appear when they are whole."""

import subprocess
import sys
from pathlib import Path

import pytest

from bench import folders
from bench.types import InputError

HOLD = """
import sys
from pathlib import Path
from bench import folders
with folders.writing(Path(sys.argv[1])) as work:
    (work / "half").write_text("half")
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(to: Path) -> subprocess.Popen:
    """A process that writes into ``to`` and waits until its input ends."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, to], stdin=-1, stdout=-1, text=True)
    assert process.stdout.readline() == "held\n"
    return process


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_new_folder_appears_whole_and_nothing_stays_beside_it(tmp_path):
    with folders.writing(tmp_path / "deep" / "to") as work:
        (work / "sub").mkdir()
        (work / "sub" / "file").write_text("new")
        assert not (tmp_path / "deep" / "to").exists()
    assert content(tmp_path) == {"deep/to/sub/file": "new"}


def test_files_of_others_stay_and_former_ones_go(tmp_path):
    to = tmp_path / "to"
    (to / "tables").mkdir(parents=True)
    for name in ("mine", ".partial-mine", "tables/1-old.csv", "tables/2-kept.csv", "tables/mine.csv"):
        (to / name).write_text("old")
    with folders.writing(to, replaced="tables/[0-9]*.csv") as work:
        (work / "tables").mkdir()
        (work / "tables" / "2-kept.csv").write_text("new")
    kept = {"mine": "old", ".partial-mine": "old", "tables/2-kept.csv": "new", "tables/mine.csv": "old"}
    assert content(tmp_path) == {f"to/{name}": text for name, text in kept.items()}


def test_a_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "file").write_text("old")
    with pytest.raises(ZeroDivisionError), folders.writing(tmp_path / "to") as work:
        (work / "file").write_text("new")
        _ = 1 / 0
    assert content(tmp_path) == {"to/file": "old"} and len(list(tmp_path.iterdir())) == 1


def test_the_second_of_two_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    process = hold(tmp_path / "to")
    with pytest.raises(InputError, match="another command writes there"), folders.writing(tmp_path / "to"):
        raise AssertionError
    process.kill()
    process.communicate()
    with folders.writing(tmp_path / "to") as work:
        assert not (work / "half").exists()
        (work / "file").write_text("new")
    assert content(tmp_path) == {"to/file": "new"}


def test_a_lock_of_a_folder_that_was_moved_away_is_none(tmp_path, monkeypatch):
    """The first ends between the second one's opening of the lock and its locking it."""
    process = hold(tmp_path / "to")
    locking = folders.fcntl.flock

    def slow(*args):
        process.communicate()
        return locking(*args)

    monkeypatch.setattr(folders.fcntl, "flock", slow)
    with pytest.raises(InputError, match="another command writes there"), folders.writing(tmp_path / "to"):
        raise AssertionError
    assert content(tmp_path) == {"to/half": "half"}
