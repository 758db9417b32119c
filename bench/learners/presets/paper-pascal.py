"""PASCAL VOC 2012 as ALC's released code trains it (Kim et al., ICML 2024): DeepLabV3+, ResNet-101, 30,000 iterations.

Needs a GPU of about 24 GB, VOCdevkit, the released pseudo labels, and torchvision's ImageNet weights of ResNet-101 in a
local file: ``ALC_BENCH_RESNET101=FILE`` or ``--cfg-options model.backbone.init_cfg.checkpoint=FILE``. ALC's released
settings ask 5,000 questions a round, and a superpixel is written if at most half of it is right:

    alc-bench run --preset paper --dataset pascal --data-root VOCdevkit --foundation files[root=outputs_voc] \
        --strategy sim --strategy cil_pixel --strategy cil --strategy bvsb --strategy random \
        --oracle perfect[gate=superpixel,void=void] --rounds 1 --budget 5000 --seeds 3

Different from the released code: the last checkpoint, not the best on val; padding is void, not background;
val images whole, not their centre; mmsegmentation's head, with separable convolutions.
"""

input_size = None
batch_size = 16
max_iters = 30000
num_workers = 4
channels_last = False  # torch 2.13 on the CPU corrupts memory in the backward pass of crops of 768 px
crop_size = (513, 513)
model = dict(
    type="EncoderDecoder",
    data_preprocessor=dict(
        type="SegDataPreProcessor",
        mean=[123.675, 116.28, 103.53],
        std=[58.395, 57.12, 57.375],
        bgr_to_rgb=False,
        size=crop_size,
        pad_val=0,
        seg_pad_val=255,
    ),
    backbone=dict(
        type="ResNet",
        depth=101,
        strides=(1, 2, 2, 1),
        dilations=(1, 1, 1, 2),
        norm_cfg=dict(type="BN", momentum=0.01),
        init_cfg=dict(type="Pretrained", checkpoint="$ALC_BENCH_RESNET101"),
    ),
    decode_head=dict(
        type="DepthwiseSeparableASPPHead",
        in_channels=2048,
        in_index=3,
        channels=256,
        dilations=(1, 6, 12, 18),
        c1_in_channels=256,
        c1_channels=48,
        dropout_ratio=0.1,
        num_classes=2,
        norm_cfg=dict(type="BN"),
        align_corners=False,
        loss_decode=dict(type="CrossEntropyLoss"),
    ),
)
train_pipeline = [
    dict(type="RandomResize", scale=(500, 500), ratio_range=(0.5, 2.0), keep_ratio=True),  # the longer side is 500 px
    dict(type="RandomCrop", crop_size=crop_size),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
optim_wrapper = dict(
    type="OptimWrapper",
    optimizer=dict(type="SGD", lr=0.01, momentum=0.9, weight_decay=1e-4),
    paramwise_cfg=dict(custom_keys=dict(backbone=dict(lr_mult=0.1))),
)
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=1e-6, begin=0, by_epoch=False)]
