"""The kernels against the committed baseline: ratios to a copy of the probabilities, round by round in one process.

A ratio depends on the machine far less than a time does. `MARGIN` is what it may rise by before the test fails.
``ALC_BENCH_BASELINE=1 tox -e perf`` writes the baseline anew.
"""

import json
import os
from pathlib import Path

import pytest
import torch

from bench.kernels import COLUMNS, IMPLEMENTATIONS, superpixel_statistics
from bench.time import SIZES, scene
from bench.timing import compare

BASELINE = Path(__file__).with_name("kernels_baseline.json")
MARGIN = 1.5
NEEDS = {"sim": ("sim",), "representative": (), "all": tuple(COLUMNS)}


@pytest.fixture(scope="module", params=["voc", "cityscapes"])
def image(request):
    logits, labels, superpixels = scene(*SIZES[request.param])
    full = torch.nn.functional.interpolate(logits[None], labels.shape, mode="bilinear")[0].softmax(0).contiguous()
    return request.param, {"probabilities": full, "logits": logits}, labels, superpixels


@pytest.fixture(scope="module")
def ratios():
    """What this session measured; printed beside the baseline, and written to it on demand."""
    old = json.loads(BASELINE.read_text()) if BASELINE.exists() else {}
    new = {}
    yield old, new
    print("\nratio to a copy, against the baseline")
    for name, ratio in new.items():
        print(
            f"{name:44} {ratio:8.2f}  was {old.get(name, float('nan')):8.2f}  {ratio / old.get(name, ratio) - 1:+7.0%}"
        )
    if os.environ.get("ALC_BENCH_BASELINE"):
        BASELINE.write_text(json.dumps(old | new, indent=2) + "\n")


@pytest.mark.parametrize("needs", NEEDS)
@pytest.mark.parametrize("source", ["probabilities", "logits"])
@pytest.mark.parametrize("implementation", [i for i in IMPLEMENTATIONS if i not in ("reference", "torch", "gpu")])
def test_ratio_to_a_copy(benchmark, image, ratios, implementation, source, needs):
    size, scores, labels, superpixels = image
    old, new = ratios
    benchmark.group = f"{size}, from {source}"
    options = {"logits": source == "logits", "implementation": implementation, "threads": 1}
    target = torch.empty_like(scores["probabilities"])

    def kernel():
        return superpixel_statistics(scores[source], labels, superpixels, NEEDS[needs], **options)

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        timings = compare({"copy": lambda: target.copy_(scores["probabilities"]), "kernel": kernel}, rounds=11)
    finally:
        torch.set_num_threads(before)
    benchmark.pedantic(kernel, rounds=3)
    name = f"{implementation}, {size}, from {source}, {needs}"
    new[name] = benchmark.extra_info["ratio_to_copy"] = round(timings.ratio("kernel", "copy"), 2)
    if not os.environ.get("ALC_BENCH_BASELINE"):
        assert name in old, f"no baseline for {name!r}: write one with ALC_BENCH_BASELINE=1"
        assert new[name] <= MARGIN * old[name], f"{name}: {new[name]} × a copy, {old[name]} in the baseline"
