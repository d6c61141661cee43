"""What nft tells contracts above it, within the operation."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from vm.contract_api import Hook


class Movement(msgspec.Struct, frozen=True, gc=False):
    """A token is about to leave its owner: by a transfer, or `to` nobody, as it is burned."""

    collection: str
    token: int
    owner: str
    to: str | None


@dataclass(frozen=True, slots=True)
class NftHooks:
    """All hooks of nft; each is to be wired once.

    Attributes:
        moving: told before a token is transferred or burned; a listener that holds it aside refuses. A merge of
            accounts is not asked: what is held aside then belongs to the account into which its owner was merged.
    """

    moving: Hook[Movement] = field(default_factory=lambda: Hook("nft.moving"))
