"""Grounding DINO and SAM, as far as they are needed: images to boxes with classes, boxes to masks, images to masks."""

import warnings
from functools import partial
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch

from bench import compat
from bench.foundation.prompting import Phrases, encode
from bench.types import InputError

# Prompts that SAM's decoder takes at a time. Each has its own copy of the image's features: a GPU wants many at once,
# a core is faster the fewer leave its cache (MobileSAM, one thread: 0.13 s a prompt alone, 0.25 s among 64).
N_PROMPTS = {"cuda": 64, "cpu": 1}


class Detector:
    """Grounding DINO (Liu et al., ECCV 2024) through transformers; ``source``: a folder, or a model id of the hub.

    ``sides``: the shorter side that images are scaled to, and the most that the longer one may get, in pixels.
    Raises InputError when it cannot be loaded.
    """

    def __init__(self, source: str, asked: Phrases, threshold: float, sides: tuple[int, int], device: torch.device):
        compat.install()
        from transformers import AutoImageProcessor, AutoModelForZeroShotObjectDetection, AutoTokenizer
        from transformers.utils import logging

        logging.disable_progress_bar()
        try:
            self.model = AutoModelForZeroShotObjectDetection.from_pretrained(source).to(device).eval()
            self.processor = AutoImageProcessor.from_pretrained(source)
            tokenizer = AutoTokenizer.from_pretrained(source)
        except (OSError, ValueError) as error:
            raise InputError(f"detector {source}: not a Grounding DINO that loads: {_line(error)}") from error
        text, classes = encode(asked, tokenizer, self.model.config.max_text_len)
        self.text = {k: v.to(device) for k, v in text.items()}
        self.tokens = torch.as_tensor(np.flatnonzero(classes >= 0), device=device)
        self.classes = classes[classes >= 0]
        self.threshold, self.sides, self.device = threshold, sides, device

    @torch.inference_mode()
    def __call__(self, images: list[np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
        """For images (H, W, 3) uint8 of one size: boxes (n, 4) float32 and their classes (n,) int64, in query order.

        A box is (left, top, right, bottom) in pixels. It is kept if its best token's score is above the threshold, and
        has that token's class. There is no suppression of overlapping boxes. Source: Kim et al., ICML 2024.
        """
        shorter, longer = self.sides
        size = {"shortest_edge": shorter, "longest_edge": longer}
        images = [np.array(image) for image in images]  # writable, as torch wants them
        given = self.processor(images=images, size=size, return_tensors="pt").to(self.device)
        text = {k: v.expand(len(images), -1) for k, v in self.text.items()}
        with _autocast(self.device):
            out = self.model(**given, **text)
        scores, best = out.logits.float()[..., self.tokens].sigmoid().max(-1)
        height, width = images[0].shape[:2]
        scaled = out.pred_boxes.float() * torch.tensor([width, height, width, height], device=self.device)
        centre, half = scaled[..., :2], scaled[..., 2:] / 2
        boxes = torch.cat([centre - half, centre + half], -1)
        keep = scores > self.threshold
        return [
            (boxes[i, keep[i]].cpu().numpy(), self.classes[best[i, keep[i]].cpu().numpy()]) for i in range(len(images))
        ]


class Sam:
    """Segment Anything (Kirillov et al., ICCV 2023) through segment-anything; one image is embedded at a time.

    ``kind``: vit_b, vit_l, vit_h; vit_t: MobileSAM (Zhang et al., 2023), a small encoder before the same decoder; or
    tiny: the same network of 128 px and 2 thin layers, for tests. Raises InputError when the checkpoint cannot be
    loaded, or a package that the network comes from is not there.
    """

    def __init__(self, checkpoint: str | Path, kind: str, device: torch.device):
        compat.install()
        try:
            from segment_anything import SamPredictor, sam_model_registry
        except ImportError as error:
            raise InputError(f"SAM needs the extra 'foundation' of alc-bench: {error}") from error
        try:
            state = torch.load(checkpoint, map_location="cpu", weights_only=True)
            found = _kind(state)
        except (OSError, RuntimeError, EOFError, AttributeError, TypeError, UnpicklingError) as error:
            raise InputError(f"sam {checkpoint}: not a checkpoint of {kind}: {_line(error)}") from error
        if found != kind:
            raise InputError(f"sam {checkpoint}: not a checkpoint of {kind} but of {found}; say so with --sam-type")
        self.model = {"tiny": tiny_sam, "vit_t": mobile_sam}.get(kind, sam_model_registry.get(kind))()
        try:
            self.model.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"sam {checkpoint}: not a whole checkpoint of {kind}: {_line(error)}") from error
        self.predictor, self.device = SamPredictor(self.model.to(device).eval()), device
        self.n_prompts = N_PROMPTS.get(device.type, 1)
        encode = self.model.image_encoder.forward

        def forward(image):  # nearly all of the work; the decoder's outlines want full precision
            with _autocast(device):
                return encode(image).float()

        self.model.image_encoder.forward = forward

    def embed(self, image: np.ndarray) -> None:
        """Take an image (H, W, 3) uint8 RGB; `masks` are of the last one."""
        with torch.inference_mode():
            self.predictor.set_image(image)

    @torch.inference_mode()
    def masks(self, boxes: np.ndarray) -> np.ndarray:
        """(n, H, W) bool: a mask for each of n boxes (n, 4), (left, top, right, bottom) in pixels; n is at least 1."""
        size, found = self.predictor.original_size, []
        for few in torch.as_tensor(boxes, device=self.device).split(self.n_prompts):
            few = self.predictor.transform.apply_boxes_torch(few, size)
            found.append(self.predictor.predict_torch(None, None, few, multimask_output=False)[0][:, 0].cpu().numpy())
        return np.concatenate(found)

    def everything(self, image: np.ndarray, **options) -> list[np.ndarray]:
        """Masks (H, W) bool of all that a grid of points finds in an image (H, W, 3) uint8 RGB.

        ``options``: of `segment_anything.SamAutomaticMaskGenerator`.
        """
        compat.install_nms()
        from segment_anything import SamAutomaticMaskGenerator

        options = {"points_per_batch": self.n_prompts} | options
        with torch.inference_mode():
            return [m["segmentation"] for m in SamAutomaticMaskGenerator(self.model, **options).generate(image)]


def mobile_sam() -> torch.nn.Module:
    """MobileSAM's network with random weights, from the package mobilesam-mirror."""
    try:
        with warnings.catch_warnings():  # it uses old names of timm, and registers its encoder there a second time
            warnings.simplefilter("ignore")
            from mobile_sam.build_sam import build_sam_vit_t

            return build_sam_vit_t()
    except ImportError as error:
        raise InputError(f"vit_t needs the extra 'foundation' of alc-bench (mobilesam-mirror): {error}") from error


def tiny_sam() -> torch.nn.Module:
    """SAM's network with random weights, of 128 × 128 px, 2 layers and 32 channels."""
    compat.install()
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, TwoWayTransformer
    from segment_anything.modeling import Sam as Network

    encoder = ImageEncoderViT(
        img_size=128, embed_dim=32, depth=2, num_heads=2, out_chans=32, use_rel_pos=True, window_size=4,
        global_attn_indexes=(1,), norm_layer=partial(torch.nn.LayerNorm, eps=1e-6),
    )  # fmt: skip
    prompts = PromptEncoder(embed_dim=32, image_embedding_size=(8, 8), input_image_size=(128, 128), mask_in_chans=4)
    transformer = TwoWayTransformer(depth=2, embedding_dim=32, mlp_dim=64, num_heads=2)
    return Network(encoder, prompts, MaskDecoder(transformer_dim=32, transformer=transformer))


def chosen_device(name: str) -> torch.device:
    """``auto`` is the GPU if there is one. Raises InputError for a device that is not there."""
    try:
        chosen = torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)
    except RuntimeError as error:
        raise InputError(f"device {name!r}: expected auto, cpu or cuda") from error
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise InputError(f"device {name!r}: torch finds no GPU here; use auto or cpu")
    return chosen


def _kind(state: dict) -> str:
    """The model of these tensors, of `bench.foundation.weights.SAM_TYPES`. Raises TypeError if they are not SAM's."""
    if not isinstance(state, dict) or not any(name.startswith("mask_decoder.") for name in state):
        raise TypeError("it holds no tensors of SAM")
    if "image_encoder.pos_embed" not in state:
        return "vit_t"
    width = state["image_encoder.pos_embed"].shape[-1]
    return {768: "vit_b", 1024: "vit_l", 1280: "vit_h"}.get(width, "tiny")


def _autocast(device: torch.device):
    return torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda")


def _line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
