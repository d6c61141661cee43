"""Campaigns: a marketer writes a rule, a till records what happened, the chain pays (docs/campaign.md).

    types, effect_types, attrs      what arguments and records are made of
    records, deeds                  what is in the state of campaigns, and of what happened
    events, answers                 what is told, what calls and views answer
    facts, language                 what rules see, and rules as campaigns use them
    kinds, effects/                 what campaigns do: one file for each kind of effect
    outside, hooks                  what is asked of a room beside, and what others are told
    terms, loads, budgets, uses, experiments, vouchers, profiles      parts of the engine that know one thing each
    engine                          running rules for a record
    journal                         keeping a record, with all that follows
    campaigns, recordings, reversals, voucher_room, arrangements, replays      the rooms
    upkeep                          what identity tells

Invariants: docs/campaign.md.
"""

from __future__ import annotations

from dataclasses import dataclass

from contracts_py.campaign.arrangements import Arrangements
from contracts_py.campaign.campaigns import Campaigns
from contracts_py.campaign.challenges import Challenges
from contracts_py.campaign.effects import Kinds
from contracts_py.campaign.engine import Engine
from contracts_py.campaign.facts import Sources
from contracts_py.campaign.hooks import CampaignHooks, RecordMade, RecordUndone
from contracts_py.campaign.journal import Journal
from contracts_py.campaign.lists import Lists
from contracts_py.campaign.recorder import Recorder
from contracts_py.campaign.recordings import Recordings
from contracts_py.campaign.replays import Replays
from contracts_py.campaign.reversals import Reversals
from contracts_py.campaign.rooms import further_rooms
from contracts_py.campaign.schedules import Schedules
from contracts_py.campaign.upkeep import Profiles
from contracts_py.campaign.voucher_room import Vouchers
from contracts_py.clearing import Clearing
from contracts_py.identity import Authority
from contracts_py.nft import Badges
from contracts_py.tier import Tiers
from contracts_py.token import Ledger
from vm.contract_api import Contract

__all__ = [
    "CampaignHooks",
    "Challenges",
    "Journal",
    "Outside",
    "Profiles",
    "RecordMade",
    "RecordUndone",
    "Recorder",
    "Schedules",
    "campaign_contract",
    "further_rooms",
]


@dataclass(frozen=True, slots=True)
class Outside:
    """What campaigns ask of others than identity, clearing and token."""

    tiers: Tiers
    badges: Badges


def campaign_contract(
    authority: Authority, clearing: Clearing, ledger: Ledger, outside: Outside, hooks: CampaignHooks
) -> tuple[list[Contract], Journal]:
    """Return the rooms of the campaign contract, and where other rooms record what happens."""
    sources = Sources(authority, ledger, outside.tiers, Lists())
    kinds = Kinds(ledger, clearing, outside.tiers, outside.badges)
    engine = Engine(sources, kinds)
    journal = Journal(sources, engine, outside.badges, hooks)
    rooms: list[Contract] = [
        Campaigns(authority, ledger, kinds),
        Arrangements(authority, kinds),
        Recordings(authority, journal),
        Reversals(sources, engine, kinds, hooks),
        Vouchers(authority),
        Replays(sources, engine, kinds),
    ]
    return rooms, journal
