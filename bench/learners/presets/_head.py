"""The decode head of `probe`, which it names in ``custom_imports``; no preset itself, and no plug-in."""

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from torch import nn


@MODELS.register_module()
class LevelsHead(BaseDecodeHead):
    """SegFormer's all-MLP head (Xie et al., NeurIPS 2021, section 3.2), in two thirds of the seconds.

    Mixing channels and upsampling are both linear, so that each level is mixed at its own size before it grows to the
    largest. Both are matrix products here; their gradients cost no more than they do.

    ``context``: every place hears of the whole image as well, the mean of the last level (Liu et al., ParseNet,
    arXiv:1506.04579), so that it is the image that says which classes are likely.
    """

    def __init__(self, context: bool = False, **known):
        super().__init__(input_transform="multiple_select", **known)
        n = self.channels

        def normed():
            return nn.BatchNorm1d(n), nn.ReLU(inplace=True)

        self.levels = nn.ModuleList(nn.Sequential(nn.Linear(c, n, bias=False), *normed()) for c in self.in_channels)
        self.mixes = nn.ModuleList(nn.Linear(n, n, bias=False) for _ in self.in_channels)
        self.norm = nn.Sequential(*normed())
        self.context = None
        if context:
            seen = nn.Linear(self.in_channels[-1], n, bias=False), nn.LayerNorm(n), nn.ReLU(inplace=True)
            self.context = nn.Sequential(*seen, nn.Dropout(self.dropout_ratio), nn.Linear(n, n, bias=False))

    def init_weights(self):
        super().init_weights()
        for part in self.modules():
            if isinstance(part, nn.Linear):
                nn.init.kaiming_normal_(part.weight, mode="fan_out")  # as mmcv's ConvModule begins

    def forward(self, inputs):
        """Logits (B, C, h, w), of the size of the first level that is selected; features (B, D, h', w') of all."""
        chosen = self._transform_inputs(inputs)
        b, _, *size = chosen[0].shape
        parts = [
            grown(mix(level(x.permute(0, 2, 3, 1).flatten(0, 2))).view(b, *x.shape[2:], -1), size)
            for x, level, mix in zip(chosen, self.levels, self.mixes, strict=True)
        ]
        if self.context is not None:
            parts.append(self.context(chosen[-1].mean((2, 3)))[:, None, None])
        fused = self.norm(sum(parts[1:], parts[0]).flatten(0, 2)).view(b, *size, -1)
        return self.cls_seg(fused.permute(0, 3, 1, 2))


def grown(x: torch.Tensor, size) -> torch.Tensor:
    """``x`` (B, h, w, D) upsampled bilinearly to ``size``, as `torch.nn.functional.interpolate` does."""
    rows, columns = (_weights(n, m, x) for n, m in zip(x.shape[1:3], size, strict=True))
    if rows is not None:
        x = torch.einsum("ih,bhwd->biwd", rows, x)
    return x if columns is None else torch.einsum("jw,biwd->bijd", columns, x)


def _weights(n: int, m: int, like: torch.Tensor) -> torch.Tensor | None:
    """(m, n) of an axis; None if nothing changes."""
    if n == m:
        return None
    eye = torch.eye(n, device=like.device, dtype=like.dtype)[None]
    return nn.functional.interpolate(eye, m, mode="linear", align_corners=False)[0].T.contiguous()
