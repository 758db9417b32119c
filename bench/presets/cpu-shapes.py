"""A small network from scratch for small images: some ten seconds a fit on one CPU core."""

input_size = None
threads = 1
batch_size = 8
max_iters = 200
norm_cfg = dict(type="BN")
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[127.5] * 3,
        std=[64.0] * 3,
        bgr_to_rgb=False,
        size_divisor=32,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type="ResNetV1c",
        depth=18,
        base_channels=16,
        stem_channels=16,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(0, 1, 2),
        norm_cfg=norm_cfg,
    ),
    decode_head=dict(
        type="SegformerHead",
        in_channels=[16, 32, 64],
        in_index=[0, 1, 2],
        channels=48,
        num_classes=2,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
)
train_pipeline = [dict(type="RandomFlip", prob=0.5), dict(type="PackSegInputs")]
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=1e-4, begin=0, by_epoch=False)]
