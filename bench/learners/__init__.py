"""Learners train on the current labels and predict the pool. One small file each; `mmseg` is the first."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import torch
import torch.distributed as dist

from bench import metrics
from bench.kernels.maps import predicted

Model = Any  # what a learner's fit returns; only the learner looks into it


class Images(Sequence[np.ndarray]):
    """Images (H, W, 3) uint8 RGB by number, each read when it is asked for. One object always gives the same images, so
    that a learner may keep its results for them."""

    def __init__(self, image: Callable[[int], np.ndarray], n: int):
        self._image, self._n = image, n

    def __len__(self) -> int:
        return self._n

    def __getitem__(self, index):
        return self._image(index)

    def __iter__(self) -> Iterator[np.ndarray]:
        return map(self._image, range(self._n))


class Samples(Protocol):
    """Pairs of an image (H, W, 3) uint8 RGB and its labels (H, W) uint8, each read when it is asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> tuple[np.ndarray, np.ndarray]: ...
    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]: ...


class Pairs:
    """`Samples` of images and the labels (H, W) uint8 of each number, of which each can be read without the other."""

    def __init__(self, images: Images, labels: Callable[[int], np.ndarray]):
        self.images, self.labels = images, labels

    @classmethod
    def of(cls, samples: Samples) -> "Pairs":
        """``samples`` themselves if they are pairs of this kind already."""
        if isinstance(samples, cls):
            return samples
        return cls(Images(lambda i: samples[i][0], len(samples)), lambda i: samples[i][1])

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        return self.images[index], self.labels(index)

    def __iter__(self) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        return map(self.__getitem__, range(len(self)))


@dataclass(frozen=True)
class Prediction:
    """One image: ``logits`` (C, h, w) on the learner's device and, when asked for, ``features`` (D, h', w') and
    ``passes``: (C, h'', w'') logits for each way of seeing the image. All may be smaller than the image."""

    logits: torch.Tensor
    features: torch.Tensor | None = None
    passes: list[torch.Tensor] | None = None


class Learner(ABC):
    """Base of a learner. A subclass writes ``fit``, ``predict``, ``save``, ``load`` and ``recipe``.

    Its constructor may take, by these names, facts of the run: ``dataset`` (the dataset's name), ``n_classes``,
    ``device`` (auto, cpu, cuda, cuda:1), ``preset`` and ``options`` (the values of --preset and --cfg-options), and
    ``cache``, the folder of values that can be computed again.

    ``device``: the device of the logits. ``n_steps``: how often a fit calls ``on_step(1)``. ``align_corners``: how
    logits are meant to be upsampled (`torch.nn.functional.interpolate`). ``threads``: how many threads torch may use,
    None for as many as it likes; sums depend on it, and so do results. ``path_options``: keys of options that name a
    file; its content is part of the recipe.
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
        """All that decides the results of a fit and a prediction, but seed and samples, as JSON-able values."""

    def sources(self) -> list[Path]:
        """Files of code that decide it too, beside those of its class, such as that of a preset."""
        return []

    def with_steps(self, n: int) -> "Learner":
        """The same learner with fits of ``n`` steps, for an estimate of time; itself if fits are short."""
        return self

    def model_bytes(self) -> int:
        """Bytes of a saved model, for an estimate of disk space; 0 if that is next to nothing."""
        return 0

    def label_map(self, prediction: Prediction, size: tuple[int, int]) -> np.ndarray:
        """(H, W) uint8: the most probable class of each pixel, logits upsampled to ``size``."""
        return predicted(prediction.logits, size, self.align_corners)

    def evaluate(
        self, model: Model, images: Iterable[np.ndarray], truths: Iterable[np.ndarray]
    ) -> Iterator[np.ndarray]:
        """The (C, C + 1) confusion matrix of each image with its truth (`bench.metrics.confusion`), in order."""
        for prediction, truth in zip(self.predict(model, images), truths, strict=True):
            labels = self.label_map(prediction, truth.shape)
            yield metrics.confusion(truth, labels, len(prediction.logits))


def n_processes() -> int:
    """How many processes train each network together (`bench.experiment.workers.torchrun`)."""
    return dist.get_world_size() if dist.is_initialized() else 1


def batches(items: Iterable[Any], size: int) -> Iterator[list]:
    """Runs of at most ``size`` tensors, or other objects with a ``shape``, of one shape."""
    batch: list[Any] = []
    for item in items:
        if batch and (len(batch) == size or item.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch
