"""The statistics of budget curves: `inference` tests all pairs of strategies, on `studentised`'s distribution."""
