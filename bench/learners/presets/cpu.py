"""For real images on a CPU: `probe`, which feels its labels more than a network that is trained whole, and sooner.

See results/README.md, "What presets learn from right labels".
"""

_base_ = "probe.py"
