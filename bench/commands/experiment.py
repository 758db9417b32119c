"""Experiment files: the options of ``run``, in TOML. ``--config FILE`` reads one, ``--save-config`` writes it.

A key is an option's name, ``data-root`` or ``data_root``; repeatable options take a list, ``cfg-options`` a table. The
command line replaces values of the file. A table ``[result]`` describes the numbers beside the file and is no option.
"""

import argparse
import json
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import tomli_w

from bench import files
from bench.registry import one_of
from bench.types import InputError

OWN = ("config", "save_config", "main", "parser", "argv", "command")  # what no file says
RESULT = "result"  # the table that `alc-bench board` reads


def add_arguments(parser) -> None:
    parser.add_argument("--config", type=Path, metavar="FILE", help="an experiment file: these options, in TOML")
    parser.add_argument("--save-config", type=Path, metavar="FILE", help="write what is asked for as such a file")


def completed(args: argparse.Namespace) -> argparse.Namespace:
    """The arguments of a command line with those of its --config; written to its --save-config."""
    given = _given(args, args.argv)
    if args.config is not None:
        told = read(args.config)
        try:
            given = _given(args, arguments(told, known(args))) | given
        except InputError as error:
            raise InputError(f"{args.config}: {error}") from error
        args = argparse.Namespace(**vars(args) | given)
    if args.save_config is not None:
        write(args.save_config, given)
    return args


def known(args: argparse.Namespace) -> list[str]:
    """The options that a file may give, as Python names."""
    return [name for name in vars(args) if name not in OWN]


def read(path: Path) -> dict[str, Any]:
    """The options of a TOML file. Raises InputError if it is missing or broken."""
    try:
        told = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: not readable as TOML: {error}") from error
    return {key: value for key, value in told.items() if key != RESULT or not isinstance(value, dict)}


def write(path: Path, given: dict[str, Any]) -> None:
    """Write options, by their Python names, as an experiment file."""
    told: dict[str, Any] = {}
    for name, value in given.items():
        if name == "cfg_options":
            pairs = (pair.partition("=") for pair in value)
            told["cfg-options"] = {key: _value(text) for key, _, text in pairs}
            if none := [key for key, value in told["cfg-options"].items() if value is None]:
                raise InputError(f"--save-config: TOML has no null, which {none[0]} is")
        elif name not in (*OWN, "again"):  # a file that says it would make them anew each time
            told[name.replace("_", "-")] = str(value) if isinstance(value, Path) else value
    with files.replacing(path) as temporary:
        temporary.write_text(tomli_w.dumps(told), encoding="utf-8")


def arguments(told: dict[str, Any], names: list[str]) -> list[str]:
    """Options by name as the words of a command line. Raises InputError for one that is not among ``names``."""
    words: list[str] = []
    for key, value in told.items():
        name = one_of(key.replace("-", "_"), names, "option")
        flag = f"--{name.replace('_', '-')}"
        if name == "cfg_options":
            words += [flag, *(f"{k}={json.dumps(v)}" for k, v in _leaves(value))] if value else []
        elif name == "seeds" and not isinstance(value, (str, int)):
            words.append(f"{flag}={','.join(map(str, value))},")
        elif isinstance(value, (list, tuple)):
            words += [f"{flag}={one}" for one in value]
        elif isinstance(value, bool):
            words += [flag] if value else [f"--no-{flag[2:]}"] if name == "bundle" else []
        elif value is not None:
            words.append(f"{flag}={value}")
    return words


class _Unset(list):
    """In the place of an option that is not given; a repeatable one is appended to it."""


def _given(args: argparse.Namespace, argv: list[str]) -> dict[str, Any]:
    """The options in ``argv``, without the defaults."""
    blank = argparse.Namespace(**{name: _Unset() for name in vars(args)})
    found = vars(args.parser.parse_args(argv, blank))
    return {name: list(v) if type(v) is _Unset else v for name, v in found.items() if type(v) is not _Unset or v}


def _leaves(table: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and values of nested tables."""
    if not isinstance(table, dict):
        raise InputError(f"cfg-options is a table of keys and values, got {table!r}")
    for key, value in table.items():
        if isinstance(value, dict) and "type" not in value:  # a table with a type is a value: a part of a config
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
