"""What the campaigns of an event may cost a record at worst, kept in step with every change of a campaign.

Invariants:
    1. LOADS of an event is how many of its campaigns are listed, and the sum of what they cost at worst: both
       versions of one that has announced terms, of an experiment its dearest arm.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from contracts_py.campaign import language
from contracts_py.campaign.effect_types import Effect
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.records import CAMPAIGNS, LISTED, LOADS, MAX_PER_EVENT, Campaign, Load, Terms
from contracts_py.campaign.terms import rules_of
from vm.contract_api import Context, Refused

_NO_LOAD: Final = Load(0, 0)


def store(ctx: Context, kinds: Kinds, campaign: str, record: Campaign) -> None:
    """Write a campaign's record, a new one or in place of the one that is there.

    Raises:
        Refused: LIMIT_EXCEEDED, the event's campaigns would be too many, or cost too much.
    """
    before = CAMPAIGNS.get(ctx, campaign)
    worst = units_of(kinds, record) - (0 if before is None else units_of(kinds, before))
    _change(ctx, record.brand, record.event, int(before is None), worst)
    CAMPAIGNS.put(ctx, record, campaign)
    if before is None:
        LISTED.add(ctx, record.brand, record.event, item=campaign)


def unlist(ctx: Context, kinds: Kinds, campaign: str, record: Campaign) -> bool:
    """Take a campaign from among those of its event; False where it is not there."""
    if not LISTED.discard(ctx, record.brand, record.event, item=campaign):
        return False
    _change(ctx, record.brand, record.event, -1, -units_of(kinds, record))
    return True


def units_of(kinds: Kinds, record: Campaign) -> int:
    """Return what a campaign's rules cost at worst, in work units."""
    versions = [record.terms, *([] if record.announced is None else [record.announced.terms])]
    return sum([_units_of_version(kinds, record, terms) for terms in versions])


def _units_of_version(kinds: Kinds, record: Campaign, terms: Terms) -> int:
    arms: list[Sequence[Effect]] = [terms.then]
    if record.experiment is not None:
        arms += [variant.then for variant in record.experiment.variants]
    return max([language.worst_units(rules_of(kinds, terms.when, effects)) for effects in arms])


def _change(ctx: Context, brand: str, event: str, campaigns: int, worst: int) -> None:
    before = LOADS.get(ctx, brand, event) or _NO_LOAD
    after = Load(before.campaigns + campaigns, before.units + worst)
    if campaigns > 0 and after.campaigns > MAX_PER_EVENT:
        raise Refused("LIMIT_EXCEEDED", "too many campaigns of this event", limit=MAX_PER_EVENT)
    if worst > 0 and after.units > language.MAX_EVENT_UNITS:
        words = "the rules of the event's campaigns would cost too much at worst"
        raise Refused("LIMIT_EXCEEDED", words, limit=language.MAX_EVENT_UNITS, units=after.units)
    if after != before:
        LOADS.put(ctx, after, brand, event)
