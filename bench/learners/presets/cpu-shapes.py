"""`probe` for generated scenes: without its coarsest level, which learns the errors of whole objects, and in three
seconds a fit. Chosen by ``alc-bench time fit`` (results/presets/README.md).
"""

_base_ = "probe.py"
input_size = (192, 192)
max_iters = 200
model = dict(
    backbone=dict(out_indices=(2, 3)),
    decode_head=dict(in_channels=[40, 112], in_index=[0, 1], channels=64),
)
optim_wrapper = dict(optimizer=dict(fused=True))
