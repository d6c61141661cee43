"""What the campaign contract keeps of what happened: records, reversals, profiles, vouchers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts_py.campaign.attrs import AttrsBytes
from contracts_py.campaign.effect_types import Gifts, ProfileName, ProfileValue, VoucherId
from contracts_py.campaign.records import BRAND, CAMPAIGN, EVENT, MEMBER
from contracts_py.campaign.types import Version
from vm.contract_api import (
    NUMBER,
    TEXT,
    Address,
    Amount,
    Count,
    Hash,
    Integer,
    Meta,
    OnceTable,
    OrderedSet,
    Ref,
    Schedule,
    Slug,
    Table,
    TimeMs,
)

MAX_FIRED: Final = 64
"""Campaigns that fire for one record; a receipt says of the next that they met this limit."""

MAX_FACTS_BYTES: Final = 8_192

PROFILE_DAYS: Final = 92
"""Days that a profile knows one by one: a quarter. Windows that rules read are within it."""

MAX_NAMED: Final = 32
"""Values of one profile by `set_profile`."""


class Fired(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A campaign that fired, at which version, as which arm of its experiment, and what it gave."""

    campaign: Slug
    version: Version
    given: Gifts
    arm: Slug | None = None


FiredList = Annotated[tuple[Fired, ...], Meta(max_length=MAX_FIRED)]


class Recorded(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Something that happened, as it was recorded.

    Attributes:
        member: the account that got what was given.
        at, time: when it happened, and the block's time.
        attrs, facts: canonical bytes: what the till said, and what rules have read of the member before it.
        before: the record before it of this event on the same day of block time.
    """

    tx: Hash | None
    member: Address
    at: TimeMs
    time: TimeMs
    attrs: AttrsBytes
    facts: Annotated[bytes, Meta(max_length=MAX_FACTS_BYTES)]
    fired: FiredList
    before: Ref | None = None


class Left(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What reversals have left of a record; `attrs` is None where nothing is."""

    attrs: AttrsBytes | None
    fired: FiredList


class Return(msgspec.Struct, frozen=True, gc=False):
    """What a reversal was of, and in which transaction."""

    tx: Hash | None
    event: Slug
    ref: Ref


class DayHead(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The last record of an event on a day, and how many there are."""

    ref: Ref
    count: Amount


class ProfileDay(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a member did on one local day of the brand; `last_at` is the last of it."""

    day: Count
    purchases: Count
    spend: Count
    visits: Count
    last_at: TimeMs


class Profile(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a member has done at a brand: altogether, and on each of the last days on which it did anything."""

    purchases: Count = 0
    spend: Count = 0
    visits: Count = 0
    last_at: TimeMs = 0
    days: Annotated[tuple[ProfileDay, ...], Meta(max_length=PROFILE_DAYS)] = ()


class Named(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value of a profile that a campaign has set."""

    name: ProfileName
    value: ProfileValue


class Voucher(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A voucher, good from `starts` until before `expires`."""

    brand: Slug
    campaign: Slug
    member: Address
    kind: Slug
    value: Integer
    starts: TimeMs
    expires: TimeMs
    used: TimeMs | None = None
    used_ref: Ref | None = None


class VoucherUse(msgspec.Struct, frozen=True, gc=False):
    """Which voucher a reference has redeemed, in which transaction."""

    tx: Hash | None
    voucher: VoucherId


VoucherState = Literal["waiting", "open", "used", "expired"]

RECORDS: Final[OnceTable[Recorded]] = OnceTable(
    "campaign/record",
    (BRAND, EVENT, ("ref", TEXT)),
    Recorded,
    "what was recorded, and what campaigns did about it",
    present="the reference has been recorded",
)
DAYS: Final[Table[DayHead]] = Table(
    "campaign/day", (BRAND, EVENT, ("day", NUMBER)), DayHead, "the last record of an event on a day of block time"
)
LEFT: Final[Table[Left]] = Table(
    "campaign/left", (BRAND, EVENT, ("ref", TEXT)), Left, "what reversals have left of a record"
)
RETURNS: Final[OnceTable[Return]] = OnceTable(
    "campaign/return", (BRAND, ("return_ref", TEXT)), Return, "what a reversal was of"
)
FUNDED: Final[Table[int]] = Table(
    "campaign/funded", (CAMPAIGN,), Amount, "points that a campaign has issued since other brands pay a part of it"
)
PROFILES: Final[Table[Profile]] = Table(
    "campaign/profile", (BRAND, MEMBER), Profile, "what a member has done at a brand"
)
NAMED: Final[Table[tuple[Named, ...]]] = Table(
    "campaign/named",
    (BRAND, MEMBER),
    Annotated[tuple[Named, ...], Meta(max_length=MAX_NAMED)],
    "values that campaigns have set in a member's profile, by name",
)
PROFILED_AT: Final[OrderedSet[str]] = OrderedSet(
    "campaign/profiled-at", (MEMBER,), Slug, "the brands at which a member has a profile"
)
VOUCHERS: Final[Table[Voucher]] = Table(
    "campaign/voucher", (("voucher", TEXT),), Voucher, "a voucher", missing="no such voucher"
)
VOUCHERS_OF: Final[OrderedSet[str]] = OrderedSet(
    "campaign/vouchers", (MEMBER,), VoucherId, "vouchers that were given to an address"
)
VOUCHER_USES: Final[OnceTable[VoucherUse]] = OnceTable(
    "campaign/voucher-use", (BRAND, ("ref", TEXT)), VoucherUse, "which voucher a reference has redeemed"
)
VOUCHER_ENDS: Final = Schedule("campaign/voucher-end", (("voucher", TEXT),), "a voucher expires")
