"""For real images on a CPU: `probe`; label quality changes it more, and sooner, than a network that is trained whole.

See results/presets/README.md.
"""

_base_ = "probe.py"
