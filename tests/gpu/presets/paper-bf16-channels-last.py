"""The same with channels last."""

_base_ = "paper-bf16.py"
channels_last = True
