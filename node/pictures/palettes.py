"""Colours: what a palette's name stands for, and the shades of a colour that a brand has chosen.

A metal is five shades from bright to deep, an enamel three; all are made by mixing whole numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

WHITE: Final = "#ffffff"
BLACK: Final = "#000000"

LIGHT_ENAMEL: Final = 150
"""From this brightness on text on enamel is dark."""


Shades = tuple[str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class Palette:
    """What a badge is coloured with.

    Attributes:
        metal: bright, light, middle, dark, deep.
        enamel: light, middle, deep.
        accent: what shines: progress, lit pips.
        ink: of text on enamel.
        figure: of the icon and the title, as `metal`, and the same where nothing else is said.
    """

    metal: Shades
    enamel: tuple[str, str, str]
    accent: str
    ink: str
    figure: Shades = ("", "", "", "", "")

    def __post_init__(self) -> None:
        if not self.figure[0]:
            object.__setattr__(self, "figure", self.metal)


def mixed(one: str, other: str, percent: int) -> str:
    """Return a colour with so many per cent of another in it."""
    pairs = [(int(one[place : place + 2], 16), int(other[place : place + 2], 16)) for place in (1, 3, 5)]
    return "#" + "".join(f"{(a * (100 - percent) + b * percent + 50) // 100:02x}" for a, b in pairs)


def brightness(colour: str) -> int:
    """Return how bright a colour looks, from 0 to 255."""
    red, green, blue = (int(colour[place : place + 2], 16) for place in (1, 3, 5))
    return (299 * red + 587 * green + 114 * blue) // 1_000


def of_colours(metal: str, enamel: str, accent: str | None) -> Palette:
    """Return the palette of colours that a brand has chosen."""
    shades = (
        mixed(metal, WHITE, 78),
        mixed(metal, WHITE, 38),
        metal,
        mixed(metal, BLACK, 38),
        mixed(metal, BLACK, 66),
    )
    glass = (mixed(enamel, WHITE, 26), enamel, mixed(enamel, BLACK, 52))
    ink = mixed(enamel, WHITE, 92) if brightness(enamel) < LIGHT_ENAMEL else mixed(enamel, BLACK, 80)
    return Palette(shades, glass, accent or mixed(metal, WHITE, 30), ink)


_GOLD: Final = ("#fff8d8", "#f6d776", "#d9a537", "#9a6a16", "#5a3a08")
_SILVER: Final = ("#ffffff", "#e3e8ee", "#b4bfcb", "#75818f", "#3d4753")
_BRONZE: Final = ("#ffe9d2", "#e8b183", "#bd7a45", "#804a22", "#47260f")
_PLATINUM: Final = ("#ffffff", "#f1f3fb", "#cfd6ea", "#8c97b8", "#474f72")
_ROSE: Final = ("#fff0ea", "#f6c7b6", "#dd957f", "#a15c4a", "#5f2f26")
_GUNMETAL: Final = ("#e9edf2", "#9aa5b1", "#5d6874", "#343c45", "#181c21")

PALETTES: Final[dict[str, Palette]] = {
    "bronze": Palette(_BRONZE, ("#7d4a35", "#4a2419", "#25100b"), "#ffc78f", "#ffe9d6"),
    "silver": Palette(_SILVER, ("#56708f", "#2b4161", "#121f33"), "#cfe4ff", "#eef5ff"),
    "gold": Palette(_GOLD, ("#34518c", "#16275a", "#090f2c"), "#ffd667", "#fff3cf"),
    "platinum": Palette(_PLATINUM, ("#50457f", "#251d4c", "#0e0a24"), "#9fe8ff", "#eef1ff"),
    "emerald": Palette(_GOLD, ("#23936a", "#0a5a3f", "#032a1d"), "#8ff0c0", "#f4f2d4"),
    "sapphire": Palette(_SILVER, ("#3b7be0", "#1246a3", "#061d50"), "#7fd0ff", "#eef6ff"),
    "ruby": Palette(_GOLD, ("#d0344f", "#8a0f2c", "#3d0413"), "#ffb27a", "#fff0dc"),
    "amethyst": Palette(_ROSE, ("#8d58c9", "#512088", "#230a44"), "#f3b6ff", "#fbeeff"),
    "onyx": Palette(_GUNMETAL, ("#3a3f47", "#1b1e23", "#08090b"), "#f2c14e", "#f3efe4", _GOLD),
    "coral": Palette(_ROSE, ("#f08468", "#bf4530", "#64170f"), "#ffe08a", "#fff4ea"),
}
"""By the names of `contracts_py.nft.art`."""
