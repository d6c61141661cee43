"""What the token contract keeps of what was done with points: references, allowances, holds, doors.

What stands in a once-record is never changed; how much of it was undone since is a record of its own, which exists
only once something was.
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts_py.money import Currency, Price
from contracts_py.token.records import (
    ACCOUNT,
    LOT,
    MAX_LOTS_OF_SPEND,
    PROGRAM,
    LotName,
)
from vm.contract_api import (
    ADDRESS,
    NUMBER,
    SLUG,
    TEXT,
    Address,
    Amount,
    Count,
    Hash,
    Integer,
    Meta,
    OnceTable,
    OrderedMap,
    OrderedSet,
    Ref,
    Schedule,
    Sequence,
    Slug,
    Table,
    TimeMs,
)

AT_BRAND: Final = ("at_brand", SLUG)

AsideKey = tuple[str, str, str]
"""Who has set points aside: a module, a space of its own (a brand or a program), and its name for them there."""

LotParts = Annotated[tuple[tuple[TimeMs, Amount], ...], Meta(max_length=MAX_LOTS_OF_SPEND)]
"""Points as (date, amount), by date."""


class IssueRef(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an issue with a ref did: in which transaction, to whom, into which lot; pending until when."""

    tx: Hash
    account: Address
    lot: LotName
    issued: Amount
    pending_until: TimeMs | None = None


class Booked(msgspec.Struct, frozen=True, gc=False):
    """What a redemption at another brand has the issuing brand owe: minor units of a currency."""

    currency: Currency
    amount: Count


class RedeemRef(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a redemption took: in which transaction, from whom, and from which lots.

    `allowance` is the serial of the allowance that it used, `booked` what is owed for it.
    """

    tx: Hash
    account: Address
    amount: Amount
    lots: LotParts
    allowance: Count = 0
    booked: Booked | None = None


class RefundTotal(msgspec.Struct, frozen=True, gc=False):
    """How much of a redemption was refunded by now, and what was booked back for it."""

    amount: Amount
    booked: Count


class RefundRef(msgspec.Struct, frozen=True, gc=False):
    """What a refund did: in which transaction, of which redemption, to whom."""

    tx: Hash
    redemption: Ref
    account: Address
    amount: Amount


class AdjustRef(msgspec.Struct, frozen=True, gc=False):
    """What an adjustment did: in which transaction, to whom, how many points (negative: taken)."""

    tx: Hash
    account: Address
    amount: Integer


class ExpiredLot(msgspec.Struct, frozen=True, gc=False):
    """How many points of a lot had expired when it was swept."""

    amount: Amount


class Allowance(msgspec.Struct, frozen=True, gc=False):
    """What a brand may still redeem of `limit` without the holder's signature, until `expires`.

    `serial` tells one allowance from the next: what an older one is owed does not come back into a newer one.
    """

    remaining: Count
    expires: TimeMs
    limit: Amount
    serial: Amount


class Aside(msgspec.Struct, frozen=True, gc=False):
    """Points of an account that are set aside for something: they cannot be spent and do not expire."""

    program: Slug
    account: Address
    lots: LotParts


IN_TOTAL_DAY: Final = 1
IN_MEMBER_DAY: Final = 2
"""The limits of a door in which a hold counts."""


class Hold(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A till's hold: its points are the aside ("token", at_brand, hold).

    `allowance` is the serial of the allowance that it has used; `version` and `price` are the program's when it was
    made, `reserved` the minor units of credit that it keeps free, `counted` the limits of its day in which it
    counts.
    """

    program: Slug
    account: Address
    amount: Amount
    expires: TimeMs
    made: TimeMs
    allowance: Count = 0
    version: Count = 0
    price: Price | None = None
    reserved: Count = 0
    counted: Annotated[int, Meta(ge=0, le=IN_TOTAL_DAY | IN_MEMBER_DAY)] = 0


HoldEnd = Literal["captured", "released", "expired"]


class EndedHold(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """How a hold has ended, in which transaction (None: by itself), and how much of it was captured."""

    program: Slug
    account: Address
    amount: Amount
    end: HoldEnd
    captured: Count
    tx: Hash | None = None


class Door(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Another brand at which a program's points may be redeemed, and how many of them on one UTC day."""

    member_day: Count | None = None
    total_day: Count | None = None


MAX_LOTS_OF_STEP: Final = 100
"""Lots that a move of all of an account's points carries within the operation that begins it; a program counts as
two more. Some 50,000 units of work, which leaves the least `max_tx_cost` room for what else the operation does.
"""


class MergedPoints(msgspec.Struct, frozen=True, gc=False):
    """Lots that one step of a merge has moved out of an account."""

    lots: Annotated[tuple[tuple[TimeMs, Amount], ...], Meta(max_length=MAX_LOTS_OF_STEP)]


MoveKind = Literal["merge", "unmerge", "leave", "close"]


class Move(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points of an account that are on their way to another, program by program; `done` is the last that is over.

    `merge`: all of them, to the account that it was merged into. `unmerge`: what had come from `to`. `leave`: the
    part of a pool's member; `close`: all of a pool, to its last member. Where the pool has many lots of a program,
    `leave` counts them first, `at` that: `counted` are those before `upto`. Then the program is `shared_out`.
    """

    kind: MoveKind
    to: Address
    done: Slug | None = None
    at: Slug | None = None
    counted: Count = 0
    upto: TimeMs = 0
    shared_out: bool = False


MAX_MOVES: Final = 16
"""Moves out of one account that are under way at once."""


class DayUse(msgspec.Struct, frozen=True, gc=False):
    """How much was used on the latest UTC day on which anything was."""

    day: Count
    used: Count


ALLOWANCES: Final[Table[Allowance]] = Table(
    "token/allowance",
    (PROGRAM, ACCOUNT, ("brand", SLUG)),
    Allowance,
    "what a brand may redeem without the holder's signature",
)
ISSUES: Final[OnceTable[IssueRef]] = OnceTable(
    "token/issue", (PROGRAM, ("ref", TEXT)), IssueRef, "what an issue with a ref did"
)
REDEMPTIONS: Final[OnceTable[RedeemRef]] = OnceTable(
    "token/redeem", (PROGRAM, AT_BRAND, ("ref", TEXT)), RedeemRef, "what a redemption did"
)
REFUNDS: Final[OnceTable[RefundRef]] = OnceTable(
    "token/refund", (PROGRAM, AT_BRAND, ("ref", TEXT)), RefundRef, "what a refund did"
)
ADJUSTMENTS: Final[OnceTable[AdjustRef]] = OnceTable(
    "token/adjust", (PROGRAM, ("ref", TEXT)), AdjustRef, "what an adjustment did"
)
EXPIRED_LOTS: Final[OnceTable[ExpiredLot]] = OnceTable(
    "token/expired-lot", (PROGRAM, ACCOUNT, ("lot", LOT)), ExpiredLot, "what was left of a lot when it was swept"
)
ENDED_HOLDS: Final[OnceTable[EndedHold]] = OnceTable(
    "token/ended-hold", (AT_BRAND, ("hold", TEXT)), EndedHold, "how a hold has ended"
)
REVERSED: Final[Table[int]] = Table(
    "token/reversed", (PROGRAM, ("ref", TEXT)), Amount, "how much of an issue was reversed"
)
EXPIRED_LATE: Final[Table[int]] = Table(
    "token/expired-late",
    (PROGRAM, ACCOUNT, ("lot", LOT)),
    Amount,
    "how many points of a lot had expired when they came to the account, from being pending, held or redeemed",
)
EXPIRED_USED: Final[Table[int]] = Table(
    "token/expired-used",
    (PROGRAM, ACCOUNT, ("lot", LOT)),
    Amount,
    "how much of an expired lot reversals have counted as taken, or was reinstated",
)
REFUNDED: Final[Table[RefundTotal]] = Table(
    "token/refunded", (PROGRAM, AT_BRAND, ("ref", TEXT)), RefundTotal, "how much of a redemption was refunded"
)
PENDING: Final[OrderedMap[tuple[int, int], int]] = OrderedMap(
    "token/pending",
    (PROGRAM, ACCOUNT),
    tuple[TimeMs, TimeMs],
    Amount,
    "an account's pending points: until when, of which date, how many",
)
UNLOCKS: Final = Schedule("token/unlock", (PROGRAM, ACCOUNT, ("until", NUMBER)), "pending points become available")
ASIDES: Final[Table[Aside]] = Table(
    "token/aside",
    (("module", SLUG), ("space", SLUG), ("id", TEXT)),
    Aside,
    "points that are set aside, by who keeps them",
    missing="nothing is set aside under this id",
    present="points are set aside under this id",
)
ASIDES_OF: Final[OrderedSet[AsideKey]] = OrderedSet(
    "token/asides-of",
    (ACCOUNT,),
    tuple[Slug, Slug, Ref],
    "what is set aside of an account's points: module, space, id",
)
HOLDS: Final[Table[Hold]] = Table(
    "token/hold", (AT_BRAND, ("hold", TEXT)), Hold, "open holds", missing="no such hold", present="the hold exists"
)
HOLD_ENDS: Final = Schedule("token/hold-end", (AT_BRAND, ("hold", TEXT)), "a hold releases itself")
DOORS: Final[Table[Door]] = Table(
    "token/door", (PROGRAM, AT_BRAND), Door, "where else a program's points may be redeemed"
)
DOOR_USE: Final[Table[DayUse]] = Table(
    "token/door-use", (PROGRAM, AT_BRAND), DayUse, "points redeemed or held at another brand on one day"
)
MEMBER_DOOR_USE: Final[Table[DayUse]] = Table(
    "token/member-door-use", (PROGRAM, AT_BRAND, ACCOUNT), DayUse, "the same, of one account"
)
TRANSFER_USE: Final[Table[DayUse]] = Table(
    "token/transfer-use", (PROGRAM, ACCOUNT), DayUse, "points that an account has transferred on one day"
)
LIABILITY_CAPS: Final[Table[int]] = Table(
    "token/liability-cap",
    (("brand", SLUG), ("currency", TEXT)),
    Amount,
    "what a brand's outstanding points may be worth, in minor units",
)
POOL_PARTS: Final[OrderedMap[str, int]] = OrderedMap(
    "token/pool-part",
    (PROGRAM, ("pool", ADDRESS)),
    Address,
    Count,
    "what each member has brought into a household pool, and has not been spent",
)
MERGED_POINTS: Final[Sequence[MergedPoints]] = Sequence(
    "token/merged",
    (PROGRAM, ("source", ADDRESS)),
    MergedPoints,
    "what merges have moved out of an account, step by step",
)
MERGED_DEBT: Final[Table[int]] = Table(
    "token/merged-debt", (PROGRAM, ("source", ADDRESS)), Amount, "what merges have moved of what an account owed"
)
MOVES: Final[Table[tuple[Move, ...]]] = Table(
    "token/moves",
    (ACCOUNT,),
    Annotated[tuple[Move, ...], Meta(min_length=1, max_length=MAX_MOVES)],
    "points of an account that are on their way to others, in the order in which they go",
)
RETURNING: Final[Table[str]] = Table(
    "token/returning", (ACCOUNT,), Address, "from which account points are on their way back to this one"
)
MOVE_STEPS: Final = Schedule("token/move", (ACCOUNT,), "the next step of a move of all of an account's points")
