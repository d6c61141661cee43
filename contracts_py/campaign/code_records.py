"""What the campaign contract keeps of code pools: the root, what was redeemed, what is reserved; never a code."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from vm.contract_api import (
    ADDRESS,
    SLUG,
    TEXT,
    Address,
    Count,
    Hash,
    Meta,
    OnceTable,
    OrderedSet,
    Slug,
    Table,
    TimeMs,
)

MAX_CODES: Final = 2**32
"""As many leaves as the longest path leads to."""

MAX_COMMITMENTS: Final = 4
"""Commitments of one account that wait: one for each code that a shopper has at hand. A new one ends the oldest."""

COMMIT_BLOCKS: Final = 10
"""How many blocks old a commitment must be.

Who sees a code in a transaction that is not in a block yet can commit to it in the next block at the earliest; the
first transaction has so many blocks to get in, though some proposers leave it out: of any f + 1 proposers in a row
one is honest, and f is at most 9 in an alliance of 28.
"""

COMMIT_TAG: Final = b"entente/code-commit/1\0"

CodeCount = Annotated[int, Meta(ge=1, le=MAX_CODES)]
PerMember = Annotated[int, Meta(ge=1, le=1_000)]


class CodePool(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A pool of codes of a campaign.

    Attributes:
        count: leaves of its tree; a path is no longer than such a tree has.
        expires: from then on no code is redeemed.
        per_member: how many of its codes one shopper redeems; None: as many as he has.
        redeemed: how many were.
    """

    campaign: Slug
    brand: Slug
    event: Slug
    count: CodeCount
    expires: TimeMs
    per_member: PerMember | None = None
    redeemed: Count = 0


class UsedCode(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who has redeemed a code, in which transaction, when."""

    tx: Hash | None
    member: Address
    time: TimeMs


class Commitment(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an account has committed to, and at which height."""

    commitment: Hash
    height: Count


_ROOT: Final = ("root", TEXT)
_LEAF: Final = ("leaf", TEXT)

CODE_POOLS: Final[Table[CodePool]] = Table(
    "campaign/code-pool", (_ROOT,), CodePool, "a pool of codes", missing="no such pool", present="the pool exists"
)
POOLS_OF: Final[OrderedSet[str]] = OrderedSet(
    "campaign/code-pools", (("campaign", SLUG),), Hash, "the roots of a campaign's pools"
)
CODES_USED: Final[OnceTable[UsedCode]] = OnceTable(
    "campaign/code-used", (_ROOT, _LEAF), UsedCode, "who has redeemed a code", present="the code was redeemed"
)
RESERVED: Final[Table[str]] = Table(
    "campaign/code-reserved", (_ROOT, _LEAF), Address, "the only member who may redeem a code"
)
CODE_USES: Final[Table[int]] = Table(
    "campaign/code-uses", (_ROOT, ("member", ADDRESS)), Count, "how many codes of a pool an account has redeemed"
)
CODE_COMMITMENTS: Final[Table[tuple[Commitment, ...]]] = Table(
    "campaign/code-commitment",
    (("member", ADDRESS),),
    Annotated[tuple[Commitment, ...], Meta(max_length=MAX_COMMITMENTS)],
    "codes that an account will redeem, as commitments",
)
