"""Networks that mmsegmentation builds from a preset: the common part of the learners `mmseg` and `probe`."""

import os
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import torch

from bench import compat, seeds
from bench.learners import Learner, Prediction, Samples, config
from bench.types import InputError


class Network(Learner):
    """A network as ``preset`` says: a name in bench/learners/presets, or the path of an mmengine config file.

    A subclass trains it (``_train``) and says how images become logits (``_batches``). ``config`` is the whole mmengine
    config.

    Parameters
    ----------
    preset, dataset, n_classes, device, cache
        As `Learner` gives them.
    options
        Values by dotted key, as mmengine's ``--cfg-options``.

    Raises
    ------
    InputError
        For an unknown preset, key or device, a config that cannot be built, and a preset of the other learner.
    """

    path_options = (config.WEIGHTS_KEY,)

    def __init__(
        self,
        preset: str,
        dataset: str,
        n_classes: int,
        device: str = "auto",
        options: dict | None = None,
        cache: str | None = None,
    ):
        compat.install()
        self.device = _device(device)
        self.config = config.read(preset, dataset, n_classes, options or {})
        if (learner := config.learner_of(self.config)) != type(self).__name__.lower():
            raise InputError(f"the preset {preset!r} is for the learner {learner!r}; leave --learner out")
        self.n_steps, self.threads = self.config.max_iters, self.config.get("threads")
        self.align_corners = bool(self.config.model.decode_head.get("align_corners", False))
        self._known = preset, dataset, n_classes, device, options or {}
        self._cache = cache

    def fit(
        self,
        samples: Samples,
        seed: int,
        log_dir: Path,
        start: torch.nn.Module | None = None,
        on_step: Callable[[int], object] = lambda n: None,
    ) -> torch.nn.Module:
        """See `Learner.fit`. The last iteration's weights are returned: no validation image is looked at."""
        torch.manual_seed(seeds.integer(seed, "weights") % 2**63)
        model = self.build()
        if start is not None:
            model.load_state_dict(start.state_dict())
        self._train(model, samples, seed, log_dir, start is not None, on_step)
        return model.eval()

    @abstractmethod
    def _train(self, model, samples: Samples, seed: int, log_dir: Path, started: bool, on_step) -> None:
        """Train ``model`` in place; ``started``: it goes on from the weights that it has."""

    @abstractmethod
    def _batches(
        self, model: torch.nn.Module, images: Iterable[np.ndarray], with_input: bool
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """The logits (B, C, h, w) of each batch, and the network's input, which may be None unless ``with_input``."""

    @torch.no_grad()
    def predict(
        self,
        model: torch.nn.Module,
        images: Iterable[np.ndarray],
        features: bool = False,
        passes: Sequence[tuple[float, bool]] = (),
    ) -> Iterator[Prediction]:
        """See `Learner.predict`. Features are the inputs of the decode head's last layer."""
        model.eval()
        seen = []
        hook = model.decode_head.conv_seg.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            for logits, x in self._batches(model, images, bool(passes)):
                last = seen[-1].float()
                views = [_view(model, x, *view) for view in passes]
                seen.clear()
                for i, found in enumerate(logits):
                    yield Prediction(found, last[i] if features else None, [v[i] for v in views] or None)
        finally:
            hook.remove()

    def build(self) -> torch.nn.Module:
        """The preset's network on the device; its weights are not the initial ones before `fit` or `load`."""
        model = config.build(self.config).to(self.device)
        last = self.config.get("channels_last", True)  # half the time of a fit on a CPU
        return model.to(memory_format=torch.channels_last) if last else model

    def save(self, model: torch.nn.Module, file: BinaryIO) -> None:
        torch.save(self._trained(model).state_dict(), file)

    def load(self, path: Path) -> torch.nn.Module:
        model = self.build()
        self._trained(model).load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        return model.eval()

    def recipe(self) -> dict:
        return config.content(self.config)

    def sources(self) -> list[Path]:
        return config.sources(self.config)

    def with_steps(self, n: int) -> "Network":
        """Without the preset's schedule, which may need more steps."""
        *known, options = self._known
        return type(self)(*known, options | {"max_iters": n, "param_scheduler": []})

    def model_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._trained(self.build()).state_dict().values())

    def _trained(self, model: torch.nn.Module) -> torch.nn.Module:
        """The part of the model that a fit changes."""
        return model

    def _input(self, model: torch.nn.Module, images: list[torch.Tensor]) -> torch.Tensor:
        return model.data_preprocessor(dict(inputs=images), training=False)["inputs"].to(self.device)

    def _resized(self, image: np.ndarray) -> torch.Tensor:
        size = self.config.get("input_size")
        if size is not None and image.shape[:2] != tuple(size):
            image = cv2.resize(image, tuple(size)[::-1], interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))


def logits_of(model: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) float32 of the network's input (B, 3, H, W)."""
    return model.decode_head.forward(model.extract_feat(x)).float()


def _view(model, x, scale, mirrored) -> torch.Tensor:
    x = x.flip(-1) if mirrored else x
    if scale != 1:
        x = torch.nn.functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    logits = logits_of(model, x)
    return logits.flip(-1) if mirrored else logits


def _device(device: str) -> torch.device:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mmengine.device.utils
        from mmengine.logging import MMLogger

    MMLogger.get_instance("alc-bench", log_level="ERROR")  # for what mmengine says outside a fit
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for it, before its first use
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}") from error
    mmengine.device.utils.DEVICE = chosen.type  # mmengine's runner moves the model there, and has no other way
    if chosen.type == "cuda":  # the same command gives the same numbers, at some of the speed
        torch.backends.cudnn.deterministic = True
        torch.use_deterministic_algorithms(True, warn_only=True)
    return chosen
