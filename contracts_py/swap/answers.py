"""What the swap contract's calls and views answer."""

from __future__ import annotations

import msgspec

from contracts_py.swap.records import Limits, Status
from vm.contract_api import Amount, BasisPoints, Count, Slug, TimeMs


class TermsShown(msgspec.Struct, frozen=True, gc=False):
    """What two brands agree on."""

    rate: tuple[Amount, Amount]
    fee_bps: BasisPoints
    limits: Limits
    valid_from: TimeMs
    valid_to: TimeMs


class TreatyShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A treaty. `amendment` waits for the other side than `amender`; `used_today` and `given` are of its limits."""

    treaty: Slug
    status: Status
    from_program: Slug
    to_program: Slug
    from_brand: Slug
    to_brand: Slug
    proposer: Slug
    terms: TermsShown
    used_today: Count
    given: Count
    amendment: TermsShown | None = None
    amender: Slug | None = None
    suspended_by: tuple[Slug, ...] = ()
    ends: TimeMs | None = None
    revision: Count = 1


class TreatyState(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a treaty is now, and when its termination is in force."""

    treaty: Slug
    status: Status
    ends: TimeMs | None = None


class SwapLot(msgspec.Struct, frozen=True, gc=False):
    """Points that came, and when they expire; null: never."""

    amount: Amount
    expires: TimeMs | None


class Exchange(msgspec.Struct, frozen=True, gc=False):
    """From-units taken, to-units that came, by date, and how many of these paid debt."""

    taken: Amount
    out: Amount
    lots: tuple[SwapLot, ...]
    debt_paid: Count


class Hop(msgspec.Struct, frozen=True, gc=False):
    """One step of a route: what goes in under a treaty, and what comes out."""

    treaty: Slug
    taken: Amount
    out: Amount


class RouteExchange(Exchange, frozen=True, kw_only=True, gc=False):
    """The same of a route, and its steps; what a step gave beyond what the next took stays with the account."""

    hops: tuple[Hop, ...]


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The best route now, without regard to an account's own limits; without hops there is none."""

    from_program: Slug
    to_program: Slug
    amount: Amount
    taken: Count
    out: Count
    hops: tuple[Hop, ...]
