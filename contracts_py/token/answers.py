"""What the token contract's calls and views answer."""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts_py.money import Currency, Price
from contracts_py.token.deeds import Booked, MoveKind
from contracts_py.token.records import Announced, Decimals, Expiry, LotName, Symbol, TransferRule
from vm.contract_api import Address, Amount, BasisPoints, Count, Hash, Integer, Name, Ref, Slug, TimeMs


class ProgramNamed(msgspec.Struct, frozen=True, gc=False):
    """The new program."""

    program: Slug


class LotPart(msgspec.Struct, frozen=True, gc=False):
    """Points of one lot."""

    lot: LotName
    amount: Amount


class Issue(msgspec.Struct, frozen=True, gc=False):
    """The lot into which points came, how many, and how many of them paid debt."""

    lot: LotName
    amount: Amount
    debt_paid: Count


class Transfer(msgspec.Struct, frozen=True, gc=False):
    """How many points left the one account, were burned on the way, and reached the other or paid its debt."""

    amount: Amount
    burned: Count
    received: Count
    debt_paid: Count


class Spend(msgspec.Struct, frozen=True, gc=False):
    """What was burned or redeemed, by lot."""

    amount: Amount
    lots: tuple[LotPart, ...]


class AllowanceSet(msgspec.Struct, frozen=True, gc=False):
    """The allowance as it is now."""

    spender: Slug
    limit: Count
    expires: TimeMs


class FreezeState(msgspec.Struct, frozen=True, gc=False):
    """Whether what `freeze` begins holds for the account now."""

    account: Address
    frozen: bool


class ProgramShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A program's rules in force, how often they have changed, beginning with 1, and what is announced."""

    program: Slug
    brand: Slug
    name: Name
    symbol: Symbol
    decimals: Decimals
    transfer: TransferRule
    expiry: Expiry
    transfer_burn_bps: BasisPoints
    notice_ms: Count
    price: Price
    version: Count
    cap: Amount | None = None
    adjust_limit: Count = 0
    transfer_day: Count | None = None
    announced: Announced | None = None
    backed: bool = False


class Backing(msgspec.Struct, frozen=True, gc=False):
    """What stands behind a backed program, in minor units: its brand's reserve, and what is outstanding is worth.

    The reserve is what brands owe the program's brand and have paid, less what it owes and has paid.
    """

    program: Slug
    currency: Currency
    reserve: Integer
    outstanding: Count
    worth: Count


class LotShown(msgspec.Struct, frozen=True, gc=False):
    """Points of one lot, and when they expire; null: never."""

    lot: LotName
    amount: Amount
    expires: TimeMs | None


class Balance(msgspec.Struct, frozen=True, gc=False):
    """An account's points in a program; `available` are those of the lots that are not set aside."""

    available: Count
    held: Count
    pending: Count
    debt: Count
    frozen: bool
    lots: tuple[LotShown, ...]


class ProgramBalance(Balance, frozen=True, kw_only=True, gc=False):
    """The same, and in which program."""

    program: Slug


class PairBalance(Balance, frozen=True, kw_only=True, gc=False):
    """The same, and whose in which program."""

    account: Address
    program: Slug


class HolderBalance(Balance, frozen=True, kw_only=True, gc=False):
    """The same, and whose."""

    account: Address


class SupplyShown(msgspec.Struct, frozen=True, gc=False):
    """A program's counters.

    issued + swapped_in + refunded = outstanding + redeemed + burned + expired + reversed + swapped_out;
    outstanding = available + held + pending. `adjusted_up` is a part of issued, `adjusted_down` one of reversed.
    """

    issued: Count
    outstanding: Count
    available: Count
    held: Count
    pending: Count
    debt: Count
    redeemed: Count
    burned: Count
    expired: Count
    reversed: Count
    refunded: Count
    swapped_in: Count
    swapped_out: Count
    adjusted_up: Count
    adjusted_down: Count


class Deferral(msgspec.Struct, frozen=True, gc=False):
    """A sale's price: what is the goods', what was deferred for the points, and what of that is revenue by now."""

    goods: Count
    deferred: Count
    recognised: Count
    liability: Count


class IssueOfRef(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What an issue with a reference did, and how much of it was reversed since."""

    tx: Hash
    account: Address
    lot: LotName
    issued: Amount
    reversed: Count
    pending_until: TimeMs | None = None


class AllowanceShown(msgspec.Struct, frozen=True, gc=False):
    """What a brand may still redeem without the holder's signature."""

    remaining: Count
    expires: TimeMs
    limit: Amount


class PendingLot(LotShown, frozen=True, kw_only=True, gc=False):
    """Points of one lot that become available at `until`."""

    until: TimeMs


class Refund(msgspec.Struct, frozen=True, gc=False):
    """How many points came back, how many of them paid debt, and the lots in which they are now."""

    amount: Amount
    debt_paid: Count
    lots: tuple[LotPart, ...]


class DoorShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Whether points may be redeemed at another brand, and how many on one UTC day; a limit left out is none."""

    at_brand: Slug
    open: bool
    member_day: Count | None = None
    total_day: Count | None = None


class RedemptionOfRef(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a redemption took, how much of it was refunded since, and what the issuing brand owes for it."""

    tx: Hash
    account: Address
    amount: Amount
    lots: tuple[LotPart, ...]
    refunded: Count
    booked: Booked | None = None


class HoldMade(msgspec.Struct, frozen=True, gc=False):
    """The hold."""

    hold: Ref
    amount: Amount
    expires: TimeMs


class HoldReleased(msgspec.Struct, frozen=True, gc=False):
    """How many points came back, and the lots in which they are now; what has expired is not available."""

    amount: Amount
    lots: tuple[LotPart, ...]


class Capture(msgspec.Struct, frozen=True, gc=False):
    """How many points were redeemed, by lot, and how many of the hold went back."""

    amount: Amount
    returned: Count
    lots: tuple[LotPart, ...]


HoldStatus = Literal["open", "captured", "released", "expired"]


class HoldShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A hold. `expires` is left out once it has ended; `tx` is the transaction that has ended it."""

    program: Slug
    at_brand: Slug
    hold: Ref
    account: Address
    amount: Amount
    status: HoldStatus
    captured: Count
    expires: TimeMs | None = None
    tx: Hash | None = None


class SetAside(msgspec.Struct, frozen=True, gc=False):
    """Points that are set aside: by which module, in which space of it and under which name there."""

    module: Slug
    space: Slug
    id: Ref
    program: Slug
    amount: Amount
    lots: tuple[LotPart, ...]


class Reversal(msgspec.Struct, frozen=True, gc=False):
    """What a reversal took from lots, what of it had expired already, and what the account owes."""

    amount: Amount
    taken: Count
    expired: Count
    debt: Count


class Adjustment(msgspec.Struct, frozen=True, gc=False):
    """How many points came (negative: went), and how many of them paid debt."""

    amount: Integer
    debt_paid: Count


class Extension(msgspec.Struct, frozen=True, gc=False):
    """The lot in which the points are now."""

    lot: LotName
    amount: Amount


class ExpiringLot(msgspec.Struct, frozen=True, gc=False):
    """Points of an account that expire on a date."""

    account: Address
    lot: LotName
    amount: Amount
    expires: TimeMs


class DateLiability(msgspec.Struct, frozen=True, gc=False):
    """Points that expire on a date (null: never, pending or held), and what they are worth."""

    expires: TimeMs | None
    amount: Amount
    value: Count


class ProgramLiability(msgspec.Struct, frozen=True, gc=False):
    """What a program's outstanding points are worth, in minor units of its price's currency.

    `value` is at full price, `expected` without the share that is expected never to be redeemed (breakage).
    `by_date` has the first 1,000 dates; what is held, pending, or on a later date is in `undated`.
    """

    program: Slug
    currency: Currency
    outstanding: Count
    value: Count
    expected: Count
    by_date: tuple[DateLiability, ...]
    undated: Count


class LiabilityCap(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a brand's outstanding points may be worth, in minor units; left out where it is not bounded."""

    brand: Slug
    currency: Currency
    amount: Amount | None = None


class MoveShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Points of an account that are on their way to another, program by program; `done` is the last that is over.

    They move with a merge or its undoing, as the part of a member who has left a pool, or as all of a pool that has
    closed.
    """

    kind: MoveKind
    account: Address
    to: Address
    done: Slug | None = None
