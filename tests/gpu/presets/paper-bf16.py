"""The same in bfloat16 where autocast allows it."""

_base_ = "paper-float32.py"
optim_wrapper = dict(type="AmpOptimWrapper", dtype="bfloat16", loss_scale=1.0)
