"""Files that are not as they were written: what becomes of a number that is read from them?

    python benchmarks/fuzz_files.py 2000 > benchmarks/fuzz-files.csv

Each of n files is mutated once and read as a run reads it. ``same``: the numbers are those of the whole file.
``refused``: one line that names it. ``other``: it is another file of its format, and an independent reader, or the
format's own library, reads the same from it. ``wrong``: it does not, or the format has a checksum. ``traceback`` and
``hang`` (20 s) are faults, too, and are printed on standard error.
"""

import csv
import io
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps
from pycocotools import mask as rle

from bench import registry, seeds
from bench.datasets.archives import folder_of
from bench.datasets.files import read_rgb, write_png
from bench.datasets.layouts import LAYOUTS
from bench.datasets.masks import Masks, read_ids, read_two
from bench.datasets.names import read_list
from bench.datasets.shapes import Shapes
from bench.experiment.candidates import from_scores
from bench.foundation import boxes
from bench.types import InputError

HANG_S, MEMORY_BYTES = 20, 12 * 2**30
FAULTS = ("wrong", "traceback", "hang")
DATA = Shapes(train=2, val=1, size=24)
COLOURS = DATA.colours
LABELS = DATA.truth("train", "00000").copy()
LABELS[0, :3] = 255
SUPERPIXELS = np.kron(np.arange(1, 10).reshape(3, 3), np.ones((8, 8), int)).astype(np.int32)
ODD = [None, True, -1, 0, 1.5, 1e30, 10**40, float("nan"), "", "x", "\0", "../x", [], [[]], {}, [1, 2, 3], "9" * 30]


class Case(NamedTuple):
    """A whole file: its path, the numbers read from it, its independent reader if it has one, whether a checksum
    protects it, and whether it is text."""

    path: Path
    read: Callable[[Path], object]
    twin: Callable[[Path], object] | None = None
    protected: bool = False


def cases(folder: Path) -> Iterator[tuple[str, Case]]:
    """Every kind of file by its name, written below ``folder``."""
    by_colour = lambda path: Masks(len(DATA.classes), COLOURS).read(path)  # noqa: E731
    by_id = lambda path: Masks(len(DATA.classes)).read(path)  # noqa: E731
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ("png", "tif", "bmp"):
        safe = suffix == "png"
        write_png(folder / f"palette.{suffix}", LABELS, DATA.palette)
        yield f"palette {suffix}", Case(folder / f"palette.{suffix}", by_colour, colours_twin, safe)
        Image.fromarray(COLOURS[np.minimum(LABELS, 7)]).save(folder / f"rgb.{suffix}")
        yield f"rgb {suffix}", Case(folder / f"rgb.{suffix}", by_colour, colours_twin, safe)
        Image.fromarray(LABELS).save(folder / f"grey.{suffix}")
        yield f"grey {suffix}", Case(folder / f"grey.{suffix}", by_id, values_twin, safe)
    Image.fromarray(SUPERPIXELS.astype(np.uint16)).save(folder / "ids.png")
    yield "superpixels png", Case(folder / "ids.png", read_ids, values_twin, True)
    np.save(folder / "ids.npy", SUPERPIXELS)
    yield "superpixels npy", Case(folder / "ids.npy", read_ids, np.load)
    for suffix in ("jpg", "png", "webp", "tif"):
        exif = Image.Exif()
        exif[0x0112] = 6  # turned
        Image.fromarray(DATA.image("train", "00000")).save(folder / f"image.{suffix}", exif=exif)
        yield f"image {suffix}", Case(folder / f"image.{suffix}", read_rgb, pixels_twin, suffix == "png")
    Image.fromarray((LABELS > 0).astype(np.uint8) * 255).save(folder / "two.jpg", quality=100)
    yield "mask of two jpg", Case(folder / "two.jpg", read_two)
    (folder / "train.txt").write_text("a\nb/c.jpg\nd.png e/d.png\n")
    yield "list txt", Case(folder / "train.txt", read_list)
    rows = [f"00000,{i + 1},{i // 3 * 8},{i % 3 * 8},64,0.{i}\n" for i in range(9)]
    table = "image,superpixel,row,column,size,sim\n" + "".join(rows)
    (folder / "scores.csv").write_text(table)
    yield "scores csv", Case(folder / "scores.csv", scores)
    (folder / "boxes.csv").write_text(
        "image,x0,y0,x1,y1,class,score\n" + "00000,1,2,9,9,fir,0.5\n00001,0,0,4,4,tile,1\n" * 3
    )
    yield "boxes csv", Case(folder / "boxes.csv", lambda path: boxes.read(path, DATA), boxes_twin)
    yield from trees(folder)


def trees(folder: Path) -> Iterator[tuple[str, Case]]:
    """Files of whole datasets, which are read with their neighbours."""
    for name, layout in LAYOUTS.items():
        writer, root = layout(DATA), folder / name
        for image in DATA.names("train"):
            writer.write_labels(root, image, DATA.truth("train", image))
        writer.write_rest(root)
        whole = lambda path, name=name, root=root: contents(name, root)  # noqa: E731
        files = {
            "coco": ["annotations/instances_train.json"],
            "cvat": ["labelmap.txt", "SegmentationClass/train/00000.png"],
        }
        for file in files.get(name, ["labels.txt", "train/00000.json"]):
            twin = coco_twin if name == "coco" else None
            yield f"{name} {Path(file).name}", Case(root / file, whole, twin, file.endswith("png"))
    results = json.loads((folder / "coco" / "annotations" / "instances_train.json").read_text())
    for row in results["annotations"]:
        row["segmentation"] = [[1, 1, 9, 2, 5, 20]] if row["id"] % 2 else row["segmentation"]
    (folder / "results.json").write_text(json.dumps(results))
    yield "results json", Case(folder / "results.json", detected)
    (folder / "classes").mkdir()
    (folder / "classes" / "classes.txt").write_text("background 0 0 0\ncat 1 2 3\ndog 200 100 0\nvoid 9 9 9\n")
    for split in ("train", "val"):
        write_png_tree(folder / "classes", split)
    yield "classes txt", Case(folder / "classes" / "classes.txt", lambda path: contents("folder", path.parent))
    with zipfile.ZipFile(folder / "folder.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((folder / "classes").rglob("*.*")):
            archive.write(path, path.relative_to(folder / "classes"))
    yield "zip", Case(folder / "folder.zip", lambda path: contents("folder", folder_of(path)), None, True)


def write_png_tree(root: Path, split: str) -> None:
    colours = np.array([(0, 0, 0), (1, 2, 3), (200, 100, 0)], np.uint8)
    for kind, pixels in (("images", DATA.image(split, "00000")), ("annotations", colours[LABELS.clip(max=2)])):
        (root / kind / split).mkdir(parents=True)
        Image.fromarray(pixels).save(root / kind / split / "a.png")


def contents(name: str, root: Path):
    """All that a run without a model takes from a dataset."""
    dataset = registry.load("datasets", name, root=root)
    names = dataset.names("train")
    dataset.check("train")
    return [dataset.classes, names, *(dataset.truth("train", n) for n in names if dataset.has_truth("train", n))]


def scores(path: Path):
    maps = (lambda i: LABELS.clip(max=6)), (lambda i: SUPERPIXELS)
    return from_scores(path, ("00000",), *maps).columns


def detected(path: Path):
    return list(registry.load("foundations", f"coco_results[file={path}]").generate(DATA))


def colours_twin(path: Path) -> np.ndarray:
    """A label map pixel by pixel: by colour if all are known, else by value."""
    image = ImageOps.exif_transpose(Image.open(path))
    ids = {tuple(colour): c for c, colour in enumerate(COLOURS.tolist())}
    rgb = np.asarray(image.convert("RGB")).reshape(-1, 3).tolist()
    if image.mode in ("P", "RGB", "RGBA") and all(tuple(pixel) in ids for pixel in rgb):
        found = [ids[tuple(pixel)] for pixel in rgb]
        return np.array([255 if c == 7 else c for c in found], np.uint8).reshape(image.height, image.width)
    return np.asarray(image)


def values_twin(path: Path) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(path)))


def pixels_twin(path: Path) -> np.ndarray:
    return np.asarray(ImageOps.exif_transpose(Image.open(path)).convert("RGB"))


def coco_twin(path: Path):
    """The label maps of an annotation file by pycocotools, the smaller masks on top."""
    whole = json.loads(path.read_bytes().decode("utf-8-sig"))
    names = {row["id"]: " ".join(row["name"].split()) for row in whole["categories"]}
    ordered = [names[key] for key in sorted(names) if names[key] != "void"]
    found = {}
    for image in whole["images"]:
        rows = [row for row in whole.get("annotations", []) if row["image_id"] == image["id"]]
        masks = [(rle.decode(row["segmentation"]), names[row["category_id"]]) for row in rows]
        labels = np.full((image["height"], image["width"]), ordered.index("background"), np.uint8)
        for mask, name in sorted(masks, key=lambda pair: -int(pair[0].sum())):
            labels[mask > 0] = 255 if name == "void" else ordered.index(name)
        found[Path(image["file_name"]).stem] = labels
    return [tuple(ordered), tuple(sorted(found)), *(found[name] for name in sorted(found))]


def boxes_twin(path: Path):
    found: dict[str, list] = {name: [] for name in DATA.names("train")}
    for row in csv.DictReader(io.StringIO(path.read_bytes().decode("utf-8-sig"))):
        name = Path(row["image"].strip()).stem
        box = [float(row[side]) for side in ("x0", "y0", "x1", "y1")]
        if name in found and float(row.get("score") or 1) > 0 and box[0] != box[2] and box[1] != box[3]:
            found[name].append((box, DATA.classes.index(" ".join(row["class"].lower().split()))))
    return {
        name: (np.array([b for b, _ in of], np.float32).reshape(-1, 4), np.array([c for _, c in of], np.int64))
        for name, of in found.items()
    }


def mutated(data: bytes, rng: random.Random, suffix: str) -> bytes:
    """The file with bytes, words or values changed, moved, doubled or gone; half of the time in its head."""
    if suffix == ".json" and rng.random() < 0.6:
        return json.dumps(_odd(json.loads(data), rng)).encode()
    if suffix in (".txt", ".csv") and rng.random() < 0.6:
        return _words(data, rng)
    end = min(len(data), 100) if rng.random() < 0.5 else len(data)
    at, n = rng.randrange(end), rng.choice([1, 1, 1, 4, 16])
    new = bytes(rng.randrange(256) for _ in range(n))
    return rng.choice(
        [
            data[:at] + new + data[at + n :],
            data[:at] + new + data[at:],
            data[:at] + data[at + n :],
            data[:at] + bytes(n) + data[at + n :],
            data[:at],
            data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :],
            b"\xef\xbb\xbf" + data,
            data.replace(b"\n", b"\r\n"),
        ]
    )


def _odd(value, rng: random.Random):
    """A JSON value in which one part is odd, gone or doubled."""
    if isinstance(value, (dict, list)) and value and rng.random() < 0.9:
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        inner = _odd(value[key], rng)
        if isinstance(value, dict):
            return {k: inner if k == key else v for k, v in value.items() if k != key or inner is not value}
        again = [value[key]] * (rng.random() < 0.1)
        return [*value[:key], inner, *again, *value[key + 1 :]]
    return rng.choice(ODD)


def _words(data: bytes, rng: random.Random) -> bytes:
    text = data.decode()
    sign = rng.choice([" ", ",", "\n"])
    words = text.split(sign)
    words[rng.randrange(len(words))] = rng.choice(["", "-1", "nan", "1e400", "x", "../a", "é", "é", "999", '"', "void"])
    return sign.join(words).encode()


def same(a, b) -> bool:
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(same, a, b))
    return bool(np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f"))


def outcome(case: Case, whole) -> tuple[str, str]:
    """What becomes of a file, of `FAULTS` or not, and a word on it."""
    signal.alarm(HANG_S)
    try:
        with redirect_stderr(io.StringIO()), redirect_stdout(io.StringIO()):
            found = case.read(case.path)
    except InputError as error:
        return ("refused", "") if "\n" not in str(error) else ("traceback", f"two lines: {error}")
    except TimeoutError:
        return "hang", ""
    except BaseException:
        return "traceback", traceback.format_exc()
    finally:
        signal.alarm(0)
    if same(found, whole):
        return "same", ""
    if case.twin is not None:
        try:
            return ("other", "") if same(found, case.twin(case.path)) else ("wrong", "its twin reads otherwise")
        except Exception as error:
            return "wrong", f"its twin says {error!r}"
    return ("wrong", "a checksum should have told") if case.protected else ("other", "")


def main(n: int, seed: int = 0) -> dict[str, Counter]:
    """Mutate ``n`` files; the outcomes by the kind of file."""
    warnings.simplefilter("ignore")
    signal.signal(signal.SIGALRM, _too_long)
    rng, counts = random.Random(seeds.integer(seed, "fuzz")), {}
    with tempfile.TemporaryDirectory(prefix="fuzz-files-") as place:
        kinds = dict(cases(Path(place) / "files"))
        whole = {kind: case.read(case.path) for kind, case in kinds.items()}
        data = {kind: case.path.read_bytes() for kind, case in kinds.items()}
        for i in range(n):
            kind = list(kinds)[i % len(kinds)]
            case = kinds[kind]
            case.path.write_bytes(mutated(data[kind], rng, case.path.suffix))
            what, why = outcome(case, whole[kind])
            if what in FAULTS:
                shutil.copyfile(case.path, Path(tempfile.gettempdir()) / f"fuzz-{i}{case.path.suffix}")
                print(f"{i} {kind}: {what}: {why}; /tmp/fuzz-{i}{case.path.suffix}", file=sys.stderr)
            counts.setdefault(kind, Counter())[what] += 1
            case.path.write_bytes(data[kind])
    return counts


def _too_long(*_):
    raise TimeoutError


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    found = main(int(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    columns = ("same", "refused", "other", *FAULTS)
    print(",".join(("kind", "files", *columns)))
    for kind, of in [*found.items(), ("all", sum(found.values(), Counter()))]:
        print(",".join(map(str, (kind, of.total(), *(of[c] for c in columns)))))
    raise SystemExit(any(of[c] for of in found.values() for c in FAULTS))
