"""Networks of mmsegmentation, which only bench/learners imports; they see images and label maps, no truth as such."""

import logging
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import cv2
import numpy as np
import torch
import torch.distributed as dist

from bench import compat, seeds
from bench.learners import Learner, Prediction, Samples, batches, frozen, n_processes
from bench.learners import config as presets
from bench.types import InputError


class Mmseg(Learner):
    """A network of mmsegmentation, trained as ``preset`` says: a name in bench/learners/presets, or a config file.

    ``options``: values by dotted key, as mmengine's ``--cfg-options``. ``config`` is the whole mmengine config. Raises
    InputError for an unknown preset, key or device, and for a config that cannot be built.
    """

    path_options = (presets.WEIGHTS_KEY,)

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
        self.config = presets.read(preset, dataset, n_classes, options or {})
        self.n_steps, self.threads = self.config.max_iters, self.config.get("threads")
        self.align_corners = bool(self.config.model.decode_head.get("align_corners", False))
        self._known = preset, dataset, n_classes, device, options or {}
        self._cache, self._features = cache, None

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
            model._is_init = True  # the runner initialises what is not
        if self.config.get("frozen"):
            if start is None:
                model.decode_head.init_weights()
            drawn, seen = seeds.integer(seed, "head"), self._seen_by(model)
            part = model.decode_head, seen, samples, self._resized, self.config, drawn, self.device
            frozen.fit_head(*part, on_step)
            return model.eval()
        _run(_runner(model, self._loader(samples, seed), self.config, log_dir, seed, self.device, on_step))
        if dist.is_initialized():  # each process has means and variances of its own batches
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)
        return model.eval()

    @torch.no_grad()
    def predict(
        self,
        model: torch.nn.Module,
        images: Iterable[np.ndarray],
        features: bool = False,
        passes: Sequence[tuple[float, bool]] = (),
    ) -> Iterator[Prediction]:
        """See `Learner.predict`. Features are what the decode head's last layer sees."""
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

    def _batches(self, model, images, seeing: bool) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """The logits of each batch, and the network's input where it is read anyway or it is ``seeing`` more of it."""
        held, size = self._seen_by(model) if self.config.get("frozen") else None, self.config.batch_size
        if held is not None and not seeing:
            for levels in batches(held.all(images, self._resized), size):
                yield _of_levels(model, levels, self.device), None
            return
        for batch in batches(map(self._resized, images), size):
            x = self._input(model, batch)
            yield _logits(model, x) if held is None else _of_levels(model, map(held.of_image, batch), self.device), x

    def build(self) -> torch.nn.Module:
        """The preset's network on the device; its weights are not the initial ones before `fit` or `load`."""
        model = presets.build(self.config).to(self.device)
        last = self.config.get("channels_last", True)  # half the time of a fit on a CPU
        return model.to(memory_format=torch.channels_last) if last else model

    def save(self, model: torch.nn.Module, file: BinaryIO) -> None:
        torch.save(self._trained(model).state_dict(), file)

    def load(self, path: Path) -> torch.nn.Module:
        model = self.build()
        self._trained(model).load_state_dict(torch.load(path, map_location=self.device, weights_only=True))
        return model.eval()

    def recipe(self) -> dict:
        return presets.content(self.config)

    def with_steps(self, n: int) -> "Mmseg":
        """Without the preset's schedule, which may need more steps."""
        *known, options = self._known
        return Mmseg(*known, options | {"max_iters": n, "param_scheduler": []})

    def model_bytes(self) -> int:
        return sum(tensor.nbytes for tensor in self._trained(self.build()).state_dict().values())

    def _trained(self, model: torch.nn.Module) -> torch.nn.Module:
        """What a fit changes."""
        return model.decode_head if self.config.get("frozen") else model

    def _input(self, model: torch.nn.Module, images: list[torch.Tensor]) -> torch.Tensor:
        return model.data_preprocessor(dict(inputs=images), training=False)["inputs"].to(self.device)

    def _seen_by(self, model: torch.nn.Module) -> frozen.Features:
        """What the frozen backbone, the same in all models, makes of images; kept in the run's cache."""
        if self._features is None:
            model.backbone.eval()  # the first model's: it stays as its weights came
            folder = Path(self._cache) / f"features-{presets.backbone_digest(self.config)}" if self._cache else None
            self._features = frozen.Features(lambda x: model.extract_feat(self._input(model, list(x))), folder)
        return self._features

    def _resized(self, image: np.ndarray) -> torch.Tensor:
        size = self.config.get("input_size")
        if size is not None and image.shape[:2] != tuple(size):
            image = cv2.resize(image, tuple(size)[::-1], interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))

    def _loader(self, samples: Samples, seed: int):
        from mmcv.transforms import Compose
        from mmengine.dataset import InfiniteSampler, pseudo_collate
        from mmseg.datasets import transforms  # noqa: F401  registers the transforms

        share, rest = divmod(self.config.batch_size, n_processes())
        if rest:
            n = f"{self.config.batch_size} cannot be shared by {n_processes()} processes"
            raise InputError(f"a batch of {n}: choose batch_size")
        dataset = _Transformed(samples, Compose(self.config.train_pipeline), self.config.get("input_size"))
        return torch.utils.data.DataLoader(
            dataset,
            batch_size=share,
            sampler=InfiniteSampler(dataset, shuffle=True, seed=seeds.integer(seed, "order") % 2**31),
            num_workers=self.config.get("num_workers", 0),
            collate_fn=pseudo_collate,
            drop_last=True,
        )


class _Transformed(torch.utils.data.Dataset):
    """Samples as mmseg's transforms want them."""

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


def _hook(on_step, norm_eval):
    """Tells progress; ``norm_eval``: the backbone keeps the means and variances of its first weights."""
    from mmengine.hooks import Hook
    from torch.nn.modules.batchnorm import _BatchNorm

    class AroundIteration(Hook):
        def before_train_iter(self, runner, batch_idx, data_batch=None):
            if norm_eval:
                model = runner.model.module if dist.is_initialized() else runner.model
                for part in model.backbone.modules():
                    if isinstance(part, _BatchNorm):
                        part.eval()

        def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
            on_step(1)

    return AroundIteration()


def _runner(model, loader, config, folder: Path, seed: int, device: torch.device, on_step):
    """mmengine's, which trains ``model`` and leaves its log in ``folder``."""
    from mmengine.runner import Runner

    return Runner(
        model=_shared(model, device),
        launcher="pytorch" if dist.is_initialized() else "none",
        work_dir=str(folder),
        train_dataloader=loader,
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=config.max_iters, val_interval=config.max_iters + 1),
        optim_wrapper=config.optim_wrapper,
        param_scheduler=[{"end": config.max_iters, **s} for s in config.param_scheduler],
        default_hooks=dict(checkpoint=None, sampler_seed=None, timer=dict(type="IterTimerHook")),
        custom_hooks=[_hook(on_step, config.get("norm_eval", False))],
        env_cfg=dict(cudnn_benchmark=False, mp_cfg=dict(mp_start_method="fork")),
        log_processor=dict(by_epoch=False),
        visualizer=dict(type="Visualizer", vis_backends=[], name=f"visualizer-{time.monotonic_ns()}"),
        randomness=dict(seed=seeds.integer(seed, "torch") % 2**31),
        experiment_name=f"fit-{time.monotonic_ns()}",  # two runners of one second would share a message hub
        default_scope="mmseg",
        log_level="ERROR",
    )


def _run(runner) -> None:
    """Train, with mmengine's log in its file and nowhere else; the file is closed afterwards, whatever happens."""
    for handler in runner.logger.handlers:
        if isinstance(handler, logging.FileHandler):
            handler.setLevel(logging.INFO)
            handler.handleError = lambda record: None  # a full disk shows where a result is written
    runner.logger.setLevel(logging.INFO)
    try:
        runner.train()
    finally:
        for handler in list(runner.logger.handlers):
            runner.logger.removeHandler(handler)
            handler.close()


def _shared(model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
    """The model as mmengine trains it: as it is, or on all processes of a `torch.distributed` group."""
    if not dist.is_initialized():
        return model
    from mmengine.model import MMDistributedDataParallel

    gpus = [device] if device.type == "cuda" else None
    return MMDistributedDataParallel(model, device_ids=gpus, broadcast_buffers=False)


def _of_levels(model, levels, device) -> torch.Tensor:
    return model.decode_head.forward(frozen.stacked(list(levels), device)).float()


def _logits(model, x) -> torch.Tensor:
    return model.decode_head.forward(model.extract_feat(x)).float()


def _view(model, x, scale, mirrored) -> torch.Tensor:
    x = x.flip(-1) if mirrored else x
    if scale != 1:
        x = torch.nn.functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
    logits = _logits(model, x)
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
