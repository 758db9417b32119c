"""Pages of the documentation site that are made from the code: `pages` gives the text of each by its path.

`tools/site_pages.py` puts them into the site; tests/test_docs.py looks for an entry of each plug-in, column and option.
"""

import argparse
import inspect
import re
from collections.abc import Iterable

import bench
from bench import registry
from bench.commands import COMMANDS, parser
from bench.kernels.statistics import BASE, STATISTICS
from bench.runs.schema import FILES

INTRODUCTIONS = {
    "strategies": "A strategy decides the order of questions. Parameters go into brackets: `bvsb[temperature=0.1]`.",
    "adjudicators": "A rule of adjudication decides after each answer. You add it to a strategy: `sim+confirmed`.",
    "refiners": "A refiner relabels superpixels that nobody was asked about. Put it behind a strategy: `sim+lcm`.",
    "oracles": "An oracle is a simulated annotator. Name one with `--oracle`; repeat the option to compare several.",
    "datasets": "Name your dataset with `--dataset` and its folder with `--data-root`.",
    "foundations": "A foundation is the source of pseudo labels and superpixels. Name one with `--foundation`.",
    "superpixels": "A superpixel maker cuts images. Foundations take one as a parameter: `weak[superpixels=grid]`.",
    "learners": "A learner trains a network on the current labels. Name one with `--learner`.",
}
FLAGS = {
    "reads_truth": "It is a bound: it reads the truth and is never ranked.",
    "leaky": "It is leaky: it uses more truth than you would have for its price.",
    "trains": "It trains a model.",
}


def pages() -> dict[str, str]:
    """The Markdown of each page, by its path below reference/."""
    made = {f"{kind}.md": plugins(kind) for kind in registry.KINDS}
    return made | {
        "statistics.md": statistics(),
        "columns.md": columns(),
        "options.md": options(),
        "python.md": python(),
    }


def plugins(kind: str) -> str:
    """All plug-ins of a kind: a table, then an entry for each with its parameters and its docstring."""
    entries = [entry for entry in registry.describe(kind) if not entry.get("broken")]
    classes = registry.catalogue(kind).classes
    lines = [f"# {kind.capitalize()}", "", INTRODUCTIONS[kind], ""]
    lines += table(
        ("name", "in one sentence"), ((f"[`{e['name']}`](#{e['name']})", escape(e["caption"])) for e in entries)
    )
    for entry in entries:
        lines += ["", f"## `{entry['name']}` {{ #{entry['name']} }}", "", *described(entry, classes[entry["name"]])]
    return "\n".join(lines) + "\n"


def described(entry: dict, cls: type) -> list[str]:
    """An entry of `registry.describe` as Markdown, with the docstring of its class."""
    lines = [docstring(cls), ""]
    lines += [sentence for flag, sentence in FLAGS.items() if entry.get(flag)]
    facts = {
        "Parameters": entry["parameters"],
        "Kind of question": [entry["question"]] if "question" in entry else [],
        "Kinds of questions": entry.get("kinds", ()),
        "Statistics": entry.get("needs", ()),
    }
    lines += [""] + [
        f"- {name}: {', '.join(f'`{value}`' for value in values)}" for name, values in facts.items() if values
    ]
    if entry.get("source"):
        lines.append(f"- Source: {escape(entry['source'])}")
    return lines


def statistics() -> str:
    """The columns of the table of candidates."""
    lines = ["# Statistics", "", "A strategy names the statistics that it `needs`; nothing else is computed.", ""]
    lines.append("These columns are always there: " + ", ".join(f"`{name}`" for name in BASE) + ".")
    rows = (
        (f"`{s.name}`", s.width or "1", ", ".join(sorted(s.reads)) or "scores, labels", escape(s.formula))
        for s in STATISTICS.values()
    )
    return "\n".join([*lines, "", *table(("statistic", "values", "reads", "formula"), rows)]) + "\n"


def columns() -> str:
    """The columns of every run file."""
    lines = [
        "# Columns of the run files",
        "",
        "You can read each file with pandas. Counts and costs are cumulative.",
        "",
    ]
    lines.append("Kinds: text; a whole number; a finite number; a share between 0 and 1.")
    for file, listed in FILES.items():
        rows = (
            (f"`{c.name}`", c.kind, escape(c.what) + (f" (since format {c.since})" if c.since > 1 else ""))
            for c in listed
        )
        lines += ["", f"## {file}", "", *table(("column", "kind", "meaning"), rows)]
    return "\n".join(lines) + "\n"


def options() -> str:
    """The options of every command, from its parser."""
    lines = ["# Commands and their options", "", "`alc-bench COMMAND --help` shows you the same in a terminal."]
    for command in COMMANDS:
        lines += ["", *documented(command, subparser(parser([command]), command))]
    return "\n".join(lines) + "\n"


def documented(command: str, own: argparse.ArgumentParser) -> list[str]:
    """A section for a command; commands below it follow as sections of their own."""
    lines = [f"## alc-bench {command}", "", escape(own.description or ""), ""]
    rows, below = [], []
    for action in own._actions:
        if isinstance(action, argparse._SubParsersAction):
            below += [documented(f"{command} {name}", sub) for name, sub in action.choices.items()]
        elif action.help != argparse.SUPPRESS and "--help" not in action.option_strings:
            rows.append((spelling(action), escape(own._get_formatter()._expand_help(action) if action.help else "")))
    lines += table(("option", "meaning"), rows) if rows else []
    examples = re.findall(r"^ *(alc-bench .*)$", own.epilog or "", re.MULTILINE)
    lines += ["", "```console", *examples, "```"] if examples else []
    return lines + [line for section in below for line in ["", *section]]


def subparser(whole: argparse.ArgumentParser, command: str) -> argparse.ArgumentParser:
    """The parser of one command."""
    (commands,) = (action for action in whole._actions if isinstance(action, argparse._SubParsersAction))
    return commands.choices[command]


def spelling(action: argparse.Action) -> str:
    """An option or a positional argument as it is typed."""
    if not action.option_strings:
        return f"`{action.metavar or action.dest}`"
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    if action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
        return names
    value = action.metavar or ("\\|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    return f"{names} {value if isinstance(value, str) else ' '.join(value)}"


def python() -> str:
    """The public names of `bench`, for mkdocstrings."""
    lines = [
        "# Python API",
        "",
        "You import every name below `from bench`. They need torch only when you use them.",
        "",
    ]
    for name in sorted(set(dir(bench)) - {"STATISTICS", "ACTIONS", "QUESTIONS", "VOID", "ASK", "LEAVE"}):
        lines += [f"## `{name}` {{ #{name} }}", "", f"::: {place(getattr(bench, name))}", ""]
    lines += ["## Constants", ""]
    lines += [f"- `VOID` is {bench.VOID}: the class id of pixels without a class."]
    lines += [f"- `ACTIONS` are {', '.join(f'`{name}`' for name in bench.ACTIONS)}: the steps of an annotator."]
    lines += [f"- `QUESTIONS` are {', '.join(f'`{name}`' for name in bench.QUESTIONS)}: the kinds of questions."]
    lines += ["- `ASK` and `LEAVE` are decisions of a rule of adjudication: ask another person, leave the label."]
    lines += ["- `STATISTICS` holds every [statistic](statistics.md) by its name."]
    lines += ["", "## Checks for your plug-ins", "", "::: bench.testing"]
    return "\n".join(lines) + "\n"


def place(thing: type) -> str:
    return f"{thing.__module__}.{thing.__qualname__}"


def docstring(cls: type) -> str:
    """A docstring as Markdown: names in double backquotes are code; `module.name` is, too."""
    return (inspect.getdoc(cls) or "").replace("``", "`")


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return ["| " + " | ".join(cells) + " |" for cells in (head, ("---",) * len(head), *rows)]


def escape(text: str) -> str:
    """Text for a cell of a table."""
    return re.sub(r"(?<!\\)\|", r"\\|", " ".join(text.split())).replace("<", "&lt;")
