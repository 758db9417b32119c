"""A small head on the frozen features of EfficientNet-Lite0, which sees each image of 320 × 320 pixels once.

A fit takes a sixth of the seconds of ``cpu`` and learns from soft targets, the shares of each class (`bench.learners.
frozen`). Chosen by ``alc-bench time --fit`` (results/README.md): the two coarsest levels are as good as three, mirrored
images and EfficientNet-Lite2 did not pay, 600 iterations of 8 images did.
"""

_base_ = "cpu.py"
input_size = (320, 320)
max_iters = 600
frozen = True
model = dict(
    backbone=dict(out_indices=(3, 4)),
    decode_head=dict(in_channels=[112, 320], in_index=[0, 1], dropout_ratio=0.0),
)
optim_wrapper = dict(paramwise_cfg=dict(_delete_=True))
