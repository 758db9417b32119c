"""The statistics of budget curves: `inference` tests each pair of strategies."""
