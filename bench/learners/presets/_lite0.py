"""EfficientNet-Lite0 with ImageNet's weights: the backbone of `probe`, and of the yardsticks in results/presets."""

_base_ = "_fastscnn.py"
pretrained = "efficientnet_lite0"
model = dict(
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type="TIMMBackbone",
        model_name="tf_efficientnet_lite0",
        pretrained=False,
        features_only=True,
        out_indices=(2, 3, 4),
    ),
)
