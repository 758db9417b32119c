"""Kvasir-SEG: the recipe of `paper-pascal`. The released code of ALC has the splits (880 and 120), not the training.

Needs the inputs of `paper-pascal`, and pseudo labels in the papers' layout:

    alc-bench run --preset paper --dataset kvasir --data-root Kvasir-SEG --foundation files[root=outputs_kvasir] \
        --strategy sim --strategy cil --strategy random --oracle perfect[gate=superpixel,void=void] --rounds 1 --seeds 3
"""

_base_ = "paper-pascal.py"
train_pipeline = [
    dict(type="RandomResize", scale=(513, 513), ratio_range=(0.5, 2.0), keep_ratio=True),  # sizes differ: fit the crop
    dict(type="RandomCrop", crop_size=(513, 513)),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
