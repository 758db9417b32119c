"""`probe` for 21 classes of which most are rare: the better features of EfficientNet-Lite2, mirrored images too, a head
that hears of the whole image, and more weight for rare classes. Chosen by ``alc-bench time fit``
(results/presets/README.md).
"""

_base_ = "probe.py"
pretrained = "efficientnet_lite2"
max_iters = 1000
mirrored = True
balanced = 0.4
model = dict(
    backbone=dict(model_name="tf_efficientnet_lite2"),
    decode_head=dict(in_channels=[48, 120, 352], context=True, dropout_ratio=0.3),
)
optim_wrapper = dict(optimizer=dict(lr=0.01))
