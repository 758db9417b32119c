"""The page, in a real browser: opened from disk, nothing loaded, no console error."""

import json
import re

import numpy as np
import pytest
from chromium import errors
from runs import write_run

from bench.costs import seconds
from bench.report import budgets, results, style, tables
from bench.report.layout import Layout
from bench.report.page import document
from bench.report.study import Study
from bench.runs import source

pytestmark = pytest.mark.slow


def write_page(outs, path):
    found = results.read(outs)
    times = seconds.read("measured")
    document.write(Layout(Study(found), times), path)
    return path


@pytest.fixture
def run(tmp_path):
    """A synthetic run with a gallery: its questions are about superpixels that are there."""
    return with_pictures(
        write_run(tmp_path / "run", strategies=("random", "sim", "clairvoyant_gain"), rounds=2), tmp_path
    )


def with_pictures(out, tmp_path):
    """Gives ``out`` a dataset and pseudo labels of 20 images, and asks about superpixels 1 to 4 of each."""
    import pandas as pd
    from PIL import Image

    data, pseudo = tmp_path / "data", tmp_path / "pseudo"
    names = [f"train_{i:04d}" for i in range(20)]
    quarters = np.kron([[1, 2], [3, 4]], np.ones((24, 24), int)).astype(np.uint8)
    for folder in (data / "images/train", data / "annotations/train", pseudo / "mask_jpg", pseudo / "obj_jpg"):
        folder.mkdir(parents=True)
    (data / "classes.txt").write_text("background 0 0 0\n" + "\n".join(f"{c} thing" for c in "abcdef"))
    for i, name in enumerate(names):
        truth = (quarters + i) % 7
        Image.fromarray(np.stack([truth * 36, 255 - truth * 20, quarters * 60], -1).astype(np.uint8)).save(
            data / f"images/train/{name}.png"
        )
        Image.fromarray(truth.astype(np.uint8)).save(data / f"annotations/train/{name}.png")
        Image.fromarray((quarters - 1).astype(np.uint8)).save(pseudo / f"mask_jpg/{name}.png")
        Image.fromarray(quarters).save(pseudo / f"obj_jpg/{name}.png")
    spec = json.loads((out / "spec.json").read_text())
    spec |= dict(data_root=str(data), pseudo_labels=str(pseudo), protocol=dict(dataset="folder"))
    (out / "spec.json").write_text(json.dumps(spec))
    source.trust(spec)
    for file in out.glob("cells/*/queries.csv"):
        asked = pd.read_csv(file, dtype=str, keep_default_na=False).head(80).copy()
        i = np.arange(len(asked))
        asked["image"] = np.array(names)[i % 20]
        asked["superpixel"] = superpixel = i // 20 + 1
        asked["row"], asked["column"] = np.where(superpixel > 2, 30, 6), np.where(superpixel % 2 == 0, 30, 6)
        asked["size"], asked["label_before"] = 576, superpixel - 1
        asked["round"] = 1 + i // 40
        asked.to_csv(file, index=False)
    return out


def n_traces(driver):
    return driver.execute_script("return document.getElementById('plot').data.length")


def axis(driver):
    return driver.execute_script("return document.getElementById('plot').layout.xaxis.title.text")


def test_page_works_from_disk_without_a_network(browser, run, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys
    from selenium.webdriver.support.select import Select

    browser.set_window_size(1100, 900)
    browser.get(write_page([run], tmp_path / "report.html").as_uri())
    assert browser.execute_script("return document.body.dataset.ready") == "yes"
    browser.find_element(By.ID, "seeds").send_keys(Keys.SPACE)  # two seeds: drawn at first
    assert n_traces(browser) == 3

    box = browser.find_element(By.CSS_SELECTOR, "#strategies input[value=sim]")
    box.send_keys(Keys.SPACE)
    assert not box.is_selected() and n_traces(browser) == 2
    browser.find_element(By.CSS_SELECTOR, "#strategies input[value=sim]").send_keys(Keys.SPACE)
    browser.find_element(By.ID, "seeds").send_keys(Keys.SPACE)
    assert n_traces(browser) == 9

    assert axis(browser) == "questions asked"
    Select(browser.find_element(By.ID, "cost")).select_by_visible_text("seconds of annotation")
    assert axis(browser) == "seconds of annotation"
    Select(browser.find_element(By.ID, "metric")).select_by_visible_text("model mIoU")

    shown = browser.find_elements(By.CSS_SELECTOR, "#items article")
    assert len(shown) == 7 and len(shown[0].find_elements(By.TAG_NAME, "img")) == 6
    best = shown[0].text
    Select(browser.find_element(By.ID, "order")).select_by_value("worst")
    assert browser.find_elements(By.CSS_SELECTOR, "#items article")[-1].text == best
    Select(browser.find_element(By.ID, "cell")).select_by_visible_text("sim, seed 1")
    Select(browser.find_element(By.ID, "round")).select_by_value("2")
    for image in browser.find_elements(By.CSS_SELECTOR, "#items img"):
        browser.execute_script("arguments[0].scrollIntoView()", image)
        browser.execute_async_script("arguments[0].decode().then(arguments[1])", image)
        assert browser.execute_script("return arguments[0].naturalWidth", image) > 0
    assert errors(browser) == []


def test_page_fits_a_phone(browser, run, tmp_path):
    size = dict(width=390, height=800, deviceScaleFactor=2, mobile=True)
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(write_page([run], tmp_path / "report.html").as_uri())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    assert errors(browser) == []


def test_menus_offer_only_what_there_is(browser, tmp_path):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    a = write_run(tmp_path / "a", oracles=("perfect", "noisy[rate=0.1]"), leaky=("perfect",))
    b = write_run(tmp_path / "b", dataset="pascal", foundation="files", model=False, n_seeds=1)
    browser.get(write_page([a, b], tmp_path / "report.html").as_uri())

    def options(name):
        return [o.text for o in Select(browser.find_element(By.ID, name)).options]

    Select(browser.find_element(By.ID, "dataset")).select_by_value("pascal")
    assert options("oracle") == ["perfect"] and "model mIoU" not in options("metric")
    Select(browser.find_element(By.ID, "dataset")).select_by_value("shapes")
    assert options("oracle") == ["noisy[rate=0.1]", "perfect"] and "model mIoU" in options("metric")
    Select(browser.find_element(By.ID, "oracle")).select_by_value("perfect")
    assert browser.find_element(By.ID, "leaky").is_displayed()
    assert errors(browser) == []


def test_page_is_one_file_that_asks_the_network_for_nothing(run, tmp_path):
    path = write_page([run], tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    assert path.stat().st_size < 15e6
    ours = re.sub(r"<script>/\*\*.*?</script>", "", text, flags=re.DOTALL)
    assert len(ours) < 2e6, "plotly's script was not cut out"
    assert not re.findall(r"(?:src|href)=[\"']?(?:https?:)?//", ours)
    assert "default-src 'none'" in text and "'unsafe-inline'; script-src 'sha256-" in text


def test_page_shows_missing_and_failed_cells(tmp_path):
    out = write_run(tmp_path / "run", statuses={("sim", 1): "failed", ("random", 0): "missing"})
    text = write_page([out], tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count('<td class="failed">failed</td>') == 1
    assert text.count('<td class="missing">missing</td>') == 1
    assert "nothing is ranked" in text  # the only seeds left are 1 for random, 0 for sim


@pytest.mark.parametrize("width", [400, 1400])
def test_sentence_slider_and_dots_say_what_the_tables_say(browser, tmp_path, width):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.select import Select

    names = [
        "random",
        "sim",
        "abc",
        "cil",
        "cil_area",
        "cil_pixel",
        "area",
        "entropy",
        "bvsb",
        "confidence",
        "redal",
        "clairvoyant_gain",
    ]
    out = write_run(tmp_path / "run", strategies=names, n_seeds=8, oracles=("noisy[rate=0.1]", "perfect"), rounds=5)
    study = Study(results.read([out]))
    summary, by_budget = tables.summarise(study), budgets.table(study)
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", dict(width=width, height=900, deviceScaleFactor=1, mobile=False)
    )
    browser.get(write_page([out], tmp_path / "report.html").as_uri())
    for oracle in ("perfect", "noisy[rate=0.1]"):
        Select(browser.find_element(By.ID, "oracle")).select_by_value(oracle)
        of_oracle = by_budget[by_budget.oracle.eq(oracle) & by_budget.metric.eq("data")]
        for place in (1, 4, 9):
            set_budget = "const b = document.getElementById('budget'); b.value = arguments[0];"
            browser.execute_script(set_budget + "b.dispatchEvent(new Event('input', {bubbles: true}))", place)
            rows = of_oracle[of_oracle.budget.eq(sorted(of_oracle.budget.unique())[place])]
            assert browser.find_element(By.ID, "amount").text == f"{rows.budget.iloc[0]:,.0f} questions asked"
            shown = browser.execute_script(
                "return [...document.querySelectorAll('#dots tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
            )
            ranks = [style.rank(low, high) for low, high in zip(rows.rank_low, rows.rank_high, strict=True)]
            shown_as = [(r[0][1:].strip().removesuffix(" (bound)"), r[1]) for r in shown]
            assert shown_as == list(zip(rows.strategy, ranks, strict=True))
            assert [float(r[2]) for r in shown] == pytest.approx(100 * rows["mean"].to_numpy(), abs=0.0051)
            sentence = browser.find_element(By.ID, "sentence")
            best = rows[rows.kind.eq("ranked")]
            group = best.strategy[best.rank_low.eq(1)].tolist()
            named = [code.text for code in sentence.find_elements(By.TAG_NAME, "code")]
            if len(group) == len(best):
                assert "no two of the 11 strategies differ significantly" in sentence.text and not named
                continue
            assert named[: min(len(group), budgets.MOST_NAMES)] == group[: budgets.MOST_NAMES]
            ours, random = best["mean"].max(), best.set_index("strategy")["mean"]["random"]
            below = f"random is {100 * (ours - random):.1f} points below {group[0]}"
            assert (below in sentence.text) == ("random" not in group)
        # the last budget is the end of the summary, every mean is that of rounds.csv between two rounds
        end = summary[summary.oracle.eq(oracle)].set_index("strategy").data_end_mean
        last = of_oracle[of_oracle.budget.eq(of_oracle.budget.max())].set_index("strategy")["mean"]
        assert last.to_dict() == pytest.approx(end.to_dict())
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    assert errors(browser) == []


def luminance(color: str) -> float:
    """Relative luminance of a colour like #0072B2 or #000 (WCAG 2.2)."""
    digits = color.lstrip("#") if len(color) == 7 else "".join(2 * c for c in color.lstrip("#"))
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_enough_in_light_and_dark():
    """WCAG 2.2: 4.5 to 1 for text, 3 to 1 for lines and symbols."""
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+)", block))
        for block in re.findall(r":root {(.*?)}", document.source("page.css"))
    )
    for scheme in (light, dark):
        for ink in ("ink", "dim", "accent", "failed"):
            assert min(contrast(scheme[ink], scheme[paper]) for paper in ("paper", "tint")) >= 4.5, ink
        assert all(contrast(color, scheme["paper"]) >= 3 for color in (*style.PALETTE, style.GREY))


def test_a_colour_belongs_to_a_name():
    names = ["random", "sim", "area"]
    assert style.looks(names)["sim"] == style.looks([*names, "a_new_one", "zz"])["sim"]
    assert style.look("random").color == style.GREY
    assert style.look("area @ friend").color == style.look("area").color
    assert [style.look(name).color for name in names[1:]] == ["#A87900", "#A0653A"]
    known = "random area entropy sim sim_worth cil_area cil cil_pixel abc abc+lcm bvsb confident_learning coreset badge"
    assert len({(look.color, look.marker) for look in style.looks(known.split()).values()}) == len(known.split())


def test_the_answer_is_reached_by_keyboard(browser, run, tmp_path):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    browser.get(write_page([run], tmp_path / "report.html").as_uri())
    reached = []
    for _ in range(20):
        ActionChains(browser).send_keys(Keys.TAB).perform()
        reached.append(browser.execute_script("return document.activeElement.id"))
        if reached[-1] == "dots":
            break
    assert reached[-7:] == ["dataset", "foundation", "oracle", "cost", "metric", "budget", "dots"]
    before = browser.find_element(By.ID, "amount").text
    browser.find_element(By.ID, "budget").send_keys(Keys.ARROW_LEFT)
    assert browser.find_element(By.ID, "amount").text != before


def test_coverage_folds_when_all_is_done(tmp_path):
    for name, statuses, opened in (("done", {}, False), ("failed", {("sim", 1): "failed"}, True)):
        out = write_run(tmp_path / name, statuses=statuses, rounds=2)
        text = write_page([out], tmp_path / f"{name}.html").read_text(encoding="utf-8")
        assert ("<details open><summary>Some cells are not done" in text) == opened
        assert ("<details><summary>All cells are done" in text) != opened


def test_a_script_that_is_not_the_pages_own_does_not_run(browser, run, tmp_path):
    path = write_page([run], tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("</main>", "<script>document.title = 'run'</script></main>"), encoding="utf-8")
    browser.get(path.as_uri())
    assert browser.execute_script("return document.body.dataset.ready") == "yes" and browser.title != "run"
    (refused,) = errors(browser)
    assert "Content Security Policy" in refused["message"]
