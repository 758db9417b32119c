"""The questions as pictures: image, label before, question, answer, truth, label after, for the page.

Thumbnails are data URIs: WebP for images, palette PNG for label maps. Only the questions that corrected or harmed most
are shown, of at most `N_CELLS` cells, and of those only as many as fit in `LIMIT_BYTES`.
"""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from bench.report.results import CELL, Results
from bench.runs import schema
from bench.runs.journal import Journal, Step
from bench.runs.source import Source
from bench.types import QUESTIONS, VOID, InputError

SIDE_PX = 144
N_BEST, N_WORST = 4, 3
N_CELLS = 40
LIMIT_BYTES = 6_000_000
VOID_COLOR = (224, 224, 224)


class Thumbnails:
    """Data URIs, each kept once."""

    def __init__(self):
        self.uris: list[str] = []
        self.n_bytes = 0
        self._numbers: dict[str, int] = {}

    def add(self, image: Image.Image) -> int:
        """The number of the image's URI."""
        buffer = io.BytesIO()
        if image.mode == "P":
            image.save(buffer, "PNG", optimize=True)
        else:
            image.save(buffer, "WEBP", quality=62, method=3)
        kind = "png" if image.mode == "P" else "webp"
        uri = f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
        if uri not in self._numbers:
            self._numbers[uri] = len(self.uris)
            self.uris.append(uri)
            self.n_bytes += len(uri)
        return self._numbers[uri]


def build(results: Results) -> dict:
    """``cells``: a list of {cell, classes, colors, rounds: {round: [item]}}, best and worst questions of each round,
    first seeds first. ``uris``: the thumbnails that items name by number. ``notes``: missing parts, and why."""
    thumbnails, found, notes, sources = Thumbnails(), [], [], {}
    cells = results.cells[results.cells.status.eq("done") & results.cells.folder.ne("")].drop_duplicates(CELL)
    for cell in sample(cells).itertuples(index=False):
        if thumbnails.n_bytes > LIMIT_BYTES:
            break
        try:
            if cell.run not in sources:
                sources[cell.run] = Source.of(Path(cell.run), results.specs[Path(cell.run)])
            rounds = _rounds(sources[cell.run], Journal(Path(cell.folder)), thumbnails)
        except InputError as error:
            notes.append(str(error))
            continue
        dataset = sources[cell.run].dataset
        colors = ["#" + bytes(color).hex() for color in dataset.palette.tolist()]
        key = {name: getattr(cell, name) for name in CELL}
        found.append(dict(cell=key, classes=list(dataset.classes), colors=colors, rounds=rounds))
    if 0 < len(found) < len(cells):
        notes.append(f"questions of {len(found)} of {len(cells)} cells are shown, to keep the page small")
    return dict(cells=found, uris=thumbnails.uris, notes=sorted(set(notes)))


def sample(cells: pd.DataFrame) -> pd.DataFrame:
    """At most `N_CELLS` of the cells, first seeds first; if a seed has more than are left, evenly spread over its
    settings and strategies."""
    chosen, room = [], N_CELLS
    for _, of_seed in cells.sort_values(["seed", *CELL[:4]]).groupby("seed"):
        places = np.linspace(0, len(of_seed) - 1, min(room, len(of_seed))).round().astype(int)
        chosen.append(of_seed.iloc[places])
        room -= len(places)
    return pd.concat(chosen) if chosen else cells


def choose(asked: pd.DataFrame) -> pd.DataFrame:
    """Of each round, the `N_BEST` questions that gained most pixels (corrected less harmed) and the `N_WORST` that
    gained least, best first; without truth, where no gain is known, the first and the last."""
    ordered = asked.assign(gain=(asked.corrected_px - asked.harmed_px).fillna(0)).sort_values(
        ["round", "gain", "number"], ascending=[True, False, True]
    )
    place = ordered.groupby("round").cumcount()
    size = ordered.groupby("round").number.transform("size")
    return ordered[(place < N_BEST) | (place >= size - N_WORST)]


def _rounds(source: Source, journal: Journal, thumbnails: Thumbnails) -> dict[str, list[dict]]:
    """The chosen questions of each round, in the order of `choose`, with their pictures."""
    chosen = choose(pd.DataFrame(journal.queries, columns=schema.names(schema.QUERIES)))
    items: dict[int, dict] = {}
    wanted, images = set(chosen.number), set(chosen.image)
    labels = source.label_maps()
    for step in journal.play_back(source.pseudo, labels, only=images):
        if step.asked and step.row["number"] in wanted:
            items[step.row["number"]] = _item(source, step, labels(step.image), thumbnails)
    rounds: dict[str, list[dict]] = {}
    for row in chosen.itertuples(index=False):
        rounds.setdefault(str(row.round), []).append(items[row.number] | {"gain": int(row.gain)})
    return rounds


def _item(source: Source, step: Step, after: np.ndarray, thumbnails: Thumbnails) -> dict:
    """A question with its pictures; ``after`` (H, W) uint8 is its image's label map after the answer."""
    row = step.row
    image = source.image(row["image"])
    truth = source.truth(row["image"]) if source.dataset.has_truth("train", row["image"]) else None
    if not (0 <= row["row"] < after.shape[0] and 0 <= row["column"] < after.shape[1]):
        raise InputError(f"question {row['number']}: pixel {row['row']}, {row['column']} is not in {row['image']!r}")
    pixels = step.where.pixels
    view = _window(pixels, after.shape)
    inside = np.zeros(after.shape, bool)
    inside.ravel()[pixels] = True
    before = after.copy()
    before.ravel()[pixels] = step.was
    palette = np.full((256, 3), VOID_COLOR, np.uint8)
    palette[: len(source.dataset.palette)] = source.dataset.palette
    plain = palette[before] if image is None else image
    answer = np.where(inside, after if row["answer"] else before, VOID)
    whole = (slice(0, after.shape[0]), slice(0, after.shape[1]))
    pictures = dict(
        image=None if image is None else _boxed(image, whole, pixels, None),
        before=_labels(before, view, palette),
        question=_boxed(_faded(plain, inside), view, pixels, (row["row"], row["column"])),
        answer=_labels(answer, view, palette),
        truth=None if truth is None else _labels(truth, view, palette),
        after=_labels(after, view, palette),
    )
    return dict(
        number=row["number"],
        image=row["image"],
        size=row["size"],
        kind=row["kind"],
        asks=QUESTIONS.get(row["kind"], row["kind"]),
        before=row["label_before"],
        answer=list(step.answer.labels),
        actions=row["actions"],
        truth=None if truth is None else int(truth[row["row"], row["column"]]),
        corrected=None if truth is None else row["corrected_px"],
        harmed=None if truth is None else row["harmed_px"],
        pictures={name: None if p is None else thumbnails.add(p) for name, p in pictures.items()},
    )


def _window(pixels: np.ndarray, shape: tuple[int, int]) -> tuple[slice, slice]:
    """A square around the superpixel with half its extent as margin, at least 48 px, cut at the image's edges."""
    rows, columns = np.unravel_index(pixels, shape)
    side = max(48, int(1.5 * max(np.ptp(rows) + 1, np.ptp(columns) + 1)))
    starts = [
        int(np.clip((axis.min() + axis.max() - side) // 2, 0, max(n - side, 0)))
        for axis, n in zip((rows, columns), shape, strict=True)
    ]
    height, width = (slice(start, min(start + side, n)) for start, n in zip(starts, shape, strict=True))
    return height, width


def _fit(shape: tuple[int, int]) -> tuple[int, int]:
    """(width, height) with a longer side of `SIDE_PX`."""
    scale = SIDE_PX / max(shape)
    return max(1, round(shape[1] * scale)), max(1, round(shape[0] * scale))


def _labels(labels: np.ndarray, view, palette: np.ndarray) -> Image.Image:
    picture = Image.fromarray(np.ascontiguousarray(labels[view], np.uint8))
    picture.putpalette(palette.tobytes())
    return picture.resize(_fit(picture.size[::-1]), Image.Resampling.NEAREST)


def _faded(image: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The superpixel as it is, the rest pale."""
    return np.where(inside[..., None], image, image // 2 + 127).astype(np.uint8)


def _boxed(image: np.ndarray, view, pixels: np.ndarray, point: tuple[int, int] | None) -> Image.Image:
    """The view with the superpixel's bounding box in red, and the representative pixel as a dot."""
    picture = Image.fromarray(np.ascontiguousarray(image[view]))
    size = _fit(picture.size[::-1])
    scale = size[0] / picture.size[0]
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    rows, columns = np.unravel_index(pixels, image.shape[:2])
    top, left = view[0].start, view[1].start
    draw = ImageDraw.Draw(picture)
    corners = (columns.min() - left, rows.min() - top, columns.max() + 1 - left, rows.max() + 1 - top)
    draw.rectangle([int(np.clip(round(c * scale), 0, SIDE_PX - 1)) for c in corners], outline=(230, 20, 20), width=2)
    if point is not None:
        x, y = (point[1] + 0.5 - left) * scale, (point[0] + 0.5 - top) * scale
        draw.ellipse((x - 5, y - 5, x + 5, y + 5), fill=(255, 255, 255), outline=(0, 0, 0))
        draw.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=(230, 20, 20))
    return picture
