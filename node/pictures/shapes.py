"""How shapes and gradients are written."""

from __future__ import annotations

from node.pictures.geometry import MIDDLE

Stop = tuple[int, str, int]
"""Place in per cent, colour, opacity in per cent."""


def circle(radius: int, more: str) -> str:
    """Return a circle around the middle."""
    return f'<circle cx="{MIDDLE}" cy="{MIDDLE}" r="{radius}" {more}/>'


def path(line: str, more: str) -> str:
    """Return a path."""
    return f'<path d="{line}" {more}/>'


def stroke(colour: str, width: int, opacity: int = 100, *, rounded: bool = False) -> str:
    """Return the attributes of a line."""
    ends = ' stroke-linecap="round" stroke-linejoin="round"' if rounded else ""
    return f'fill="none" stroke="{colour}" stroke-width="{width}"{_faded("stroke", opacity)}{ends}'


def paint(colour: str, opacity: int = 100, *, edge: str = "", width: int = 4) -> str:
    """Return the attributes of a filled shape, with a line around it where that has a colour."""
    line = f' stroke="{edge}" stroke-width="{width}" stroke-linejoin="round"' if edge else ""
    return f'fill="{colour}"{_faded("fill", opacity)}{line}'


def stops(*listed: Stop) -> str:
    """Return a gradient's stops."""
    return "".join(
        [
            f'<stop offset="{place}%" stop-color="{colour}"{_faded("stop", opacity)}/>'
            for place, colour, opacity in listed
        ]
    )


def _faded(what: str, opacity: int) -> str:
    return "" if opacity >= 100 else f' {what}-opacity=".{opacity:02}"'
