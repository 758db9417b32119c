"""What stops a command, also where the shell that started it in the background ignores the signals."""

import ctypes
import signal
import sys
import time

import pytest

from bench import commands


@pytest.fixture(autouse=True)
def restored():
    names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before, hook = [signal.getsignal(name) for name in names], sys.unraisablehook
    yield
    sys.unraisablehook = hook
    for name, handler in zip(names, before, strict=True):
        signal.signal(name, handler)


@pytest.mark.parametrize("name", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_a_command_of_the_background(monkeypatch, capsys, name):
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # else the tests themselves ran under nohup
    monkeypatch.setattr(commands.Parser, "parse_args", lambda *_: signal.raise_signal(name))
    assert commands.main(["run"]) == 130
    assert capsys.readouterr().err == "alc-bench: stopped; the same command goes on from here\n"


def test_a_signal_within_a_callback_is_not_lost(monkeypatch, capsys):
    @ctypes.CFUNCTYPE(None)
    def callback():
        signal.raise_signal(signal.SIGTERM)

    def parse(*_):
        callback()
        time.sleep(10)

    monkeypatch.setattr(commands.Parser, "parse_args", parse)
    assert commands.main(["run"]) == 130
    assert capsys.readouterr().err == "alc-bench: stopped; the same command goes on from here\n"


def test_what_else_a_callback_raises_is_still_shown(monkeypatch):
    shown = []
    monkeypatch.setattr(sys, "unraisablehook", shown.append)
    monkeypatch.setattr(commands.Parser, "parse_args", lambda *_: ctypes.CFUNCTYPE(None)(lambda: 1 // 0)())
    with pytest.raises(AttributeError):  # a callback gives no arguments
        commands.main(["run"])
    assert [lost.exc_type for lost in shown] == [ZeroDivisionError]


def test_nohup_stays(monkeypatch):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    assert commands.main(["walk"]) == 2
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
