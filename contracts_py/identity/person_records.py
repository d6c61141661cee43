"""What the identity contract keeps of persons beside their accounts' records, which every transaction reads.

A row that says the same from two sides (a link, a card and its member's set, a pool and its members) is written and
removed by one function, which stands where the row is used.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from vm.contract_api import (
    ADDRESS,
    TEXT,
    Address,
    BasisPoints,
    Count,
    Hash,
    Meta,
    Name,
    OrderedMap,
    OrderedSet,
    Slug,
    Table,
    TimeMs,
    code,
)

MAX_GROUP: Final = 16
"""Addresses that may be linked: a shopper has an account at some brands of the alliance, and a wallet or two."""

MAX_FORMER: Final = 32
"""How many addresses that were linked once are remembered: those of two whole groups."""

MAX_ATTESTATIONS: Final = 16
"""How many brands may vouch for one member."""

MAX_CONSENTS: Final = 32
"""How many purposes one member may have been asked about: forms in use have below ten."""

MAX_CARDS: Final = 32
"""Cards and phone numbers of one member, blocked and replaced ones included: half a lifetime of one a year."""

MAX_POOL_MEMBERS: Final = 8
"""SPEC-2 section 10; no more could sign one transaction either."""

MAX_LEVEL: Final = 9
"""The highest level of an attestation. The alliance agrees what a level means; scales in use have three or four."""

CODE_LENGTH: Final = 16
"""Characters of a referral code: 80 bits, so that no one finds an account with another one's code."""

Level = Annotated[int, Meta(ge=0, le=MAX_LEVEL)]
ReferralCode = Annotated[str, code(CODE_LENGTH), Meta(max_length=CODE_LENGTH)]
Neighbours = Annotated[tuple[Address, ...], Meta(max_length=MAX_GROUP - 1)]
PoolMembers = Annotated[tuple[Address, ...], Meta(max_length=MAX_POOL_MEMBERS)]
CardStatus = Literal["active", "blocked", "replaced"]


class Attestation(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A brand's word that a provider has examined a member; `commitment` is that of the examination's papers."""

    brand: Slug
    level: Level
    provider: Name
    commitment: Hash
    expires: TimeMs


class Acceptance(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Which terms of a brand a member has accepted, and when."""

    terms_hash: Hash
    accepted: TimeMs


class Consent(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a member has said to a purpose, to which text, and when."""

    granted: bool
    text_hash: Hash
    given: TimeMs


class Referral(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who has referred a member, and when."""

    referrer: Address
    referred: TimeMs


class Card(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A card or phone number under its salted commitment; `replacement` is the commitment that took its place."""

    member: Address
    added: TimeMs
    status: CardStatus = "active"
    replacement: Hash | None = None


class Pool(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A household that spends together.

    Attributes:
        members: in the order of joining; the first admits others.
        spenders: who of them may spend; None: each.
        contribute_bps: what part of a member's new points goes to the pool.
    """

    opener: Address
    name: Slug
    opened: TimeMs
    members: PoolMembers
    spenders: PoolMembers | None = None
    contribute_bps: BasisPoints = 0

    def may_spend(self) -> tuple[str, ...]:
        """Return the members that spend."""
        return self.members if self.spenders is None else self.spenders


class Merger(msgspec.Struct, frozen=True, gc=False):
    """Into whom an account was merged, when and why; `linked` where the two had been linked directly before.

    `reason` is None once the account was erased.
    """

    into: Address
    merged: TimeMs
    reason: Name | None
    linked: bool


ACCOUNT: Final = ("account", ADDRESS)
MEMBER: Final = ("member", ADDRESS)

LINKS: Final[Table[tuple[str, ...]]] = Table(
    "identity/links",
    (ACCOUNT,),
    Neighbours,
    "accounts linked to this one directly, sorted; said on both sides",
)
FORMER: Final[Table[tuple[str, ...]]] = Table(
    "identity/former",
    (ACCOUNT,),
    Annotated[tuple[Address, ...], Meta(max_length=MAX_FORMER)],
    "accounts that were in this one's group and are no more, the last ones; itself where some are missing",
)
ATTESTATIONS: Final[Table[tuple[Attestation, ...]]] = Table(
    "identity/attestations",
    (MEMBER,),
    Annotated[tuple[Attestation, ...], Meta(max_length=MAX_ATTESTATIONS)],
    "what brands attest of a member, by brand",
)
TERMS: Final[OrderedMap[str, Acceptance]] = OrderedMap(
    "identity/terms", (MEMBER,), Slug, Acceptance, "the terms that a member has accepted, by brand"
)
CONSENTS: Final[OrderedMap[str, Consent]] = OrderedMap(
    "identity/consents", (MEMBER,), Slug, Consent, "what a member has consented to, by purpose"
)
REFERRALS: Final[Table[Referral]] = Table("identity/referral", (MEMBER,), Referral, "who has referred a member")
REFERRED: Final[Table[int]] = Table(
    "identity/referred", (ACCOUNT,), Count, "how many members an account has referred"
)
CODES: Final[Table[str]] = Table(
    "identity/code", (("code", TEXT),), Address, "whose referral code it is", missing="no such referral code"
)
CARDS: Final[Table[Card]] = Table(
    "identity/card",
    (("commitment", TEXT),),
    Card,
    "a card or phone number and its member",
    missing="no such card",
    present="the card has a member",
)
CARDS_OF: Final[OrderedSet[str]] = OrderedSet(
    "identity/cards", (MEMBER,), Hash, "a member's cards, blocked and replaced ones included"
)
POOLS: Final[Table[Pool]] = Table(
    "identity/pool",
    (("pool", ADDRESS),),
    Pool,
    "a household pool",
    missing="no such pool",
    present="the pool exists",
)
POOL_OF: Final[Table[str]] = Table("identity/pool-of", (MEMBER,), Address, "the pool that a member is in")
MERGES: Final[Table[Merger]] = Table(
    "identity/merge", (("source", ADDRESS),), Merger, "into whom an account was merged", missing="it was not merged"
)
MERGED_FROM: Final[Table[tuple[str, ...]]] = Table(
    "identity/merged-from", (("target", ADDRESS),), Neighbours, "accounts merged into this one, in that order"
)
ERASED: Final[Table[int]] = Table("identity/erased", (ACCOUNT,), TimeMs, "when a person's facts were erased")
