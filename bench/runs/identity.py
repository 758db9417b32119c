"""What a number depends on, beside the settings: the content of data, the code of plug-ins, versions of packages.

Data and versions, and the code that all cells share, are parts of a run's protocol (`SHARED`). The code of a strategy,
its rule, its refiner and its oracle is recorded with the cell.
"""

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import entry_points, version
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from bench import files, registry
from bench.datasets import Dataset, digests
from bench.types import InputError

SHARED = ("data", "code", "versions")
OWN = {folder.partition(".")[0] for folder, _ in registry.KINDS.values()}  # packages of the suite
VERBS = [verb for kind, (_, verb) in registry.KINDS.items() if kind != "learners"]  # no plug-in holds a learner
PACKAGES = ("numba", "numpy", "pillow", "scikit-image", "scikit-learn", "scipy")
TRAINING = ("mmcv-lite", "mmengine", "mmsegmentation", "timm", "torch", "torchvision")


def data(dataset: Dataset, splits: Iterable[str]) -> dict[str, str]:
    """Digests of the content of a dataset, by words such as "truth of val"."""
    parts = {split: {"names": files.digest(dataset.names(split))} | dataset.digests(split) for split in splits}
    return {f"{what} of {split}": digest for split, of in parts.items() for what, digest in of.items()}


def versions(trained: bool) -> dict[str, str]:
    """Versions of the packages that decide numbers; ``trained``: in a run that trains a network."""
    return {name: version(name) for name in (*PACKAGES, *(TRAINING if trained else ()))}


def code(plugin: object, more: Iterable[Path] = ()) -> str:
    """A digest of the source of a plug-in, of those that it holds, of the files that they read, and of ``more`` files.

    Of a class of the suite its file counts, and of another package's also the files of that package that it imports.
    """
    plugins = list(_held(plugin))
    read = [*more, *(path for held in plugins for path in getattr(held, "reads", ()))]
    classes = {cls for held in plugins for cls in type(held).__mro__}
    return files.digest(sorted({pair for cls in classes for pair in _of_class(cls)} | set(_digested(read))))


def of_cell(strategy: str, oracle: str) -> dict[str, str]:
    """Digests of the code of a cell's ``strategy``, ``rule`` and ``refiner``, if it has one, and of its ``oracle``."""
    method = registry.load_strategy(strategy)
    parts = method._asdict() | {"oracle": registry.load("oracles", oracle)}
    return {what: code(plugin) for what, plugin in parts.items() if plugin is not None}


def changes(there: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What differs between two protocols, a phrase each."""
    found = []
    for key in sorted(there.keys() | now):
        old, new = there.get(key), now.get(key)
        if old == new:
            continue
        if key not in SHARED:
            found.append(f"{key}: {files.short(old)} there, {files.short(new)} now")
        elif not (isinstance(old, dict) and isinstance(new, dict)):
            found.append(f"{key}: {'not recorded there' if old is None else 'unlike'}")
        elif key == "versions":
            names = (name for name in sorted(old.keys() | new) if old.get(name) != new.get(name))
            found += [f"{name}: {old.get(name)} there, {new.get(name)} now" for name in names]
        else:
            prefix = "code of the " if key == "code" else ""
            found += [f"{prefix}{name} changed" for name in sorted(old.keys() | new) if old.get(name) != new.get(name)]
    return found


def refuse_changed_code(
    folder: Path, strategy: str, oracle: str, code_of: Callable[[str, str], dict[str, str]] = of_cell
) -> None:
    """Raise InputError where the cell in ``folder`` is another one, or was made by other code than there is now."""
    spec = folder / "spec.json"
    try:
        said = files.read_json(spec) if spec.exists() else {}
    except (InputError, OSError):
        return  # damaged: it is written again once the cell was played back; or a name that no folder can have
    refuse_other_cell(folder, said)
    there = said.get("code")
    if not isinstance(there, dict):
        return
    now = code_of(strategy, oracle)
    if changed := [part for part in now if there.get(part) != now[part]]:
        name = oracle if changed == ["oracle"] else strategy
        parts = ["oracle (or a file that it reads)" if part == "oracle" else part for part in changed]
        raise InputError(
            f"{folder}: the code of the {' and the '.join(parts)} changed since {since(spec)}; "
            f"--again '{name}' makes its cells again, or choose another --out"
        )


def refuse_other_cell(folder: Path, spec: Mapping[str, Any]) -> None:
    """Raise InputError if the spec.json of a cell is that of another cell than the name of its folder says."""
    said = [str(spec[name]) for name in ("strategy", "oracle", "seed") if name in spec]
    if len(said) == 3 and folder.name != files.slug(*said[:2], f"seed{said[2]}"):
        raise InputError(
            f"{folder}: damaged: it holds another cell than its name says ({', '.join(said)}); "
            "move it to its place, or remove it to run the cell anew"
        )


def since(path: Path) -> str:
    """When a record was written last."""
    return f"{datetime.fromtimestamp(path.stat().st_mtime, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _held(plugin: object) -> Iterator[object]:
    """A plug-in and those that it holds."""
    yield plugin
    tops = {_top(type(plugin)), *_tops()}
    for value in getattr(plugin, "__dict__", {}).values():
        for inner in value if isinstance(value, (list, tuple)) else [value]:
            if _top(type(inner)) in tops and any(hasattr(type(inner), verb) for verb in VERBS):
                yield from _held(inner)


def _top(cls: type) -> str:
    return cls.__module__.partition(".")[0]


@cache
def _tops() -> set[str]:
    """The packages that have plug-ins."""
    groups = (entry_points(group=f"alc_bench.{kind}") for kind in registry.KINDS)
    return OWN | {point.module.partition(".")[0] for group in groups for point in group}


@cache  # the code that was imported counts, not what its file holds later
def _of_class(cls: type) -> tuple[tuple[str, str], ...]:
    """The names and digests of the files that a class comes from."""
    top = _top(cls)
    if top in OWN:
        return _digested([Path(inspect.getfile(cls))])
    if top in sys.stdlib_module_names or (module := sys.modules.get(cls.__module__)) is None:
        return ()
    return _digested(_files_of(module, top, set()))


def _digested(paths: Iterable[Path]) -> tuple[tuple[str, str], ...]:
    paths = list(paths)
    return tuple((path.name, digest or "") for path, digest in zip(paths, digests.contents(paths), strict=True))


def _files_of(module: ModuleType, top: str, seen: set[str]) -> Iterator[Path]:
    """The file of a module, and of those of its top-level package that it imports."""
    path = getattr(module, "__file__", None)
    if path is None or module.__name__ in seen:
        return
    seen.add(module.__name__)
    yield Path(path)
    for name in _imports(module, Path(path)):
        if name.partition(".")[0] == top and (imported := sys.modules.get(name)):
            yield from _files_of(imported, top, seen)


def _imports(module: ModuleType, path: Path) -> Iterator[str]:
    """Full names that the source of a module imports; of ``from a import b`` both a and a.b, which may be a module."""
    try:
        nodes = list(ast.walk(ast.parse(path.read_bytes())))
    except (OSError, SyntaxError, ValueError):  # compiled, or gone: the file itself is digested
        return
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
            base = resolve_name("." * node.level + (node.module or ""), package) if node.level else node.module or ""
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)
