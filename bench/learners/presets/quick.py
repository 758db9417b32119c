"""For experiments of many cells on a CPU: `probe` without its finest level, half as wide, in a fifth of the seconds.

Chosen by ``alc-bench time fit`` (results/presets/README.md).
"""

_base_ = "probe.py"
max_iters = 400
model = dict(
    backbone=dict(out_indices=(3, 4)),
    decode_head=dict(in_channels=[112, 320], in_index=[0, 1], channels=32),
)
