"""A small head on the frozen features of EfficientNet-Lite0, which sees each image of 352 × 352 pixels once.

A fit takes two fifths of the seconds of a network of this size that is trained whole. It learns from soft targets, the
shares of each class (`bench.learners.frozen`). Chosen by ``alc-bench time fit`` (results/presets/README.md).
"""

_base_ = "_lite0.py"
custom_imports = dict(imports=["bench.learners.presets._head"])
input_size = (352, 352)
max_iters = 600
frozen = True
model = dict(
    decode_head=dict(
        _delete_=True,
        type="LevelsHead",
        in_channels=[40, 112, 320],
        in_index=[0, 1, 2],
        channels=64,
        dropout_ratio=0.0,
        num_classes=2,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
)
optim_wrapper = dict(optimizer=dict(_delete_=True, type="AdamW", lr=0.03, weight_decay=0.01))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.05, begin=0, end=20, by_epoch=False),
    dict(type="PolyLR", power=0.9, eta_min=0.0, begin=20, by_epoch=False),
]
