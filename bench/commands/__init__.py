"""The command line, ``alc-bench``: one module a command, each with ``add_arguments(parser)``, ``main(args)`` and
EXAMPLES.

Exit code 0: everything asked for was done; 1: a cell failed, the others are done; 2: the request cannot be done.
"""

import argparse
import errno
import importlib
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial

from bench import __version__
from bench.types import InputError, printable

COMMANDS = {  # the modules of this package, in the order of --help
    "list": "strategies, oracles, datasets, foundations and learners",
    "run": "a grid of strategies, oracles and seeds",
    "annotate": "a page in the browser: you answer the questions of a strategy",
    "audit": "how good labels are: accuracy and mIoU with intervals, from answers about random pixels",
    "rank": "what to check first, as a list with pictures for other tools",
    "plan": "what run would do: cells, what is there already, time, memory and disk",
    "prepare": "pseudo labels and superpixels of foundation models in files; a fit of simulated",
    "quality": "what labels and superpixels are worth against the truth, and their ceiling",
    "report": "tables, curves and a page from the folders of runs",
    "board": "one page and one table over all results of a folder, and a chooser",
    "export": "the corrected dataset, in its own layout",
    "pack": "one zip of a run to share, without images; report reads it as it is",
    "merge": "runs of one protocol, from several machines, as one",
    "info": "what a folder is, holds, lacks and was made by",
    "new": "a small package with a strategy or an oracle of yours, its test and its tox",
    "time": "the acquisition kernels, or what presets learn and how fast",
}

OF_PEOPLE = ("annotate", "audit", "rank")  # the modules that lie in `bench.commands.people`


def main(argv: list[str] | None = None) -> int:
    words = sys.argv[1:] if argv is None else argv
    _listen_to_signals()

    def work() -> int:
        args = parser(words).parse_args(words)
        args.command, args.argv = shlex.join(["alc-bench", *words]), words[1:]
        return args.main(args)

    return exit_code(work)


def exit_code(work: Callable[[], int]) -> int:
    """The exit code of ``work``; an error that stops it is one line on standard error. For the programs in tools/,
    too."""
    try:
        code = work()
        print(end="", flush=True)  # what a pipe refuses is known only now
        return code
    except InputError as error:
        print("alc-bench:", printable(" ".join(str(error).splitlines())), file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("alc-bench: stopped; the same command goes on from here", file=sys.stderr)
        return 130
    except OSError as error:
        if error.errno == errno.EMFILE:
            print("alc-bench: Too many open files: raise the limit (ulimit -n) and run it again", file=sys.stderr)
            return 2
        if not isinstance(error, BrokenPipeError):
            raise
        return _unread()
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):  # so rich turns it
            return _unread()
        raise


def _unread() -> int:
    """The exit code that a shell gives to a program that writes on when nobody reads, as before ``| head``."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains as it ends
    return 128 + signal.SIGPIPE


def _listen_to_signals() -> None:
    """Stop as Ctrl-C does, also in a process that a shell started in the background and that ignores Ctrl-C. SIGHUP
    stays ignored under nohup."""
    signals = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signals.append(signal.SIGHUP)
    for name in signals:
        signal.signal(name, signal.default_int_handler)
    if getattr(sys.unraisablehook, "func", None) is not _stop_again:
        sys.unraisablehook = partial(_stop_again, sys.unraisablehook)


def _stop_again(hook, lost):
    """A signal that comes within a callback, of numba's compiler for one, raises an error that Python can only ignore.
    So the signal is sent again, a little later, until it meets a place that can be stopped."""
    if lost.exc_type is not KeyboardInterrupt:
        return hook(lost)
    again = threading.Timer(0.01, signal.raise_signal, [signal.SIGINT])
    again.daemon = True
    again.start()


class Help(argparse.RawDescriptionHelpFormatter):
    """Says the default of each option that has one, unless its text does."""

    def _get_help_string(self, action):
        text, default = action.help or "", action.default
        plain = default is None or isinstance(default, bool) or default == argparse.SUPPRESS or default == []
        return text if plain or "default" in text else f"{text} (default: %(default)s)"


class Parser(argparse.ArgumentParser):
    """Says in one line, like everything else, the error of a command line."""

    def error(self, message: str):
        raise InputError(f"{message}; see {self.prog} --help")


def examples(commands: Sequence[str]) -> str:
    """The text at the end of --help."""
    return "\n".join(("examples:", *(f"  {command}" for command in commands)))


def parser(argv: list[str]) -> argparse.ArgumentParser:
    """The parser of a command line; only the module of the command that ``argv`` names is imported."""
    whole = Parser(prog="alc-bench", description="A benchmark for active label correction.")
    whole.add_argument("--version", action="version", version=f"alc-bench {__version__}")
    commands = whole.add_subparsers(required=True, metavar="command")
    for name, what in COMMANDS.items():
        description = f"{what[0].upper()}{what[1:]}."
        command = commands.add_parser(name, help=what, description=description, formatter_class=Help)
        if name in argv[:1]:
            module = importlib.import_module(f"bench.commands.{'people.' if name in OF_PEOPLE else ''}{name}")
            module.add_arguments(command)
            command.epilog = "\n".join(filter(None, (command.epilog, examples(module.EXAMPLES))))
            command.set_defaults(main=module.main, parser=command)
    return whole
