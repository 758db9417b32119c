"""Names to plug-ins: ``load("strategies", "power[of=sim,beta=2]")``.

A plug-in is a public class with the verb of its kind (a strategy has ``acquire``) in a file of its kind's folder. Its
name is the class name in snake_case: ``CilArea`` is ``cil_area``. Third-party packages add theirs through entry
points (``alc_bench.strategies`` and so on); the entry point's name is the plug-in's. A file that does not import
is listed as broken, and is an error only for who asks for it.
"""

import ast
import difflib
import importlib
import inspect
import math
import pkgutil
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, NamedTuple

from bench.types import QUESTIONS, InputError

KINDS = {  # of plug-ins: the folder that holds the suite's own, and the verb that tells one
    "strategies": ("baselines", "acquire"),
    "adjudicators": ("adjudicators", "decide"),
    "refiners": ("baselines", "refine"),
    "oracles": ("oracles", "answer"),
    "datasets": ("bench.datasets", "truth"),
    "foundations": ("bench.foundation", "generate"),
    "superpixels": ("bench.foundation.superpixels", "segment"),
    "learners": ("bench.learners", "fit"),
}
# What a parameter that is annotated with one of these takes; the others check what they get themselves.
VALUES = {int: "a whole number", float: "a finite number", bool: "true or false", str: "text"}
# Parameters that a run gives, and nobody writes in brackets.
GIVEN = {"datasets": ("root",), "learners": ("dataset", "n_classes", "device", "options", "cache")}
# Parameters that plug-ins of a kind take in their brackets besides their own: what is given is set as an attribute, and
# the class attribute of that name is the default. Oracles take theirs only if their class has that attribute.
COMMON = {"strategies": ("question",), "adjudicators": ("later",), "oracles": ("shared",)}
# What a class says of itself, beside its caption.
DECLARED = {
    "strategies": ("question", "needs", "source", "reads_truth"),
    "adjudicators": ("needs", "source"),
    "refiners": ("needs", "source"),
    "oracles": ("kinds", "leaky"),
    "datasets": (),
    "foundations": ("leaky", "trains"),
    "superpixels": ("leaky",),
    "learners": (),
}


@dataclass(frozen=True)
class Catalogue:
    """The plug-ins of one kind: ``classes`` by name, and ``broken``: the failed imports, with the reason."""

    kind: str
    classes: dict[str, type]
    broken: dict[str, str]


@cache
def catalogue(kind: str) -> Catalogue:
    """All plug-ins of a kind, one of `KINDS`.

    Raises InputError for an unknown kind and when two plug-ins share a name.
    """
    folder, verb = KINDS[one_of(kind, KINDS, "kind of plug-in")]
    classes: dict[str, type] = {}
    broken: dict[str, str] = {}

    def add(name, cls):
        if classes.setdefault(name, cls) is not cls:
            raise InputError(f"two {kind} are called {name!r}: {classes[name].__module__} and {cls.__module__}")

    for found in pkgutil.iter_modules(importlib.import_module(folder).__path__):
        try:
            module = importlib.import_module(f"{folder}.{found.name}")
        except Exception as error:  # a plug-in may fail in any way; the others must go on
            broken[found.name] = _line(error)
            continue
        for cls in vars(module).values():
            if (
                inspect.isclass(cls)
                and cls.__module__ == module.__name__
                and hasattr(cls, verb)
                and cls.__name__[0] != "_"
            ):
                add(_snake(cls.__name__), cls)
    for point in entry_points(group=f"alc_bench.{kind}"):
        try:
            cls = point.load()
        except Exception as error:
            broken[point.name] = _line(error)
            continue
        add(point.name, cls)
    return Catalogue(kind, dict(sorted(classes.items())), broken)


def load(kind: str, spec: str, **defaults):
    """The plug-in that ``spec`` names, built with the parameters in its brackets.

    ``defaults`` are given to those plug-ins that take a parameter of that name and find none in the brackets.
    Parameters of `COMMON` are set once the plug-in is built.
    Raises InputError for an unknown name or parameter, a missing one, and a value that the plug-in refuses.
    """
    name, parameters = parse(spec)
    plugins = catalogue(kind)
    if name in plugins.broken:
        raise InputError(f"{kind}: {name!r} does not import: {plugins.broken[name]}")
    cls = plugins.classes[one_of(name, plugins.classes, singular(kind))]
    accepted = inspect.signature(cls).parameters
    common = [key for key in COMMON.get(kind, ()) if key not in accepted]
    common = [key for key in common if kind == "strategies" or hasattr(cls, key)]
    chosen = {key: _COMMON_VALUES[key](key, parameters.pop(key), name) for key in common if key in parameters}
    if not any(p.kind is p.VAR_KEYWORD for p in accepted.values()):
        for parameter in parameters:
            one_of(parameter, [*accepted, *common], f"parameter of {name}")
    arguments = {k: v for k, v in defaults.items() if k in accepted and v is not None} | parameters
    for parameter in accepted.values():
        needed = parameter.default is parameter.empty and parameter.kind is parameter.POSITIONAL_OR_KEYWORD
        if needed and parameter.name not in arguments:
            raise InputError(
                f"{singular(kind)} {name!r} needs the parameter {parameter.name!r}: {name}[{parameter.name}=...]"
            )
    for key, value in arguments.items():
        of = accepted[key].annotation if key in accepted else None
        if of in VALUES and not _is(of, value):
            raise InputError(f"{singular(kind)} {name!r}: {key} must be {VALUES[of]}, got {value!r}")
    try:
        plugin = cls(**arguments)
    except InputError:
        raise
    except (TypeError, ValueError) as error:
        raise InputError(f"{singular(kind)} {spec!r}: {_line(error)}") from error
    for key, value in chosen.items():
        setattr(plugin, key, value)
    return plugin


class Method(NamedTuple):
    """A strategy, the rule of adjudication that judges its answers, and its refiner, or None."""

    strategy: Any
    rule: Any
    refiner: Any

    @property
    def needs(self) -> tuple[str, ...]:
        """The statistics that its parts need, each once."""
        return tuple(dict.fromkeys(need for part in self if part is not None for need in part.needs))


def load_strategy(spec: str) -> Method:
    """``"sim"``, ``"sim+confirmed"``, ``"sim+adaptive+lcm[tau=0.9]"``: a strategy with its rule and its refiner.

    The rule comes first; `first` is the one of a strategy that names none. Raises InputError as `load` does.
    """
    name, *behind = _split(spec, spec, "+") or [""]
    kinds = [_kind_behind(part) for part in behind]
    if kinds not in ([], ["adjudicators"], ["refiners"], ["adjudicators", "refiners"]):
        raise InputError(f"{spec!r}: a strategy takes one rule and then one refiner: sim+confirmed+lcm")
    plugins = {kind: load(kind, part) for kind, part in zip(kinds, behind, strict=True)}
    rule = plugins.get("adjudicators") or load("adjudicators", "first")
    return Method(load("strategies", name), rule, plugins.get("refiners"))


def _kind_behind(spec: str) -> str:
    """The kind of a plug-in that is named behind a strategy and a plus."""
    found = {kind: catalogue(kind) for kind in ("adjudicators", "refiners")}
    known = {name: kind for kind, plugins in found.items() for name in (*plugins.classes, *plugins.broken)}
    return known[one_of(parse(spec)[0], known, "rule or refiner")]


MOST_BRACKETS = 100  # each is read within the one around it


def parse(spec: str) -> tuple[str, dict]:
    """``"crowd[n=3,of=noisy[rate=0.2]]"`` to ``("crowd", {"n": 3, "of": "noisy[rate=0.2]"})``."""
    if spec.count("[") > MOST_BRACKETS:
        raise InputError(f"expected at most {MOST_BRACKETS} brackets in a name, got {spec.count('[')}: {spec[:60]}...")
    match = re.fullmatch(r"([A-Za-z_][\w.-]*)(?:\[(.*)\])?", spec.strip(), re.DOTALL)
    if not match:
        raise InputError(f"cannot read {spec!r}: expected name or name[parameter=value,...]")
    parameters = {}
    for part in _split(match[2] or "", spec):
        key, equals, value = part.partition("=")
        key = key.strip()
        if not equals or not key.isidentifier():
            raise InputError(f"cannot read {part!r} in {spec!r}: expected parameter=value")
        if key in parameters:
            raise InputError(f"{spec!r} gives {key!r} twice")
        parameters[key] = _value(value.strip())
    return match[1], parameters


def singular(kind: str) -> str:
    return {"strategies": "strategy", "superpixels": "superpixel maker"}.get(kind, kind[:-1])


def describe(kind: str) -> list[dict]:
    """For every plug-in of a kind: ``name``, ``caption`` (the first line of its docstring), ``parameters`` with their
    defaults, and the declarations of its class. A broken one has its error as caption, and ``broken`` is true.
    """
    found = catalogue(kind)
    entries = []
    for name, cls in found.classes.items():
        parameters = [
            p.name if p.default is p.empty else f"{p.name}={p.default}"
            for p in inspect.signature(cls).parameters.values()
            if p.kind is not p.VAR_KEYWORD and p.name not in GIVEN.get(kind, ())
        ]
        parameters += [f"{key}={getattr(cls, key)}" for key in COMMON.get(kind, ()) if hasattr(cls, key)]
        declared = {
            key: getattr(cls, key) for key in DECLARED[kind] if isinstance(getattr(cls, key, None), (str, bool, tuple))
        }
        caption = (inspect.getdoc(cls) or "").partition("\n")[0]
        entries.append({"name": name, "caption": caption, "parameters": parameters, **declared})
    broken = [
        {"name": name, "caption": error, "parameters": [], "broken": True} for name, error in found.broken.items()
    ]
    return entries + broken


def _split(text: str, spec: str, at: str = ",") -> list[str]:
    """At the commas that no bracket holds."""
    parts, depth, start = [], 0, 0
    for i, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth < 0:
            break
        if character == at and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    if depth:
        raise InputError(f"brackets do not match in {spec!r}")
    parts.append(text[start:])
    return [] if parts == [""] else parts


def _value(text: str):
    if text.lower() in ("true", "false", "none"):
        return ast.literal_eval(text.capitalize())
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            pass
    return text


def _is(of: type, value) -> bool:
    if of is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return isinstance(value, of) and isinstance(value, bool) == (of is bool)


def one_of(name: str, known, what: str) -> str:
    """``name`` if it is ``known``; else InputError with a close one: ``tta_bald`` for ``bald``, then the most alike."""
    if name in known:
        return name
    close = [k for k in known if k.endswith(f"_{name}")] or difflib.get_close_matches(name, known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are: {', '.join(sorted(known)) or 'none'}"
    raise InputError(f"unknown {what} {name!r}; {hint}")


def number(name: str, value, low: float = 0, high: float = math.inf, whole: bool = False) -> float:
    """``value`` if it is a number in [low, high], an integer if ``whole``; InputError with its name otherwise."""
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool) and low <= value <= high
    if not good:
        limits = f"from {low} to {high}" if high < math.inf else f"of {low} or more"
        raise InputError(f"{name} must be {'a whole number' if whole else 'a number'} {limits}; got {value!r}")
    return value


def probability(name: str, value) -> float:
    """``value`` if it is in [0, 1]; InputError with its name otherwise."""
    return number(name, value, 0, 1)


_COMMON_VALUES: dict[str, Callable[[str, Any, str], Any]] = {
    "question": lambda key, value, name: one_of(str(value), QUESTIONS, f"{key} of {name}"),
    "later": lambda key, value, name: one_of(str(value), ("False", "True"), f"{key} of {name}") == "True",
    "shared": lambda key, value, name: probability(f"{key} of {name}", value),
}


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
