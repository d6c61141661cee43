"""The events of the token contract."""

from __future__ import annotations

import msgspec

from contracts_py.token.records import LotName, Symbol
from vm.contract_api import Address, Amount, BrandId, Count, Name, Ref, Slug, TimeMs, event


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


@event("token.transferred")
class Transferred(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points moved between accounts; `burned` of `amount` did not arrive."""

    program: Slug
    brand: BrandId
    from_: Address = msgspec.field(name="from")
    to: Address
    amount: Amount
    burned: Count


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
