"""What a run is asked to do: the values it refuses, and where its cache lies."""

import dataclasses

import pytest

from bench.experiment.settings import Settings, default_cache
from bench.types import InputError


@pytest.mark.parametrize(
    "given, said",
    [
        (dict(rounds=-1), "--rounds must be 0 or more, got -1"),
        (dict(model="big"), "--model must be one of preset, none; got 'big'"),
        (dict(start="tepid"), "--start must be one of cold, warm; got 'tepid'"),
        (dict(scores="s.csv"), "add --model none"),
    ],
)
def test_values_that_cannot_be(given, said):
    with pytest.raises(InputError, match=said):
        Settings(**given)


def test_every_field_but_three_is_an_option_with_a_text():
    fields = {field.name: field.metadata for field in dataclasses.fields(Settings)}
    assert {name for name, metadata in fields.items() if not metadata} == {"cfg_options", "cache", "reuse"}
    assert all(metadata["help"] for metadata in fields.values() if metadata)


def test_the_environment_says_where_the_cache_is(monkeypatch):
    monkeypatch.setenv("ALC_BENCH_CACHE", "here")
    assert default_cache() == Settings().cache == "here"
    monkeypatch.delenv("ALC_BENCH_CACHE")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", "/home/me")
    assert default_cache() == "/home/me/.cache/alc-bench"
    monkeypatch.setenv("XDG_CACHE_HOME", "/elsewhere")
    assert default_cache() == "/elsewhere/alc-bench"
