"""Cityscapes as A2LC's released code trains it (Jeon et al., AAAI 2026); ALC's has no recipe of its own for it.

As `paper-pascal`, but crops of 768 px, batches of 8, learning rate 0.05, colour jitter and no change of scale. Needs a
GPU of about 24 GB, pseudo labels in the papers' layout, and the weights that `paper-pascal` names. A2LC's released
settings ask 10,000 questions a round; ``a2lc`` is this preset under their name:

    alc-bench run --preset paper --dataset cityscapes --data-root cityscapes --foundation files[root=outputs_city] \
        --strategy sim --strategy abc+lcm --strategy random \
        --oracle perfect[gate=superpixel,void=void] --rounds 5 --budget 10000 --seeds 3

Ours: the jitter is mmsegmentation's, each kind applied half of the time, in the same ranges.
"""

_base_ = "paper-pascal.py"
batch_size = 8
crop_size = (768, 768)
model = dict(
    data_preprocessor=dict(mean=[73.185, 82.875, 72.42], std=[47.685, 48.45, 47.685], size=crop_size),
)
train_pipeline = [
    dict(type="RandomCrop", crop_size=crop_size),
    dict(
        type="PhotoMetricDistortion",
        brightness_delta=0,  # its "contrast" is a factor on brightness, as in the released code
        contrast_range=(0.5, 1.5),
        saturation_range=(0.5, 1.5),
        hue_delta=1,  # the least it takes: two degrees
    ),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
optim_wrapper = dict(optimizer=dict(lr=0.05))
