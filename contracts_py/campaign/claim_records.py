"""What the campaign contract keeps of claimed purchases, and what it tells and answers of them."""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from vm.contract_api import (
    ADDRESS,
    SLUG,
    TEXT,
    Address,
    BrandId,
    Count,
    Hash,
    Name,
    OnceTable,
    OrderedSet,
    Ref,
    Schedule,
    Slug,
    Table,
    TimeMs,
    event,
)

MAX_CLAIMS: Final = 16
"""Claims of one account that wait for a decision, at all brands: more is not a forgotten receipt."""

Outcome = Literal["accepted", "refused", "lapsed"]


class PurchaseClaim(msgspec.Struct, frozen=True, gc=False):
    """A member says that it bought something that was not recorded."""

    member: Address
    at: TimeMs
    lapses: TimeMs


class Decision(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What became of a claim; `ref` is under which the purchase was recorded."""

    tx: Hash | None
    member: Address
    outcome: Outcome
    ref: Ref | None


class ClaimShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A claim.

    Attributes:
        at: when the purchase was; `lapses`: when the claim ends undecided.
        outcome, ref: once it is decided: how, and under which reference it was recorded.
    """

    brand: Slug
    commitment: Hash
    member: Address
    at: TimeMs | None = None
    lapses: TimeMs | None = None
    outcome: Outcome | None = None
    ref: Ref | None = None


@event("campaign.purchase_claimed")
class PurchaseClaimed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member claims a purchase."""

    brand: BrandId
    member: Address
    commitment: Hash
    at: TimeMs


@event("campaign.claim_decided")
class ClaimDecided(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A claim was accepted and recorded, was refused, or has lapsed."""

    brand: BrandId
    member: Address
    commitment: Hash
    outcome: Outcome
    ref: Ref | None = None
    reason: Name | None = None


_BRAND: Final = ("brand", SLUG)
_COMMITMENT: Final = ("commitment", TEXT)

CLAIMS: Final[Table[PurchaseClaim]] = Table(
    "campaign/claim", (_BRAND, _COMMITMENT), PurchaseClaim, "a claimed purchase", missing="no such claim waits"
)
CLAIMS_OF: Final[OrderedSet[tuple[TimeMs, str]]] = OrderedSet(
    "campaign/claims", (_BRAND,), tuple[TimeMs, Hash], "a brand's claims that wait, by when they lapse"
)
CLAIMS_WAITING: Final[Table[int]] = Table(
    "campaign/claims-waiting", (("member", ADDRESS),), Count, "how many claims of an account wait"
)
DECISIONS: Final[OnceTable[Decision]] = OnceTable(
    "campaign/claim-decided",
    (_BRAND, _COMMITMENT),
    Decision,
    "what became of a claim",
    present="the purchase was claimed before",
)
CLAIM_ENDS: Final = Schedule("campaign/claim-end", (_BRAND, _COMMITMENT), "a claim lapses undecided")
