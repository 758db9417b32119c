"""What a person sees and says, by hand: the classes at a question, the answer they make, and how people err."""

import numpy as np
import pytest

from bench.annotation import classes_named, flip, outcome, reply, true_classes
from bench.registry import number, probability
from bench.types import VOID, Answer, InputError, Question, Region, Truth

TRUTH = Truth(np.array([[2, 2, 1], [0, VOID, 1]], np.uint8), Region.of(np.array([0, 1, 2, 4])))  # classes 2, 2, 1, void


def question(kind="correction", label=2, row=0, column=2):
    return Question(kind, 0, 1, row, column, label, np.full(4, label, np.uint8), 0, 3)


def test_what_is_seen():
    assert true_classes(question(), TRUTH) == (1,)
    assert true_classes(question(row=1, column=1), TRUTH) == (VOID,)
    assert true_classes(question("classification"), TRUTH) == (1,)
    assert true_classes(question("dominant"), TRUTH) == true_classes(question(), TRUTH, dominant=True) == (2,)
    assert true_classes(question("multiclass"), TRUTH) == (1, 2)
    assert true_classes(question("multiclass"), Truth(TRUTH.map, Region.of(np.array([4])))) == (VOID,)


@pytest.mark.parametrize(
    "kind, seen, expected, given",
    [
        ("correction", (2,), Answer((), ("confirm",)), (2, "confirm")),
        ("correction", (1,), Answer((1,), ("correct",)), (1, "correct")),
        ("correction", (VOID,), Answer((), ("void",)), (-1, "void")),
        ("correction", (), Answer((), ("give_up",)), (-1, "give_up")),
        ("dominant", (2,), Answer((2,), ("classify",)), (2, "classify")),
        ("multiclass", (0, 1), Answer((0, 1), ("classify", "classify")), (-1, "classify")),
    ],
)
def test_what_is_said_and_what_is_heard_of_it(kind, seen, expected, given):
    asked = question(kind)
    assert reply(asked, seen) == expected
    assert outcome(asked, expected) == given
    assert classes_named(asked, expected) == seen


def test_who_is_asked_to_deletes_what_is_void():
    assert reply(question(), (VOID,), void=(VOID,)) == Answer((VOID,), ("void",))


class Draws:
    def __init__(self, *rows):
        self.rows = np.array(rows)

    def random(self, shape):
        assert shape == self.rows.shape
        return self.rows


def test_a_flip_by_hand():
    assert flip((1,), 0.5, 4, Draws([0.4, 0.0])) == (0,)  # of 0, 2, 3
    assert flip((1,), 0.5, 4, Draws([0.4, 0.4])) == (2,)
    assert flip((1,), 0.5, 4, Draws([0.5, 0.4])) == (1,)
    assert flip((VOID,), 0.5, 4, Draws([0.4, 0.99])) == (3,)  # of 0, 1, 2, 3
    assert flip((), 0.5, 4, Draws([0.4, 0.99])) == ()
    assert flip((0, 3), 0.5, 4, Draws([0.4, 0.99], [0.6, 0.1])) == (3,)  # 0 became 3


def test_numbers_within_limits():
    assert number("rate", 2, 0, 3) == 2 and probability("rate", 1) == 1
    for value in (-1, "1", True, float("nan")):
        with pytest.raises(InputError, match=r"rate must be a number from 0 to 1; got"):
            probability("rate", value)
    with pytest.raises(InputError, match=r"n must be a whole number of 1 or more; got 1\.5"):
        number("n", 1.5, 1, whole=True)
