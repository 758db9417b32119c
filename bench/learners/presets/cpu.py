"""For real images on a CPU: `probe`; label quality changes it more, and sooner, than a network that is trained whole.

See results/README.md, "What presets learn from right labels".
"""

_base_ = "probe.py"
