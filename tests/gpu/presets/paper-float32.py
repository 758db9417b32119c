"""50 iterations of ``paper`` on PASCAL, from random weights."""

_base_ = "../../../bench/learners/presets/paper-pascal.py"
max_iters = 50
param_scheduler = []
model = dict(backbone=dict(init_cfg=None))
