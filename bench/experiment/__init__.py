"""A run: its settings and data, its cells, and what works through them."""
