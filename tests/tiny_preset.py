"""As little network as tells red from blue within a second: what tests of the loop train."""

input_size = None
threads = 1
batch_size = 4
max_iters = 12
norm = dict(type="BN", momentum=0.3)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[127.5] * 3,
        std=[64.0] * 3,
        bgr_to_rgb=False,
        size_divisor=16,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type="ResNetV1c",
        depth=18,
        base_channels=8,
        stem_channels=8,
        num_stages=2,
        strides=(1, 2),
        dilations=(1, 1),
        out_indices=(0, 1),
        norm_cfg=norm,
    ),
    decode_head=dict(
        type="FCNHead",
        in_channels=16,
        in_index=1,
        channels=16,
        num_convs=1,
        concat_input=False,
        num_classes=2,
        norm_cfg=norm,
        align_corners=False,
        dropout_ratio=0,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
)
train_pipeline = [dict(type="RandomFlip", prob=0.5), dict(type="PackSegInputs")]
optim_wrapper = dict(type="OptimWrapper", optimizer=dict(type="AdamW", lr=0.02, weight_decay=1e-4))
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=1e-4, begin=0, by_epoch=False)]
