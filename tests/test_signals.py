"""What stops a command, also where the shell that started it in the background ignores the signals."""

import signal

import pytest

from bench import commands


@pytest.fixture(autouse=True)
def restored():
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(name) for name in names]
    yield
    for name, handler in zip(names, before, strict=True):
        signal.signal(name, handler)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_command_of_the_background(monkeypatch, capsys, name):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # else the tests themselves ran under nohup
    monkeypatch.setattr(commands.Parser, "parse_args", lambda *_: signal.raise_signal(name))
    assert commands.main(["run"]) == 130
    assert capsys.readouterr().err == "alc-bench: stopped; the same command goes on from here\n"


def test_nohup_stays(monkeypatch):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert commands.main(["walk"]) == 2
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
