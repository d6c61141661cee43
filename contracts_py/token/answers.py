"""What the token contract's calls and views answer."""

from __future__ import annotations

import msgspec

from contracts_py.token.records import Decimals, Expiry, LotName, Price, Symbol, TransferRule
from vm.contract_api import Address, Amount, BasisPoints, Count, Hash, Name, Slug, TimeMs


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
    """How many points left the one account, were burned on the way, and reached the other."""

    amount: Amount
    burned: Count
    received: Count


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
    """A program's rules: create_program's arguments, and how often they have changed, beginning with 1."""

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


class SupplyShown(msgspec.Struct, frozen=True, gc=False):
    """A program's counters.

    issued + swapped_in + refunded = outstanding + redeemed + burned + expired + reversed + swapped_out;
    outstanding = available + held + pending.
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


class Deferral(msgspec.Struct, frozen=True, gc=False):
    """A sale's price: what is the goods', what was deferred for the points, and what of that is revenue by now."""

    goods: Count
    deferred: Count
    recognised: Count
    liability: Count


class IssueOfRef(msgspec.Struct, frozen=True, gc=False):
    """What an issue with a reference did, and how much of it was reversed since."""

    tx: Hash
    account: Address
    lot: LotName
    issued: Amount
    reversed: Count


class AllowanceShown(msgspec.Struct, frozen=True, gc=False):
    """What a brand may still redeem without the holder's signature."""

    remaining: Amount
    expires: TimeMs
