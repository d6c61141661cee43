"""The events of the token contract."""

from __future__ import annotations

import msgspec

from contracts_py.money import Currency
from contracts_py.token.deeds import HoldEnd
from contracts_py.token.records import LotName, Symbol
from vm.contract_api import Address, Amount, BrandId, Count, Hash, Integer, Name, Ref, Slug, TimeMs, event


@event("token.program_created")
class ProgramCreated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has begun a program."""

    program: Slug
    brand: BrandId
    name: Name
    symbol: Symbol


@event("token.issued")
class Issued(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points were issued to an account."""

    program: Slug
    brand: BrandId
    account: Address
    amount: Amount
    lot: LotName
    ref: Ref | None = None
    pending_until: TimeMs | None = None
    debt_paid: Count = 0


@event("token.unlocked")
class Unlocked(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points that were pending have become available; `debt_paid` of them paid debt."""

    program: Slug
    brand: BrandId
    account: Address
    amount: Amount
    debt_paid: Count


@event("token.transferred")
class Transferred(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points moved between accounts; `burned` of `amount` did not arrive."""

    program: Slug
    brand: BrandId
    from_: Address = msgspec.field(name="from")
    to: Address
    amount: Amount
    burned: Count
    debt_paid: Count = 0


@event("token.burned")
class Burned(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A holder destroyed points."""

    program: Slug
    brand: BrandId
    account: Address
    amount: Amount


@event("token.redeemed")
class Redeemed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points were redeemed at a brand."""

    program: Slug
    brand: BrandId
    at_brand: BrandId
    account: Address
    amount: Amount
    ref: Ref
    item: Name | None = None
    hold: Ref | None = None


@event("token.held")
class Held(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points were reserved for a redemption."""

    program: Slug
    brand: BrandId
    at_brand: BrandId
    account: Address
    amount: Amount
    hold: Ref
    expires: TimeMs


@event("token.hold_ended")
class HoldEnded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A hold was captured or released, or has released itself; `returned` points went back to the account."""

    program: Slug
    brand: BrandId
    at_brand: BrandId
    account: Address
    hold: Ref
    end: HoldEnd
    captured: Count
    returned: Count


@event("token.refunded")
class Refunded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points of a redemption were given back; `debt_paid` of them paid debt."""

    program: Slug
    brand: BrandId
    at_brand: BrandId
    account: Address
    amount: Amount
    redemption_ref: Ref
    ref: Ref
    debt_paid: Count


@event("token.reversed")
class Reversed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points of a returned purchase were taken back: `expired` of them had expired, `debt` of them are owed."""

    program: Slug
    brand: BrandId
    account: Address
    ref: Ref
    amount: Amount
    expired: Count
    debt: Count


@event("token.adjusted")
class Adjusted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An issuer gave points out of goodwill, or corrected a mistake (negative: took them)."""

    program: Slug
    brand: BrandId
    account: Address
    amount: Integer
    reason: Name
    ref: Ref
    note_hash: Hash | None = None


@event("token.extended")
class Extended(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A lot has got a later date."""

    program: Slug
    brand: BrandId
    account: Address
    lot: LotName
    new_lot: LotName
    amount: Amount


@event("token.reinstated")
class Reinstated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points that had expired came back; `debt_paid` of them paid debt."""

    program: Slug
    brand: BrandId
    account: Address
    lot: LotName
    new_lot: LotName
    amount: Amount
    debt_paid: Count


@event("token.program_updated")
class ProgramUpdated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A program's rules were changed; what is to members' disadvantage is in force from `announced` on."""

    program: Slug
    brand: BrandId
    version: Count
    announced: TimeMs | None = None


@event("token.door_opened")
class DoorOpened(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A program's points may be redeemed at another brand, up to these limits per UTC day."""

    program: Slug
    brand: BrandId
    at_brand: BrandId
    member_day: Count | None = None
    total_day: Count | None = None


@event("token.door_closed")
class DoorClosed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A program's points may not be redeemed at another brand any more."""

    program: Slug
    brand: BrandId
    at_brand: BrandId


@event("token.liability_capped")
class LiabilityCapped(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a brand's outstanding points may be worth was bounded; without an amount it is not any more."""

    brand: BrandId
    currency: Currency
    amount: Amount | None = None


@event("token.allowed")
class Allowed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A holder has let a brand redeem up to `limit` without his signature; 0 ends it."""

    program: Slug
    brand: BrandId
    account: Address
    spender: BrandId
    limit: Count
    expires: TimeMs


@event("token.frozen")
class Frozen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account was frozen, in a program or at all programs of a brand."""

    brand: BrandId
    account: Address
    program: Slug | None = None


@event("token.unfrozen")
class Unfrozen(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What `freeze` began has ended."""

    brand: BrandId
    account: Address
    program: Slug | None = None


@event("token.pool_contributed")
class PoolContributed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has brought points into its household's pool."""

    program: Slug
    brand: BrandId
    pool: Address
    member: Address
    amount: Amount


@event("token.pool_paid_out")
class PoolPaidOut(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member that leaves has taken its part of a pool's points; `debt_paid` of them paid debt."""

    program: Slug
    brand: BrandId
    pool: Address
    member: Address
    amount: Amount
    debt_paid: Count


@event("token.merged")
class PointsMerged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points moved with the account that was merged into another; `debt_paid` of them paid debt."""

    program: Slug
    brand: BrandId
    source: Address
    target: Address
    amount: Count
    debt_paid: Count


@event("token.unmerged")
class PointsUnmerged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points moved back to the account that they had come from; `debt_paid` of them paid debt."""

    program: Slug
    brand: BrandId
    source: Address
    target: Address
    amount: Count
    debt_paid: Count
