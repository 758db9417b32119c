"""``alc-bench board results/``: one page, one Markdown file and one picture over all results of a folder."""

from pathlib import Path

from bench import report

EXAMPLES = (
    "alc-bench board results",
    "alc-bench board results --out boards/today",
)


def add_arguments(parser) -> None:
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="of CSV files, and its subfolders")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default: the folder itself")
    parser.epilog = (
        "Writes board.html, board.md and board.png. X@NAME.csv joins X.csv, whose protocol and seeds it shares; files "
        "without the columns of rounds.csv are skipped, or drawn dotted if others published them. The table "
        "[result] of X.toml has the title and the command of X.csv."
    )


def main(args) -> int:
    report.write_board(args.folder, args.out)
    return 0
