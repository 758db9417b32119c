"""The nouns refuse what does not fit, in one line, and hold no more than they say."""

import copy
import pickle

import numpy as np
import pytest

from bench.types import ACTIONS, VOID, Answer, Candidates, InputError, Pool, Query, Region, Truth


def columns(n=3, **extra):
    base = {name: np.zeros(n, np.int64) for name in ("image", "superpixel", "row", "column", "label", "size")}
    return base | extra


def pool(n=3, **fields):
    given = dict(asked=np.zeros(n, bool), ties=np.zeros(n), n_classes=4, answered=np.full(n, -1, np.int16))
    return Pool(Candidates(columns(n)), **given | fields)


def test_candidates_are_columns_by_name_and_rows_by_number():
    table = Candidates(columns(4, entropy_sum=np.arange(4.0), histogram=np.arange(8).reshape(4, 2)))
    assert len(table) == 4
    assert table.entropy_sum.tolist() == [0, 1, 2, 3]
    taken = table.take([2, 0])
    assert taken.entropy_sum.tolist() == [2, 0]
    assert taken.histogram.tolist() == [[4, 5], [0, 1]]


def test_candidates_copy_and_pickle():
    table = Candidates(columns(entropy_sum=np.arange(3.0)))
    for other in (copy.deepcopy(table), pickle.loads(pickle.dumps(table))):
        assert other.entropy_sum.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dict(entropy_sum=np.zeros(2)), "'entropy_sum' has 2 rows, the table has 3"),
        (dict(entropy_sum=np.array([0, np.nan, 1])), "'entropy_sum' holds NaN"),
        (dict(mean=np.full((3, 2), np.inf)), "'mean' holds NaN or infinity"),
    ],
)
def test_candidates_refuse_columns_that_do_not_fit(change, said):
    with pytest.raises(InputError, match=said):
        Candidates(columns(**change))


def test_candidates_name_what_is_missing():
    lacking = columns()
    del lacking["row"], lacking["size"]
    with pytest.raises(InputError, match="missing: row, size"):
        Candidates(lacking)
    with pytest.raises(InputError, match="no statistic 'entropy_sum'; there are: image, superpixel"):
        _ = Candidates(columns()).entropy_sum


@pytest.mark.parametrize("name", ["asked", "ties", "answered", "action"])
def test_a_pool_has_a_value_for_each_row(name):
    pool()
    with pytest.raises(InputError, match=rf"{name} has shape \(2,\), expected \(3,\)"):
        pool(**{name: np.zeros(2)})


def test_a_pool_says_what_was_done_where_somebody_was_asked_and_there_alone():
    asked, answered = np.array([True, True, False]), np.array([3, -1, -1], np.int16)
    action = np.array([ACTIONS.index("confirm"), ACTIONS.index("give_up"), -1], np.int8)
    held = pool(asked=asked, answered=answered, action=action)
    assert [ACTIONS[a] for a in held.action[held.asked]] == ["confirm", "give_up"]
    with pytest.raises(InputError, match="action must be -1 where nobody was asked"):
        pool(asked=asked, answered=answered, action=action[::-1])
    with pytest.raises(InputError, match="answered must be -1 where nobody was asked"):
        pool(asked=asked, answered=answered[::-1], action=action)


def test_a_pool_has_no_place_for_the_truth():
    assert not any("truth" in name for name in vars(pool()))


def test_a_query_asks_each_row_once_and_in_its_order():
    assert Query(np.array([4, 1, 3])).rows.tolist() == [4, 1, 3]
    with pytest.raises(InputError, match="repeated rows"):
        Query(np.array([1, 2, 1]))
    with pytest.raises(InputError, match="unknown question 'guess'; there are: correction, classification"):
        Query(np.array([1]), "guess")


def test_the_truth_of_a_superpixel_is_in_row_major_order():
    truth = Truth(np.array([[0, 1], [2, VOID]], np.uint8), Region.of(np.array([0, 2, 3])))
    assert truth.region.tolist() == [0, 2, VOID]


@pytest.mark.parametrize("actions", [(), ("shrug",), ("confirm", "shrug")])
def test_an_answer_logs_known_actions(actions):
    with pytest.raises(InputError, match="at least one action of confirm, correct"):
        Answer((), actions)


def test_nouns_are_frozen():
    for noun in (pool(), Query(np.array([1])), Answer((1,), ("correct",)), Candidates(columns())):
        with pytest.raises(AttributeError):
            noun.kind = "other"
