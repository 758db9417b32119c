"""Fixtures of the tests and of the benchmarks: the folder of real data, and a cache that is not the user's."""

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real datasets: $ALC_BENCH_DATA, else ../shared/data. Skips the test where there is none."""
    folder = Path(os.environ.get("ALC_BENCH_DATA", REPOSITORY.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not a folder; set ALC_BENCH_DATA")
    return folder


@pytest.fixture(scope="session", autouse=True)
def no_cache_of_the_user(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ALC_BENCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield
