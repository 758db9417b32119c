"""board.md: the summary of a board. The tables of single results are on its page alone."""

from pathlib import Path

from bench.files import replacing
from bench.report.board import datasets, pages
from bench.report.board.committed import OPENING, Board


def write(board: Board, path: Path, picture: bool) -> None:
    """``picture``: whether board.png is beside it."""
    lines = [
        "# The board",
        "",
        datasets.headline(board),
        "",
        *(["![The board](board.png)", ""] if picture else []),
        f"{pages.NOTE} {board.evidence}",
        "",
    ]
    lines += ["`board.html`, from the same command, has the chooser and the tables of each result.", ""]
    for shown in (
        pages.opening(board),
        pages.overview(board),
        *pages.over_datasets(board, OPENING),
        pages.files(board),
    ):
        lines.append(shown.to_markdown())
    lines += datasets.skipped(board)
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
