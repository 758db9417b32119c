"""The preset `cpu` of commit 8fabfad: a yardstick for `alc-bench time --fit`, nothing else."""

_base_ = "../../bench/learners/presets/cpu-shapes.py"
input_size = (160, 160)
max_iters = 150
pretrained = "efficientnet_lite0"
model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type="TIMMBackbone",
        model_name="tf_efficientnet_lite0",
        pretrained=False,
        features_only=True,
        out_indices=(1, 2, 3),
    ),
    decode_head=dict(
        _delete_=True,
        type="SegformerHead",
        in_channels=[24, 40, 112],
        in_index=[0, 1, 2],
        channels=64,
        num_classes=2,
        norm_cfg=dict(type="BN"),
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
)
optim_wrapper = dict(paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))))
