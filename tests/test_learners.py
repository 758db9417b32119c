"""What every learner has from its base: label maps of any size, confusion matrices in order, batches of one shape."""

import numpy as np
import torch
from problems import Hand, Nearest

from bench.learners import Prediction, batches, n_processes


def test_a_label_map_is_upsampled_before_a_class_is_chosen():
    logits = torch.tensor([[[0.0, 3.0]], [[1.0, 1.0]]])  # of class 0: 0, 0.75, 2.25, 3 at four pixels
    labels = Nearest(2).label_map(Prediction(logits), (2, 4))
    assert labels.dtype == np.uint8 and labels.tolist() == [[1, 1, 0, 0]] * 2


def test_evaluation_is_a_matrix_an_image_in_order():
    hand, learner = Hand(), Nearest(3)
    images, truths = (hand.image("train", name) for name in "xy"), (hand.truths[name] for name in "xy")
    found = list(learner.evaluate(hand.palette.astype(float), images, truths))
    assert [matrix.tolist() for matrix in found] == [
        [[2, 0, 0, 0], [0, 4, 0, 0], [0, 0, 1, 0]],
        [[2, 0, 0, 0], [0, 0, 0, 0], [0, 0, 6, 0]],
    ]


def test_batches_are_runs_of_one_shape():
    tensors = [torch.zeros(n) for n in (2, 2, 2, 3, 2)]
    assert [[len(t) for t in batch] for batch in batches(tensors, 2)] == [[2, 2], [2], [3], [2]]
    assert list(batches([], 2)) == []


def test_what_a_learner_is_unless_it_says_otherwise():
    learner = Nearest(3)
    assert learner.with_steps(5) is learner and learner.model_bytes() == 0 and n_processes() == 1
