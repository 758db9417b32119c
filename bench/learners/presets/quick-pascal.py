"""`quick` for 21 classes of which most are rare, as ``cpu-pascal`` is `probe` for them, but for mirrored images."""

_base_ = "quick.py"
pretrained = "efficientnet_lite2"
balanced = 0.4
model = dict(
    backbone=dict(model_name="tf_efficientnet_lite2"),
    decode_head=dict(in_channels=[120, 352], channels=64, context=True, dropout_ratio=0.1),
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
