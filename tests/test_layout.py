"""Rooms stay small: what nobody can read in one go is two things."""

import ast
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent
ROOMS = ("bench", "baselines", "oracles", "adjudicators")
MODULES = sorted(path for room in ROOMS for path in (REPOSITORY / room).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_modules_and_classes_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300 or path.parent.name == "kernels"  # a kernel is one loop
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef):
            assert node.end_lineno - node.lineno < 150, node.name


def test_few_modules_lie_loose_in_bench():
    assert len(list((REPOSITORY / "bench").glob("*.py"))) <= 16
