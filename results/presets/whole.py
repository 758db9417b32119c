"""The preset `cpu` for real images before `probe`: EfficientNet-Lite0 and an all-MLP head, trained whole.

The coarsest features count most, and AdamW learns in 150 iterations what SGD needs far more for. The head's weights
begin large and are normalised, so that it takes a large rate; at 0.002 it learns next to nothing. The backbone keeps
ImageNet's means and variances.
"""

_base_ = "../../bench/learners/presets/_lite0.py"
input_size = (160, 160)
max_iters = 150
norm_eval = True
model = dict(
    decode_head=dict(
        _delete_=True,
        type="SegformerHead",
        in_channels=[40, 112, 320],
        in_index=[0, 1, 2],
        channels=64,
        num_classes=2,
        norm_cfg=dict(type="BN"),
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
)
optim_wrapper = dict(
    optimizer=dict(_delete_=True, type="AdamW", lr=0.03, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.0133))),
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=20, by_epoch=False),
    dict(type="PolyLR", power=0.9, eta_min=0.0, begin=20, by_epoch=False),
]
