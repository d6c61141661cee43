"""README's pictures: one badge in four stages, as a chain evolves it and a node draws it.

python -m tests.reference.badges        writes docs/images/badge-1.svg to badge-4.svg
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from contracts_py.nft import depicted
from node.pictures import picture
from tests.contract_harness import Chain, account_of
from tests.reference.story import alliance_ops
from vm.contract_api import Context

IMAGES: Final = Path(__file__).parents[2] / "docs" / "images"
STAGES: Final = (3, 10, 22, 40)
"""Visits after which the badge is shown."""

LEVELS: Final = ("guest", "regular", "friend", "family")
COLLECTION: Final[dict[str, Any]] = {
    "collection": "aurora-cafe",
    "brand": "aurora",
    "name": "Café Aurora",
    "symbol": "CAFE",
    "soulbound": True,
    "traits": {
        "visits": {"type": "int", "default": 0, "min": 0},
        "stars": {"type": "int", "default": 1, "min": 1, "max": 4},
        "level": {"type": "enum", "default": "guest", "values": list(LEVELS)},
    },
    "evolution": [
        {"on": {"event": "visit"}, "when": "true", "set": {"visits": "token.traits.visits + 1"}},
        *[
            {
                "on": {"event": "visit"},
                "when": f"token.traits.visits == {least}",
                "set": {"level": f'"{level}"', "stars": str(number)},
            }
            for number, (level, least) in enumerate(zip(LEVELS[1:], STAGES[1:], strict=True), start=2)
        ],
    ],
    "art": {
        "palette": {
            "trait": "level",
            "map": {"regular": "silver", "friend": "gold", "family": "platinum"},
            "default": "bronze",
        },
        "ring": {
            "trait": "level",
            "map": {"regular": "milled", "friend": "beaded", "family": "laurel"},
            "default": "rope",
        },
        "icon": "cup",
        "level": {"trait": "stars", "of": 4},
        "progress": {"trait": "visits", "to": 40},
        "title": "Café Aurora",
        "caption": "{level}",
    },
}


def files() -> Mapping[Path, bytes]:
    """Return the pictures by file."""
    chain, ann = Chain(alliance_ops("aurora")), account_of("ann")
    chain.send("aurora-marketer", "nft.create_collection", **COLLECTION)
    chain.send("aurora-issuer", "nft.mint", collection="aurora-cafe", token=1, to=ann)
    room = next(room for room in chain.runtime.contracts if type(room).__name__ == "Evolutions")

    def visit(ctx: Context) -> None:
        room.badges.on_event(ctx, "aurora", ann, "visit", {"type": "visit"})  # type: ignore[attr-defined]

    drawn = {}
    for visits in range(1, STAGES[-1] + 1):
        chain.govern(visit)
        if visits in STAGES:
            found = depicted(chain.context(), "aurora-cafe", 1)
            assert found is not None
            path = IMAGES / f"badge-{STAGES.index(visits) + 1}.svg"
            drawn[path] = picture(found.art, found.traits, found.collection, found.name)
    return drawn


def main() -> None:
    """Write the pictures."""
    IMAGES.mkdir(exist_ok=True)
    for path, data in files().items():
        path.write_bytes(data)


if __name__ == "__main__":
    main()
