"""The network of ``_fastscnn.py`` for a few iterations on small images: shows that everything runs, not how well."""

_base_ = "_fastscnn.py"
input_size = (96, 96)
max_iters = 10
param_scheduler = [dict(type="PolyLR", power=0.9, eta_min=1e-4, begin=0, by_epoch=False)]
