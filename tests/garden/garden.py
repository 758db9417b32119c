"""What another package brings to a run: a plug-in of every kind, by the public door alone."""

import pickle

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from bench import (
    LEAVE,
    VOID,
    Adjudicator,
    Answer,
    Dataset,
    Foundation,
    Learner,
    Oracle,
    Prediction,
    Refiner,
    Strategy,
    Superpixels,
    generator,
)


class Smallest(Strategy):
    """Small superpixels first."""

    needs = ("entropy_sum",)

    def score(self, pool):
        return -pool.candidates.size


class Stumbles(Strategy):
    """Fails when asked."""

    def score(self, pool):
        raise RuntimeError("the strategy stumbled")


class Outvoted(Refiner):
    """Relabels what nobody was asked about to the class that the model sees there."""

    needs = ("prediction_histogram",)

    def refine(self, pool, rows, labels, rng):
        open_rows = np.flatnonzero(~pool.asked)
        return open_rows, pool.candidates.prediction_histogram[open_rows].argmax(1).astype(np.uint8)


class Stubborn(Adjudicator):
    """Never changes the label of a superpixel of few pixels."""

    source = "a test"

    def __init__(self, least: int = 4):
        self.least = least

    def decide(self, case):
        return case.answers[0].labels if case.size >= self.least else LEAVE


class Gardener(Oracle):
    """Always says the same."""

    kinds = ("correction",)

    def __init__(self, word=1):
        self.word = word

    def answer(self, question, truth, rng):
        return Answer((self.word,), ("correct",))


class Beds(Dataset):
    """Two classes in stripes, the second one green."""

    classes, palette, background = ("soil", "grass"), np.array([[90, 60, 30], [40, 160, 40]], np.uint8), 0

    def __init__(self, n=3):
        self.n = n

    def names(self, split):
        return tuple(f"{split}{i}" for i in range(self.n))

    def image(self, split, name):
        noise = generator(0, split, name).integers(-20, 20, (32, 32, 3))
        return (self.palette[self.truth(split, name)] + noise).clip(0, 255).astype(np.uint8)

    def truth(self, split, name):
        return (np.arange(32)[:, None] // 8 % 2 + np.zeros((32, 32))).astype(np.uint8)


class Guess(Foundation):
    """Half of each image is taken for soil, the other half for grass; superpixels are squares."""

    def generate(self, dataset, train_and_predict=None):
        for name in dataset.names("train"):
            labels = np.zeros(dataset.size("train", name), np.uint8)
            labels[:, labels.shape[1] // 2 :] = 1
            yield name, labels, Tiles().segment(dataset, name)


class Tiles(Superpixels):
    """Squares of ``side`` pixels."""

    def __init__(self, side: int = 8):
        self.side = side

    def segment(self, dataset, name):
        rows, columns = np.indices(dataset.size("train", name)) // self.side
        return (1 + rows * (columns.max() + 1) + columns).astype(np.int32)


class Colours(Learner):
    """Logistic regression on the colour of a pixel, one in ``step``."""

    def __init__(self, n_classes, step: int = 7):
        self.n_classes, self.step = n_classes, step

    def fit(self, samples, seed, log_dir, start=None, on_step=lambda n: None):
        pairs = [(image.reshape(-1, 3)[:: self.step], labels.ravel()[:: self.step]) for image, labels in samples]
        colours, labels = (np.concatenate(part) for part in zip(*pairs, strict=True))
        on_step(1)
        kept = labels != VOID
        if len(np.unique(labels[kept])) < 2:
            return int(labels[kept][0]) if kept.any() else 0
        return LogisticRegression(random_state=seed % 2**32).fit(colours[kept] / 255, labels[kept])

    def predict(self, model, images, features=False, passes=()):
        for image in images:
            logits = np.full((self.n_classes, *image.shape[:2]), -5.0, np.float32)
            if isinstance(model, int):
                logits[model] = 5
            else:
                p = model.predict_log_proba(image.reshape(-1, 3) / 255)
                logits[model.classes_] = p.T.reshape(-1, *image.shape[:2])
            yield Prediction(torch.from_numpy(logits))

    def save(self, model, file):
        pickle.dump(model, file)

    def load(self, path):
        return pickle.loads(path.read_bytes())

    def recipe(self):
        return {"step": self.step}
