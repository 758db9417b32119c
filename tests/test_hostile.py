"""A run folder, a pack or a dataset from a stranger: it runs nothing, and leads to no place outside its own."""

import ast
import json
import re
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from runs import write_run
from test_report_page import with_pictures, write_page

from bench import files
from bench.commands.export import export
from bench.commands.info import info
from bench.commands.merge import merge
from bench.datasets.names import read_list
from bench.report import results
from bench.report.page import document, gallery
from bench.runs import checksums, pack
from bench.runs.bundle import Bundled
from bench.types import InputError, printable

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent
SAFE = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
FORBIDDEN = {"eval", "exec", "pickle.load", "pickle.loads", "yaml.load", "joblib.load", "pd.read_pickle"}
ALC = ["--model", "none", "--dataset", "shapes[train=3,val=2,size=32]", "--rounds", 1, "--budget", 2, "--seeds", 1]


@pytest.mark.parametrize("package", ["bench", "baselines", "oracles", "adjudicators"])
def test_nothing_that_is_read_is_run(package):
    for path in (REPOSITORY / package).rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call):
                name, place = ast.unparse(call.func), f"{path.name}, line {call.lineno}"
                assert name not in FORBIDDEN, place
                if name in SAFE:
                    key, value = SAFE[name]
                    given = {word.arg: word.value for word in call.keywords}
                    assert key in given and given[key].value is value, f"{place}: {name} without {key}={value}"


def pack_of(path: Path, contents: dict[str, str], name="run", **spec) -> Path:
    """A pack whose digests are right, whatever is in it."""
    contents = {"spec.json": json.dumps(spec), "rounds.csv": "x\n"} | contents
    digests = {inner: files.checksum(text.encode())[1] for inner, text in contents.items()}
    about = {"format": pack.FORMAT, "name": name, "files": digests}
    with zipfile.ZipFile(path, "w") as zipped:
        for inner, text in ({"pack.json": json.dumps(about)} | contents).items():
            zipped.writestr(inner, text)
    return path


@pytest.mark.parametrize(
    "inner", ["../out.csv", "/out.csv", "cells/../../out.csv", "cells/x/../../../out.csv", "bundle/data.json", "out.py"]
)
def test_a_pack_holds_no_more_than_the_files_of_a_run(tmp_path, monkeypatch, inner):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "deep" / "cache"))
    with pytest.raises(InputError, match="its files are not those"):
        pack.opened(pack_of(tmp_path / "a.zip", {inner: "x"}))
    assert not (tmp_path / "deep").exists()


@pytest.mark.parametrize("name", ["..", ".", "", "../../up", "/etc"])
def test_a_packs_name_leads_nowhere(tmp_path, monkeypatch, name):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    place = pack.opened(pack_of(tmp_path / "a.zip", {}, name=name))
    assert place.resolve().parent.parent == tmp_path / "cache" / "packs" and (place / "rounds.csv").is_file()


def test_a_pack_names_no_folder_of_this_machine_and_is_of_bounded_size(tmp_path, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(tmp_path / "cache"))
    for place in pack.PLACES:
        with pytest.raises(InputError, match="names folders of this machine"):
            pack.opened(pack_of(tmp_path / "a.zip", {}, **{place: "/etc"}))
    monkeypatch.setattr(pack, "LIMIT_BYTES", 10_000)
    with pytest.raises(InputError, match="holds more than"):
        pack.opened(pack_of(tmp_path / "a.zip", {"cells/a/queries.csv": "0" * 10_000}))
    assert not (tmp_path / "cache").exists()


@pytest.fixture
def pictured(tmp_path):
    return with_pictures(write_run(tmp_path / "run", strategies=("random",), n_seeds=1, rounds=1), tmp_path)


def edit(path: Path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def asked(run: Path, column: str, value) -> None:
    path = next(run.glob("cells/*/queries.csv"))
    table = pd.read_csv(path, dtype=str, keep_default_na=False)
    table[column] = value
    table.to_csv(path, index=False)


@pytest.mark.parametrize(
    "column, value",
    [
        ("image", "../../../etc/passwd"),
        ("image", "/etc/passwd"),
        ("image", "a\n'\"b"),
        ("superpixel", "99"),
        ("row", "100000"),
        ("column", "-1"),
        ("answer", "import os"),
        ("answer", "9" * 30),
    ],
)
def test_a_question_about_what_is_not_there_is_a_note_in_the_gallery(pictured, column, value):
    asked(pictured, column, value)
    found = gallery.build(results.read([pictured]))
    assert found["cells"] == [] and len(found["notes"]) == 1


@pytest.mark.parametrize(
    "folder, said",
    [("pseudo/obj_jpg", "superpixel map"), ("data/annotations/train", "truth"), ("data/images/train", "image")],
)
def test_maps_of_another_shape_are_a_note_in_the_gallery(pictured, tmp_path, folder, said):
    for path in (tmp_path / folder).glob("*.png"):
        picture = Image.open(path)
        picture.crop((0, 0, 12, 12)).resize((400, 300), Image.Resampling.NEAREST).save(path)
    (note,) = gallery.build(results.read([pictured]))["notes"]
    assert f"the {said} of train_00" in note and "has 300 × 400 px, its label map 48 × 48 px" in note


def test_a_spec_that_names_other_folders_reads_nothing_and_writes_nothing_there(alc, pictured, tmp_path):
    there = tmp_path / "elsewhere"
    there.mkdir()
    (there / "secret.csv").write_text("password\n")
    edit(pictured / "spec.json", pseudo_labels=str(there), data_root=str(there))
    before = sorted(tmp_path.glob("*"))
    assert alc("report", pictured).code == 0 and alc("info", pictured).code == 0
    assert alc("export", pictured, "--strategy", "random", "--seed", 0, "--to", tmp_path / "to").code == 2
    assert sorted(tmp_path.glob("*")) == before and [p.name for p in there.iterdir()] == ["secret.csv"]
    written = [p.read_bytes() for p in pictured.rglob("*") if p.is_file()]
    assert not any(b"password" in content for content in written)
    edit(pictured / "spec.json", files={"../elsewhere/secret.csv": files.checksum(b"password\n")})
    with pytest.raises(InputError, match="not the name of a file in that folder"):
        results.read([pictured])
    cell = next(pictured.glob("cells/*"))
    for name in ("/etc/passwd", "a\0b", "\ud800", "x" * 5000):
        with pytest.raises(InputError, match=r"not the name of a file|damaged: File name too long"):
            checksums.check_all(cell, {"files": {name: files.checksum(b"")}})


def test_folders_that_a_strangers_spec_names_are_read_only_when_the_user_says_so(alc, pictured, tmp_path):
    moved = (tmp_path / "data").rename(tmp_path / "mine")
    edit(pictured / "spec.json", data_root=str(moved))
    export = ("export", pictured, "--strategy", "random", "--seed", 0, "--to", tmp_path / "to")
    refused = alc(*export)
    assert (
        refused.code == 2 and f"names {tmp_path / 'pseudo'} and {moved}: look at them, and add --follow" in refused.err
    )
    found = gallery.build(results.read([pictured]))
    assert found["cells"] == [] and "--follow" in found["notes"][0]
    assert alc(*export, "--follow").code == 0 and (tmp_path / "to" / "images" / "train").is_dir()
    assert gallery.build(results.read([pictured]))["cells"]


def test_names_are_text_in_latex_and_lose_what_speaks_to_a_terminal(alc, pictured):
    evil = "[a\\input /etc/passwd{b}~^\x1b[31m\n\\input c\u202e$\\bad{$"
    for path in [pictured / "rounds.csv", *pictured.glob("cells/*/rounds.csv")]:
        pd.read_csv(path).assign(strategy=evil, foundation=evil).to_csv(path, index=False)
    edit(next(pictured.glob("cells/*/spec.json")), strategy=evil, foundation=evil)
    edit(pictured / "spec.json", strategies=[evil], command=evil)
    done, told = alc("report", pictured, "--no-html"), alc("info", pictured)
    assert done.code == told.code == 0
    latex, markdown = ((pictured / "report" / f"summary.{kind}").read_text() for kind in ("tex", "md"))
    assert "{}[a\\textbackslash{}input /etc/passwd\\{b\\}\\textasciitilde{}\\textasciicircum{}?[31m?" in latex
    for line in latex.splitlines():
        assert line.startswith("%") or "\\input" not in line
    assert all(printable(line) == line for text in (latex, markdown, told.out) for line in text.splitlines())
    refused = alc("export", pictured, "--strategy", "\x1b[31m", "--seed", 0, "--to", pictured / "to")
    assert refused.code == 2 and "\x1b" not in refused.err + done.out


def test_a_status_is_one_of_those_that_there_are(pictured):
    edit(next(pictured.glob("cells/*/spec.json")), status='"><script>')
    with pytest.raises(InputError, match="the status of a cell is one of"):
        results.read([pictured])


def test_names_that_lead_elsewhere_are_refused_in_a_bundle_and_in_a_list(tmp_path):
    told = dict(names=["../../etc/x"], classes=["a", "b"], palette=[[0, 0, 0], [1, 1, 1]], background=255)
    (tmp_path / "data.json").write_text(json.dumps(told))
    with pytest.raises(InputError, match="must be a plain file name"):
        Bundled(tmp_path)
    (tmp_path / "data.json").write_text(json.dumps(told | {"palette": "x"}))
    with pytest.raises(InputError, match=r"palette is .x.; expected a list"):
        Bundled(tmp_path)
    (tmp_path / "train.txt").write_text("a\n../b\n")
    with pytest.raises(InputError, match=r"'\.\./b' leads elsewhere"):
        read_list(tmp_path / "train.txt")


def test_a_grid_without_end_and_json_without_end_are_one_line(pictured):
    edit(pictured / "spec.json", seeds=10**15)
    with pytest.raises(InputError, match="more than 100,000 cells"):
        results.read([pictured])
    for text in ("[" * 100_000, '{"a": ' + "9" * 10_000 + "}"):
        (pictured / "spec.json").write_text(text)
        with pytest.raises(InputError, match="not readable as JSON"):
            info(pictured)


@pytest.fixture(scope="module")
def whole(alc, tmp_path_factory):
    """A run with all that it keeps."""
    run = tmp_path_factory.mktemp("whole") / "run"
    assert alc("run", *ALC, "--strategy", "random", "--jobs", 1, "--out", run, report_too=False).code == 0
    return run


OF_OTHER_TYPES = [None, True, -1, 10**30, 1.5, "x", "a\0b", "\ud800", "x" * 5000, [], [1], ["x"], [["a"]], {}, {"a": 1}]


def places(value, path=()):
    """The keys that lead to each value in a JSON value."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def replaced(value, path, by):
    if not path:
        return by
    copy = value.copy()
    copy[path[0]] = replaced(value[path[0]], path[1:], by)
    return copy


def everything(run, to):
    """All that reads a run of somebody else's."""
    shutil.rmtree(to, ignore_errors=True)
    yield lambda: gallery.build(results.read([run]))
    yield lambda: document._runs(results.read([run]))
    yield lambda: info(run)
    yield lambda: export(run, "random", 0, to / "export")
    yield lambda: merge([run], to / "merged", "merge")


JSONS = ["spec.json", "cells/random__perfect__seed0/spec.json", "cells/random__perfect__seed0/sums.json"]


@pytest.mark.parametrize("name", [*JSONS, "bundle/data.json"])
@settings(max_examples=15, phases=[Phase.generate], suppress_health_check=list(HealthCheck), deadline=None)
@given(data=st.data())
def test_a_value_of_another_type_is_read_or_refused_in_one_line(whole, tmp_path_factory, name, data):
    place = tmp_path_factory.getbasetemp() / "another"
    shutil.rmtree(place, ignore_errors=True)
    run = Path(shutil.copytree(whole, place / "run"))
    for path in run.rglob("spec.json"):  # without the sums that would tell; a stranger gets them right
        told = json.loads(path.read_text())
        without = {"sum", "files"} if name.endswith("sums.json") else {"sum"}
        path.write_text(json.dumps({key: told[key] for key in told.keys() - without}))
    told = json.loads((run / name).read_text())
    told.pop("sum", None)
    where = data.draw(st.sampled_from(list(places(told))[1:]))
    (run / name).write_text(json.dumps(replaced(told, where, data.draw(st.sampled_from(OF_OTHER_TYPES)))))
    for read in everything(run, place / "to"):
        try:
            read()
        except InputError as error:
            assert len(str(error).splitlines()) == 1


@pytest.mark.parametrize(
    "changes",
    [
        *({"files": value} for value in ([1], {"rounds.csv": 5}, {"rounds.csv": ["x", "y"]}, {"rounds.csv": []})),
        *({"seeds": value} for value in ("abc", None, ["0"], [["a"]], [1e400])),
        *({"strategies": value} for value in (5, [1], None)),
        {"protocol": {"dataset": 5}},
    ],
)
def test_a_malformed_spec_is_one_line(whole, tmp_path, changes):
    run = Path(shutil.copytree(whole, tmp_path / "run"))
    told = json.loads((run / "spec.json").read_text())
    told.pop("sum")
    (run / "spec.json").write_text(json.dumps(told | changes))
    with pytest.raises(InputError, match="damaged"):
        results.read([run])


@pytest.mark.parametrize(
    "changes",
    [{"palette": []}, {"palette": [[0, 0, 0]]}, {"palette": [1, 2, 3]}, {"classes": [1]}, {"background": "x"}],
)
def test_a_malformed_bundle_is_one_line(whole, tmp_path, changes):
    told = json.loads((whole / "bundle" / "data.json").read_text())
    (tmp_path / "data.json").write_text(json.dumps(told | changes))
    with pytest.raises(InputError, match=r"data\.json: (damaged|expected classes, and a colour for each)"):
        Bundled(tmp_path)


def test_an_image_that_would_fill_the_memory_is_one_line(alc, folder_root, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50)  # twice as many pixels are an error
    run = ["run", *ALC, "--dataset", "folder", "--data-root", folder_root, "--foundation", "simulated"]
    run += ["--strategy", "area"]
    done = alc(*run, "--out", folder_root.parent / "out", report_too=False)
    assert done.code == 2 and "train0.png: larger than 100 pixels" in done.err
    assert len(done.err.strip().splitlines()) == 1


NAMES = ["<script>alert(1)</script>", "'\"><img src=x onerror=alert(1)>", "<!--<script>", "=1+1", "@x", "a&amp;b\n"]


def test_the_page_holds_names_only_as_text_and_allows_no_script_of_theirs(pictured, tmp_path):
    evil = "".join(NAMES)
    data = tmp_path / "data"
    for path in [*data.rglob("train_*.png"), *(tmp_path / "pseudo").rglob("train_*.png")]:
        path.rename(path.with_name(f"<script>'\"=@{path.name}"))
    (data / "classes.txt").write_text("<script>x 0 0 0\n" + "\n".join(f'{c}"<!--<script> thing' for c in "abcdef"))
    for path in pictured.rglob("queries.csv"):
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        table.assign(image="<script>'\"=@" + table.image).to_csv(path, index=False)
    for path in [pictured / "rounds.csv", *pictured.glob("cells/*/rounds.csv")]:
        table = pd.read_csv(path).assign(foundation=evil, strategy=evil, oracle=evil, dataset=evil)
        table.to_csv(path, index=False)
    cell = next(pictured.glob("cells/*/spec.json"))
    keys = dict(foundation=evil, strategy=evil, oracle=evil, dataset=evil)
    edit(cell, **keys)
    edit(pictured / "spec.json", strategies=[evil], oracles=[evil], command=evil, **{evil: evil})
    text = write_page([pictured], tmp_path / "report.html").read_text(encoding="utf-8")
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", text, re.DOTALL)
    assert [attributes for attributes, _ in scripts] == [' type="application/json" id="data"', "", ""]
    told = json.loads(scripts[0][1])
    assert told["settings"][0]["key"][0] == printable(evil) and "<" not in scripts[0][1]
    shown = [item["image"] for cell in told["gallery"]["cells"] for items in cell["rounds"].values() for item in items]
    assert shown and all("<script>" in image for image in shown)
    markup = re.sub(r"<script[^>]*>.*?</script>|<style>.*?</style>", "", text, flags=re.DOTALL)
    assert "<script" not in markup and "<img" not in markup and "<!--" not in markup
    assert "&lt;script&gt;" in markup
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert "default-src 'none'" in policy and policy.count("'sha256-") == 2
    assert "unsafe-inline" not in re.search("script-src [^;]*", policy)[0]
