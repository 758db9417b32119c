"""Figures of a report and of a board, drawn by matplotlib without a display."""
