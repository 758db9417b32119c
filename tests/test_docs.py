"""The documentation is right: each command runs from an empty folder, in the order of its page; every link leads
somewhere; every plug-in, column and option has its entry on the site; the notebook runs."""

import inspect
import json
import re
import runpy
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from trees import save, scene

import bench
from bench import registry, testing
from bench.commands import COMMANDS, parser
from bench.runs import schema

pytestmark = [pytest.mark.slow, pytest.mark.first]

REPOSITORY = Path(__file__).parent.parent
DOCS = REPOSITORY / "docs"
PAGES = sorted(path.name for path in DOCS.glob("*.md") if path.name != "reliability.md")
TEXTS = [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
MARKDOWN = [
    *sorted(REPOSITORY.glob("*.md")),
    *sorted(DOCS.glob("*.md")),
    *sorted((REPOSITORY / "results").rglob("*.md")),
]


def blocks(page: Path, *kinds: str) -> list[tuple[str, str]]:
    """(kind, text) of the fenced blocks of these kinds, in order."""
    found = re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    return [(kind, text) for kind, text in found if kind in kinds]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """An empty folder but for what the pages take for granted: data of one's own, a file of a friend's."""
    for split, n in (("train", 4), ("val", 2)):
        for i in range(n):
            image, truth = scene(i, 3, (48, 64))
            save(tmp_path / "streets" / "images" / split / f"{split}{i}.png", image)
            save(tmp_path / "streets" / "annotations" / split / f"{split}{i}.png", truth)
            if split == "train":
                save(
                    tmp_path / "labels" / "mask_jpg" / f"{split}{i}.png",
                    np.where(truth == 255, 0, truth).astype(np.uint8),
                )
    (tmp_path / "streets" / "classes.txt").write_text("background\ndining table 200 120 0\ncat\n")
    friend = dict(dataset="shapes[train=12,val=6,size=48]", strategy="area", data_miou=[0.4, 0.5], n_queries=[0, 9])
    pd.DataFrame(friend | {"round": [0, 1]}).to_csv(tmp_path / "friend.csv", index=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "page", [REPOSITORY / "README.md", *(DOCS / name for name in PAGES)], ids=lambda page: page.name
)
def test_the_commands_of_a_page_do_what_it_says(alc, place, page):
    names: dict = {}
    for _, text in blocks(page, "toml"):
        (place / "grid.toml").write_text(text)
    for kind, text in blocks(page, "sh", "python"):
        if kind == "python":
            exec(compile(text, page.name, "exec"), names)
            continue
        for line in text.splitlines():
            program, *words = shlex.split(line)
            done = alc(*words, report_too=words[0] == "report")  # or each run would draw one, too
            assert program == "alc-bench" and done.code == 0, f"{line}\n{done.err}"


@pytest.mark.parametrize("page", TEXTS, ids=lambda path: path.name)
def test_commands_that_no_test_can_run_have_options_that_exist(page):
    text = page.read_text(encoding="utf-8")
    shown = [text for _, text in blocks(page, "console")]
    shown += re.findall(r"^    (alc-bench .*)$", text, re.MULTILINE)
    for line in re.sub(r"\\\n", " ", "\n".join(shown)).splitlines():
        program, *words = shlex.split(line, comments=True) or [""]
        if program == "alc-bench" and words[0] in COMMANDS and "..." not in words:
            assert parser(words).parse_args(words).main


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"(?<!`)\]\(([^)\s]+)\)", text):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The generated pages of the site, by path."""
    return runpy.run_path(str(REPOSITORY / "tools" / "reference.py"))["pages"]()


@pytest.mark.parametrize("kind", registry.KINDS)
def test_every_plug_in_has_its_entry_on_the_site(reference, kind):
    page = reference[f"{kind}.md"]
    for name, cls in registry.catalogue(kind).classes.items():
        entry = page.partition(f"## `{name}` {{ #{name} }}\n")[2].partition("\n## ")[0]
        assert cls.__doc__.split()[0].strip("`") in entry, name
        for parameter in inspect.signature(cls).parameters.values():
            given = parameter.name in registry.GIVEN.get(kind, ()) or parameter.kind is parameter.VAR_KEYWORD
            assert given or re.search(rf"`{parameter.name}(=[^`]*)?`", entry), (name, parameter.name)


def test_every_column_and_statistic_has_its_entry_on_the_site(reference):
    for file, columns in schema.FILES.items():
        part = reference["columns.md"].partition(f"## {file}\n")[2].partition("\n## ")[0]
        assert re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) == [c.name for c in columns], file
    for name in bench.STATISTICS:
        assert f"| `{name}` |" in reference["statistics.md"]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_its_entry_on_the_site(reference, command, capsys):
    with pytest.raises(SystemExit):
        parser([command]).parse_args([command, "--help"])
    options = set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", capsys.readouterr().out, re.MULTILINE)) - {"--help"}
    part = reference["options.md"].partition(f"## alc-bench {command}\n")[2].partition("\n## ")[0]
    assert options <= set(re.findall(r"`(--[\w-]+)`", part))


def test_the_navigation_of_the_site_has_every_page(reference):
    navigation = (REPOSITORY / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    named = set(re.findall(r"[\w./-]+\.md$", navigation, re.MULTILINE))
    assert named >= {f"reference/{name}" for name in reference} | {f"docs/{path.name}" for path in DOCS.glob("*.md")}


def test_the_picture_of_a_question_is_that_of_its_program(tmp_path, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "Agg")
    program = runpy.run_path(str(REPOSITORY / "tools" / "picture_of_a_question.py"))
    program["main"](tmp_path / "question.png")
    made, committed = (
        np.asarray(Image.open(path).convert("RGB"), np.int16)
        for path in (tmp_path / "question.png", DOCS / "images" / "question.png")
    )
    assert made.shape == committed.shape and np.abs(made - committed).mean() < 1


def test_every_kind_of_plug_in_has_its_group_and_its_check():
    text = (DOCS / "plug-ins.md").read_text(encoding="utf-8")
    for kind in registry.KINDS:
        assert f"`alc_bench.{kind}`" in text
    for check in re.findall(r"`(check_\w+)`", text):
        assert callable(getattr(testing, check))


def test_every_strategy_is_explained_and_counted():
    found = registry.describe("strategies")
    text = (DOCS / "strategies.md").read_text(encoding="utf-8")
    for part, reads_truth in zip(text.split("## Bounds"), (False, True), strict=True):
        first_cells = re.findall(r"^\| (`[^|]*)", part, re.MULTILINE)
        named = re.findall(r"`(\w+)", " ".join(first_cells))
        assert sorted(named) == [entry["name"] for entry in found if entry["reads_truth"] is reads_truth]
    n_bounds = sum(entry["reads_truth"] for entry in found)
    said = f"{len(found) - n_bounds} strategies and {n_bounds} bounds"
    for page in ("README.md", "CHANGELOG.md"):
        assert said in (REPOSITORY / page).read_text(encoding="utf-8"), page


def test_annotators_are_listed_with_their_defaults():
    rows = re.findall(r"^\| `(\w+)(?:\[([^`]*)\])?` \|", (DOCS / "costs.md").read_text(encoding="utf-8"), re.MULTILINE)
    known = {e["name"]: e["parameters"] for e in registry.describe("oracles")}
    listed = {name: parameters for name, parameters in rows if name in known}
    assert sorted(listed) == sorted(known)
    for name, parameters in listed.items():
        assert set(re.findall(r"\w+=[\d.]+\b(?!\.)", parameters)) <= set(known[name]), name


def test_every_page_is_in_the_contents():
    contents, readme = (path.read_text(encoding="utf-8") for path in (DOCS / "README.md", REPOSITORY / "README.md"))
    for page in {path.name for path in DOCS.glob("*.md")} - {"README.md"}:
        assert f"]({page})" in contents and f"](docs/{page})" in readme, page


def test_the_notebook_runs(place, monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", str(place / "cache"))
    monkeypatch.setenv("MPLBACKEND", "Agg")
    notebook = json.loads((DOCS / "tutorial.ipynb").read_text(encoding="utf-8"))
    assert notebook["nbformat"] == 4
    names: dict = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"] and cell["execution_count"] is None  # kept without what one machine said
            exec(compile("".join(cell["source"]), cell["id"], "exec"), names)
    assert set(names["table"].strategy) == {"random", "area"} and names["tables"]["summary"].shape[0] == 4
