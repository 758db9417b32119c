"""How a strategy looks, the same in every figure and on the page: by its place in the sorted list of names."""

import re
from dataclasses import dataclass

import numpy as np

# Okabe and Ito, Color Universal Design (2008), without the yellow, which is too light for lines on white
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# matplotlib's marker and plotly's symbol of the same form
MARKERS = {
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "<": "triangle-left",
    ">": "triangle-right",
    "*": "star",
}


@dataclass(frozen=True)
class Look:
    color: str
    marker: str
    symbol: str


def looks(strategies) -> dict[str, Look]:
    """Colour and marker of each strategy: no two share both among the first 70."""
    found = {}
    for i, name in enumerate(sorted(set(strategies))):
        lap, color = divmod(i, len(PALETTE))
        marker = list(MARKERS)[(i + lap) % len(MARKERS)]
        found[name] = Look(PALETTE[color], marker, MARKERS[marker])
    return found


def title(setting: tuple[str, str, str], leaky: bool) -> str:
    """``dataset · foundation · oracle``, paths cut to their last part; leaky oracles, which read more truth than they
    are paid for, are marked."""
    parts = [re.sub(r"[^\[=,]*/(?=[^/])", "", part) for part in setting if part]
    return " · ".join(parts) + (" (leaky)" if leaky else "")


def percent(mean: float, std: float = float("nan")) -> str:
    """``68.42±0.87`` from shares; ``–`` where there is no number."""
    if not np.isfinite(mean):
        return "–"
    return f"{100 * mean:.2f}" + (f"±{100 * std:.2f}" if np.isfinite(std) else "")
