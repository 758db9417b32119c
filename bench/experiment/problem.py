"""The common part of all cells of a run: the settings, the plug-ins that they name, and the data. It sees the truth."""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np

from bench import costs, datasets, files, registry, seeds
from bench.cache import Cache
from bench.costs.seconds import read as read_seconds
from bench.datasets import Dataset, digests
from bench.experiment import candidates
from bench.experiment.measured import Measured, Step, measure
from bench.experiment.settings import Settings
from bench.foundation import Foundation, named
from bench.foundation.pseudo import PseudoLabels, cache_folder, pseudo_labels
from bench.learners import Images, Learner, Model, Pairs, n_processes
from bench.learners import config as preset_config
from bench.runs import identity, schema
from bench.types import Candidates, InputError

MEMORY_BYTES = 2**29  # of each kind that a process keeps: images, truth, pseudo labels and superpixels, changed labels
# Or there by content. More rounds change none of those before them.
NOT_IN_PROTOCOL = ("data_root", "device", "cache", "scores", "preset", "learner", "seconds", "rounds", "reuse")


@dataclass(frozen=True)
class Setup:
    """The settings of a run with the plug-ins that they name. Names are checked; nothing large is read yet.

    ``settings.foundation`` is filled in. ``learner`` is None in a run without a model; ``budget`` None for the default.
    ``pixels``: of each class, void last, (C + 1,) int64 by split, if the data was checked.
    """

    settings: Settings
    dataset: Dataset
    foundation: Foundation
    learner: Learner | None
    budget: costs.Budget | None
    seconds: dict[str, float]
    pixels: dict[str, np.ndarray] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: Settings, check: bool = True) -> "Setup":
        """``check``: read all of the data once. Raises InputError with one line for data that cannot be used."""
        dataset = datasets.load(settings.dataset, settings.data_root)
        name = registry.parse(settings.dataset)[0]
        source = dataset.foundation if settings.foundation is None else settings.foundation
        if source is None:
            where = "where do its pseudo labels come from?"
            raise InputError(f"--foundation is needed for the dataset {name!r}: {where}")
        settings = replace(settings, foundation=source)
        budget = costs.budget(settings.budget) if settings.budget is not None else None
        seconds = dict(read_seconds(settings.seconds).mean)
        trained = settings.model != "none"
        splits = ("train", "val") if trained else ("train",)
        pixels = {split: dataset.check(split, images=trained) for split in splits if check}
        learner = _learner(settings, dataset) if trained else None
        foundation = registry.load("foundations", source)
        return cls(settings, dataset, foundation, learner, budget, seconds, pixels)

    def protocol(self) -> dict:
        """All that decides a cell's numbers, but its strategy, oracle and seed, and the code of these."""
        kept = {k: v for k, v in asdict(self.settings).items() if k not in NOT_IN_PROTOCOL}
        trained = self.learner is not None
        options, paths = self.settings.cfg_options, self.learner.path_options if self.learner else ()
        kept |= {
            "foundation": self.called["foundation"],
            "names": files.digest(self.dataset.names("train")),
            "classes": list(self.dataset.classes),
            "learner": learner_name(self.settings) if trained else None,
            "preset": self.settings.preset if trained else None,
            "config": self.recipe or None,
            "cfg_options": {k: v for k, v in options.items() if k not in paths},
            "seconds": self.seconds,
            "scores": files.file_digest(Path(self.settings.scores)) if self.settings.scores else None,
            "files": self._files,
            "format": schema.FORMAT,
        }
        kept |= self._identity
        if self.foundation.trains:
            kept["taught"] = self._taught
        if (n := n_processes()) > 1:
            kept["processes"] = n
        return kept

    @cached_property
    def _identity(self) -> dict[str, dict[str, str]]:
        """What the numbers depend on beside settings: `bench.runs.identity.SHARED`. The same in all processes."""
        trains = self.learner is not None or self.foundation.trains
        code = {"dataset": identity.code(self.dataset), "foundation": identity.code(self.foundation)}
        for name, learner in ("learner", self.learner), ("teacher", self.teacher if self.foundation.trains else None):
            if learner is not None:
                code[name] = identity.code(learner, learner.sources())
        splits = ("train", "val") if self.learner else ("train",)
        return {"data": identity.data(self.dataset, splits), "code": code, "versions": identity.versions(trains)}

    @cached_property
    def called(self) -> dict[str, str]:
        """The names in tables of the ``dataset`` and the ``foundation``, independent of their files' place."""
        foundation = named(self.foundation, self.settings.foundation or "", self.dataset.names("train"))
        return {"dataset": self.dataset.name or self.settings.dataset, "foundation": foundation}

    @cached_property
    def recipe(self) -> str:
        """A digest of the learner's recipe; empty without a model."""
        return files.digest(self.learner.recipe()) if self.learner else ""

    @cached_property
    def teacher(self) -> Learner:
        """The model that labels the pool for a foundation that trains: the same in every run, for any preset of the
        run."""
        taught = replace(self.settings, model="preset", learner=None, preset=self.foundation.preset, cfg_options={})
        return _learner(taught, self.dataset)

    @cached_property
    def _taught(self) -> str:
        return files.digest(self.teacher.recipe()) if self.foundation.trains else ""

    @property
    def pseudo_folder(self) -> Path:
        """The folder of the pseudo labels, also before they are made."""
        where = self.foundation, self.dataset, Path(self.settings.cache), self._taught
        return self.foundation.folder or cache_folder(*where)

    @cached_property
    def _files(self) -> str | None:
        """A digest of the foundation's own files, if it has any; a missing one is reported when it is read."""
        if self.foundation.folder is None:
            return None
        folder, kinds = self.foundation.folder, ("mask_jpg", "obj_jpg")
        paths = [folder / kind / f"{name}.png" for kind in kinds for name in self.dataset.names("train")]
        return files.digest(digests.contents(paths))

    def make_pseudo_labels(self, on_step: Step = lambda what, n: None) -> PseudoLabels:
        """The foundation's maps, from the cache if they are there. Reports ("label", 1) for each image."""

        def train_and_predict(images, truths, dataset) -> Iterator[np.ndarray]:
            teacher, logs = self.teacher, Path(self.settings.cache) / "logs"
            pairs, seed = list(zip(images, truths, strict=True)), seeds.integer(0, "weak")
            model = teacher.fit(pairs, seed, logs, None, lambda n: on_step("fit", n))
            names = dataset.names("train")
            predictions = teacher.predict(model, (dataset.image("train", name) for name in names))
            for name, prediction in zip(names, predictions, strict=True):
                yield teacher.label_map(prediction, dataset.size("train", name))

        cache, step = Path(self.settings.cache), lambda: on_step("label", 1)
        return pseudo_labels(self.foundation, self.dataset, cache, train_and_predict, self._taught, MEMORY_BYTES, step)

    def read(self, on_step: Step = lambda what, n: None, measured: Measured | None = None) -> "Problem":
        """Make the pseudo labels if they are not there, and measure them, unless they were ``measured`` already.

        Reports ("label", 1) and then ("read", 1) for each image. Raises InputError for maps that cannot be used.
        """
        pseudo = self.make_pseudo_labels(on_step)
        if measured is None:
            measured = measure(self.dataset, pseudo, str(self.settings.foundation), on_step)
        pool = None if self.learner else self._label_only(pseudo)
        return Problem(self.settings, self.called, self.dataset, pseudo, measured, self.budget, self.seconds, pool)

    def available_statistics(self) -> tuple[str, ...] | None:
        """The statistics that a strategy may need in a run without a model: the columns of the scores file; None with a
        model."""
        if self.learner:
            return None
        path = self.settings.scores
        return tuple(files.read_csv(Path(path), (), nrows=0)) if path else ()

    def _label_only(self, pseudo: PseudoLabels) -> Candidates:
        """The pool of a run without a model: from the scores file, else geometry alone."""
        maps = pseudo.labels, lambda i: pseudo.regions(i).map()
        if self.settings.scores:
            return candidates.from_scores(Path(self.settings.scores), pseudo.names, *maps)
        return candidates.gather(candidates.geometry(pseudo.labels(i), pseudo.regions(i)) for i in range(len(pseudo)))


def _learner(settings: Settings, dataset: Dataset) -> Learner:
    known = dict(dataset=registry.parse(settings.dataset)[0], n_classes=len(dataset.classes), device=settings.device)
    known |= dict(preset=settings.preset, options=settings.cfg_options, cache=settings.cache)
    return registry.load("learners", learner_name(settings), **known)


def learner_name(settings: Settings) -> str:
    """The learner that the settings name, or the one that their preset is for."""
    if settings.learner is not None:
        return settings.learner
    return preset_config.learner(settings.preset, registry.parse(settings.dataset)[0], settings.cfg_options)


@dataclass(frozen=True)
class Problem:
    """The data of a run, read and checked; nothing in it changes.

    ``called``: the names in tables of the ``dataset`` and the ``foundation``. ``budget`` is a round's, None for a
    twentieth of the pool; ``seconds`` those of an action. ``label_only`` is the pool of a run without a model, None in
    one with a model.
    """

    settings: Settings
    called: dict[str, str]
    dataset: Dataset
    pseudo: PseudoLabels
    measured: Measured
    budget: costs.Budget | None
    seconds: dict[str, float]
    label_only: Candidates | None = None
    _truths: Cache = field(default_factory=lambda: Cache(MEMORY_BYTES), repr=False)
    _images: Cache = field(default_factory=lambda: Cache(MEMORY_BYTES), repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the train images."""
        return self.pseudo.names

    @cached_property
    def first(self) -> np.ndarray:
        """(N,) int64: the place in the pool of each train image's first superpixel (`Measured`)."""
        sizes = [len(self.pseudo.regions(i)) for i in range(len(self.names))]
        return np.cumsum([0, *sizes[:-1]])

    def place(self, image: int, superpixel: int) -> int:
        """The place of a superpixel in the pool (`Measured`)."""
        return int(self.first[image]) + self.pseudo.regions(image).number(superpixel)

    @property
    def classes(self) -> tuple[str, ...]:
        return self.dataset.classes

    @property
    def n_classes(self) -> int:
        return len(self.dataset.classes)

    def truth(self, index: int) -> np.ndarray:
        """(H, W) uint8: the truth of a train image. For oracles and metrics only."""
        return self._truths.get(index, lambda: self.pseudo.truth(self.dataset, index))

    def has_truth(self, index: int) -> bool:
        """Whether a train image has a true label map."""
        return self.dataset.has_truth("train", self.names[index])

    def image(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB of a train image, decoded once as long as memory lasts; not to be written to."""
        return self._images.get(index, lambda: self.dataset.image("train", self.names[index]))

    @cached_property
    def images(self) -> Images:
        """The train images."""
        return Images(self.image, len(self.names))

    @cached_property
    def val_images(self) -> Images:
        names = self.dataset.names("val")
        return Images(lambda i: self.dataset.image("val", names[i]), len(names))

    def samples(self, labels: Callable[[int], np.ndarray]) -> Pairs:
        """The train images with these label maps, each read when asked for."""
        return Pairs(self.images, labels)


def evaluate(problem: Problem, learner: Learner, model: Model) -> np.ndarray:
    """(M, C, C + 1) confusion matrices of the model on the val images, of which there may be none."""
    if not len(problem.val_images):
        return np.zeros((0, problem.n_classes, problem.n_classes + 1), np.int32)
    truths = (problem.dataset.truth("val", name) for name in problem.dataset.names("val"))
    return np.array(list(learner.evaluate(model, problem.val_images, truths)), np.int32)
