"""The events of the swap contract."""

from __future__ import annotations

import msgspec

from vm.contract_api import Address, Amount, BrandId, Count, Slug, TimeMs, event


@event("swap.proposed")
class Proposed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has proposed a treaty, or an amendment of one, to the other side."""

    treaty: Slug
    by: BrandId
    to: BrandId
    amendment: bool = False


@event("swap.accepted")
class Accepted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A treaty, or an amendment of one, is in force; `num` to-units come for `den` from-units, less the fee."""

    treaty: Slug
    from_program: Slug
    to_program: Slug
    from_brand: BrandId
    to_brand: BrandId
    num: Amount
    den: Amount
    fee_bps: Count


@event("swap.suspended")
class Suspended(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A side has suspended a treaty."""

    treaty: Slug
    by: BrandId


@event("swap.resumed")
class Resumed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A side has ended its suspension of a treaty."""

    treaty: Slug
    by: BrandId


@event("swap.terminated")
class Terminated(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A side has terminated a treaty: it is over at `ends`."""

    treaty: Slug
    by: BrandId
    ends: TimeMs


@event("swap.exchanged")
class Exchanged(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points of one program became points of another under a treaty; `booked` minor units are owed for them."""

    treaty: Slug
    from_program: Slug
    to_program: Slug
    from_brand: BrandId
    to_brand: BrandId
    account: Address
    to: Address
    taken: Amount
    out: Amount
    booked: Count
