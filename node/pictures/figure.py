"""The icon, raised above the disc: its shadow, its lower edge, and itself."""

from __future__ import annotations

from typing import Final

from node.pictures.geometry import MIDDLE
from node.pictures.icons import ICONS
from node.pictures.palettes import Palette
from node.pictures.shapes import paint, path, stroke

WIDTHS: Final = {"line": 16, "thin": 10, "ring": 16, "bow": 24, "bar": 24}


def figure(icon: str, palette: Palette, metal: str, middle: int, percent: int) -> str:
    """Return an icon around a height, so many per cent of its 200 units large.

    Args:
        metal: the gradient of figures.
    """
    night, deep = palette.enamel[2], palette.figure[4]
    place = f"translate({MIDDLE - percent} {middle - percent}) scale({percent // 100}.{percent % 100:02})"
    return (
        f'<g transform="{place}" stroke-linejoin="round">'
        f'<g transform="translate(0 9)" opacity=".5">{_body(icon, night)}</g>'
        f'<g transform="translate(0 4)">{_body(icon, deep)}</g>'
        f"{_whole(icon, palette, metal)}</g>"
    )


def _body(icon: str, colour: str) -> str:
    """Return what of an icon is metal, in one colour."""
    return "".join([_metal(kind, line, colour) for kind, line in ICONS[icon] if kind == "fill" or kind in WIDTHS])


def _metal(kind: str, line: str, colour: str) -> str:
    return path(line, paint(colour) if kind == "fill" else stroke(colour, WIDTHS[kind], rounded=True))


def _whole(icon: str, palette: Palette, metal: str) -> str:
    bright, enamel = palette.figure[0], palette.enamel[1]
    details = {
        "shade": paint(palette.figure[3], 36),
        "shine": paint(bright, 90),
        "gem": paint(enamel, edge=palette.accent, width=3),
        "cut": stroke(enamel, 9, rounded=True),
    }
    return "".join(
        [path(line, details[kind]) if kind in details else _metal(kind, line, metal) for kind, line in ICONS[icon]]
    )
