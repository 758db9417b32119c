"""Small problems for tests: generated data, read, with what works through their cells."""

import numpy as np
import torch
from PIL import Image

from bench.costs.seconds import ASSUMED
from bench.datasets import Dataset
from bench.experiment.problem import Problem, Setup
from bench.experiment.settings import Settings
from bench.experiment.workers import local
from bench.foundation.files import Files
from bench.learners import Learner, Prediction
from bench.runs import schema

SHAPES = "shapes[train=12,val=6,size=64]"
TIMINGS = schema.names(schema.ROUNDS, "time")


def setup_of(dataset=SHAPES, model="none", **settings) -> Setup:
    return Setup.of(Settings(dataset, model=model, **settings))


def read(setup: Setup) -> Problem:
    return setup.read()


def here(setup: Setup, problem: Problem | None = None):
    """Opens a worker in this process."""
    return lambda: local.here(setup, problem or setup.read(), lambda what, n: None)


class Hand(Dataset):
    """Two train images of 2 × 4 pixels, the first of which is the val split: the colour of a pixel tells its class."""

    classes = ("sky", "tree", "road")
    palette = np.array([[200, 0, 0], [0, 200, 0], [0, 0, 200]], np.uint8)
    truths = {
        "x": np.array([[0, 1, 1, 1], [0, 1, 255, 2]], np.uint8),
        "y": np.array([[2, 2, 0, 0], [2, 2, 2, 2]], np.uint8),
    }
    labels = {
        "x": np.array([[2, 2, 1, 1], [2, 2, 1, 1]], np.uint8),
        "y": np.array([[2, 2, 2, 2], [2, 2, 2, 2]], np.uint8),
    }
    superpixels = {
        "x": np.array([[1, 1, 2, 2], [1, 1, 2, 0]], np.uint8),
        "y": np.array([[3, 3, 3, 3], [0, 0, 0, 0]], np.uint8),
    }

    def names(self, split):
        return {"train": ("x", "y"), "val": ("x",)}[split]

    def image(self, split, name):
        return self.palette[np.minimum(self.truths[name], 2)]

    def truth(self, split, name):
        return self.truths[name]


class Nearest(Learner):
    """Knows a pixel by the mean colour of each class; its model is (C, 3) float64. ``n_fits`` counts its fits."""

    def __init__(self, n_classes):
        self.n_classes, self.n_fits = n_classes, 0

    def fit(self, samples, seed, log_dir, start=None, on_step=lambda n: None):
        self.n_fits += 1
        pixels = np.concatenate([image.reshape(-1, 3) for image, _ in samples])
        labels = np.concatenate([labels.ravel() for _, labels in samples])
        on_step(1)
        there = [pixels[labels == c] for c in range(self.n_classes)]
        return np.array([p.mean(0) if len(p) else np.full(3, 1e3) for p in there])

    def predict(self, model, images, features=False, passes=()):
        for image in images:
            distance = ((image[None].astype(float) - model[:, None, None]) ** 2).sum(-1)
            yield Prediction(torch.from_numpy(-distance / 1e4).float())

    def save(self, model, file):
        np.save(file, model)

    def load(self, path):
        return np.load(path)

    def recipe(self):
        return {"name": "nearest"}


def by_hand(folder, learner=None, **settings) -> Problem:
    """`Hand`, read; its pseudo labels are written below ``folder``, and so is its cache."""
    hand = Hand()
    for kind, maps in (("mask_jpg", hand.labels), ("obj_jpg", hand.superpixels)):
        (folder / kind).mkdir(parents=True)
        for name, values in maps.items():
            Image.fromarray(values).save(folder / kind / f"{name}.png")
    settings = {"cache": str(folder / "cache"), **settings}
    asked = Settings("hand", foundation="files", model="preset" if learner else "none", **settings)
    return Setup(asked, hand, Files(folder), learner, None, ASSUMED).read()
