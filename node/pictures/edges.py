"""The edges of the metal: what is cut, twisted, beaded or grown around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from node.pictures import geometry
from node.pictures.geometry import TURN
from node.pictures.palettes import Palette
from node.pictures.shapes import circle, paint, path, stroke

RIM: Final = 470
"""Radius of the metal."""

_LEAF: Final = "M6 0C-14 -26 -54 -30 -82 -6C-58 16 -18 18 6 0Z"
_RIB: Final = "M0 -1C-24 -8 -50 -10 -70 -7"


def edge(ring: str, palette: Palette, metal: str, plate: str) -> str:
    """Return the edge of a ring.

    Args:
        metal, plate: the gradients of the ring and of the plate.
    """
    return _EDGES[ring](palette, metal, plate)


def _plain(palette: Palette, metal: str, plate: str) -> str:
    return circle(RIM, paint(metal, edge=palette.metal[3]))


def _milled(palette: Palette, metal: str, plate: str) -> str:
    lines = geometry.ticks(444, RIM, 120)
    return _plain(palette, metal, plate) + path(lines, stroke(palette.metal[4], 7, 55))


def _rope(palette: Palette, metal: str, plate: str) -> str:
    bright, _, middle, dark, deep = palette.metal
    lines = geometry.ticks(442, RIM - 2, 72, 70)
    return (
        circle(RIM, paint(dark, edge=deep))
        + path(lines, stroke(middle, 20, rounded=True))
        + path(lines, stroke(bright, 7, 75, rounded=True))
    )


def _beaded(palette: Palette, metal: str, plate: str) -> str:
    bright, _, middle, dark, deep = palette.metal
    drawn = [circle(RIM, paint(dark, edge=deep))]
    for number in range(90):
        x, y = geometry.point(455, TURN * number // 90)
        drawn.append(f'<circle cx="{x}" cy="{y}" r="13" {paint(middle)}/>')
        drawn.append(f'<circle cx="{x - 3}" cy="{y - 4}" r="5" {paint(bright)}/>')
    return "".join(drawn)


def _scalloped(palette: Palette, metal: str, plate: str) -> str:
    return path(geometry.waves(452, 36, 42), paint(metal, edge=palette.metal[3], width=6))


def _laurel(palette: Palette, metal: str, plate: str) -> str:
    """Draw two branches that meet at the top; their lower ends are below the plate."""
    deep = palette.metal[4]
    drawn = [circle(452, paint(palette.metal[3]))]
    for number in range(11, -1, -1):
        for tilt, fill in ((-16, palette.metal[2]), (24, plate)):
            place = f"rotate({7 + number * 12} 512 512) translate(512 62) rotate({tilt})"
            leaf = path(_LEAF, paint(fill, edge=deep)) + path(_RIB, stroke(deep, 3, 60))
            drawn.append(f'<g transform="{place}">{leaf}</g>')
            drawn.append(f'<g transform="matrix(-1 0 0 1 1024 0) {place}">{leaf}</g>')
    return "".join(drawn)


_EDGES: Final[Mapping[str, Callable[[Palette, str, str], str]]] = {
    "plain": _plain,
    "milled": _milled,
    "rope": _rope,
    "beaded": _beaded,
    "laurel": _laurel,
    "scalloped": _scalloped,
}
RINGS: Final = tuple(_EDGES)
"""The names of `contracts_py.nft.art`."""
