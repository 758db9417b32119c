"""Heads on a frozen backbone: each image is seen once, and a fit trains the head alone (`bench.learners.frozen`)."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch

from bench import seeds
from bench.learners import Samples, batches, config, frozen
from bench.learners.network import Network


class Probe(Network):
    """The preset's backbone keeps its first weights; a fit trains the decode head on features that are made once.

    The features of each image are kept by its content in ``cache``; without one, in memory.
    """

    _kept: frozen.Features | None = None

    def _train(self, model, samples: Samples, seed: int, log_dir: Path, started: bool, on_step) -> None:
        if not started:
            model.decode_head.init_weights()
        drawn, head = seeds.integer(seed, "head"), model.decode_head
        frozen.fit_head(head, self._features(model), samples, self._resized, self.config, drawn, self.device, on_step)

    def _batches(
        self, model: torch.nn.Module, images: Iterable[np.ndarray], with_input: bool
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        features, size = self._features(model), self.config.batch_size
        if with_input:
            for batch in batches(map(self._resized, images), size):
                levels = list(map(features.of_image, batch))
                yield self._logits(model, levels), self._input(model, batch)
        else:
            for levels in batches(features.all(images, self._resized), size):
                yield self._logits(model, levels), None

    def _logits(self, model: torch.nn.Module, levels: list[frozen.Levels]) -> torch.Tensor:
        return model.decode_head.forward(frozen.stacked(levels, self.device)).float()

    def _trained(self, model: torch.nn.Module) -> torch.nn.Module:
        return model.decode_head

    def _features(self, model: torch.nn.Module) -> frozen.Features:
        """The levels that the frozen backbone, the same in all models, makes of images."""
        if self._kept is None:
            model.backbone.eval()  # the first model's: it stays as its weights came
            folder = Path(self._cache) / f"features-{config.backbone_digest(self.config)}" if self._cache else None
            self._kept = frozen.Features(lambda x: model.extract_feat(self._input(model, list(x))), folder)
        return self._kept
