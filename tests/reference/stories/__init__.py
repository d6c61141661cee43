"""One story for each contract; together they are what docs/contracts/ is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from tests.reference.stories import campaign, clearing, gov, identity, nft, swap, tier, token
from tests.reference.story import Story

STORIES: Final[Mapping[str, Callable[[], Story]]] = {
    "identity": identity.story,
    "token": token.story,
    "swap": swap.story,
    "clearing": clearing.story,
    "tier": tier.story,
    "nft": nft.story,
    "campaign": campaign.story,
    "gov": gov.story,
}
"""Contract → what runs its story, in the order of the index."""
