"""For real images on a CPU: EfficientNet-Lite0 with ImageNet weights and an all-MLP head, on 160 × 160 pixels.

Chosen by time to accuracy (``alc-bench time --fit``, results/fit-kvasir.md). The coarsest features are the ones that
count; AdamW reaches in 150 iterations what SGD needs 1,000 for; ImageNet's means and variances do better, and are
faster, than those of batches of 8.
"""

_base_ = "cpu-shapes.py"
input_size = (160, 160)
max_iters = 150
pretrained = "efficientnet_lite0"
norm_eval = True
model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type="TIMMBackbone",
        model_name="tf_efficientnet_lite0",
        pretrained=False,
        features_only=True,
        out_indices=(2, 3, 4),
    ),
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
    optimizer=dict(_delete_=True, type="AdamW", lr=2e-3, weight_decay=0.01),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.2))),
)
