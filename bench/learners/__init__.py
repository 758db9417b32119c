"""Learners: what is trained on the current labels and predicts the pool. One small file each; `mmseg` is the first."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
import torch.distributed as dist
import torch.nn.functional as F

from bench import metrics

Model = Any  # what a learner's fit returns; only the learner looks into it


class Samples(Protocol):
    """Pairs of an image (H, W, 3) uint8 RGB and its labels (H, W) uint8, each read when it is asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray]: ...
    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...


@dataclass(frozen=True)
class Prediction:
    """One image: ``logits`` (C, h, w) on the learner's device and, when asked for, ``features`` (D, h', w') and
    ``passes``: (C, h'', w'') logits for each way of seeing the image. All may be smaller than the image."""

    logits: torch.Tensor
    features: torch.Tensor | None = None
    passes: list[torch.Tensor] | None = None


class Learner(ABC):
    """Base of a learner. A subclass writes ``fit``, ``predict``, ``save``, ``load`` and ``recipe``.

    Its constructor may take, by these names, what a run knows: ``dataset`` (the dataset's name), ``n_classes``,
    ``device`` (auto, cpu, cuda, cuda:1), ``preset`` and ``options`` (the values of --preset and --cfg-options), and
    ``cache``, the folder of what can be computed again.

    ``device``: where logits come to lie. ``n_steps``: how often a fit calls ``on_step(1)``. ``align_corners``: how
    logits are meant to be upsampled (`torch.nn.functional.interpolate`). ``threads``: how many threads torch may use,
    None for as many as it likes; sums depend on it, and so do results. ``path_options``: keys of options that say where
    a file lies, whose content is part of the recipe.
    """

    device = torch.device("cpu")
    n_steps: int = 1
    align_corners: bool = False
    threads: int | None = None
    path_options: tuple[str, ...] = ()

    @abstractmethod
    def fit(
        self,
        samples: Samples,
        seed: int,
        log_dir: Path,
        start: Model | None = None,
        on_step: Callable[[int], object] = lambda n: None,
    ) -> Model:
        """A model trained on ``samples``, in which ``VOID`` pixels carry no loss. All draws come from ``seed``.

        ``start``: a model to go on from, or None for initial weights. Logs go to ``log_dir``.
        """

    @abstractmethod
    def predict(
        self,
        model: Model,
        images: Iterable[np.ndarray],
        features: bool = False,
        passes: Sequence[tuple[float, bool]] = (),
    ) -> Iterator[Prediction]:
        """A `Prediction` for each (H, W, 3) uint8 RGB image, in order, holding few images at a time.

        ``passes``: (factor on height and width, mirrored left to right) of each pass; logits come back unmirrored. A
        learner without features or passes raises InputError when it is asked for them.
        """

    @abstractmethod
    def save(self, model: Model, file: BinaryIO) -> None:
        """Write the model to an open binary file."""

    @abstractmethod
    def load(self, path: Path) -> Model:
        """The model that `save` wrote."""

    @abstractmethod
    def recipe(self) -> dict:
        """All that decides what a fit and a prediction give, but seed and samples, as JSON-able values."""

    def with_steps(self, n: int) -> "Learner":
        """The same learner with fits of ``n`` steps, for an estimate of time; itself where fits are short."""
        return self

    def model_bytes(self) -> int:
        """Bytes of a saved model, for an estimate of disk space; 0 where that is next to nothing."""
        return 0

    def label_map(self, prediction: Prediction, size: tuple[int, int]) -> np.ndarray:
        """(H, W) uint8: the most probable class of each pixel, logits upsampled to ``size``."""
        logits = prediction.logits[None]
        full = F.interpolate(logits, size=size, mode="bilinear", align_corners=self.align_corners)
        return full[0].max(0).indices.to(torch.uint8).cpu().numpy()

    def evaluate(self, model: Model, samples: Iterable[tuple[np.ndarray, np.ndarray]]) -> Iterator[np.ndarray]:
        """The (C, C + 1) confusion matrix of each (image, truth) pair (`bench.metrics.confusion`), in order."""
        truths: deque[np.ndarray] = deque()

        def images():
            for image, truth in samples:
                truths.append(truth)
                yield image

        for prediction in self.predict(model, images()):
            truth = truths.popleft()
            labels = self.label_map(prediction, truth.shape)
            yield metrics.confusion(truth, labels, len(prediction.logits))


def n_processes() -> int:
    """How many processes train each network together (`bench.experiment.workers.torchrun`)."""
    return dist.get_world_size() if dist.is_initialized() else 1


def batches(tensors: Iterable[torch.Tensor], size: int) -> Iterator[list[torch.Tensor]]:
    """Runs of at most ``size`` tensors of one shape."""
    batch: list[torch.Tensor] = []
    for tensor in tensors:
        if batch and (len(batch) == size or tensor.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(tensor)
    if batch:
        yield batch
