"""A2LC's label correction module: relabels superpixels that nobody was asked about. A refiner, ``sim+lcm``."""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from bench.acquisition import Refiner
from bench.types import VOID


class Lcm(Refiner):
    """Label correction module: an MLP on mean softmax, taught by the round's answers, relabels if it is sure.

    Taught are the superpixels asked this round, with their modal label after correction, void ones left out. Relabelled
    is a superpixel never asked, unless the prediction is its label, or less sure than ``tau``, or in the tail (the
    ⌊C/2⌋ classes answered least; tie: lowest class), or its label is the class answered least. ``tau``: one threshold,
    or one a round joined by "/", of which the last stays. ``softmax=once``: cross-entropy on logits; ``twice``: on
    probabilities, as released. ``void=relabel``: a superpixel with the modal label 255 may get a class, as released;
    ``keep``: it stays 255.
    """

    needs = ("probability_sum", "label_histogram")
    source = "Jeon et al. (A2LC), AAAI 2026, label correction module"

    def __init__(self, tau=0.99, softmax="once", void="relabel", epochs=100):
        self.schedule = [float(t) for t in str(tau).split("/")]
        if not all(0 <= t <= 1 for t in self.schedule):
            raise ValueError(f"tau must hold numbers from 0 to 1, got {tau}")
        if softmax not in ("once", "twice") or void not in ("relabel", "keep") or not epochs >= 1:
            raise ValueError("softmax must be once or twice, void relabel or keep, epochs 1 or more")
        self.twice, self.keep_void, self.epochs = softmax == "twice", void == "keep", epochs

    def refine(self, pool, rows, labels, rng):
        kept = labels != VOID
        rows, labels = rows[kept], labels[kept].astype(np.int64)
        open_rows = np.flatnonzero(~pool.asked)
        if not len(rows) or not len(open_rows):
            return open_rows[:0], np.zeros(0, np.uint8)
        c = pool.candidates
        means = torch.from_numpy((c.probability_sum / c.size[:, None]).astype(np.float32))
        counts = np.bincount(labels, minlength=pool.n_classes)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**63)))
            model = self.taught(means[rows], torch.from_numpy(labels), counts)
        with torch.no_grad():
            sure, predicted = (t.numpy() for t in model(means[open_rows]).softmax(1).max(1))
        current = c.label_histogram[open_rows].argmax(1)
        rare_first = np.argsort(counts, kind="stable")
        tau = self.schedule[min(pool.round, len(self.schedule)) - 1]
        change = (predicted != current) & (sure >= tau) & (current != rare_first[0])
        change &= ~np.isin(predicted, rare_first[: pool.n_classes // 2])
        if self.keep_void:
            change &= current != pool.n_classes
        return open_rows[change], predicted[change].astype(np.uint8)

    def taught(self, means, labels, counts):
        """The MLP after Adam at 1e-4, batches of 8, classes weighted by 1 / their count."""
        widths = (len(counts), 256, 128, 64, len(counts))
        layers = [m for pair in pairwise(widths) for m in (nn.Linear(*pair), nn.ReLU())]
        model = nn.Sequential(*layers[:-1])
        weights = np.divide(counts.sum(), counts, out=np.zeros(len(counts)), where=counts > 0)
        loss = nn.CrossEntropyLoss(torch.from_numpy(weights / weights.sum()).float())
        optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, fused=True)
        for _ in range(self.epochs):
            for batch in torch.randperm(len(labels)).split(8):
                scores = model(means[batch])
                optimizer.zero_grad()
                loss(scores.softmax(1) if self.twice else scores, labels[batch]).backward()
                optimizer.step()
        return model
