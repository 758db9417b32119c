"""``whole`` with its weights in torch's usual order."""

_base_ = "../../../results/presets/whole.py"
channels_last = False
