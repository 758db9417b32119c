"""Names to plug-ins: brackets, nesting, defaults, and errors that say what was meant."""

import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import registry
from bench.types import InputError

PLUGINS = {
    "mine": """
        "A room of two."
        class NearestEdge:
            '''Says hello.

            And more.'''
            question, needs, source, reads_truth = "correction", ("size",), "us", False
            def __init__(self, k, pull: float = 0.5, root=None):
                if k == 13: raise ValueError("unlucky\\nnumber")
                if k == 14: raise TypeError("odd")
                self.k, self.pull, self.root = k, pull, root
            def acquire(self): ...
        class Any2:
            def __init__(self, **options): self.options = options
            def acquire(self): ...
        class _Base:
            def acquire(self): ...
        class Helper: ...
        """,
    "copy": "from toyroom.mine import NearestEdge\n",
    "broken": "import no_such_module_anywhere\n",
    "worse": "raise SystemError('two\\nlines')\n",
}


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Makes a package of plug-ins, and installed ones, the strategies that the registry finds."""

    def make(files=PLUGINS, points=""):
        (tmp_path / "toyroom").mkdir()
        for name, text in {"__init__": "", **files}.items():
            (tmp_path / "toyroom" / f"{name}.py").write_text(textwrap.dedent(text))
        info = tmp_path / "toy-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[alc_bench.strategies]\n{points}")
        monkeypatch.syspath_prepend(tmp_path)
        monkeypatch.setitem(registry.KINDS, "strategies", ("toyroom", "acquire"))
        registry.catalogue.cache_clear()

    yield make
    registry.catalogue.cache_clear()
    for name in [n for n in sys.modules if n.partition(".")[0] == "toyroom"]:
        del sys.modules[name]


def test_names_are_classes_in_snake_case_where_they_are_defined(room):
    room()
    found = registry.catalogue("strategies")
    assert list(found.classes) == ["any2", "nearest_edge"]
    assert found.broken == {
        "broken": "ModuleNotFoundError: No module named 'no_such_module_anywhere'",
        "worse": "SystemError: two",
    }


def test_a_broken_plug_in_is_an_error_only_for_who_asks_for_it(room):
    room(points="gone = no_such_module:Thing\nhalf = toyroom.mine:NoSuchClass\nextra = toyroom.mine:Any2\n")
    assert registry.load("strategies", "extra[a=1]").options == {"a": 1}
    described = {entry["name"]: entry for entry in registry.describe("strategies")}
    assert all(described[name]["broken"] for name in ("broken", "worse", "gone", "half"))
    for name in ("gone", "half", "broken"):
        with pytest.raises(InputError, match=f"'{name}' does not import: "):
            registry.load("strategies", name)


def test_what_a_plug_in_says_of_itself(room):
    room()
    entry = next(e for e in registry.describe("strategies") if e["name"] == "nearest_edge")
    assert entry == {
        "name": "nearest_edge",
        "caption": "Says hello.",
        "parameters": ["k", "pull=0.5", "root=None", "question=correction"],
        "question": "correction",
        "needs": ("size",),
        "source": "us",
        "reads_truth": False,
    }


def test_two_plug_ins_of_one_name_are_refused(room):
    room(points="nearest_edge = toyroom.mine:Any2\n")
    with pytest.raises(InputError, match="two strategies are called 'nearest_edge'"):
        registry.catalogue("strategies")


def test_one_plug_in_found_twice_is_one(room):
    room(points="nearest_edge = toyroom.mine:NearestEdge\n")
    assert "nearest_edge" in registry.catalogue("strategies").classes


def test_parameters_and_defaults(room):
    room()
    built = registry.load("strategies", "nearest_edge[k=3]", root="here", pull=None, nothing=4)
    assert (built.k, built.pull, built.root) == (3, 0.5, "here")
    assert registry.load("strategies", "nearest_edge[k=a,root=there]", root="here").root == "there"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("nearst_edge[k=1]", "unknown strategy 'nearst_edge'; did you mean 'nearest_edge'"),
        ("xyzzy", "unknown strategy 'xyzzy'; there are: any2, nearest_edge"),
        ("nearest_edge[k=1,pul=2]", "unknown parameter of nearest_edge 'pul'; did you mean 'pull'"),
        ("nearest_edge", r"needs the parameter 'k': nearest_edge\[k=...\]"),
        ("nearest_edge[k=13]", r"strategy 'nearest_edge\[k=13\]': ValueError: unlucky$"),
        ("nearest_edge[k=14]", "TypeError: odd"),
        ("nearest_edge[k=1,pull=hard]", "strategy 'nearest_edge': pull must be a finite number, got 'hard'"),
        ("nearest_edge[k=1,pull=true]", "pull must be a finite number, got True"),
        ("nearest_edge[k=1,pull=nan]", "pull must be a finite number, got nan"),
        ("nearest_edge[k=1,k=2]", "gives 'k' twice"),
        ("nearest_edge[k=1,question=guess]", "unknown question of nearest_edge 'guess'; there are: classification, "),
        ("nearest_edge[k=1,qestion=dominant]", "unknown parameter of nearest_edge 'qestion'; did you mean 'question'"),
        ("nearest_edge[k]", "expected parameter=value"),
        ("nearest_edge[=1]", "expected parameter=value"),
        ("nearest_edge[k=1,]", "expected parameter=value"),
        ("nearest_edge[k=[1]", "brackets do not match"),
        ("nearest_edge[k=1]]", "brackets do not match"),
        ("nearest_edge[k=1", "expected name or name"),
        ("nearest edge", "expected name or name"),
        ("", "expected name or name"),
        ("[k=1]", "expected name or name"),
        ("../etc", "expected name or name"),
    ],
)
def test_errors_say_what_was_meant(room, spec, said):
    room()
    with pytest.raises(InputError, match=said) as caught:
        registry.load("strategies", spec)
    assert "\n" not in str(caught.value)


def test_every_strategy_takes_the_kind_of_question(room):
    """Also one of another package, which does not know `bench.acquisition.Strategy`."""
    room()
    built = registry.load("strategies", "nearest_edge[question=dominant,k=3]")
    assert (built.question, built.k) == ("dominant", 3)
    assert registry.load("strategies", "nearest_edge[k=3]").question == "correction"
    assert registry.load("strategies", "any2[question=multiclass,a=1]").options == {"a": 1}


def test_a_wrapper_asks_as_what_it_wraps_or_as_it_is_told():
    for spec, kind in [
        ("power[of=sim]", "correction"),
        ("power[of=sim[question=dominant]]", "dominant"),
        ("power[of=pixbal,question=classification]", "classification"),
        ("softrank[of=pixbal]", "multiclass"),
    ]:
        assert registry.load_strategy(spec + "+lcm")[0].question == kind


def test_an_unknown_kind():
    with pytest.raises(InputError, match="unknown kind of plug-in 'strategy'; did you mean 'strategies'"):
        registry.catalogue("strategy")


names = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True)
words = names.filter(lambda w: w not in ("true", "false", "none", "nan", "inf", "infinity"))
specs = st.deferred(lambda: st.tuples(names, st.dictionaries(words, values, max_size=3)))
values = st.one_of(
    st.integers(-999, 999), st.floats(allow_nan=False, allow_infinity=False), st.booleans(), st.none(), words, specs
)


def written(spec):
    name, parameters = spec
    inside = ",".join(f"{k}={written(v) if isinstance(v, tuple) else v}" for k, v in parameters.items())
    return f"{name}[{inside}]" if inside else name


@given(specs)
def test_what_is_written_is_read(spec):
    name, parameters = registry.parse(written(spec))
    expected = {k: written(v) if isinstance(v, tuple) else v for k, v in spec[1].items()}
    assert (name, parameters) == (spec[0], expected)
    assert [type(v) for v in parameters.values()] == [type(v) for v in expected.values()]


@given(st.text("ab[],=+ \n1", max_size=20))
def test_any_text_is_read_or_refused(text):
    for read in (registry.parse, registry.load_strategy):
        try:
            read(text)
        except InputError as error:
            assert "\n" not in str(error)


@pytest.mark.parametrize("text", ["true", "True", "TRUE"])
def test_truth_values_are_read_in_any_case(text):
    assert registry.parse(f"x[a={text}]") == ("x", {"a": True})


def test_spaces_do_not_count():
    assert registry.parse(" crowd[ n = 3 , of=noisy[rate=0.2] ] ") == ("crowd", {"n": 3, "of": "noisy[rate=0.2]"})


def test_a_strategy_and_its_refiner():
    strategy, rule, refiner = registry.load_strategy("power[of=sim]+lcm[tau=0.9]")
    assert (type(strategy).__name__, type(refiner).__name__) == ("Power", "Lcm")
    assert type(rule).__name__ == "First" and registry.load_strategy("sim").refiner is None
    both = registry.load_strategy("sim+confirmed[votes=3]+lcm")
    assert type(both.rule).__name__ == "Confirmed" and both.rule.votes == 3 and type(both.refiner).__name__ == "Lcm"
    for spec in ("sim+lcm+lcm", "sim+", "+lcm", "sim+sim", "sim]+[lcm", "sim+lcm+confirmed", "sim+first+first"):
        with pytest.raises(InputError):
            registry.load_strategy(spec)


def test_every_plug_in_of_the_suite_imports_and_has_a_caption():
    for kind in registry.KINDS:
        for entry in registry.describe(kind):
            assert not entry.get("broken"), entry
            assert len(entry["caption"]) > 10, entry
