"""The stand-ins for mmcv's operators and torchvision's library: there when needed, away when not, loud when called.

``mmcv._ext`` is the compiled part of mmcv, which mmsegmentation imports by this name.
"""

import importlib.machinery
import subprocess
import sys
import types

import numpy as np
import pytest
import torch

from bench import compat

pytestmark = pytest.mark.slow


@pytest.fixture
def lite(monkeypatch):
    """As on mmcv-lite, whatever is installed and whoever imported it before."""
    monkeypatch.delitem(sys.modules, "mmcv._ext", raising=False)
    monkeypatch.setattr(compat.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))


def test_operators_import_and_raise_when_called(lite):
    compat.install()
    operator = sys.modules["mmcv._ext"].roi_align_forward
    with pytest.raises(RuntimeError, match="'roi_align_forward' needs full mmcv; this is mmcv-lite"):
        operator(1, offset=2)
    with pytest.raises(AttributeError):
        _ = sys.modules["mmcv._ext"].__wrapped__


def test_install_twice_changes_nothing(lite):
    compat.install()
    first = sys.modules["mmcv._ext"]
    compat.install()
    assert sys.modules["mmcv._ext"] is first


@pytest.mark.parametrize("imported", [True, False])
def test_full_mmcv_stays_as_it_is(monkeypatch, imported):
    full = types.ModuleType("mmcv._ext")
    full.__spec__ = importlib.machinery.ModuleSpec("mmcv._ext", None)
    monkeypatch.delitem(sys.modules, "mmcv._ext", raising=False)
    monkeypatch.setattr(compat.importlib.util, "find_spec", lambda name: full.__spec__)
    monkeypatch.setitem(sys.modules, "torchvision", types.ModuleType("torchvision"))
    if imported:
        monkeypatch.setitem(sys.modules, "mmcv._ext", full)
    compat.install()
    assert sys.modules.get("mmcv._ext") is (full if imported else None)


def test_torchvision_imports_in_a_fresh_process_even_after_two_installations():
    code = "from bench import compat; compat.install(); compat.install(); import torchvision; compat.install()"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_suppression_is_that_of_a_plain_loop():
    compat.install_nms()
    from torchvision.ops import nms

    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 9, (60, 2, 2)), axis=1).reshape(60, 4)
    scores = rng.permutation(60) / 60

    def overlap(a, b):
        width, height = (max(0, min(a[2 + k], b[2 + k]) - max(a[k], b[k])) for k in (0, 1))
        area = [(x[2] - x[0]) * (x[3] - x[1]) for x in (a, b)]
        return width * height / (sum(area) - width * height)

    kept = []
    for k in np.argsort(-scores):
        if all(overlap(corners[k], corners[j]) <= 0.4 for j in kept):
            kept.append(int(k))
    assert nms(torch.tensor(corners), torch.tensor(scores), 0.4).tolist() == kept
