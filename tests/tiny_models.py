"""A tiny Grounding DINO and a tiny SAM with random weights, in files, as the real ones are."""

from pathlib import Path

import torch

from bench import compat
from bench.foundation.models import tiny_sam


def write(folder: Path, seed: int = 0) -> tuple[Path, Path]:
    """The detector's folder and SAM's checkpoint."""
    compat.install()
    import transformers as t

    torch.manual_seed(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    words = ["road", "car", "dining", "table", "traffic", "light", "sign", "polyp", *letters]
    tokens = [f"[unused{i}]" for i in range(1100)]
    # The network separates phrases by the tokens with these ids.
    for i, token in {0: "[PAD]", 100: "[UNK]", 101: "[CLS]", 102: "[SEP]", 1012: ".", 1029: "?"}.items():
        tokens[i] = token
    tokens += words + [f"##{letter}" for letter in letters]
    tokenizer = t.BertTokenizerFast(vocab={token: i for i, token in enumerate(tokens)})
    text = t.BertConfig(
        vocab_size=len(tokens), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    backbone = t.SwinConfig(
        embed_dim=16, depths=[1, 1, 1, 1], num_heads=[1, 2, 2, 2], window_size=4, out_indices=[2, 3, 4]
    )
    config = t.GroundingDinoConfig(
        backbone_config=backbone, text_config=text, d_model=32, num_queries=20, num_feature_levels=4,
        encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        encoder_attention_heads=2, decoder_attention_heads=2,
    )  # fmt: skip
    detector, sam = folder / "detector", folder / "sam.pth"
    model = t.GroundingDinoForObjectDetection(config)
    model.save_pretrained(detector)
    tokenizer.save_pretrained(detector)
    t.GroundingDinoImageProcessor().save_pretrained(detector)
    torch.save(tiny_sam().state_dict(), sam)
    return detector, sam
