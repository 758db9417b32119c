"""What cannot be used is said in one line, with exit code 2, before anything is written."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from problems import read, setup_of
from trees import save, scene

from bench.datasets.shapes import Shapes

pytestmark = pytest.mark.slow

TINY = "shapes[train=3,val=2,size=32]"
LABELS = ["run", "--model", "none", "--dataset", TINY, "--seeds", "1", "--rounds", "1", "--budget", "2"]
TRAIN = ["run", "--dataset", TINY, "--preset", "smoke", "--seeds", "1", "--rounds", "1", "--budget", "2", "--jobs", "1"]


def refused(done, said=""):
    """One line on stderr that begins with the program's name, and exit code 2. Above it, at most a progress bar and
    what is said of each split."""
    told = ("train: ", "val: ")
    lines = [s for s in done.err.splitlines() if s.strip() and "left" not in s and not s.startswith(told)]
    assert done.code == 2, done
    assert len(lines) == 1 and lines[0].startswith("alc-bench: "), done.err
    assert said in lines[0], lines[0]
    assert "Traceback" not in done.err + done.out


def untouched(folder):
    """Nothing was half-written: there is no folder, or nothing in it but the lock of the run that was refused."""
    assert not folder.exists() or not [p for p in folder.rglob("*") if p.name != ".lock"]


WORDS = [
    # commands
    ([], "command"),
    (["walk"], "invalid choice: 'walk'"),
    (["run", "--nonsense"], "unrecognized arguments: --nonsense"),
    (["run", "stray"], "unrecognized arguments: stray"),
    (["run", "two\nlines"], "unrecognized arguments: two lines"),
    (["list", "--jsn"], "unrecognized arguments"),
    (["report"], "RUN"),
    (["report", "/no/such/run"], "/no/such/run"),
    (["report", "/no/such/run", "--cost", "tears"], "invalid choice: 'tears'"),
    # numbers
    ([*LABELS, "--seeds", "0"], "--seeds must be 1 or more, got 0"),
    ([*LABELS, "--seeds", "-3"], "--seeds must be 1 or more, got -3"),
    ([*LABELS, "--seeds", "two"], "expected how many, or which as in 2,3 or 0-4; got 'two'"),
    ([*LABELS, "--seeds", "4-2"], "got '4-2'"),
    ([*LABELS, "--seeds"], "expected one argument"),
    ([*LABELS, "--rounds", "-1"], "--rounds must be 0 or more, got -1"),
    ([*LABELS, "--rounds", "1.5"], "invalid int value: '1.5'"),
    ([*LABELS, "--budget=-5"], "the budget must be 0 or more"),
    ([*LABELS, "--budget", "1e300"], "the budget must be at most 1,000,000,000,000, got '1e300'"),
    ([*LABELS, "--budget", "abc"], "cannot read the budget 'abc'"),
    ([*LABELS, "--budget", "1.5"], "whole in questions"),
    ([*LABELS, "--budget", "5 apples"], "unknown unit 'apples'"),
    ([*LABELS, "--budget", "inf"], "cannot read the budget 'inf'"),
    ([*LABELS, "--budget", "1e999"], "the budget must be at most"),
    ([*LABELS, "--budget", ""], "cannot read the budget ''"),
    ([*LABELS, "--budget", "1..2s"], "cannot read the budget"),
    ([*LABELS, "--seeds", "1e9"], "expected how many, or which as in 2,3 or 0-4; got '1e9'"),
    ([*LABELS, "--strategy", "area", "--seeds", str(10**9)], "at most 100,000 cells; these strategies, oracles and"),
    ([*LABELS, "--strategy", "area", "--seeds", f"0-{10**9}"], "at most 100,000 cells; these strategies, oracles and"),
    ([*LABELS, "--rounds", str(10**9)], "--rounds must be at most 1,000,000, got 1000000000"),
    ([*LABELS, "--strategy", "power[of=" * 2000 + "area" + "]" * 2000], "at most 100 brackets in a name, got 2000"),
    ([*LABELS, "--jobs", "0"], "--jobs must be 1 or more, got 0"),
    ([*LABELS, "--jobs", "many"], "invalid int value: 'many'"),
    # names
    ([*LABELS, "--strategy", "entorpy"], "unknown strategy 'entorpy'; did you mean 'entropy'?"),
    ([*LABELS, "--strategy", ""], "cannot read ''"),
    ([*LABELS, "--strategy", "random[x=1]"], "unknown parameter of random 'x'"),
    ([*LABELS, "--strategy", "random["], "brackets do not match in 'random['"),
    ([*LABELS, "--strategy", "power[of=nothing]"], "unknown strategy 'nothing'"),
    ([*LABELS, "--strategy", "area+nothing"], "unknown rule or refiner 'nothing'"),
    ([*LABELS, "--strategy", "area+lcm+lcm"], "a strategy takes one rule and then one refiner"),
    ([*LABELS, "--strategy", "entropy"], "strategy 'entropy' needs the statistics"),
    ([*LABELS, "--strategy", "random", "--strategy", "sim"], "strategy 'sim' needs the statistics"),
    ([*LABELS, "--oracle", "perfekt"], "did you mean 'perfect'?"),
    ([*LABELS, "--oracle", "perfect[gate=door]"], "gate must be one of pixel, superpixel; got 'door'"),
    ([*LABELS, "--oracle", "noisy[rate=2]"], "rate"),
    ([*LABELS, "--oracle", "noisy[rate=high]"], "rate"),
    ([*LABELS, "--oracle", "crowd[n=0]"], "n must be"),
    ([*LABELS, "--oracle", "crowd[of=nobody]"], "unknown oracle 'nobody'"),
    ([*LABELS, "--foundation", "simulatd"], "did you mean 'simulated'?"),
    ([*LABELS, "--foundation", "simulated[miss=2]"], "miss is a probability"),
    ([*LABELS, "--foundation", "simulated[miss=often]"], "miss must be a finite number, got 'often'"),
    ([*LABELS, "--foundation", "simulated[erode=x]"], "erode must be a finite number, got 'x'"),
    ([*LABELS, "--foundation", "simulated[jitter=nan]"], "jitter must be a finite number, got nan"),
    ([*LABELS, "--foundation", "weak[n=2.5]"], "n must be a whole number, got 2.5"),
    ([*LABELS, "--foundation", "weak[n=0]"], "n and n_segments must be 1 or more"),
    ([*LABELS, "--foundation", "files"], "files[root=...]"),
    ([*LABELS, "--foundation", "files[root=/no/such]"], "expected a folder with mask_jpg and obj_jpg"),
    ([*LABELS, "--dataset", "shape"], "did you mean 'shapes'?"),
    ([*LABELS, "--dataset", "shapes[train=many]"], "train must be a whole number, got 'many'"),
    ([*LABELS, "--dataset", "shapes[train=0]"], "train must be a whole number"),
    ([*LABELS, "--dataset", "shapes[size=8]"], "size must be a whole number of at least 16"),
    ([*LABELS, "--dataset", "shapes[train=3,size=32,seed=x]"], "seed must be a whole number, got 'x'"),
    ([*LABELS, "--dataset", "kvasir", "--foundation", "simulated"], "--data-root"),
    ([*LABELS, "--dataset", "pascal", "--data-root", "/no/such", "--foundation", "simulated"], "/no/such"),
    ([*LABELS, "--dataset", "kvasir", "--data-root", "/no/such"], "/no/such"),
    ([*LABELS, "--dataset", "folder"], "--data-root"),
    ([*LABELS, "--preset", "smoke"], "--preset has no effect with --model none"),
    ([*LABELS, "--start", "warm"], "--start has no effect with --model none"),
    ([*LABELS, "--cfg-options", "max_iters=3"], "--cfg-options has no effect with --model none"),
    ([*LABELS, "--data-root", "."], "--data-root has no effect on the dataset 'shapes': leave it out"),
    ([*TRAIN, "--learner", "probe", "--preset", "smoke"], "the preset 'smoke' is for the learner 'mmseg'"),
    ([*LABELS, "--model", "big"], "--model must be one of preset, none; got 'big'"),
    ([*LABELS, "--start", "lukewarm"], "--start must be one of cold, warm; got 'lukewarm'"),
    ([*LABELS, "--scores", "/no/such.csv"], "/no/such.csv: "),
    ([*LABELS, "--seconds", "/no/such.csv"], "/no/such.csv: "),
    ([*LABELS, "--cfg-options", "nonsense"], "expected KEY=VALUE, got 'nonsense'"),
    # presets
    ([*TRAIN, "--scores", "x.csv"], "add --model none"),
    ([*TRAIN, "--preset", "smok"], "unknown preset 'smok'"),
    ([*TRAIN, "--preset", "/no/such.py"], "unknown preset '/no/such.py'"),
    ([*TRAIN, "--preset", __file__], "cannot be built"),
    ([*TRAIN, "--cfg-options", "nonsense=1"], "the preset has no 'nonsense'"),
    ([*TRAIN, "--cfg-options", "max_iters"], "expected KEY=VALUE"),
    (["run", "--cfg-options", "max_iters=15"], "max_iters=15 is too few"),
    ([*TRAIN, "--cfg-options", "max_iters=-1"], "max_iters must be a whole number of at least 1"),
    ([*TRAIN, "--cfg-options", "batch_size=big"], "batch_size must be a whole number"),
    ([*TRAIN, "--cfg-options", "optim_wrapper.optimizer.lr=fast"], "cannot be built"),
    ([*TRAIN, "--cfg-options", 'model.decode_head.loss_decode={"type":"Nothing"}'], "cannot be built"),
    ([*TRAIN, "--device", "toaster"], "--device toaster: "),
    ([*TRAIN, "--device", "cuda:99"], "--device cuda:99: "),
    ([*TRAIN, "--device", "meta"], "--device meta: "),
    ([*TRAIN, "--foundation", "weak[n=9]"], "n=9 labelled images"),
]


@pytest.mark.parametrize(("command", "said"), WORDS, ids=lambda v: " ".join(v)[-50:] if isinstance(v, list) else "")
def test_words(alc, tmp_path, monkeypatch, command, said):
    monkeypatch.chdir(tmp_path)
    out = ["--out", str(tmp_path / "out")] if command[:1] == ["run"] else []
    refused(alc(*command, *out), said)
    untouched(tmp_path / "out")
    assert not (tmp_path / "results").exists()


@pytest.fixture(scope="module")
def scores(alc, tmp_path_factory):
    """A file of scores that fits the tiny shapes, as text, and the run that reads it."""
    folder = tmp_path_factory.mktemp("scores")
    problem = read(setup_of(TINY, cache=str(folder)))
    table = pd.DataFrame({n: problem.label_only.columns[n] for n in ("image", "superpixel", "row", "column")})
    table["image"] = [problem.names[i] for i in table.image]
    table["cil"] = np.linspace(0, 1, len(table))
    return table


def test_scores_that_fit(alc, scores, tmp_path):
    scores.to_csv(tmp_path / "s.csv", index=False)
    command = [*LABELS, "--strategy", "cil_pixel", "--scores", tmp_path / "s.csv", "--out", tmp_path / "out"]
    assert alc(*command, report_too=False).code == 0


BAD_SCORES = {
    "NaN": (lambda t: t.assign(cil=[np.nan, *t.cil[1:]]), "line 2: column 'cil'"),
    "infinity": (lambda t: t.assign(cil=[*t.cil[:-1], -np.inf]), "must hold finite numbers, got -inf"),
    "text": (lambda t: t.assign(cil=["x", *t.cil[1:]]), "must hold finite numbers, got x"),
    "a missing row": (lambda t: t[1:], "needs a row each"),
    "no rows": (lambda t: t[:0], "needs a row each"),
    "a repeated row": (lambda t: pd.concat([t, t[:1]]), "needs a row each"),
    "another image": (lambda t: t.assign(image="x"), "image 'x' is not in the train split"),
    "no column": (lambda t: t.drop(columns="row"), "missing columns: row"),
    "another statistic": (lambda t: t.rename(columns={"cil": "entropy"}), "needs the statistics cil"),
    "a pixel outside": (lambda t: t.assign(row=10**6), "representative pixel outside"),
    "half a pixel": (lambda t: t.assign(column=0.5), "must hold whole numbers, got 0.5"),
}


@pytest.mark.parametrize("name", BAD_SCORES)
def test_scores(alc, scores, tmp_path, name):
    change, said = BAD_SCORES[name]
    change(scores).to_csv(tmp_path / "s.csv", index=False)
    command = [*LABELS, "--strategy", "cil_pixel", "--scores", tmp_path / "s.csv", "--out", tmp_path / "out"]
    refused(alc(*command), said)
    untouched(tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"\x00" * 50, b"image,superpixel,row,column\n\xff,1,1,1\n"])
def test_scores_that_are_no_table(alc, tmp_path, content):
    (tmp_path / "s.csv").write_bytes(content)
    command = [*LABELS, "--strategy", "cil_pixel", "--scores", tmp_path / "s.csv", "--out", tmp_path / "out"]
    refused(alc(*command), f"{tmp_path / 's.csv'}")
    untouched(tmp_path / "out")


ACTIONS = "confirm,1\ncorrect,1\nclassify,1\nvoid,1\ngive_up,1\n"


@pytest.mark.parametrize(
    "content", ["", "action\nconfirm\n", "action,seconds\nconfirm,1\n", f"action,seconds\n{ACTIONS}nap,1\n"]
)
def test_seconds(alc, tmp_path, content):
    (tmp_path / "s.csv").write_text(content)
    refused(alc(*LABELS, "--seconds", tmp_path / "s.csv", "--out", tmp_path / "out"), str(tmp_path / "s.csv"))
    (tmp_path / "s.csv").write_text(f"action,seconds\n{ACTIONS.replace('confirm,1', 'confirm,soon')}")
    refused(alc(*LABELS, "--seconds", tmp_path / "s.csv", "--out", tmp_path / "out"), str(tmp_path / "s.csv"))
    untouched(tmp_path / "out")


@pytest.fixture
def tree(folder_root):
    """The folder dataset with a foundation in files for it; returns its root."""
    for i in range(3):
        truth = scene(i, 3)[1]
        save(folder_root / "sam" / "mask_jpg" / f"train{i}.png", np.where(truth == 255, 0, truth).astype(np.uint8))
        save(folder_root / "sam" / "obj_jpg" / f"train{i}.png", (truth == 1 + i % 2).astype(np.uint8))
    return folder_root


def half(path: Path):
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])


def grey(value, size=(12, 16), dtype=np.uint8):
    return np.full(size, value, dtype)


TREES = {
    "no images": (lambda r: shutil.rmtree(r / "images"), "images/train/train0.jpg: no such file"),
    "a missing image": (lambda r: (r / "images/train/train1.png").unlink(), "train1.jpg: no such file"),
    "a missing val image": (lambda r: (r / "images/val/val0.jpg").unlink(), "val0.jpg: no such file"),
    "an image without truth": (
        lambda r: save(r / "images/train/x.png", scene(0, 3)[0]),
        "reads the truth: 1 of 4 train images have no true mask (x)",
    ),
    "a val image too many": (lambda r: save(r / "images/val/x.png", scene(0, 3)[0]), "x.png: no such file"),
    "an image twice": (lambda r: save(r / "images/train/train0.png", scene(0, 3)[0]), "two images are called 'train0'"),
    "a truncated image": (lambda r: half(r / "images/train/train1.png"), "train1.png: not a whole image"),
    "a truncated photograph": (lambda r: half(r / "images/train/train0.jpg"), "train0.jpg: not a whole image"),
    "an empty image": (lambda r: (r / "images/train/train1.png").write_bytes(b""), "train1.png: not a whole image"),
    "an image that is text": (lambda r: (r / "images/train/train1.png").write_text("hello"), "not a whole image"),
    "an image of another size": (
        lambda r: save(r / "images/train/train1.png", scene(0, 3, (9, 9))[0]),
        "the image has 9 × 9 px, its truth 12 × 16 px",
    ),
    "no annotations": (lambda r: shutil.rmtree(r / "annotations"), "3 of 3 train images have no true mask"),
    "neither images nor annotations": (
        lambda r: (shutil.rmtree(r / "annotations"), shutil.rmtree(r / "images")),
        "no *.png there",
    ),
    "a missing annotation": (lambda r: (r / "annotations/train/train1.png").unlink(), "no true mask (train1)"),
    "no val split": (lambda r: shutil.rmtree(r / "annotations/val"), "no *.png there"),
    "a class out of range": (
        lambda r: save(r / "annotations/train/train1.png", grey(7)),
        "train1.png: class ids must be 0 to 2 or 255; found 7",
    ),
    "a val class out of range": (lambda r: save(r / "annotations/val/val0.png", grey(3)), "val0.png: class ids"),
    "a colour annotation": (
        lambda r: save(r / "annotations/train/train1.png", scene(0, 3)[0]),
        "expected one channel of class ids",
    ),
    "a truncated annotation": (lambda r: half(r / "annotations/train/train2.png"), "train2.png: not a whole image"),
    "no classes": (lambda r: (r / "classes.txt").unlink(), "classes.txt: no such file"),
    "one class": (lambda r: (r / "classes.txt").write_text("cat\n"), "expected 2 to 255 classes"),
    "a class twice": (lambda r: (r / "classes.txt").write_text("cat\ncat\n"), "each once"),
    "a colour out of range": (lambda r: (r / "classes.txt").write_text("a 1 2 300\nb\nc\n"), "from 0 to 255"),
    "classes in another encoding": (lambda r: (r / "classes.txt").write_bytes(b"caf\xe9\nb\nc\n"), "classes.txt"),
    "no superpixels": (lambda r: shutil.rmtree(r / "sam/obj_jpg"), "no superpixel to ask about"),
    "a mask of another size": (
        lambda r: save(r / "sam/mask_jpg/train1.png", grey(1, (5, 5))),
        "the label map of train1 has 5 × 5 px, its truth 12 × 16 px",
    ),
    "superpixels of another size": (
        lambda r: save(r / "sam/obj_jpg/train2.png", grey(1, (12, 17))),
        "the superpixel map of train2 has 12 × 17 px",
    ),
    "a mask class out of range": (
        lambda r: save(r / "sam/mask_jpg/train1.png", grey(200)),
        "class ids must be 0 to 2 or 255; found 200",
    ),
    "a truncated mask": (lambda r: half(r / "sam/mask_jpg/train0.png"), "train0.png: not a whole image"),
    "no superpixel anywhere": (
        lambda r: [save(r / f"sam/obj_jpg/train{i}.png", grey(0)) for i in range(3)],
        "no superpixel to ask about",
    ),
}


def on(tree, out):
    return [
        *("run", "--dataset", "folder", "--data-root", tree, "--foundation", f"files[root={tree / 'sam'}]"),
        *("--preset", Path(__file__).parent / "tiny_preset.py", "--strategy", "area", "--rounds", 1, "--seeds", 1),
        *("--jobs", 1, "--budget", 1, "--out", out),
    ]


def test_a_tree_that_fits(alc, tree, tmp_path):
    done = alc(*on(tree, tmp_path / "out"), report_too=False)
    assert done.code == 0, done.err


@pytest.mark.parametrize("name", TREES)
def test_trees(alc, tree, tmp_path, name):
    spoil, said = TREES[name]
    spoil(tree)
    refused(alc(*on(tree, tmp_path / "out")), said)
    untouched(tmp_path / "out")


# Places to write to.


def test_out_is_a_file(alc, tmp_path):
    (tmp_path / "out").write_text("precious")
    refused(alc(*LABELS, "--strategy", "area", "--out", tmp_path / "out"), str(tmp_path / "out"))
    refused(alc(*LABELS, "--strategy", "area", "--out", tmp_path / "out" / "below"), str(tmp_path / "out"))
    assert (tmp_path / "out").read_text() == "precious"


@pytest.mark.parametrize("out", ["/proc/alc-bench", "/dev/null/x", "x" * 300])
def test_out_that_cannot_be(alc, tmp_path, monkeypatch, out):
    monkeypatch.chdir(tmp_path)
    refused(alc(*LABELS, "--strategy", "area", "--out", out), "alc-bench: --out ")
    assert not list(tmp_path.iterdir())


def test_out_that_holds_other_things(alc, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    refused(alc(*LABELS, "--strategy", "area", "--out", tmp_path), "holds files but no run")
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


@pytest.fixture
def finished(alc, tmp_path):
    """A run, and the command that made it."""
    command = [*LABELS, "--strategy", "area", "--out", tmp_path / "out"]
    assert alc(*command, report_too=False).code == 0
    return tmp_path / "out", command


def everything(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.mark.parametrize(
    ("flag", "value", "said"),
    [
        ("--budget", 9, "budget"),
        ("--dataset", "shapes[train=4,val=2,size=32]", "dataset"),
        ("--foundation", "simulated[miss=0.5]", 'foundation: "simulated" there, "simulated[miss=0.5]" now'),
    ],
)
def test_a_stale_run_folder(alc, finished, flag, value, said):
    out, command = finished
    before = everything(out)
    done = alc(*command, flag, value)
    refused(done, "is a run of another protocol")
    assert said in done.err and "choose another --out" in done.err
    assert everything(out) == before


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff", b'{"protocol": 3}'])
def test_a_run_folder_whose_spec_is_broken(alc, finished, content):
    out, command = finished
    (out / "spec.json").write_bytes(content)
    before = everything(out)
    refused(alc(*command), str(out))
    assert everything(out) == before


@pytest.mark.parametrize("name", ["rounds.csv", "spec.json"])
@pytest.mark.parametrize("content", [None, b"", b"\x00\xff", b"a,b\n1,2\n"])
def test_a_report_of_a_broken_run(alc, finished, name, content):
    out = finished[0]
    (out / name).unlink()
    if content is not None:
        (out / name).write_bytes(content)
    before = everything(out)
    refused(alc("report", out), str(out))
    assert everything(out) == before


def test_a_report_of_no_run_or_into_a_file(alc, finished, tmp_path):
    refused(alc("report", tmp_path), str(tmp_path))
    (tmp_path / "file").write_text("precious")
    refused(alc("report", finished[0], "--out", tmp_path / "file"), "cannot write the report there")
    refused(
        alc("report", finished[0], "--seconds", tmp_path / "file"),
        "expected one time a line, or a CSV file of the columns action,seconds",
    )
    assert (tmp_path / "file").read_text() == "precious"


def test_shapes_themselves_refuse_what_no_command_line_can_say():
    with pytest.raises(ValueError, match="whole number"):
        Shapes(train=2.5)


def test_there_are_enough_cases():
    n = len(WORDS) + len(BAD_SCORES) + len(TREES)
    assert n >= 60 and len({json.dumps([str(w) for w in command]) for command, _ in WORDS}) == len(WORDS)
