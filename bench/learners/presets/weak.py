"""The model of the foundation `weak`: the head of `probe`, on the two coarsest levels of smaller images.

A preset of its own, so that its labels stay unchanged when `probe` learns more.
"""

_base_ = "probe.py"
input_size = (320, 320)
model = dict(
    backbone=dict(out_indices=(3, 4)),
    decode_head=dict(in_channels=[112, 320], in_index=[0, 1]),
)
