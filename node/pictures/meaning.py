"""What a description says of these traits: the parts of a badge, as they are to be drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from contracts_py.nft import Art, BoundKept, filled
from node.pictures.edges import RINGS
from node.pictures.icons import ICONS
from node.pictures.palettes import PALETTES, Palette, of_colours

Value = bool | int | str

FULL: Final = 1_000


@dataclass(frozen=True, slots=True)
class Badge:
    """A badge, as it is to be drawn.

    Attributes:
        name: of the token, for those who cannot see it.
        lit, pips: how many of how many are lit; no pips: None.
        progress: in thousandths; None: it has no arc.
    """

    name: str
    palette: Palette
    ring: str
    icon: str
    title: str
    caption: str
    pips: tuple[int, int] | None
    progress: int | None


def badge_of(art: Art | None, traits: Mapping[str, Value], collection: str, name: str) -> Badge:
    """Return what is to be drawn of a token.

    Args:
        art: of its collection; without one it is a plain badge with the collection's name.
        collection, name: what people call the collection and the token.
    """
    art = art or Art(title=collection)
    texts = {trait: text_of(value) for trait, value in traits.items()}
    if art.colours is not None:
        palette = of_colours(art.colours.metal, art.colours.enamel, art.colours.accent)
    else:
        palette = PALETTES[_chosen(art.palette, texts, tuple(PALETTES), "silver")]
    return Badge(
        name,
        palette,
        _chosen(art.ring, texts, RINGS, "plain"),
        _chosen(art.icon, texts, tuple(ICONS), "star"),
        filled(art.title or "", texts),
        filled(art.caption or "", texts),
        _pips(art, traits),
        _progress(art, traits),
    )


def text_of(value: Value) -> str:
    """Return a value as people read it, and as a map's keys name it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _chosen(part: str | BoundKept | None, texts: Mapping[str, str], known: tuple[str, ...], plainest: str) -> str:
    if part is None:
        return plainest
    if isinstance(part, str):
        return part if part in known else plainest
    text = texts.get(part.trait, "")
    named = text if part.map is None else dict(part.map).get(text)
    for choice in (named, part.default):
        if choice in known:
            return choice
    return plainest


def _number(traits: Mapping[str, Value], trait: str) -> int:
    value = traits.get(trait)
    return value if type(value) is int else 0


def _pips(art: Art, traits: Mapping[str, Value]) -> tuple[int, int] | None:
    if art.level is None:
        return None
    return max(0, min(art.level.of, _number(traits, art.level.trait))), art.level.of


def _progress(art: Art, traits: Mapping[str, Value]) -> int | None:
    if art.progress is None:
        return None
    begin, end = art.progress.from_, art.progress.to
    come = _number(traits, art.progress.trait) - begin
    return max(0, min(FULL, FULL * come // (end - begin)))
