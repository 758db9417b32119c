"""``alc-bench info RUN``: a folder's kind, content, missing parts and maker."""

import json
import os
from pathlib import Path
from typing import Any

from bench.runs import specs
from bench.runs.bundle import FOLDER as BUNDLE
from bench.runs.folder import COMMANDS
from bench.runs.schema import FORMAT
from bench.types import InputError, printable

EXAMPLES = (
    "alc-bench info results/runs/demo",
    "alc-bench info RUN --json",
)


def add_arguments(parser) -> None:
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run, or one that prepare wrote")
    parser.add_argument("--json", action="store_true", help="for programs")


def main(args) -> int:
    found = info(args.folder)
    if args.json:
        print(json.dumps(found, indent=2))
        return 0
    for heading, lines in found.items():
        for i, line in enumerate(lines if isinstance(lines, list) else [lines]):
            print(f"{heading if i == 0 else '':8}{printable(line)}")
    return 0


def info(folder: Path) -> dict[str, Any]:
    """``is``, ``of``, ``holds``, ``lacks`` and ``made by``: a sentence, or a list of them.

    Raises InputError for a folder that no command of this package made.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    spec = specs.of_run(folder / "spec.json")
    protocol = spec.get("protocol")
    if not isinstance(protocol, dict):
        raise InputError(f"{folder}: spec.json has no protocol: is this the folder of a cell? name the run's")
    parts = _run(folder, spec, protocol) if (folder / "cells").is_dir() else _labels(folder, protocol)
    return {**parts, "made by": _history(folder, spec)}


def _run(folder: Path, spec: dict, protocol: dict) -> dict[str, Any]:
    cells = [specs.of_cell(path) for path in sorted(folder.glob("cells/*/spec.json"))]
    by_status: dict[str, list[str]] = {}
    for cell in cells:
        name = f"{cell.get('strategy')}, {cell.get('oracle')}, seed {cell.get('seed')}"
        by_status.setdefault(cell.get("status", "done"), []).append(name)
    seeds = spec.get("seeds", [])
    n_seeds = seeds if isinstance(seeds, int) else len(seeds)
    asked = len(spec.get("strategies", [])) * len(spec.get("oracles", [])) * n_seeds
    trained = f"{protocol.get('learner')}, preset {protocol.get('preset')}" if protocol.get("learner") else "no model"
    labels = spec.get("foundation", protocol.get("foundation"))
    lacks = [f"{status}: {name}" for status, names in by_status.items() if status != "done" for name in names]
    if len(cells) < asked:
        lacks.append(f"{asked - len(cells)} of the {asked} cells that the last command asked for have not begun")
    bundled = (folder / BUNDLE).is_dir()
    for what, place in (("data", spec.get("data_root")), ("label maps", spec.get("pseudo_labels"))):
        if place and not os.path.isdir(place):
            lacks.append(f"{what} in {place}{': the bundle has what is drawn and exported' if bundled else ''}")
    if not bundled:
        lacks.append("a bundle: it is drawn and exported where its data and its label maps are")
    names = [str(path.relative_to(folder)) for path in folder.glob("*") if path.suffix in (".csv", ".html", ".png")]
    holds = [f"cells: {', '.join(f'{len(names)} {status}' for status, names in by_status.items()) or 'none'}"]
    holds += [f"files: {', '.join(sorted(names))}"] if names else []
    holds += [f"{BUNDLE}: label maps, superpixels and small images, {_mb(folder / BUNDLE)}"] if bundled else []
    holds += [f"{path.name}: the same cells once more" for path in sorted(folder.glob("repeat*"))]
    return {
        "is": f"a run of format {protocol.get('format', 1)} (this version writes {FORMAT}), {_mb(folder)}; "
        f"protocol {str(spec.get('protocol_hash'))[:8]}",
        "of": f"{protocol.get('dataset')} with labels of {labels}; {trained}",
        "holds": holds,
        "lacks": lacks or ["nothing"],
    }


def _labels(folder: Path, protocol: dict) -> dict[str, Any]:
    n_images = len(list(folder.glob("mask_jpg/*.png")))
    made = protocol.get("foundation", {})
    return {
        "is": f"label maps and superpixels in files, {_mb(folder)}; --foundation files[root={folder}]",
        "of": f"{protocol.get('dataset')}, by {made.get('name') if isinstance(made, dict) else made}",
        "holds": [f"{n_images} images"],
        "lacks": ["quality.json: some images failed"] if not (folder / "quality.json").is_file() else ["nothing"],
    }


def _history(folder: Path, spec: dict) -> list[str]:
    """The commands that wrote in the folder, oldest first; of an older run, the last one alone. A line that was not
    written whole, as on a full disk, is told as such."""
    path = folder / COMMANDS
    if not path.is_file():
        versions = spec.get("versions", {})
        return [f"{spec.get('command', 'an unknown command')} (alc-bench {versions.get('alc-bench', 'unknown')})"]
    lines = []
    for number, text in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
        try:
            line = json.loads(text)
            by = f"alc-bench {line['version']}{', commit ' + line['commit'][:9] if line['commit'] else ''}"
            plugins = "".join(f", {name} {version}" for name, version in line["plugins"].items())
            lines.append(f"{line['time']}  {line['command']}  ({by}{plugins})")
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            lines.append(f"{path.name}, line {number}: a command whose line is damaged or was not written whole")
    return lines


def _mb(folder: Path) -> str:
    n_bytes = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{n_bytes / 1e6:.1f} MB"
