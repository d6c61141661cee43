"""What the campaign contract tells of draws."""

from __future__ import annotations

import msgspec

from contracts_py.campaign.draw_records import Reason
from vm.contract_api import Address, BrandId, Count, Hash, Name, Slug, TimeMs, event


@event("campaign.draw_opened")
class DrawOpened(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A draw takes entries until `closes`, and needs so many brands' commitments."""

    draw: Slug
    brand: BrandId
    campaign: Slug
    closes: TimeMs
    needed: Count


@event("campaign.draw_closed")
class DrawClosed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A draw takes no more entries; so many tickets of so many accounts are in it."""

    draw: Slug
    brand: BrandId
    accounts: Count
    tickets: Count


@event("campaign.draw_committed")
class DrawCommitted(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has committed to a secret."""

    draw: Slug
    brand: BrandId
    commitment: Hash
    round: Count


@event("campaign.draw_sealed")
class DrawSealed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The digest of a block is part of the seed; secrets are to be shown until `until`."""

    draw: Slug
    brand: BrandId
    height: Count
    digest: Hash
    until: TimeMs


@event("campaign.draw_revealed")
class DrawRevealed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand's secret is known."""

    draw: Slug
    brand: BrandId
    secret: Hash


@event("campaign.draw_withheld")
class DrawWithheld(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A brand has not shown its secret in time: the round is void, and the brand takes no further part."""

    draw: Slug
    brand: BrandId
    round: Count


@event("campaign.draw_seeded")
class DrawSeeded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """The seed of a draw is fixed."""

    draw: Slug
    brand: BrandId
    seed: Hash


@event("campaign.draw_won")
class DrawWon(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has won a prize."""

    draw: Slug
    brand: BrandId
    member: Address
    prize: Name
    place: Count


@event("campaign.draw_passed")
class DrawPassed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An account was drawn that cannot win: it was erased, or its shopper has won."""

    draw: Slug
    brand: BrandId
    account: Address
    reason: Reason


@event("campaign.draw_ended")
class DrawEnded(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A draw is over; so many of its prizes were won, so many lapse."""

    draw: Slug
    brand: BrandId
    won: Count
    lapsed: Count


@event("campaign.draw_void")
class DrawVoid(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A draw is void for want of commitments; it was in this round."""

    draw: Slug
    brand: BrandId
    round: Count
