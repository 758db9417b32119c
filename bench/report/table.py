"""One table for all that shows it: the screen, Markdown, LaTeX, CSV, and the page by the macro of page/table.html."""

import csv
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from rich import box, table
from rich.console import Console
from rich.text import Text

LATEX = str.maketrans({c: f"\\{c}" for c in "&%$#_{}"})
LATEX |= str.maketrans({"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"})
LATEX |= str.maketrans({"±": r"\,$\pm$\,", "–": "--"})
STYLES = {"failed": "red"}  # of kinds of cells on the screen; page.css has those of the page


class Cell(NamedTuple):
    """``kind``: its class on the page, such as the status of a cell of a run."""

    text: str
    bold: bool = False
    kind: str = ""
    link: str = ""


@dataclass(frozen=True)
class Table:
    """``rows``: cells, or the texts of plain ones. ``notes``: sentences below. ``words``: texts, not numbers."""

    headings: Sequence[str]
    rows: Sequence[Sequence[Cell | str]]
    caption: str = ""
    notes: Sequence[str] = ()
    words: bool = False

    @cached_property
    def cells(self) -> list[list[Cell]]:
        return [[Cell(cell) if isinstance(cell, str) else cell for cell in row] for row in self.rows]

    def show(self, console: Console) -> None:
        """On the screen, with caption and notes."""
        if self.caption:
            console.print(Text(self.caption, "bold"))
        grid = self.to_rich()
        needed = grid.__rich_measure__(console, console.options.update_width(sys.maxsize)).minimum
        if needed > console.width:  # a narrow terminal wraps the lines, but no number loses a digit
            grid.width = needed
        console.print(grid, crop=False)
        for note in self.notes:
            console.print(Text(note, "dim"), soft_wrap=True)

    def to_rich(self) -> table.Table:
        grid = table.Table(box=box.SIMPLE, pad_edge=False)
        for i, heading in enumerate(self.headings):
            number = i > 0 and not self.words
            text = Text(heading.replace(" mIoU ", " mIoU\n"))
            grid.add_column(text, justify="right" if number else "left", no_wrap=number, overflow="fold")
        for row in self.cells:
            grid.add_row(*(Text(cell.text, "bold" if cell.bold else STYLES.get(cell.kind, "")) for cell in row))
        return grid

    def to_markdown(self) -> str:
        """A section: the caption is its heading, the notes are a list."""
        rows = [[cell._replace(text=cell.text.replace("|", r"\|")) for cell in row] for row in self.cells]
        lines = [[f"**{text}**" if bold and text else text for text, bold, *_ in row] for row in rows]
        rule = ["---"] + ["---:"] * (len(self.headings) - 1)
        grid = [f"| {' | '.join(line)} |" for line in [list(self.headings), rule, *lines]]
        notes = [*(f"- {note}" for note in self.notes), ""] if self.notes else []
        return "\n".join([f"## {self.caption}", "", *grid, "", *notes])

    def to_latex(self) -> str:
        """A tabular of booktabs; caption and notes are comments before it."""

        def line(cells: Sequence[Cell]) -> str:
            texts = [cell.text.translate(LATEX) for cell in cells]
            texts = [f"\\textbf{{{text}}}" if cell.bold else text for cell, text in zip(cells, texts, strict=True)]
            guard = "{}" if texts[0][:1] in ("[", "*") else ""  # after the end of a row these are a command's
            return f"{guard}{' & '.join(texts)} \\\\"

        columns = "l" + "r" * (len(self.headings) - 1)
        head = line([Cell(heading) for heading in self.headings])
        grid = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *map(line, self.cells)]
        comments = [f"% {text}" for text in (self.caption, *self.notes)]
        return "\n".join([*comments, *grid, r"\bottomrule", r"\end{tabular}", ""])

    def to_csv(self) -> str:
        """The texts alone, as they are shown."""
        file = io.StringIO()
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([self.headings, *([cell.text for cell in row] for row in self.cells)])
        return file.getvalue()
