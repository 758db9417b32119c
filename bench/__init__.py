"""alc-bench: a benchmark for active label correction in semantic segmentation."""

__version__ = "0.1.0"
