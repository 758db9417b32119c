"""The preset `cpu` of commit 8fabfad: a yardstick for `alc-bench time fit`, nothing else."""

_base_ = "../../bench/learners/presets/_lite0.py"
input_size = (160, 160)
max_iters = 150
model = dict(
    backbone=dict(out_indices=(1, 2, 3)),
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
