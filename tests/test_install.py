"""The README's install line on every Python that the package supports: its constraints resolve. Needs an index."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from bench.commands.experiment import read

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parent.parent
PROJECT = read(REPOSITORY / "pyproject.toml")["project"]
VERSIONS = ("3.11.9", "3.12.4", "3.13.9", "3.14.1")


def meant_for(lines, version: str, extra: str = "") -> list[str]:
    """The requirements among ``lines`` whose markers hold there, without them: pip reads markers for its own Python."""
    environment = {"python_version": version.rpartition(".")[0], "python_full_version": version, "extra": extra}
    stripped = (line.partition("#")[0].strip() for line in lines)
    found = [Requirement(line) for line in stripped if line]
    kept = [r for r in found if r.marker is None or r.marker.evaluate(environment)]
    return [f"{r.name}{r.specifier}" for r in kept]


def test_the_versions_tried_are_those_that_are_supported():
    assert all(SpecifierSet(PROJECT["requires-python"]).contains(version) for version in VERSIONS)
    assert not SpecifierSet(PROJECT["requires-python"]).contains("3.10.14")


@pytest.fixture(scope="module")
def resolved(tmp_path_factory):
    """By version: how pip ends that resolves everything, tests too, under the constraints; all at once, for the wait
    is for the index."""
    if "ALC_BENCH_INDEX" not in os.environ:
        pytest.skip("resolving takes minutes and an index of packages: set ALC_BENCH_INDEX=1")
    extras = PROJECT["optional-dependencies"]
    asked = [*PROJECT["dependencies"], *extras["foundation"], *extras["ray"], *extras["test"]]

    def one(version):
        to = tmp_path_factory.mktemp("resolved")
        pins = meant_for((REPOSITORY / "constraints.txt").read_text().splitlines(), version)
        (to / "constraints.txt").write_text("\n".join(pins))
        command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed"]
        command += ["--retries", "1", "--only-binary=:all:", "--python-version", version, "--target", to / "there"]
        command += ["-c", to / "constraints.txt", *meant_for(asked, version)]
        return subprocess.run(command, capture_output=True, text=True)

    with ThreadPoolExecutor(len(VERSIONS)) as pool:
        return dict(zip(VERSIONS, pool.map(one, VERSIONS), strict=True))


@pytest.mark.parametrize("version", VERSIONS)
def test_the_constraints_resolve(resolved, version):
    done = resolved[version]
    if "No module named pip" in done.stderr or "(from versions: none)" in done.stderr:
        pytest.skip("there is no pip here, or it reaches no index of packages")
    assert done.returncode == 0, done.stderr[-2000:]
