"""PASCAL VOC 2012 as A2LC's released code trains it (Jeon et al., AAAI 2026): `paper-pascal` at learning rate 0.1.

Their released settings, with the annotator that answers the class of most of the superpixel:

    alc-bench run --preset a2lc --dataset pascal --data-root VOCdevkit --foundation files[root=outputs_voc] \
        --strategy abc+lcm --strategy abc --strategy sim --strategy random \
        --oracle perfect[gate=superpixel,answer=dominant,void=void] --rounds 5 --budget 1000 --seeds 3
"""

_base_ = "paper-pascal.py"
optim_wrapper = dict(optimizer=dict(lr=0.1))
