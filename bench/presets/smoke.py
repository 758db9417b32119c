"""The network of ``cpu-shapes`` for a few iterations on small images: shows that everything runs, not how well."""

_base_ = "cpu-shapes.py"
input_size = (96, 96)
max_iters = 10
