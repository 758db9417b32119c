"""Cityscapes as A2LC's released code trains it: `paper-cityscapes`. Their released settings:

    alc-bench run --preset a2lc --dataset cityscapes --data-root cityscapes --foundation files[root=outputs_city] \
        --strategy abc+lcm --strategy abc --strategy sim --strategy random \
        --oracle perfect[gate=superpixel,answer=dominant,void=void] --rounds 5 --budget 10000 --seeds 3
"""

_base_ = "paper-cityscapes.py"
