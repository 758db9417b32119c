"""Fast-SCNN from scratch, and how it is trained: what `smoke` and the presets on EfficientNet-Lite0 begin from."""

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
    backbone=dict(type="FastSCNN", norm_cfg=norm_cfg),
    decode_head=dict(
        type="DepthwiseSeparableFCNHead",
        in_channels=128,
        in_index=-1,
        channels=128,
        concat_input=False,
        num_classes=2,
        norm_cfg=norm_cfg,
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
)
train_pipeline = [dict(type="RandomFlip", prob=0.5), dict(type="PackSegInputs")]
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1, momentum=0.9, weight_decay=1e-4))
param_scheduler = [
    dict(type="LinearLR", start_factor=0.1, begin=0, end=20, by_epoch=False),
    dict(type="PolyLR", power=0.9, eta_min=1e-4, begin=20, by_epoch=False),
]
