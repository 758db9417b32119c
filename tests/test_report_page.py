"""The page, in a real browser: opened from disk, nothing loaded, no console error."""

import json
import re
import shutil

import numpy as np
import pytest
from runs import write_run

from bench.costs import seconds
from bench.report import page, prices, results, tables
from bench.report.verdict import Study

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = ["headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
FLAGS += ["disable-component-update", "disable-sync", "disable-dev-shm-usage"]


def write_page(outs, path):
    found = results.read(outs)
    times = seconds.read("measured")
    page.write(Study(found), tables.summarise(Study(found)), path, prices.table(found, times), times)
    return path


@pytest.fixture
def browser(tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    driver = shutil.which("chromedriver")
    if not CHROMIUM or not driver:
        pytest.skip("chromium or chromedriver is not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in [*FLAGS, f"user-data-dir={tmp_path / 'profile'}"]:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_network_conditions(offline=True, latency=0, throughput=0)
    yield started
    started.quit()


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


def errors(driver):
    return [entry for entry in driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]


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


def test_page_shows_missing_and_failed_cells(tmp_path):
    out = write_run(tmp_path / "run", statuses={("sim", 1): "failed", ("random", 0): "missing"})
    text = write_page([out], tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.count('<td class="failed">failed</td>') == 1
    assert text.count('<td class="missing">missing</td>') == 1
    assert "nothing is ranked" in text  # the only seeds left are 1 for random, 0 for sim


def test_a_script_that_is_not_the_pages_own_does_not_run(browser, run, tmp_path):
    path = write_page([run], tmp_path / "report.html")
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("</main>", "<script>document.title = 'run'</script></main>"), encoding="utf-8")
    browser.get(path.as_uri())
    assert browser.execute_script("return document.body.dataset.ready") == "yes" and browser.title != "run"
    (refused,) = errors(browser)
    assert "Content Security Policy" in refused["message"]
