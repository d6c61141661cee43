"""What campaigns may do, in the three forms that it has: as an argument, as it is stored, and as it was done.

An effect is named by the one field that is set: {"issue": {…}}. Who adds one adds a struct to each of the three
unions, and a kind to the registry (`contracts_py.campaign.effects`).
"""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts_py.campaign.types import MAX_EFFECTS, Days, Expr, Source
from contracts_py.money import Currency
from vm.contract_api import Address, Amount, Count, Integer, Meta, ShortText, Slug, TimeMs, code, text

MAX_NAMES: Final = 16
"""Values that one effect may set in a profile."""

MAX_FUNDERS: Final = 8

ProfileName = Annotated[str, text(1, 32), Meta(max_length=32)]
Receiver = Literal["member", "referrer"]
VoucherId = Annotated[str, code(32), Meta(max_length=32)]


# -- as arguments ---------------------------------------------------------------------------------


class IssueArg(msgspec.Struct, frozen=True):
    """Points of one of the brand's programs, to the member or to who has referred it."""

    program: Slug
    amount: Expr
    expires_days: Days | None = None
    to: Receiver = "member"


class VoucherArg(msgspec.Struct, frozen=True):
    """A voucher that the member may redeem from `starts_days` on, until `expires_days` after the record."""

    kind: Slug
    value: Expr
    expires_days: Days
    starts_days: Count = 0


class EvolveArg(msgspec.Struct, frozen=True):
    """The member's badge of a collection evolves."""

    collection: Slug


class EntryArg(msgspec.Struct, frozen=True):
    """Tickets of a draw of this campaign."""

    draw: Slug
    count: Expr = 1


class EffectArg(msgspec.Struct, frozen=True):
    """One effect: exactly one of the fields is set."""

    issue: IssueArg | None = None
    tier_points: Expr | None = None
    voucher: VoucherArg | None = None
    evolve: EvolveArg | None = None
    entry: EntryArg | None = None
    set_profile: Annotated[dict[ProfileName, Expr], Meta(max_length=MAX_NAMES)] | None = None


EffectArgs = Annotated[tuple[EffectArg, ...], Meta(max_length=MAX_EFFECTS, min_length=1)]


# -- as stored ------------------------------------------------------------------------------------


class IssueEffect(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="issue", gc=False):
    """See `IssueArg`."""

    program: Slug
    amount: Source
    expires_days: Days | None = None
    to: Receiver = "member"


class TierPointsEffect(msgspec.Struct, frozen=True, tag_field="kind", tag="tier_points", gc=False):
    """Points that count for the member's tier, on the day of the event."""

    points: Source


class VoucherEffect(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="voucher", gc=False):
    """See `VoucherArg`."""

    of: Slug
    value: Source
    expires_days: Days
    starts_days: Count = 0


class EvolveEffect(msgspec.Struct, frozen=True, tag_field="kind", tag="evolve", gc=False):
    """See `EvolveArg`."""

    collection: Slug


class EntryEffect(msgspec.Struct, frozen=True, tag_field="kind", tag="entry", gc=False):
    """See `EntryArg`."""

    draw: Slug
    count: Source


class ProfileEffect(msgspec.Struct, frozen=True, tag_field="kind", tag="set_profile", gc=False):
    """Values of the member's profile, by name."""

    values: Annotated[tuple[tuple[ProfileName, Source], ...], Meta(max_length=MAX_NAMES)]


Effect = IssueEffect | TierPointsEffect | VoucherEffect | EvolveEffect | EntryEffect | ProfileEffect
Effects = Annotated[tuple[Effect, ...], Meta(max_length=MAX_EFFECTS)]


# -- as done --------------------------------------------------------------------------------------


class Funded(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a co-funding brand was booked to owe for points: minor units of a currency."""

    brand: Slug
    currency: Currency
    amount: Amount


class Issued(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="kind", tag="issue", gc=False):
    """Points that were issued into the lot of a date; to another account than the member where `to` names it."""

    program: Slug
    amount: Amount
    date: TimeMs
    to: Address | None = None
    funded: Annotated[tuple[Funded, ...], Meta(max_length=MAX_FUNDERS)] = ()


class TierPoints(msgspec.Struct, frozen=True, tag_field="kind", tag="tier_points", gc=False):
    """Tier points that were added."""

    points: Amount


class VoucherGiven(msgspec.Struct, frozen=True, tag_field="kind", tag="voucher", gc=False):
    """A voucher that was given."""

    voucher: VoucherId


class Evolved(msgspec.Struct, frozen=True, tag_field="kind", tag="evolve", gc=False):
    """A badge that was asked to evolve; what it has become stays."""

    collection: Slug


class Entered(msgspec.Struct, frozen=True, tag_field="kind", tag="entry", gc=False):
    """Tickets of a draw that were given."""

    draw: Slug
    count: Amount


ProfileValue = bool | Integer | ShortText


class ProfileChange(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A value of a profile before and after it was set; None: there was none."""

    name: ProfileName
    before: ProfileValue | None
    after: ProfileValue | None


class ProfileSet(msgspec.Struct, frozen=True, tag_field="kind", tag="set_profile", gc=False):
    """Values that were set."""

    changes: Annotated[tuple[ProfileChange, ...], Meta(max_length=MAX_NAMES)]


Given = Issued | TierPoints | VoucherGiven | Evolved | Entered | ProfileSet
Gifts = Annotated[tuple[Given, ...], Meta(max_length=MAX_EFFECTS)]
