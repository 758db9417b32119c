"""How a strategy looks: a fixed function of its name, the same in every figure, on every page and for ever."""

import re
import zlib
from dataclasses import dataclass

import numpy as np

# Twelve hues; each has a contrast of 3 to 1 or more with white paper and with the page's dark one (WCAG 2.2, 1.4.11).
PALETTE = (
    "#0072B2",
    "#D55E00",
    "#00875F",
    "#B8579A",
    "#A87900",
    "#2A8FC7",
    "#8A63D2",
    "#C2413B",
    "#5C8A1E",
    "#00889A",
    "#A0653A",
    "#D23F8C",
)
GREY = "#767676"
SALT = 970  # ten of the best known strategies get ten colours
MARKER_SALT = 2641  # and of the twenty best known no two look alike: who shares a colour has another marker
# matplotlib's marker, plotly's symbol of the same form, and that form as text
MARKERS = {
    "o": ("circle", "●"),
    "s": ("square", "■"),
    "^": ("triangle-up", "▲"),
    "D": ("diamond", "◆"),
    "v": ("triangle-down", "▼"),
    "P": ("cross", "✚"),
    "X": ("x", "✖"),
    "<": ("triangle-left", "◀"),
    ">": ("triangle-right", "▶"),
    "*": ("star", "★"),
}


NAMES = {"data": "data mIoU", "model": "model mIoU", "labelled": "data mIoU, labelled pixels"}  # of the metrics


@dataclass(frozen=True)
class Look:
    color: str
    marker: str
    symbol: str
    form: str


def look(strategy: str) -> Look:
    """Colour and marker of a name; ``random`` is grey. Names that another source shares, ``sim @ friend``, share the
    colour."""
    name = strategy.partition(" @ ")[0]
    place = zlib.crc32(f"{SALT} {name}".encode())
    marker = list(MARKERS)[zlib.crc32(f"{strategy} {MARKER_SALT}".encode()) % len(MARKERS)]
    return Look(GREY if name == "random" else PALETTE[place % len(PALETTE)], marker, *MARKERS[marker])


def looks(strategies) -> dict[str, Look]:
    """`look` of each strategy, by name."""
    return {name: look(name) for name in sorted(set(strategies))}


def title(setting: tuple[str, str, str], leaky: bool) -> str:
    """``dataset · foundation · oracle``, paths cut to their last part; leaky oracles, which read more truth than they
    are paid for, are marked."""
    parts = [re.sub(r"[^\[=,]*/(?=[^/])", "", part) for part in setting if part]
    return " · ".join(parts) + (" (leaky)" if leaky else "")


def percent(mean: float, std: float = float("nan")) -> str:
    """``68.42±0.87`` from shares; ``–`` if there is no number."""
    if not np.isfinite(mean):
        return "–"
    return f"{100 * mean:.2f}" + (f"±{100 * std:.2f}" if np.isfinite(std) else "")


def p_value(p: float) -> str:
    """``0.013``, ``<0.0001``, ``–`` if there is no test."""
    return "–" if np.isnan(p) else "<0.0001" if p < 1e-4 else f"{p:.2g}"


def rank(low: float, high: float) -> str:
    """``1–3``, ``2``, ``–`` if there is no test."""
    if not np.isfinite(low):
        return "–"
    return f"{low:.0f}" + (f"–{high:.0f}" if high != low else "")


def interval(low: float, high: float) -> str:
    """``-1.90 to -0.80`` from shares, ``–`` if there is no interval."""
    return f"{100 * low:.2f} to {100 * high:.2f}" if np.isfinite(low) else "–"
