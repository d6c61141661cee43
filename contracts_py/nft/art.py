"""What a badge is made of: a description that refers to traits. It is drawn outside consensus, by the node.

Palette, ring and icon are constants, or bound to a trait: `{trait}` takes the trait's value, `{trait, map}` what
stands in the map for it (a number as its digits, a bool as `true` or `false`). Where that names nothing that there
is, the part's `default` is drawn, and without one the plainest. Level and progress are int traits; title and
caption are text in which `{visits}` stands for the value of the trait `visits`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, get_args

import msgspec

from contracts_py.nft.traits import MAX_VALUES, Trait, TraitName, ValueText
from vm.contract_api import Integer, Meta, Rule, Slug, refuse, text

Palette = Literal[
    "bronze", "silver", "gold", "platinum", "emerald", "sapphire", "ruby", "amethyst", "onyx", "coral"
]
Ring = Literal["plain", "milled", "rope", "beaded", "laurel", "scalloped"]
Icon = Literal[
    "plane",
    "basket",
    "bed",
    "cup",
    "leaf",
    "star",
    "crown",
    "heart",
    "gift",
    "bolt",
    "mountain",
    "compass",
    "diamond",
    "flame",
    "key",
    "bag",
]

MAX_LEVEL: Final = 7
"""Pips that fit under the icon and can still be told apart at 64 px."""

MAX_CAPTION: Final = 64
"""Bytes of a caption's source; what does not fit on the plate is drawn smaller, and then cut."""

_COLOUR: Final = re.compile(r"#[0-9a-f]{6}\Z")
_PLACE: Final = re.compile(r"\{([^{}]*)\}")


def _colour(value: Any, field: str) -> Any:
    if type(value) is not str or _COLOUR.match(value) is None:
        refuse(field, "a colour (#rrggbb in lower-case hex)")
    return value


Colour = Annotated[
    str, Rule(_colour, {"type": "string", "pattern": "^#[0-9a-f]{6}$"}, max_bytes=7), Meta(max_length=7)
]
Line = Annotated[str, text(0, MAX_CAPTION), Meta(max_length=MAX_CAPTION)]
Entries = Annotated[tuple[tuple[ValueText, Slug], ...], Meta(max_length=MAX_VALUES)]


class Colours(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A palette of one's own: of the ring, of the disc inside it, and of what shines."""

    metal: Colour
    enamel: Colour
    accent: Colour | None = None


class Bound(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a trait says, as it is or by a map from its values; `default` where that is nothing there is."""

    trait: TraitName
    map: Annotated[dict[ValueText, Slug], Meta(max_length=MAX_VALUES)] | None = None
    default: Slug | None = None


class BoundKept(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """`Bound`, as it is stored: the map by its keys."""

    trait: TraitName
    map: Entries | None = None
    default: Slug | None = None


class Progress(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How far an int trait is on the way between two figures."""

    trait: TraitName
    to: Integer
    from_: Integer = msgspec.field(name="from", default=0)


class Level(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How many pips of how many are lit: an int trait."""

    trait: TraitName
    of: Annotated[int, Meta(ge=1, le=MAX_LEVEL)] = 5


class _Parts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    colours: Colours | None = None
    level: Level | None = None
    progress: Progress | None = None
    title: Line | None = None
    caption: Line | None = None


class ArtSpec(_Parts, frozen=True, omit_defaults=True, gc=False):
    """The description, as a brand gives it; `colours` take the place of a palette."""

    palette: Palette | Bound | None = None
    ring: Ring | Bound | None = None
    icon: Icon | Bound | None = None


class Art(_Parts, frozen=True, omit_defaults=True, gc=False):
    """The description, as it is stored."""

    palette: Palette | BoundKept | None = None
    ring: Ring | BoundKept | None = None
    icon: Icon | BoundKept | None = None


CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "palette": get_args(Palette),
    "ring": get_args(Ring),
    "icon": get_args(Icon),
}
"""What there is of each part that can be bound."""


def checked_art(spec: ArtSpec, traits: Sequence[Trait]) -> Art:
    """Return the description to be stored.

    Raises:
        Refused: INVALID_ARGS, a part is bound to what is no trait, or to one of another type; a map or a default
            names what there is not.
    """
    types = {trait.name: trait.type for trait in traits}
    bound: dict[str, Any] = {part: _kept(part, getattr(spec, part), types) for part in CHOICES}
    if spec.level is not None:
        _require_int(types, spec.level.trait, "art.level.trait")
    if spec.progress is not None:
        _require_int(types, spec.progress.trait, "art.progress.trait")
        if spec.progress.to <= spec.progress.from_:
            refuse("art.progress.to", "more than from")
    for part in ("title", "caption"):
        for name in places_in(getattr(spec, part) or ""):
            if name not in types:
                refuse(f"art.{part}", f"text in which {{name}} names a trait, not {{{name[:MAX_VALUES]}}}")
    return Art(**bound, colours=spec.colours, level=spec.level, progress=spec.progress, **_lines(spec))


def _lines(spec: _Parts) -> dict[str, Any]:
    return {"title": spec.title, "caption": spec.caption}


def _kept(part: str, given: str | Bound | None, types: Mapping[str, str]) -> str | BoundKept | None:
    if not isinstance(given, Bound):
        return given
    if given.trait not in types:
        refuse(f"art.{part}.trait", "a trait of the collection")
    named = [*(given.map or {}).values(), *([] if given.default is None else [given.default])]
    for name in named:
        if name not in CHOICES[part]:
            refuse(f"art.{part}", "one of " + ", ".join(CHOICES[part]))
    pairs = None if given.map is None else tuple(given.map.items())
    return BoundKept(given.trait, pairs, given.default)


def _require_int(types: Mapping[str, str], name: str, field: str) -> None:
    if types.get(name) != "int":
        refuse(field, "an int trait of the collection")


def places_in(line: str) -> list[str]:
    """Return the names that stand in braces in a text, in their order."""
    return _PLACE.findall(line)


def filled(line: str, texts: Mapping[str, str]) -> str:
    """Return a text with each {name} replaced; what is put in is not looked at again."""
    return _PLACE.sub(lambda found: texts.get(found[1], ""), line)


def shown_art(art: Art) -> ArtSpec:
    """Return the description as the brand gave it."""

    def given(part: Any) -> Any:
        if not isinstance(part, BoundKept):
            return part
        return Bound(part.trait, None if part.map is None else dict(part.map), part.default)

    parts = {part: given(getattr(art, part)) for part in CHOICES}
    return ArtSpec(**parts, colours=art.colours, level=art.level, progress=art.progress, **_lines(art))
