"""A run: its settings and data, its cells, and the workers on them."""
