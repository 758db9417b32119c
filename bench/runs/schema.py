"""The files that a cell leaves: each column with its kind, unit and meaning, one reader and one writer.

`FORMAT` counts their versions. A column that came with a later format is empty if an older run lacks it. A run of a
format that is newer than this one is refused.
"""

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from bench import costs, files, metrics
from bench.types import ACTIONS, QUESTIONS, VOID, InputError

FORMAT = 4
WORDS = {"text": "text", "whole": "a whole number, 0 or more", "number": "a finite number, 0 or more"}
WORDS |= {"share": "a share between 0 and 1", "class": f"a class id, 0 to {VOID}"}
WHOLE = ("whole", "class")
CLASS_IDS = tuple(map(str, range(VOID + 1)))


@dataclass(frozen=True)
class Column:
    """``kind``: one of `WORDS`. ``role`` groups the columns of rounds.csv; ``title``: its name for a reader, if that
    differs. ``empty``: it may hold nothing, as what needs truth does where there is none. ``words``: a text is made
    of these, with spaces between them."""

    name: str
    kind: str
    what: str
    role: str = ""
    title: str = ""
    empty: bool = False
    since: int = 1
    words: tuple[str, ...] = ()


# How well the questions of a round find wrong labels, among the superpixels never asked before it. A label is wrong
# where the class that most of a superpixel's known pixels have is not the label that most of its pixels have.
DETECTION = tuple(
    Column(name, "share", what, "detection", title, empty=True, since=2)
    for name, title, what in (
        ("auroc", "AUROC", "area under the ROC curve of the strategy's ranking, each superpixel once"),
        ("auprc", "AUPRC", "average precision of the ranking, each superpixel once"),
        ("auroc_px", "AUROC px", "the same as auroc, superpixels weighted by their pixels"),
        ("auprc_px", "AUPRC px", "the same as auprc, superpixels weighted by their pixels"),
        ("precision", "precision", "share of the superpixels asked about whose label is wrong"),
        ("precision_px", "precision px", "the same, weighted by their pixels"),
    )
)
ROUNDS = (
    Column("dataset", "text", "as named on the command line", "key"),
    Column("foundation", "text", "where pseudo labels and superpixels came from", "key"),
    Column("strategy", "text", "with its rule of adjudication and its refiner, if it has them", "key"),
    Column("oracle", "text", "the simulated annotator", "key"),
    Column("seed", "whole", "of everything that is drawn", "key"),
    Column("round", "whole", "0 is before any question; counts and costs are cumulative", "key"),
    Column("question", "text", "the kind of its questions: correction, classification, ...", "about", since=4),
    Column("leaky", "whole", "1 where the annotator reads more truth than its price covers, else 0", "about", since=4),
    Column("bound", "whole", "1 where the strategy reads the truth: a bound, never ranked; else 0", "about", since=4),
    Column("n_queries", "whole", "answers: a superpixel about which two people were asked counts twice", "count"),
    Column("n_superpixels", "whole", "superpixels asked about", "count", since=3),
    Column("n_confirmed", "whole", "answers that confirmed the label", "count"),
    Column("n_corrected", "whole", "answers that named another class", "count"),
    Column("n_void", "whole", "answers that named no class", "count"),
    *(
        Column(unit.column, "number", f"what the answers cost, in {unit.name}", "cost", since=unit.since)
        for unit in costs.UNITS.values()
        if unit.column != "n_queries"
    ),
    *(
        Column(
            measure.column,
            "share",
            measure.title,
            "measure",
            empty=True,
            since=measure.since,
        )
        for measure in metrics.MEASURES
    ),
    *DETECTION,
    Column("corrected_px", "whole", "wrong made right by answers, pixels", "harm", empty=True),
    Column("harmed_px", "whole", "right made wrong by answers, pixels", "harm", empty=True),
    Column("rewronged_px", "whole", "wrong made otherwise wrong by answers, pixels", "harm", empty=True),
    Column("refined_px", "whole", "changed by a refiner, pixels", "refined", empty=True),
    Column("refined_harmed_px", "whole", "right ones among them made wrong, pixels", "refined", empty=True),
    Column("fit_s", "number", "training, seconds", "time"),
    Column("predict_s", "number", "predicting the pool, reading images and maps, seconds", "time"),
    Column("acquire_s", "number", "statistics and the choice of questions, seconds", "time"),
    Column("answer_s", "number", "the oracle, seconds", "time"),
    Column("correct_s", "number", "writing answers into label maps, seconds", "time"),
)
QUERIES = (
    Column("round", "whole", "of the question"),
    Column("number", "whole", "of the answer within the run, from 0"),
    Column("image", "text", "name of the train image"),
    Column("superpixel", "whole", "its id within the image"),
    Column("row", "whole", "of the representative pixel"),
    Column("column", "whole", "of the representative pixel"),
    Column("size", "whole", "of the superpixel, pixels"),
    Column("kind", "text", "of question", words=tuple(QUESTIONS)),
    Column("label_before", "class", "the label shown"),
    Column("opinion", "whole", "1 for the first person asked about the superpixel, 2 for the second, ...", since=3),
    Column(
        "answer",
        "text",
        "what this answer alone would write: nothing, a class id or 255, or several class ids",
        words=CLASS_IDS,
    ),
    Column("actions", "text", "what annotators did, in order", words=ACTIONS),
    Column(
        "decided",
        "text",
        "what the rule decided: the class ids written, leave, or ask for another person",
        since=3,
        words=(*CLASS_IDS, "leave", "ask"),
    ),
    Column("corrected_px", "whole", "wrong made right, pixels", empty=True),
    Column("harmed_px", "whole", "right made wrong, pixels", empty=True),
    Column("rewronged_px", "whole", "wrong made otherwise wrong, pixels", empty=True),
)
REFINED = (
    Column("round", "whole", "after whose answers"),
    Column("image", "text", "name of the train image"),
    Column("superpixel", "whole", "its id within the image"),
    Column("label", "class", "the class that the refiner gave it"),
    Column("refined_px", "whole", "changed, pixels", empty=True),
    Column("refined_harmed_px", "whole", "right ones made wrong, pixels", empty=True),
)
CLASSES = (
    Column("round", "whole", "of the labels and the model"),
    Column("class", "text", "name"),
    Column("data_iou", "share", "IoU of the current labels on train", empty=True),
    Column("model_iou", "share", "IoU of the model on val", empty=True),
)
TIMINGS = (
    Column("round", "whole", "of the seconds"),
    *(column for column in ROUNDS if column.role == "time"),
    Column("evaluate_s", "number", "predicting and scoring val, seconds"),
)
DETECTED = (Column("round", "whole", "of the questions"), *DETECTION)
REFERENCE = (
    Column("seed", "whole", "of the fit"),
    Column("model_miou", "share", "model mIoU on val after training on the whole truth"),
)
FILES = {
    "rounds.csv": ROUNDS,
    "queries.csv": QUERIES,
    "refined.csv": REFINED,
    "classes.csv": CLASSES,
    "timings.csv": TIMINGS,
    "detection.csv": DETECTED,
    "reference.csv": REFERENCE,
}


def names(columns: Iterable[Column], *roles: str) -> list[str]:
    """The names of the columns that have one of these roles; without roles, of all."""
    return [column.name for column in columns if not roles or column.role in roles]


def write(path: Path, rows: list[dict] | pd.DataFrame) -> None:
    """One of `FILES`, in the order of its columns; seconds that were measured, to the millisecond."""
    columns = FILES[path.name]
    frame = pd.DataFrame(rows, columns=names(columns))
    measured = [name for name in (*names(columns, "time"), "evaluate_s") if name in frame]
    whole = [c.name for c in columns if c.kind in WHOLE and frame[c.name].dtype.kind == "f"]  # some are empty
    changed = {name: frame[name].round(3) for name in measured} | {name: frame[name].astype("Int64") for name in whole}
    files.write_csv(path, frame.assign(**changed))


def encode(name: str, rows: list[dict], head: bool = True) -> bytes:
    """The text that `write` gives rows, which is faster here: these are few, or come one round after another.

    ``head``: with the line of the names.
    """
    columns = names(FILES[name])
    measured = {*names(FILES[name], "time"), "evaluate_s"}
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    if head:
        lines.writerow(columns)
    for row in rows:
        values = ((column, row.get(column)) for column in columns)
        lines.writerow(
            "" if v is None or v != v else np.round(float(v), 3) if column in measured else v for column, v in values
        )
    return text.getvalue().encode()


def read(path: Path) -> pd.DataFrame:
    """One of `FILES`, its columns of the kinds that the schema says. Raises InputError as `parse` does."""
    return parse(path, FILES[path.name])


def read_all(paths: list[Path]) -> pd.DataFrame:
    """`read` of files of one name, below each other, with a column ``file``: the place in ``paths`` of each row's.

    They are parsed together if possible, because a table costs far more than its rows. One by one, an error names
    the file and the line.
    """
    texts = [path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "" for path in paths]
    heads = {text.partition("\n")[0] for text in texts}
    plain = all(text.endswith("\n") and "\ufffd" not in text for text in texts)
    if len(heads) == 1 and plain:
        rows = [text.partition("\n")[2] for text in texts]
        try:
            together = io.StringIO(heads.pop() + "\n" + "".join(rows))
            table = parse(paths[0], FILES[paths[0].name], source=together)
            return table.assign(file=np.repeat(np.arange(len(paths)), [text.count("\n") for text in rows]))
        except ValueError:  # an InputError, or more lines than rows: blank ones, or quoted ends of lines
            pass
    return pd.concat([read(path).assign(file=i) for i, path in enumerate(paths)], ignore_index=True)


def parse(
    path: Path, columns: Iterable[Column], required: Iterable[str] | None = None, source: io.StringIO | None = None
) -> pd.DataFrame:
    """A CSV file: text as str, whole numbers as int64 (float64 if some are empty), the others as float64.

    ``required``: the columns that must be there; by default those of the first format. The others are empty if they are
    not there: NaN, or "" for text. Columns that ``columns`` does not name are kept as they are. ``source``: text to
    read in place of the file. Raises InputError for a file that is missing or no table, for a column that is missing,
    and, with its line, for a value of another kind.
    """
    columns = tuple(columns)
    required = [c.name for c in columns if c.since == 1] if required is None else list(required)
    numbers = [c for c in columns if c.kind != "text"]
    texts = [c.name for c in columns if c.kind == "text"]
    options = dict(dtype=dict.fromkeys(texts, str), keep_default_na=False, na_values={c.name: [""] for c in numbers})
    frame = files.read_csv(path, tuple(required), source, **options)
    for column in (c for c in columns if c.kind == "text"):
        if column.name not in frame:
            frame[column.name] = ""
        elif column.words:
            _check_words(path, frame[column.name], column)
    for column in numbers:
        if column.name in frame:
            frame[column.name] = _numbers(path, frame[column.name], column, column.empty or column.name not in required)
        else:
            frame[column.name] = np.nan
    return frame


def is_since(path: Path, number: int) -> bool:
    """Whether the file is there, one of `FILES`, and has the columns that came with a format."""
    try:
        with path.open(encoding="utf-8", errors="replace") as lines:
            head = lines.readline().strip().split(",")
    except FileNotFoundError:
        return False
    return all(column.name in head for column in FILES[path.name] if column.since == number)


def refuse_newer(path: Path, spec: dict) -> None:
    """Raise InputError if the spec.json at ``path`` is of a run in a format that this version does not know."""
    found = spec.get("protocol", {})
    found = found.get("format", 1) if isinstance(found, dict) else 1
    if isinstance(found, int) and found > FORMAT:
        raise InputError(
            f"{path}: a run of format {found}; this version reads up to {FORMAT}: install a newer alc-bench"
        )


def _check_words(path: Path, values: pd.Series, column: Column) -> None:
    """Raise InputError, with its line, for the first text that is not made of a column's words."""
    for text in values.unique():
        if unknown := [word for word in text.split() if word not in column.words]:
            line = int(np.flatnonzero(values == text)[0])
            known = column.words if len(column.words) < 10 else [WORDS["class"], *column.words[VOID + 1 :]]
            said = f"{column.name} is {text}: unknown {unknown[0]}; expected {', '.join(known)}"
            raise InputError(f"{path}: line {line + 2}: {said}")


def _numbers(path: Path, values: pd.Series, column: Column, empty: bool) -> pd.Series:
    """``values`` as numbers of the column's kind; InputError names the first line that holds none."""
    found = values if values.dtype.kind in "iuf" else pd.to_numeric(values, errors="coerce").astype(np.float64)
    good = np.isfinite(found)
    if column.kind in WHOLE:
        good &= found == found.round()
    good &= found.between(0, {"share": 1, "class": VOID}.get(column.kind, np.inf))
    bad = ~good & ~(values.isna() if empty else False)
    if bad.any():
        line = int(np.flatnonzero(bad)[0])
        given = "empty" if pd.isna(values.iloc[line]) else values.iloc[line]
        raise InputError(f"{path}: line {line + 2}: {column.name} is {given}; expected {WORDS[column.kind]}")
    return found.astype(np.int64) if column.kind in WHOLE and good.all() else found
