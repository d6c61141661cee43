"""Draws a badge as SVG: a metal ring, a band with a title, an enamel disc with an icon, and a plate with a caption.

    svg(badge) -> bytes          the same bytes for the same badge, on every machine

It is seen at 64 px and at 1,024 px: the outline, the colours and the icon tell badges apart when small, the rest is
for when it is large. Everything is plain shapes and gradients: no script, style sheet, filter, font or picture, and
nothing from outside. Names within the picture begin with its own hash, so that several can stand in one page.
"""

from __future__ import annotations

import hashlib
from typing import Final

from node.pictures import geometry
from node.pictures.edges import edge
from node.pictures.figure import figure
from node.pictures.geometry import MIDDLE, SIZE, TURN
from node.pictures.lettering import FONT, escaped, fitted, raised
from node.pictures.meaning import FULL, Badge
from node.pictures.palettes import BLACK, LIGHT_ENAMEL, WHITE, brightness, mixed
from node.pictures.shapes import Stop, circle, paint, path, stops, stroke

BAND: Final = 404
DISC: Final = 298
WIDE_DISC: Final = 346
"""Without a title the band is narrow, and the disc so much larger."""

GAUGE: Final = 24
"""How far outside of the disc the arc of progress is."""

GAUGE_FROM: Final = 1_420
GAUGE_TO: Final = 3_980
"""From lower left over the top to lower right: the plate hides the rest."""

TITLE: Final = 353
"""Radius on which the title stands."""

PLATE_TOP: Final = 770
PLATE_BOTTOM: Final = 906
GLINTS: Final = ((158, 444, 54, 9), (184, 528, 24, 5), (868, 470, 38, 7))
"""(x, y, outer and inner radius) of the lights on a badge that is complete."""


def svg(badge: Badge) -> bytes:
    """Return the picture."""
    marked = hashlib.sha256(repr(badge).encode("utf-8", "replace")).hexdigest()[:8]
    drawing = Drawing(badge, f"e{marked}")
    parts = [
        drawing.definitions(),
        drawing.shadow(),
        drawing.metal(),
        drawing.band(),
        drawing.disc(),
        drawing.gauge(),
        drawing.icon(),
        drawing.pips(),
        drawing.gloss(),
        drawing.glints(),
        drawing.plate(),
    ]
    name = escaped(badge.name)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {SIZE} {SIZE}" role="img" aria-label="{name}">'
    return f"{head}<title>{name}</title>{''.join(parts)}</svg>\n".encode()


class Drawing:
    """The parts of a badge; each method returns one of them, from the back to the front.

    Args:
        marked: what the names within the picture begin with.
    """

    def __init__(self, badge: Badge, marked: str) -> None:
        self._badge = badge
        self._palette = badge.palette
        self._marked = marked
        self._disc = DISC if badge.title else WIDE_DISC

    def _url(self, name: str) -> str:
        return f"url(#{self._marked}{name})"

    def _gradient(self, kind: str, name: str, where: str, *listed: Stop) -> str:
        return f'<{kind}Gradient id="{self._marked}{name}" {where}>{stops(*listed)}</{kind}Gradient>'

    def definitions(self) -> str:
        """Return the gradients, and the line on which the title stands."""
        line = geometry.arc(TITLE, TURN // 2 + 1, TURN - 1)
        title = f'<path id="{self._marked}t" d="{line}"/>' if self._badge.title else ""
        return f"<defs>{self._metals()}{self._enamels()}{title}</defs>"

    def _metals(self) -> str:
        bright, light, middle, dark, deep = self._palette.metal
        shown = self._palette.figure
        ring = 'gradientUnits="userSpaceOnUse" x1="150" y1="70" x2="874" y2="954"'
        icon = 'gradientUnits="userSpaceOnUse" x1="40" y1="0" x2="160" y2="200"'
        down = 'x1="0" y1="0" x2="0" y2="1"'
        shine = (bright, light, middle, bright, light, dark, middle)
        places = (0, 18, 38, 52, 66, 84, 100)
        turned = ((0, deep, 100), (32, dark, 100), (55, middle, 100), (100, bright, 100))
        plate = ((0, bright, 100), (40, light, 100), (62, middle, 100), (100, dark, 100))
        raised_icon = ((0, shown[0], 100), (42, shown[1], 100), (74, shown[2], 100), (100, shown[1], 100))
        return (
            self._gradient("linear", "m", ring, *[(at, one, 100) for at, one in zip(places, shine, strict=True)])
            + self._gradient("linear", "n", ring, *turned)
            + self._gradient("linear", "p", down, *plate)
            + self._gradient("linear", "f", icon, *raised_icon)
        )

    def _enamels(self) -> str:
        glass, enamel, night = self._palette.enamel
        band = ((0, mixed(enamel, glass, 20), 100), (78, mixed(enamel, night, 45), 100), (100, night, 100))
        disc = ((0, glass, 100), (48, enamel, 100), (100, night, 100))
        shadow = ((0, BLACK, 42), (72, BLACK, 26), (100, BLACK, 0))
        return (
            self._gradient("radial", "e", 'cx="42%" cy="30%" r="78%"', *disc)
            + self._gradient("radial", "b", 'cx="50%" cy="36%" r="66%"', *band)
            + self._gradient("radial", "s", 'cx="50%" cy="50%" r="50%"', *shadow)
            + self._gradient("linear", "g", 'x1="0" y1="0" x2="0" y2="1"', (0, WHITE, 34), (100, WHITE, 2))
        )

    def shadow(self) -> str:
        """Return the shadow on what the badge lies on."""
        return f'<ellipse cx="{MIDDLE}" cy="538" rx="484" ry="480" {paint(self._url("s"))}/>'

    def metal(self) -> str:
        """Return the ring with its edge."""
        _, light, _, dark, deep = self._palette.metal
        return (
            edge(self._badge.ring, self._palette, self._url("m"), self._url("p"))
            + circle(440, paint(self._url("n")))
            + circle(434, paint(self._url("m")))
            + circle(434, stroke(light, 2, 80))
            + circle(BAND + 6, paint(deep))
            + circle(BAND + 3, stroke(dark, 4))
        )

    def band(self) -> str:
        """Return the band around the disc, with the title."""
        ground = circle(BAND, paint(self._url("b")))
        if not self._badge.title:
            return ground
        is_dark = brightness(self._palette.enamel[1]) < LIGHT_ENAMEL
        colour = self._palette.figure[1] if is_dark else self._palette.ink
        words, size, spacing = fitted(raised(self._badge.title), 800, 54, 30, 14)
        along = f'<textPath href="#{self._marked}t" startOffset="50%">{escaped(words)}</textPath>'
        return ground + _text(along, "", colour, 700, size, spacing)

    def disc(self) -> str:
        """Return the enamel disc, with rays in the metal below."""
        radius = self._disc
        return (
            circle(radius + 10, paint(self._url("n")))
            + circle(radius + 3, paint(self._palette.metal[4]))
            + circle(radius, paint(self._url("e")))
            + path(geometry.ticks(130, radius - 6, 48), stroke(WHITE, 5, 7))
            + circle(radius - 14, stroke(WHITE, 2, 16))
        )

    def gauge(self) -> str:
        """Return the arc of progress."""
        progress = self._badge.progress
        if progress is None:
            return ""
        radius, accent = self._disc + GAUGE, self._palette.accent
        whole = geometry.arc(radius, GAUGE_FROM, GAUGE_TO)
        track = path(whole, stroke(self._palette.enamel[2], 22, rounded=True))
        if not progress:
            return track
        come = geometry.arc(radius, GAUGE_FROM, GAUGE_FROM + (GAUGE_TO - GAUGE_FROM) * progress // FULL)
        light = ((accent, 26, 20), (accent, 14, 100), (WHITE, 4, 50))
        return track + "".join([path(come, stroke(*one, rounded=True)) for one in light])

    def icon(self) -> str:
        """Return the icon, higher where there is something below it."""
        low = self._badge.pips is not None or bool(self._badge.caption)
        percent = (176 if low else 214) + (0 if self._badge.title else 20)
        return figure(self._badge.icon, self._palette, self._url("f"), 466 if low else MIDDLE, percent)

    def pips(self) -> str:
        """Return the level: stars on an arc below the icon, lit and unlit."""
        if self._badge.pips is None:
            return ""
        lit, count = self._badge.pips
        accent, night = self._palette.accent, self._palette.enamel[2]
        drawn = []
        for number in range(count):
            x, y = geometry.point(232, TURN // 4 + (count - 1 - 2 * number) * 80, MIDDLE, 474)
            star = geometry.star(x, y, 30, 13)
            if number < lit:
                drawn.append(path(geometry.star(x, y + 4, 30, 13), paint(night, 60)))
                drawn.append(path(star, paint(accent, edge=mixed(accent, WHITE, 60), width=3)))
            else:
                drawn.append(path(star, paint(night, 45)) + path(star, stroke(accent, 3, 45)))
        return "".join(drawn)

    def gloss(self) -> str:
        """Return the light that falls on the enamel."""
        radius = self._disc - 12
        (left, y), (right, _) = geometry.point(radius, 1_960), geometry.point(radius, 3_440)
        over = f"M{left} {y}A{radius} {radius} 0 0 1 {right} {y}"
        back = f"C{right - 120} {y - 76} {left + 120} {y - 76} {left} {y}Z"
        return path(over + back, paint(self._url("g")))

    def glints(self) -> str:
        """Return the lights on a badge that is complete."""
        lit, count = self._badge.pips or (0, 0)
        if self._badge.progress != FULL and not (count and lit == count):
            return ""
        return "".join([path(geometry.star(*glint, tips=4), paint(WHITE, 95)) for glint in GLINTS])

    def plate(self) -> str:
        """Return the ribbon with the caption."""
        if not self._badge.caption:
            return ""
        words, size, spacing = fitted(raised(self._badge.caption), 640, 74, 34, 6)
        baseline = (PLATE_TOP + PLATE_BOTTOM) // 2 + size * 36 // 100
        place = f'x="{MIDDLE}" y="{baseline}" '
        return self._ribbon() + _text(escaped(words), place, self._palette.ink, 800, size, spacing)

    def _ribbon(self) -> str:
        _, _, middle, dark, deep = self._palette.metal
        _, enamel, night = self._palette.enamel
        tails = "M232 812H84L124 878L84 944H232ZM792 812H940L900 878L940 944H792Z"
        folds = f"M132 {PLATE_BOTTOM}L232 944V{PLATE_BOTTOM}ZM892 {PLATE_BOTTOM}L792 944V{PLATE_BOTTOM}Z"
        return (
            path(tails, paint(mixed(enamel, night, 40), edge=middle, width=6))
            + path(folds, paint(deep))
            + path(_box(132, PLATE_BOTTOM, 10), paint(BLACK, 28))
            + path(_box(132, PLATE_TOP, PLATE_BOTTOM - PLATE_TOP), paint(self._url("p"), edge=dark))
            + path(_box(146, PLATE_TOP + 14, PLATE_BOTTOM - PLATE_TOP - 28), paint(enamel, edge=deep, width=3))
            + path(_box(146, PLATE_TOP + 14, 42), paint(WHITE, 10))
        )


def _box(left: int, top: int, height: int) -> str:
    """Return a box that is as far from the right as from the left."""
    return f"M{left} {top}H{SIZE - left}V{top + height}H{left}Z"


def _text(inner: str, place: str, colour: str, weight: int, size: int, spacing: int) -> str:
    face = f'font-family="{FONT}" font-weight="{weight}" font-size="{size}" letter-spacing="{spacing}"'
    return f'<text {place}{face} text-anchor="middle" fill="{colour}">{inner}</text>'
