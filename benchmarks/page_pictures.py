"""``python benchmarks/page_pictures.py``: pictures of a page, narrow and wide, light and dark.

They are ``results/shapes/page-*.png``.

The page is of a run without a model: 12 strategies, 5 seeds, 2 oracles. Needs Chromium, its driver and selenium.
"""

import os
import shutil
import tempfile
import time
from pathlib import Path

from PIL import Image
from selenium import webdriver

from bench import commands

STRATEGIES = ["random", "area", "clairvoyant_gain", "clairvoyant_worst"]
STRATEGIES += [f"{name}[of=area,beta={beta}]" for name in ("power", "softrank") for beta in (0.3, 1, 3, 10)]
RUN = ["run", "--model", "none", "--dataset", "shapes[train=40,val=6,size=64]", "--rounds", "4", "--budget", "15"]
RUN += ["--oracle", "perfect", "--oracle", "noisy[rate=0.1]", "--seeds", "5", "--jobs", "1"]
RESULTS = Path(__file__).parents[1] / "results" / "shapes"
HEIGHT_PX = 1500

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        os.environ["ALC_BENCH_CACHE"] = f"{place}/cache"
        named = [word for name in STRATEGIES for word in ("--strategy", name)]
        assert commands.main([*RUN, *named, "--out", f"{place}/run"]) == 0
        options = webdriver.ChromeOptions()
        options.binary_location = shutil.which("chromium") or shutil.which("google-chrome")
        for flag in ("headless", "no-sandbox", "disable-gpu", "hide-scrollbars", f"user-data-dir={place}/profile"):
            options.add_argument(f"--{flag}")
        browser = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        for scheme in ("light", "dark"):
            media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
            browser.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
            for width in (400, 1400):
                size = {"width": width, "height": HEIGHT_PX, "deviceScaleFactor": 1, "mobile": False}
                browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
                browser.get(f"file://{place}/run/report.html")
                time.sleep(1)  # the curves are drawn
                path = RESULTS / f"page-{width}-{scheme}.png"
                browser.save_screenshot(str(path))
                Image.open(path).convert("RGB").save(path, optimize=True)
                print(path, path.stat().st_size)
        browser.quit()
