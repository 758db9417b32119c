"""The command line in this process, and small trees in each dataset's own layout."""

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from chromium import started
from hypothesis import settings
from places import no_cache_of_the_user, real_data
from trees import save, scene

__all__ = ["no_cache_of_the_user", "real_data"]  # fixtures

settings.register_profile("suite", derandomize=True, deadline=None)  # the same examples, however slow the machine
settings.load_profile("suite")


def pytest_configure(config):
    """yapf, which mmengine imports, writes its grammar to the user's cache at its first import: of two workers on a
    fresh account, one would read what the other has half written. So the process that starts them imports it first."""
    if not hasattr(config, "workerinput"):
        import yapf  # noqa: F401


def pytest_collection_modifyitems(items):
    """With several processes, files of few and long tests go first: at the end, one process would wait for another."""
    items.sort(key=lambda item: item.get_closest_marker("first") is None)


@pytest.fixture
def browser(tmp_path):
    driver = started(tmp_path / "profile")
    yield driver
    driver.quit()


class Done(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture(scope="session")
def alc(tmp_path_factory):
    """``alc("run", "--seeds", 1, ...)`` is the command line in this process; ``report_too=False``: no report.

    Figures are PNG alone: what else `report.write` makes of them costs as much again, and test_report.py looks at it.
    """
    from bench import commands, report

    def main(*arguments, report_too: bool = True) -> Done:
        with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err, patch.context() as here:
            here.setattr(report, "SUFFIXES", ("png",))
            if not report_too:
                here.setattr(report, "write", lambda *_, **__: None)
            try:
                code = commands.main([str(a) for a in arguments])
            except SystemExit as end:  # --help and --version
                code = end.code
        return Done(code, out.getvalue(), err.getvalue())

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALC_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield main


@pytest.fixture
def pascal_root(tmp_path) -> Path:
    """VOCdevkit with three train and two val images."""
    voc = tmp_path / "VOCdevkit" / "VOC2012"
    lists = {"train": ["2007_000002", "2007_000001", "2007_000003"], "val": ["2008_000001", "2008_000002"]}
    for split, names in lists.items():
        path = voc / "ImageSets" / "Segmentation" / f"{split}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(names) + "\n")
        for i, name in enumerate(names):
            image, truth = scene(i, 21)
            save(voc / "JPEGImages" / f"{name}.jpg", image)
            save(voc / "SegmentationClass" / f"{name}.png", truth)
    return tmp_path / "VOCdevkit"


@pytest.fixture
def kvasir_root(tmp_path) -> Path:
    """Kvasir-SEG without lists: 25 images."""
    for i in range(25):
        image, truth = scene(i, 2)
        save(tmp_path / "kvasir" / "images" / f"k{i:02d}.jpg", image)
        save(tmp_path / "kvasir" / "masks" / f"k{i:02d}.jpg", np.where(truth == 1, 255, 0).astype(np.uint8))
    return tmp_path / "kvasir"


@pytest.fixture
def cityscapes_root(tmp_path) -> Path:
    """Cityscapes with *_labelIds of two train images and *_labelTrainIds of one val image."""
    root = tmp_path / "cityscapes"
    for i, city in enumerate(("aachen", "bochum")):
        name, (image, _) = f"{city}_000000_00001{i}", scene(i, 2)
        save(root / "leftImg8bit" / "train" / city / f"{name}_leftImg8bit.png", image)
        ids = np.resize(np.arange(34, dtype=np.uint8), image.shape[:2])
        save(root / "gtFine" / "train" / city / f"{name}_gtFine_labelIds.png", ids)
        save(root / "gtFine" / "train" / city / f"{name}_gtFine_instanceIds.png", ids)
    image, truth = scene(0, 19)
    save(root / "leftImg8bit" / "val" / "ulm" / "ulm_000000_000019_leftImg8bit.png", image)
    save(root / "gtFine" / "val" / "ulm" / "ulm_000000_000019_gtFine_labelTrainIds.png", truth)
    return root


@pytest.fixture
def folder_root(tmp_path) -> Path:
    """A plain tree of three classes, one with a colour; three train images and one val image."""
    root = tmp_path / "folder"
    for split, n in (("train", 3), ("val", 1)):
        for i in range(n):
            image, truth = scene(i, 3)
            save(root / "images" / split / f"{split}{i}.{'png' if i else 'jpg'}", image)
            save(root / "annotations" / split / f"{split}{i}.png", truth)
    (root / "classes.txt").write_text("background\ndining table 200 120 0\ncat\n")
    return root
