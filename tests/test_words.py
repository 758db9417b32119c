"""Readers know the words of the field: none of the words that the project had instead comes back."""

import ast
import json
import re
from pathlib import Path

import pytest

from bench.commands import COMMANDS, parser

REPOSITORY = Path(__file__).parent.parent
ROOMS = ("bench", "baselines", "oracles", "adjudicators", "tools", "examples")
WORDS = {
    r"t(old|ell) apart|told from": "significantly different; tied",
    r"err|errs|erred|one slip|(same|expects?) slips?|slips? (in|of)": "noise-free, noisy; label noise; wrong",
    r"the largest first": "the `area` baseline",
    r"photographs?": "images",
    r"foreign models?": "a model trained on another dataset",
    r"feels (its|their|the) labels": "is sensitive to label quality",
    r"seconds aside": "except timings",
    r"taken down|as it was written": "recorded; unchanged",
    r"second asking|asks? (a|the|each) questions? again": "re-asks; second opinion",
    r"strateg(y|ies) that counts? pixels": "size-weighted",
    r"ends? below (its|their) beginnings?": "makes the labels worse than the pseudo labels",
    r"the lead|the window of": "difference; gap",
}
MARKDOWN = [path for path in REPOSITORY.rglob("*.md") if not {".tox", "build", ".venv"} & set(path.parts)]
PAGES = [path for kind in ("*.html", "*.js") for path in (REPOSITORY / "bench").rglob(kind)]
CODE = [path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py")]


def found(text: str) -> list[str]:
    prose = " ".join(re.sub(r"```.*?```|`+[^`]*`+", "", text, flags=re.DOTALL).split())
    hits = ((re.search(rf"\b({word})\b", prose, re.IGNORECASE), instead) for word, instead in WORDS.items())
    return [f"{hit.group()!r}: say {instead}" for hit, instead in hits if hit]


@pytest.mark.parametrize("path", [*MARKDOWN, *PAGES], ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_pages_use_the_words_of_the_field(path):
    assert not found(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("path", CODE, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_docstrings_and_messages_use_the_words_of_the_field(path):
    nodes = ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    texts = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    assert not found("\n".join(text for text in texts if " " in text))


@pytest.mark.parametrize("command", COMMANDS)
def test_help_uses_the_words_of_the_field(command, capsys):
    with pytest.raises(SystemExit):
        parser([command]).parse_args([command, "--help"])
    assert not found(capsys.readouterr().out)


def test_the_notebook_uses_the_words_of_the_field():
    notebook = json.loads((REPOSITORY / "docs" / "tutorial.ipynb").read_text(encoding="utf-8"))
    assert not found("\n".join("".join(cell["source"]) for cell in notebook["cells"]))
