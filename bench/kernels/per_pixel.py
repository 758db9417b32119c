"""SIM by one scipy call a pixel, as the authors compute it: only to compare times with (`bench.commands.time`)."""

import numpy as np
from scipy.spatial.distance import cosine

from bench.types import VOID


def look_ahead(probabilities: np.ndarray, labels: np.ndarray, member: np.ndarray) -> float:
    """SIM (Kim et al., ICML 2024) of the superpixel ``member`` (H, W) bool; (C, H, W) float32, (H, W) uint8."""
    p = probabilities[:, member].T
    predicted = p.argmax(1)
    known = np.where(labels[member] == VOID, predicted, labels[member])
    dominant = p[predicted == np.bincount(predicted).argmax()]
    mean = dominant.mean(0)
    representative = dominant[np.argmax([1 - cosine(x, mean) for x in dominant])]
    similarity = np.array([1 - cosine(x, representative) for x in p])
    return float(similarity @ (1 - p[np.arange(len(p)), known]))
