"""What the contract keeps of campaigns: their terms by version, what they have spent, who has used them."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec

from contracts_py.campaign.effect_types import MAX_FUNDERS, Effects
from contracts_py.campaign.types import Budget, PerMember, Priority, Source, Version
from vm.contract_api import (
    ADDRESS,
    NUMBER,
    SLUG,
    Address,
    Amount,
    BasisPoints,
    Count,
    Meta,
    OnceTable,
    OrderedSet,
    Schedule,
    Slug,
    Table,
    TimeMs,
)

MAX_PER_EVENT: Final = 1_024
"""Campaigns of a brand that listen to one event and are not over."""

MAX_VARIANTS: Final = 8
MAX_GROUPS: Final = 16
MAX_USE_DAYS: Final = 1_000
"""Days on which one address has used a campaign, within its window: no more than it may use it."""

Status = Literal["active", "paused"]


class Terms(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A version of a campaign: when it fires, and what it does then, from `starts` until before `ends`."""

    when: Source
    then: Effects
    starts: TimeMs
    ends: TimeMs
    priority: Priority = 0
    budget: Budget | None = None
    per_member: PerMember | None = None
    group: Slug | None = None


class Announced(msgspec.Struct, frozen=True, gc=False):
    """Terms that are in force from a time on."""

    from_: TimeMs = msgspec.field(name="from")
    version: Version
    terms: Terms


class Share(msgspec.Struct, frozen=True, gc=False):
    """What part of a campaign's points another brand pays for."""

    brand: Slug
    bps: Annotated[int, Meta(ge=1, le=10_000)]


Shares = Annotated[tuple[Share, ...], Meta(max_length=MAX_FUNDERS)]


class Variant(msgspec.Struct, frozen=True, gc=False):
    """What a campaign does for a part of the members."""

    name: Slug
    bps: BasisPoints
    then: Effects


class Experiment(msgspec.Struct, frozen=True, gc=False):
    """Members by hash: the first `holdout_bps` get nothing, the next the variants, the rest what the terms say."""

    holdout_bps: BasisPoints
    variants: Annotated[tuple[Variant, ...], Meta(max_length=MAX_VARIANTS)]


class Campaign(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign: the terms in force, and those that are announced."""

    brand: Slug
    event: Slug
    status: Status
    version: Version
    terms: Terms
    announced: Announced | None = None
    shares: Shares = ()
    experiment: Experiment | None = None


class Stack(msgspec.Struct, frozen=True, gc=False):
    """How many campaigns of these groups may fire for one record, and which come first."""

    groups: Annotated[tuple[Slug, ...], Meta(max_length=MAX_GROUPS)]
    max_per_event: Annotated[int, Meta(ge=1, le=MAX_PER_EVENT)]
    order: Literal["priority", "best"]


class Draft(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign, or a version of one, that waits for a second person; `base` is the version that it changes."""

    brand: Slug
    event: Slug
    terms: Terms
    proposer: Address
    base: Count = 0


class Load(msgspec.Struct, frozen=True, gc=False):
    """How many campaigns an event has that are not over, and what their rules cost at worst."""

    campaigns: Count
    units: Count


class ArmTotals(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What an arm of an experiment came to: members, records, the sum of `event.amount`, points issued."""

    members: Count = 0
    records: Count = 0
    spend: Count = 0
    points: Count = 0


UseDays = Annotated[tuple[tuple[Count, Amount], ...], Meta(max_length=MAX_USE_DAYS)]
"""(day, uses), by day."""

CAMPAIGN: Final = ("campaign", SLUG)
BRAND: Final = ("brand", SLUG)
EVENT: Final = ("event", SLUG)
MEMBER: Final = ("member", ADDRESS)

CAMPAIGNS: Final[Table[Campaign]] = Table(
    "campaign/campaign",
    (CAMPAIGN,),
    Campaign,
    "the rule in force, and what is announced",
    missing="no such campaign",
    present="the campaign exists",
)
VERSIONS: Final[OnceTable[Terms]] = OnceTable(
    "campaign/terms", (CAMPAIGN, ("version", NUMBER)), Terms, "the terms of each version"
)
LISTED: Final[OrderedSet[str]] = OrderedSet(
    "campaign/on", (BRAND, EVENT), Slug, "campaigns of an event that are not over"
)
LOADS: Final[Table[Load]] = Table(
    "campaign/load", (BRAND, EVENT), Load, "how many campaigns an event has, and their cost at worst"
)
CAMPAIGNS_OF: Final[OrderedSet[str]] = OrderedSet("campaign/of", (BRAND,), Slug, "a brand's campaigns")
SPENT: Final[Table[int]] = Table(
    "campaign/spent", (CAMPAIGN,), Amount, "points that came out of a campaign's budget, and have not come back"
)
USES: Final[Table[tuple[tuple[int, int], ...]]] = Table(
    "campaign/uses", (CAMPAIGN, MEMBER), UseDays, "on which days a campaign has fired for an address, how often"
)
STACKS: Final[Table[Stack]] = Table("campaign/stack", (BRAND,), Stack, "how many campaigns fire together")
APPROVALS: Final[Table[bool]] = Table(
    "campaign/approval", (BRAND,), bool, "true where a brand's campaigns need two people"
)
DRAFTS: Final[Table[Draft]] = Table(
    "campaign/draft", (CAMPAIGN,), Draft, "what waits for a second person", missing="nothing is proposed"
)
ARMS: Final[Table[ArmTotals]] = Table(
    "campaign/arm", (CAMPAIGN, ("arm", SLUG)), ArmTotals, "what an arm of an experiment came to"
)
ARM_MEMBERS: Final[Table[bool]] = Table(
    "campaign/arm-member", (CAMPAIGN, MEMBER), bool, "true where a member is counted in an experiment"
)
OVERS: Final = Schedule("campaign/over", (CAMPAIGN,), "nothing that is recorded can fire a campaign any more")
