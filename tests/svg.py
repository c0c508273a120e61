"""What charts are made of: SVGs that stand alone, need no library, and are legible on light and dark pages."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

INK, QUIET, GRID = "#111827", "#6b7280", "#e5e7eb"
COLOURS = ("#2563eb", "#059669", "#d97706", "#7c3aed", "#dc2626", "#0891b2")
"""For one series after the other."""


def picture(width: int, height: int, parts: Sequence[str]) -> str:
    """A whole document around these parts, on white."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
    ground = f'<rect width="{width}" height="{height}" fill="#ffffff"/>'
    return "\n".join([head, ground, *parts, "</svg>"]) + "\n"


def text(x: float, y: float, content: str, colour: str = INK, anchor: str = "start") -> str:
    """A line of text; `anchor` is `start`, `middle` or `end`."""
    return f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" text-anchor="{anchor}">{escape(content)}</text>'


def line(start: tuple[float, float], end: tuple[float, float], colour: str = GRID, more: str = "") -> str:
    """A straight line."""
    (x1, y1), (x2, y2) = start, end
    return f'<line x1="{x1:.1f}" x2="{x2:.1f}" y1="{y1:.1f}" y2="{y2:.1f}" stroke="{colour}"{more}/>'


def path(points: Sequence[tuple[float, float]], colour: str) -> str:
    """A line through all of these points."""
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="1.6"/>'


def bar(x: float, y: float, width: float, height: float, colour: str, more: str = "") -> str:
    """A filled rectangle."""
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" fill="{colour}"{more}/>'
