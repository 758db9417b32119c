"""What all cells of a run share: the settings, the data and the trainer. It sees the truth; strategies do not."""

import io
import logging
import resource
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import cached_property
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from bench import candidates, costs, kernels, metrics, registry, seeds, store
from bench.cache import Cache
from bench.datasets import Dataset
from bench.foundation.pseudo import PseudoLabels, cache_folder, pseudo_labels
from bench.kernels.statistics import PASSES, reads, trips
from bench.timing import Stopwatch
from bench.training import WEIGHTS_KEY, Trainer, n_processes
from bench.types import Candidates, InputError

MEMORY_BYTES = 2**29  # of each kind of map that a process keeps: truth, pseudo labels and superpixels, changed labels
TOGETHER_PX = 2**20  # images are predicted, and then scored, together until they have so many pixels
_NOT_IN_PROTOCOL = ("data_root", "device", "cache", "scores", "preset", "seconds")  # or there by content


@dataclass(frozen=True)
class Settings:
    """What a run is made of, besides its strategies, oracles and seeds.

    ``model`` is ``preset`` or ``none``. A round's ``budget`` is in questions or another unit (`bench.costs.budget`);
    None is a twentieth of the pool. ``seconds`` is a CSV of seconds an action (`bench.costs.read_seconds`).
    """

    dataset: str
    foundation: str
    rounds: int = 4
    budget: str | None = None
    seconds: str | None = None
    data_root: str | None = None
    preset: str = "cpu"
    model: str = "preset"
    scores: str | None = None
    start: str = "cold"
    device: str = "auto"
    cfg_options: dict = field(default_factory=dict)
    cache: str = "cache"

    def __post_init__(self):
        if self.rounds < 0:
            raise InputError(f"--rounds must be 0 or more, got {self.rounds}")
        for name, known in (("model", ("preset", "none")), ("start", ("cold", "warm"))):
            if getattr(self, name) not in known:
                raise InputError(f"--{name} must be one of {', '.join(known)}; got {getattr(self, name)!r}")
        if self.scores and self.model != "none":
            raise InputError("--scores are statistics for a run without a model: add --model none")


class Workbench:
    """Everything that a cell needs and does not change.

    Raises InputError with one line when the dataset, the foundation's files or the scores cannot be used.
    """

    def __init__(self, settings: Settings, check: bool = True):
        self.settings = settings
        self.on_step: Callable[[str, int], None] = lambda what, n: None
        self.dataset = registry.load("datasets", settings.dataset, root=settings.data_root)
        self.classes = self.dataset.classes
        self.n_classes = len(self.classes)
        self.names = self.dataset.names("train")
        self.index = {name: i for i, name in enumerate(self.names)}
        self._truths = Cache(MEMORY_BYTES)
        self.dataset_name = registry.parse(settings.dataset)[0]
        self.budget = costs.budget(settings.budget) if settings.budget is not None else None
        self.seconds = costs.read_seconds(settings.seconds) if settings.seconds else costs.SECONDS
        self.trainer = None
        trained = settings.model != "none"
        if check:
            self.dataset.check("train", images=trained)
        if trained:
            if check:
                self.dataset.check("val")
            self.val_names = self.dataset.names("val")
            options = (settings.preset, self.dataset_name, self.n_classes, settings.device, settings.cfg_options)
            self.trainer = Trainer(*options)
        self.foundation = registry.load("foundations", settings.foundation)

    def protocol(self) -> dict:
        """All that decides a cell's numbers, but its strategy, oracle and seed."""
        kept = {k: v for k, v in asdict(self.settings).items() if k not in _NOT_IN_PROTOCOL}
        trained = self.trainer is not None
        kept |= {
            "names": store.digest(self.names),
            "classes": list(self.classes),
            "preset": self.settings.preset if trained else None,
            "config": self._recipe if trained else None,
            "cfg_options": {k: v for k, v in self.settings.cfg_options.items() if k != WEIGHTS_KEY},
            "seconds": self.seconds,
            "scores": store.file_digest(Path(self.settings.scores)) if self.settings.scores else None,
            "files": self._files if self.foundation.folder else None,
            "format": 1,
        }
        if (n := n_processes()) > 1:
            kept["processes"] = n
        return kept

    @cached_property
    def pseudo(self) -> PseudoLabels:
        cache, trained_by = Path(self.settings.cache), self._trained_by
        step = lambda: self.on_step("label", 1)  # noqa: E731
        return pseudo_labels(
            self.foundation, self.dataset, cache, self.train_and_predict, trained_by, MEMORY_BYTES, step
        )

    @property
    def pseudo_folder(self) -> Path:
        """Where the pseudo labels lie, or will lie once they are made."""
        where = self.foundation, self.dataset, Path(self.settings.cache), self._trained_by
        return self.foundation.folder or cache_folder(*where)

    @cached_property
    def _files(self) -> str:
        """A digest of the foundation's own files; a missing one is said where it is read."""
        folder, kinds = self.foundation.folder, ("mask_jpg", "obj_jpg")
        paths = [folder / kind / f"{name}.png" for kind in kinds for name in self.names]
        return store.digest([store.file_digest(path) if path.is_file() else None for path in paths])

    @property
    def _trained_by(self) -> str:
        return self._recipe if self.trainer else ""

    @cached_property
    def _recipe(self) -> str:
        """A digest of the preset with its options; of first weights the content counts, not where they lie."""
        config = self.trainer.config.to_dict()
        if self.trainer.weights is not None:
            config["model"]["backbone"]["init_cfg"]["checkpoint"] = store.file_digest(self.trainer.weights)
        return store.digest(config)

    def truth(self, index: int) -> np.ndarray:
        """(H, W) uint8: the truth of a train image. For oracles and metrics only."""
        return self._truths.get(index, lambda: self.dataset.truth("train", self.names[index]))

    @cached_property
    def confusion(self) -> np.ndarray:
        """Of the pseudo labels against the truth, over the train split; shapes and ids are checked on the way."""
        total = np.zeros((self.n_classes, self.n_classes + 1), np.int64)
        for i, name in enumerate(self.names):
            self.on_step("read", 1)
            try:
                total += metrics.confusion(self.truth(i), self.pseudo.labels(i), self.n_classes)
            except InputError as error:
                raise InputError(f"train image {name!r}: {error}") from error
        if not any(self.pseudo.superpixels(i).any() for i in range(len(self.names))):
            raise InputError(f"{self.settings.foundation}: no superpixel to ask about: every superpixel map is empty")
        return total

    @cached_property
    def label_only(self) -> Candidates:
        """The pool of a run without a model: from the scores file, else geometry alone."""
        if self.settings.scores:
            path = Path(self.settings.scores)
            return candidates.from_scores(path, self.names, self.pseudo.labels, self.pseudo.superpixels)
        return candidates.gather(
            candidates.geometry(self.pseudo.labels(i), self.pseudo.superpixels(i)) for i in range(len(self.names))
        )

    def fit(
        self, labels: Callable[[int], np.ndarray], seed: int, round: int, log_dir: Path, start=None
    ) -> torch.nn.Module:
        """Train on the train images with these label maps. One seed and round draw the same numbers in every cell."""
        samples = _Pairs(lambda i: self.dataset.image("train", self.names[i]), labels, len(self.names))
        step = lambda n: self.on_step("fit", n)  # noqa: E731
        logging.raiseExceptions = False  # a full disk shows where a result is written, not line by line of a log
        with store.writing(log_dir):
            return self.trainer.fit(samples, seeds.integer(seed, "fit", round), log_dir, start, step)

    def save(self, model: torch.nn.Module, path: Path) -> None:
        buffer = io.BytesIO()  # torch would hide why a disk takes no more
        self.trainer.save(model, buffer)
        with store.replacing(path) as partial:
            partial.write_bytes(buffer.getbuffer())

    def evaluate(self, model: torch.nn.Module) -> np.ndarray:
        """(C, C + 1) confusion matrix of the model over the val split."""
        total = np.zeros((self.n_classes, self.n_classes + 1), np.int64)
        predictions = self.trainer.predict(model, (self.dataset.image("val", name) for name in self.val_names))
        for name, prediction in zip(self.val_names, predictions, strict=True):
            truth = self.dataset.truth("val", name)
            total += metrics.confusion(truth, self._argmax(prediction.logits, truth.shape), self.n_classes)
        return total

    def peak_memory_gib(self) -> float:
        """The most that this process has held so far, on the GPU if that is where it trains."""
        if self.trainer and self.trainer.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.trainer.device) / 2**30
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20

    def acquire_table(
        self, model: torch.nn.Module, labels: Callable[[int], np.ndarray], needs: tuple[str, ...]
    ) -> tuple[Candidates, dict[str, float]]:
        """The pool with the statistics ``needs``, few images at a time, and the seconds it took: predict_s, acquire_s.

        Compiled kernels are loaded before, once in a process; neither counts that. Reading images and maps counts as
        prediction.
        Statistics that compare with a threshold over the pool take a second trip over the predictions.
        """
        kernels.load(str(self.trainer.device), self.n_classes)
        watches = Stopwatch(self.trainer.device), Stopwatch(self.trainer.device)
        first, second = trips(needs)
        table = candidates.gather(self._trip(model, labels, first, watches))
        if second:
            limits = kernels.thresholds(table.columns)
            more = candidates.gather(self._trip(model, labels, second, watches, limits))
            table = Candidates(dict(table.columns) | {n: getattr(more, n) for n in second})
        return table, dict(zip(("predict_s", "acquire_s"), (w.total_s for w in watches), strict=True))

    def _trip(self, model, labels, needs, watches, thresholds=None) -> Iterator[dict[str, np.ndarray]]:
        read = reads(needs)
        predict, acquire = watches
        images = (self.dataset.image("train", name) for name in self.names)
        passes = PASSES if "passes" in read else ()
        predictions = self.trainer.predict(model, images, "features" in read, passes)
        corners = self.trainer.align_corners
        portions = self._portions(labels)
        while True:
            with predict:  # reads the images, and the maps as well
                here = next(portions, range(0))
                batch = list(islice(predictions, len(here)))
                given = [p.logits for p in batch], [labels(i) for i in here], [self.pseudo.regions(i) for i in here]
            if not here:
                return
            with acquire:
                table = kernels.superpixel_statistics(
                    *given,
                    needs,
                    logits=True,
                    align_corners=corners,
                    images=[self.dataset.image("train", self.names[i]) for i in here] if "image" in read else None,
                    features=[p.features for p in batch] if "features" in read else None,
                    passes=[p.passes for p in batch] if "passes" in read else None,
                    thresholds=thresholds,
                )
                table["image"] += here.start
            yield table

    def _portions(self, labels) -> Iterator[range]:
        """The train images, some at a time: what a call of the kernels costs, small images share."""
        begin = n_px = 0
        for i in range(len(self.names)):
            n_px += labels(i).size
            if n_px >= TOGETHER_PX or i + 1 == len(self.names):
                yield range(begin, i + 1)
                begin, n_px = i + 1, 0

    def train_and_predict(
        self, images: list[np.ndarray], truths: list[np.ndarray], dataset: Dataset
    ) -> Iterator[np.ndarray]:
        """Label maps (H, W) uint8 of all train images by the preset's model, trained on a few labelled ones.

        For the foundation ``weak``. Raises InputError in a run without a model.
        """
        if self.trainer is None:
            raise InputError(
                f"the foundation {self.settings.foundation!r} trains a model; it does not go with --model none"
            )
        samples = _Pairs(images.__getitem__, truths.__getitem__, len(images))
        step = lambda n: self.on_step("fit", n)  # noqa: E731
        model = self.trainer.fit(samples, seeds.integer(0, "weak"), Path(self.settings.cache) / "logs", None, step)
        predictions = self.trainer.predict(model, (self.dataset.image("train", name) for name in self.names))
        for name, prediction in zip(self.names, predictions, strict=True):
            yield self._argmax(prediction.logits, self.dataset.size("train", name))

    def _argmax(self, logits: torch.Tensor, size: tuple[int, int]) -> np.ndarray:
        full = torch.nn.functional.interpolate(
            logits[None], size=size, mode="bilinear", align_corners=self.trainer.align_corners
        )
        return full[0].max(0).indices.to(torch.uint8).cpu().numpy()


class _Pairs:
    """A sequence of (image, labels), each read when asked for."""

    def __init__(self, image, labels, n):
        self.image, self.labels, self.n = image, labels, n

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        return self.image(index), self.labels(index)
