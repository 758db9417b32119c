"""Whatever the command line says and whatever became of the run files: an exit code and a line, never a traceback."""

import os
import shutil

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from bench.report.figures import curves

pytestmark = pytest.mark.slow

BASE = ["run", "--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--jobs", "1"]
GOOD = {
    "--seeds": ["1", "2"],
    "--rounds": ["0", "1", "2"],
    "--budget": ["0", "2", "3q", "10s", "4clicks", "7.5bits", "1e2"],
    "--strategy": ["random", "area", "power[of=area,beta=2]", "clairvoyant_gain"],
    "--oracle": ["perfect", "noisy[rate=0.5]", "crowd[n=2,of=tired]", "perfect[gate=superpixel,void=void]"],
    "--foundation": ["simulated", "simulated[miss=0.5,seed=3]"],
    "--start": ["cold", "warm"],
}
WORDS = [
    "",
    "-1",
    "1.5",
    "nan",
    "1e99",
    "x",
    "x[",
    "x]",
    "a=b",
    "random[a=1]",
    "ranodm",
    "perfect",
    "none",
    "/dev/null",
]
FLAGS = [*GOOD, "--data-root", "--scores", "--seconds", "--cfg-options", "--dataset", "--nonsense", "--outt"]

good = st.sampled_from(sorted(GOOD)).flatmap(lambda flag: st.tuples(st.just(flag), st.sampled_from(GOOD[flag])))
bad = st.tuples(st.sampled_from(FLAGS), st.one_of(st.sampled_from(WORDS), st.text("ab[]=,+-. 1\n%é\ud800", max_size=8)))
# Faults are rare, so that many commands get far.
flags = st.lists(st.one_of(good, good, good, bad), max_size=6)


def check(done):
    assert done.code in (0, 1, 2), done
    assert "Traceback" not in done.out + done.err
    said = [line for line in done.err.splitlines() if line.startswith("alc-bench: ")]
    assert len(said) == (done.code == 2), done.err
    if done.code == 1:
        assert "failed: " in done.err
    return done.code


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fuzz")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder


def test_command_lines(alc, place):
    codes = []

    @settings(max_examples=120)
    @given(flags, st.sampled_from(["a", "b", None]))
    def fuzz(flags, out):
        """``out``: a folder that holds another run, most of the time; None is a fresh one."""
        if out is None:
            shutil.rmtree(place / "fresh", ignore_errors=True)
        command = [*BASE, "--out", place / (out or "fresh"), *(word for pair in flags for word in pair)]
        codes.append(check(alc(*command, report_too=False)))

    fuzz()
    assert {0, 2} <= set(codes)  # neither all good nor all bad


@settings(max_examples=60)
@given(words=st.lists(st.one_of(st.sampled_from(["list", "report", "--json", "--out", *WORDS]), st.text()), max_size=4))
def test_any_words(alc, place, words):
    check(alc(*words))


@pytest.fixture(scope="module")
def stopped(alc, place):
    """A run that was stopped in its second round, with one cell done; and the command that goes on."""
    command = [*BASE, "--strategy", "random", "--strategy", "area", "--oracle", "crowd[n=2,vote=dawid_skene]"]
    command += ["--seeds", "1", "--rounds", "2", "--budget", "3"]
    replace, made = os.replace, []

    def dying(source, target):
        made.append(target)
        if len(made) == 20:
            raise KeyboardInterrupt
        replace(source, target)

    out = place / "stopped"
    assert alc(*command, "--rounds", "0", "--out", place / "warm", report_too=False).code == 0  # the labels are cached
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "replace", dying)
        assert alc(*command, "--out", out, report_too=False).code == 130
    return out, command


def spoilt(data, content: bytes) -> bytes:
    """The file with bytes, cells or lines changed, moved, doubled or gone."""
    lines = content.splitlines(keepends=True)
    how = data.draw(st.sampled_from(["byte", "cell", "cell", "line gone", "line twice", "swap", "cut", "empty", "nul"]))
    i = data.draw(st.integers(0, max(len(lines) - 1, 0)))
    j = data.draw(st.integers(0, max(len(content) - 1, 0)))
    if how == "byte" and content:
        return content[:j] + bytes([data.draw(st.integers(0, 255))]) + content[j + 1 :]
    if how == "cell" and lines:
        cells = lines[i].split(b",")
        value = data.draw(st.sampled_from([b"", b"-1", b"99", b"1.5", b"nan", b"inf", b"x", b"1 2", b'"', b"1e400"]))
        cells[data.draw(st.integers(0, len(cells) - 1))] = value
        return b"".join([*lines[:i], b",".join(cells).rstrip(b"\n") + b"\n", *lines[i + 1 :]])
    if how == "line gone":
        return b"".join(lines[:i] + lines[i + 1 :])
    if how == "line twice":
        return b"".join(lines[: i + 1] + lines[i:])
    if how == "swap":
        return b"".join(lines[:i] + lines[i:][::-1])
    return {"cut": content[:j], "nul": content[:j] + b"\0" * 9}.get(how, b"")


FILES = ["rounds.csv", "queries.csv", "classes.csv", "timings.csv", "spec.json"]


def spoil(data, out, place):
    """A copy of the run in which one file is not what it was."""
    copy = place / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(out, copy)
    name = data.draw(st.sampled_from(FILES))
    paths = sorted(copy.rglob(name))
    path = data.draw(st.sampled_from(paths))
    if data.draw(st.integers(0, 9)) == 0:
        path.unlink()
    else:
        path.write_bytes(spoilt(data, path.read_bytes()))
    return copy


# No shrinking: an example takes its time, and says which byte of which file it was.
SLOW = dict(phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])


@settings(max_examples=50, **SLOW)
@given(data=st.data())
def test_a_spoilt_run_goes_on_or_says_why_not(alc, place, stopped, data):
    out, command = stopped
    check(alc(*command, "--out", spoil(data, out, place), report_too=False))


@settings(max_examples=25, **SLOW)
@given(data=st.data())
def test_a_report_of_a_spoilt_run(alc, place, stopped, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(curves, "save", lambda *_: None)  # most of the time, and nothing of the reading
        check(alc("report", spoil(data, stopped[0], place), "--no-html"))
