"""What calls and views answer about draws."""

from __future__ import annotations

from typing import Literal

import msgspec

from contracts_py.campaign.draw_records import Entropy, Prize, Reason, Status, Witness
from vm.contract_api import Address, Count, Hash, Name, Slug, TimeMs


class DrawShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A draw.

    Attributes:
        status: open; committing: closed, waiting for commitments; sealed: waiting for its block; revealing:
            waiting for secrets; drawing; done; void.
        accounts, tickets: that take part; once it is drawing, `tickets` counts those that are left.
        needed, committed: how many brands' commitments it needs, and has.
        struck: brands that have not shown a secret.
    """

    draw: Slug
    brand: Slug
    campaign: Slug
    prizes: tuple[Prize, ...]
    closes: TimeMs
    once: bool
    status: Status
    accounts: Count
    tickets: Count
    needed: Count
    committed: Count
    round: Count
    won: Count
    struck: tuple[Slug, ...] = ()


class WitnessNow(msgspec.Struct, frozen=True, gc=False):
    """A brand's part in a draw, and how many of the brands needed have done theirs."""

    draw: Slug
    brand: Slug
    status: Status
    done: Count
    needed: Count


class Winner(msgspec.Struct, frozen=True, gc=False):
    """Who has won which prize."""

    place: Count
    prize: Name
    member: Address


class Entry(msgspec.Struct, frozen=True, gc=False):
    """An account's tickets as they were when entries closed; now, while it is open."""

    slot: Count
    account: Address
    tickets: Count


class NumberShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One number of a draw.

    Attributes:
        number: its place, from 0 on.
        ticket: what it is, below `total`, the tickets that were left.
        slot, account, tickets: whose it was, and how many it had left; `taken` of them leave the draw.
        place, winner, prize: what was won; else `reason` why the account was passed over.
    """

    number: Count
    ticket: Count
    total: Count
    slot: Count
    account: Address
    tickets: Count
    taken: Count
    place: Count | None = None
    winner: Address | None = None
    prize: Name | None = None
    reason: Reason | None = None


class DrawProof(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """All that a draw's outcome follows from, besides its entries (`campaign_draw_entries`).

    Attributes:
        choosable_by: what it would take to choose the outcome (docs/decisions/draws.md).
        entropy: the block whose digest is in the seed.
        total: tickets when entries closed.
        numbers: what was drawn, in order.
    """

    chain: str
    draw: Slug
    brand: Slug
    once: bool
    status: Status
    prizes: tuple[Prize, ...]
    choosable_by: Literal["one proposer", "all committing brands together"]
    witnesses: tuple[Witness, ...]
    total: Count
    numbers: list[NumberShown]
    entropy: Entropy | None = None
    seed: Hash | None = None
