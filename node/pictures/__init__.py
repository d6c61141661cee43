"""Pictures of badges: a pure function of a collection's description and a token's traits, and no part of consensus.

    picture(art, traits, collection, name) -> bytes

    meaning      what the description says of these traits
    badge        draws it: ring, band, disc, gauge, icon, pips, plate
    edges, figure, icons, palettes, lettering      its parts
    shapes, geometry      what it draws with

The same arguments give the same bytes on every machine: integers only, and no table of the Python that runs.
"""

from __future__ import annotations

from collections.abc import Mapping

from contracts_py.nft import Art
from node.pictures.badge import svg
from node.pictures.meaning import Value, badge_of

__all__ = ["picture"]


def picture(art: Art | None, traits: Mapping[str, Value], collection: str, name: str) -> bytes:
    """Return a token's picture as SVG.

    Args:
        collection, name: what people call the collection and the token.
    """
    return svg(badge_of(art, traits, collection, name))
