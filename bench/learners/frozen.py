"""A backbone that stays as it is sees each image once: its levels are kept, and a fit trains the head alone."""

import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
import torch.nn.functional as F

from bench import files, seeds
from bench.cache import Cache
from bench.kernels.pixels import cells as cells_of
from bench.learners import Images, Pairs, Samples

MEMORY_BYTES = 2**29
Keys = dict[tuple[int, bool], str]  # of images by number, as they are and mirrored
Image = Callable[[], torch.Tensor]  # gives an image as the backbone takes it: (3, H, W) uint8


@dataclass(frozen=True)
class Levels:
    """Features of one image, each (h, w, D) float16, as a head reads them."""

    maps: tuple[np.ndarray, ...]

    @classmethod
    def of(cls, maps: Iterable[np.ndarray]) -> "Levels":
        """From maps (D, h, w), as networks give them and files keep them."""
        return cls(tuple(np.ascontiguousarray(level.transpose(1, 2, 0)) for level in maps))

    @property
    def shape(self) -> tuple[tuple[int, ...], ...]:
        return tuple(level.shape for level in self.maps)

    @property
    def nbytes(self) -> int:
        return sum(level.nbytes for level in self.maps)


class Features:
    """The levels that a frozen backbone makes of images, by their content: in bounded memory and, if one is given, in
    ``folder``.

    ``see`` maps images (1, 3, H, W) uint8 to levels (1, D, h, w); it sees one at a time, because sums depend on a
    batch's size. A file is whole or absent; a damaged one, which its checksums tell, is made again.
    """

    def __init__(self, see: Callable[[torch.Tensor], Sequence[torch.Tensor]], folder: Path | None):
        self.see, self.folder, self._held = see, folder, Cache(MEMORY_BYTES)
        self._keys: WeakKeyDictionary[Images, Keys] = WeakKeyDictionary()

    @staticmethod
    def key(image: torch.Tensor) -> str:
        """Of an image (3, H, W) uint8: 32 hexadecimal digits that change with its pixels."""
        content = hashlib.blake2b(repr(tuple(image.shape)).encode(), digest_size=16)
        content.update(image.numpy().data)
        return content.hexdigest()

    def of(self, key: str, image: Image) -> Levels:
        """The levels of the image with this key; it is asked for only if they are not there yet."""
        return self._held.get(key, lambda: self._read(key) or self._make(key, image()))

    def keys(self, images: Images) -> Keys:
        """The store that `seen` fills; of the same `Images` the next time, too."""
        return self._keys.setdefault(images, {})

    def of_image(self, image: torch.Tensor) -> Levels:
        """The levels of an image (3, H, W) uint8."""
        return self.of(self.key(image), lambda: image)

    def seen(self, keys: Keys, i: int, mirrored: bool, image: Image) -> Levels:
        """The levels of image number ``i``, which is asked for only if its key or they are not there yet."""
        if (i, mirrored) in keys:
            return self.of(keys[i, mirrored], image)
        found = image()
        keys[i, mirrored] = self.key(found)
        return self.of_image(found)

    def all(self, images: Iterable[np.ndarray], resized: Callable[[np.ndarray], torch.Tensor]) -> Iterator[Levels]:
        """The levels of every image, in order; `Images` that were seen before are not read again."""
        if isinstance(images, Images):
            keys = self.keys(images)
            yield from (self.seen(keys, i, False, partial(_numbered, images, resized, i)) for i in range(len(images)))
        else:
            yield from map(self.of_image, map(resized, images))

    def _read(self, key: str) -> Levels | None:
        if self.folder is None:
            return None
        try:
            with np.load(self.folder / f"{key}.npz", allow_pickle=False) as file:
                return Levels.of(file.values())
        except Exception:  # damaged archives make zipfile, zlib and numpy raise errors of many kinds
            return None

    @torch.no_grad()
    def _make(self, key: str, image: torch.Tensor) -> Levels:
        made = [level[0].half().cpu().numpy() for level in self.see(image[None])]
        if self.folder is not None:
            buffer = io.BytesIO()
            np.savez(buffer, *made)
            files.write_bytes(self.folder / f"{key}.npz", buffer.getvalue())
        return Levels.of(made)


def _numbered(images: Images, resized: Callable[[np.ndarray], torch.Tensor], i: int) -> torch.Tensor:
    return resized(images[i])


def stacked(levels: Sequence[Levels], device: torch.device) -> list[torch.Tensor]:
    """Levels (B, D, h, w) float32 of B images of one size; channels lie last in memory."""
    by_level = zip(*(image.maps for image in levels), strict=True)
    return [torch.from_numpy(np.stack(maps)).to(device).float().permute(0, 3, 1, 2) for maps in by_level]


def fit_head(
    head: Any,
    features: Features,
    samples: Samples,
    resized: Callable[[np.ndarray], torch.Tensor],
    config,
    seed: int,
    device: torch.device,
    on_step: Callable[[int], object],
) -> None:
    """Train a decode head of mmsegmentation on features and soft targets, image after image in an order drawn anew.

    The target of a place of the head's map is the share of its pixels that each class has in the labels. Void pixels
    carry no loss. ``resized``: an image as the backbone takes it. Of the preset's own words, ``mirrored``: every other
    image is, by draw. ``balanced``: a class with the share s of all labels weighs s to the minus that power.
    """
    from mmengine.optim import build_optim_wrapper
    from mmengine.registry import PARAM_SCHEDULERS

    n, size, n_classes = config.max_iters, config.batch_size, head.num_classes
    optimizer = build_optim_wrapper(head, config.optim_wrapper)
    schedulers = [PARAM_SCHEDULERS.build({"end": n, **s, "optimizer": optimizer}) for s in config.param_scheduler]
    power, weights = config.get("balanced", 0.0), None
    pairs = Pairs.of(samples)
    keys = features.keys(pairs.images)
    targets: dict[int, np.ndarray] = {}

    def levels(i: int, mirrored: bool) -> Levels:
        def image() -> torch.Tensor:
            found = resized(pairs.images[i])
            return found.flip(-1).contiguous() if mirrored else found

        return features.seen(keys, i, mirrored, image)

    def target(i: int, mirrored: bool, shape: tuple[int, int]) -> np.ndarray:
        if i not in targets:
            targets[i] = shares(pairs.labels(i), shape, n_classes).astype(np.float32)
        return targets[i][..., ::-1] if mirrored else targets[i]

    draws = seeds.generator(seed, "order")
    order = np.concatenate([draws.permutation(len(samples)) for _ in range(-(-n * size // len(samples)))])
    mirrored = draws.random(n * size) < (0.5 if config.get("mirrored") else 0)
    drawn = list(zip(order.tolist(), mirrored.tolist(), strict=False))
    head.train()
    for batch in (drawn[k : k + size] for k in range(0, n * size, size)):
        logits = head.forward(stacked([levels(*each) for each in batch], device)).float()
        shape = tuple(logits.shape[2:])
        if power and weights is None:
            pixels = sum(target(i, False, shape).sum((1, 2)) for i in range(len(samples)))
            weights = torch.from_numpy((pixels / max(pixels.sum(), 1)).clip(1e-6) ** -power).to(device)[:, None, None]
        wanted = torch.from_numpy(np.stack([target(*each, shape) for each in batch])).to(device)
        wanted = wanted if weights is None else wanted * weights
        optimizer.update_params(-(wanted * F.log_softmax(logits, 1)).sum() / wanted.sum().clamp(min=1))
        for scheduler in schedulers:
            scheduler.step()
        on_step(1)


def shares(labels: np.ndarray, shape: tuple[int, int], n_classes: int) -> np.ndarray:
    """(C, h, w) float64: the share of each class among the pixels of each cell of a grid of ``shape`` over ``labels``
    (H, W) uint8. Void pixels count as pixels, and belong to no class."""
    rows, columns = (np.arange(n) * cells // n for n, cells in zip(labels.shape, shape, strict=True))
    pixels = np.outer(np.bincount(rows, minlength=shape[0]), np.bincount(columns, minlength=shape[1]))
    return cells_of(labels, rows, columns, np.zeros((n_classes, *shape), np.int64)) / np.maximum(pixels, 1)
