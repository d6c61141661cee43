"""Points on circles, by integers alone, so that each node draws the same bytes.

Angles are whole tenths of a degree, clockwise from three o'clock, as SVG's y grows downwards. The canvas is
1,024 units wide, so a rounded coordinate is off by less than a hundredth of a pixel at 16 px.
"""

from __future__ import annotations

from typing import Final

SIZE: Final = 1_024
MIDDLE: Final = SIZE // 2
TURN: Final = 3_600

_SCALE: Final = 10_000
# fmt: off
_SINES: Final = (
    0, 175, 349, 523, 698, 872, 1045, 1219, 1392, 1564, 1736, 1908, 2079,
    2250, 2419, 2588, 2756, 2924, 3090, 3256, 3420, 3584, 3746, 3907, 4067, 4226,
    4384, 4540, 4695, 4848, 5000, 5150, 5299, 5446, 5592, 5736, 5878, 6018, 6157,
    6293, 6428, 6561, 6691, 6820, 6947, 7071, 7193, 7314, 7431, 7547, 7660, 7771,
    7880, 7986, 8090, 8192, 8290, 8387, 8480, 8572, 8660, 8746, 8829, 8910, 8988,
    9063, 9135, 9205, 9272, 9336, 9397, 9455, 9511, 9563, 9613, 9659, 9703, 9744,
    9781, 9816, 9848, 9877, 9903, 9925, 9945, 9962, 9976, 9986, 9994, 9998, 10_000,
)
# fmt: on
"""Of 0 to 90 whole degrees, times 10,000."""


def sine(angle: int) -> int:
    """Return the sine of an angle in tenths of a degree, times 10,000; between whole degrees along a line."""
    angle %= TURN
    if angle > TURN // 2:
        return -sine(angle - TURN // 2)
    if angle > TURN // 4:
        angle = TURN // 2 - angle
    low, rest = divmod(angle, 10)
    return _SINES[low] + ((_SINES[low + 1] - _SINES[low]) * rest // 10 if rest else 0)


def cosine(angle: int) -> int:
    """Return the cosine, as `sine`."""
    return sine(angle + TURN // 4)


def point(radius: int, angle: int, x: int = MIDDLE, y: int = MIDDLE) -> tuple[int, int]:
    """Return the point on a circle."""
    return x + _rounded(radius * cosine(angle)), y + _rounded(radius * sine(angle))


def _rounded(value: int) -> int:
    return (value + _SCALE // 2) // _SCALE


def arc(radius: int, begin: int, end: int) -> str:
    """Return the path of an arc around the middle, clockwise; less than a whole turn."""
    (x1, y1), (x2, y2) = point(radius, begin), point(radius, end)
    large = 1 if end - begin > TURN // 2 else 0
    return f"M{x1} {y1}A{radius} {radius} 0 {large} 1 {x2} {y2}"


def ticks(inner: int, outer: int, count: int, slant: int = 0) -> str:
    """Return the path of so many lines across a ring, evenly spaced; each leans by `slant` tenths of a degree."""
    parts = []
    for number in range(count):
        angle = TURN * number // count
        (x1, y1), (x2, y2) = point(inner, angle), point(outer, angle + slant)
        parts.append(f"M{x1} {y1}L{x2} {y2}")
    return "".join(parts)


def waves(radius: int, count: int, bulge: int) -> str:
    """Return a closed path around the middle that bulges outwards between so many points."""
    x, y = point(radius, 0)
    parts = [f"M{x} {y}"]
    for number in range(1, count + 1):
        x, y = point(radius, TURN * number // count)
        parts.append(f"A{bulge} {bulge} 0 0 1 {x} {y}")
    return "".join(parts) + "Z"


def star(x: int, y: int, outer: int, inner: int, tips: int = 5) -> str:
    """Return the path of a star that stands upright."""
    corners = []
    for number in range(2 * tips):
        radius = inner if number % 2 else outer
        corners.append(point(radius, TURN * number // (2 * tips) - TURN // 4, x, y))
    return "M" + "L".join(f"{a} {b}" for a, b in corners) + "Z"
