"""Acquisition strategies, one family a file. The registry finds them: see `bench.registry`."""
