"""Whole networks, trained by mmsegmentation's runner; they see images and label maps, no truth as such."""

import logging
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.distributed as dist

from bench import seeds
from bench.learners import Samples, batches, n_processes
from bench.learners.network import Network, logits_of
from bench.types import InputError


class Mmseg(Network):
    """All weights of the preset's network are trained, on one process or on those of a `torch.distributed` group."""

    def _train(self, model, samples: Samples, seed: int, log_dir: Path, started: bool, on_step) -> None:
        if started:
            model._is_init = True  # the runner initialises what is not
        _run(_runner(model, self._loader(samples, seed), self.config, log_dir, seed, self.device, on_step))
        if dist.is_initialized():  # each process has means and variances of its own batches
            for tensor in model.state_dict().values():
                dist.broadcast(tensor, 0)

    def _batches(
        self, model: torch.nn.Module, images: Iterable[np.ndarray], with_input: bool
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        for batch in batches(map(self._resized, images), self.config.batch_size):
            x = self._input(model, batch)
            yield logits_of(model, x), x

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
    """Train, with mmengine's log in its file and nowhere else; the file is always closed afterwards."""
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
