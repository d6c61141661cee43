"""What the campaign contract keeps of challenges, and what it tells and answers of them (docs/challenges.md)."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from contracts_py.campaign.types import Source, WindowDays
from vm.contract_api import (
    ADDRESS,
    SLUG,
    Address,
    BrandId,
    Count,
    Meta,
    OrderedSet,
    Ref,
    Slug,
    Table,
    event,
)

MAX_STEPS: Final = 8
MAX_COUNT: Final = 100
"""How often one thing must happen at most; a thousand purchases are what tiers are for."""

MAX_PER_EVENT: Final = 16
"""Open challenges that listen to one event of a brand: each record looks at all of them."""

MAX_SEEN: Final = 2 * MAX_COUNT
"""Events that are kept of one step and address: twice what a step needs, as some may come back."""

MARK_CHARS: Final = 16

StepCount = Annotated[int, Meta(ge=1, le=MAX_COUNT)]
Mark = Annotated[str, Meta(max_length=MARK_CHARS)]
Seen = Annotated[tuple[tuple[Count, Mark], ...], Meta(max_length=MAX_SEEN)]
"""(local day, mark of the record) of the events that count for a step, by day."""


class StepArg(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What must happen how often: an event of the campaign's brand, or of another, for which `when` holds."""

    event: Slug
    count: StepCount
    when: Source | None = None
    brand: Slug | None = None


class Step(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What must happen how often, and where."""

    brand: Slug
    event: Slug
    count: StepCount
    when: Source | None = None


Steps = Annotated[tuple[Step, ...], Meta(min_length=1, max_length=MAX_STEPS)]
StepArgs = Annotated[tuple[StepArg, ...], Meta(min_length=1, max_length=MAX_STEPS)]


class Challenge(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A goal of several events within some days.

    `repeat` is how often a shopper may reach it, 0: as often as it can. `serial` counts those of the campaign.
    """

    brand: Slug
    event: Slug
    steps: Steps
    window_days: WindowDays
    repeat: Count
    serial: Count = 1
    ended: bool = False


class Progress(msgspec.Struct, frozen=True, gc=False):
    """How far an address has come: what it has done for each step, and how often it has reached the goal."""

    serial: Count
    seen: Annotated[tuple[Seen, ...], Meta(max_length=MAX_STEPS)]
    done: Count = 0


class StepShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A step, and of a member how much of it counts today."""

    brand: Slug
    event: Slug
    count: Count
    have: Count | None = None
    when: Source | None = None


class ChallengeShown(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A challenge; of a member also how often it was reached. `repeat` 0: it may be reached as often as one can."""

    campaign: Slug
    brand: Slug
    event: Slug
    steps: Annotated[tuple[StepShown, ...], Meta(max_length=MAX_STEPS)]
    window_days: WindowDays
    repeat: Count
    open: bool
    done: Count | None = None


@event("campaign.challenge_set")
class ChallengeSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign rewards a challenge from now on; without `open`: no more."""

    campaign: Slug
    brand: BrandId
    open: bool = False


@event("campaign.challenge_moved")
class ChallengeMoved(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has come closer to a goal: how much of each step counts now."""

    campaign: Slug
    brand: BrandId
    member: Address
    have: Annotated[tuple[Count, ...], Meta(max_length=MAX_STEPS)]


@event("campaign.challenge_done")
class ChallengeDone(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has reached a goal for the `round`th time; the reward is the record of this `ref`."""

    campaign: Slug
    brand: BrandId
    member: Address
    round: Count
    ref: Ref


CAMPAIGN: Final = ("campaign", SLUG)
BRAND: Final = ("brand", SLUG)

CHALLENGES: Final[Table[Challenge]] = Table(
    "campaign/challenge", (CAMPAIGN,), Challenge, "a goal that a campaign rewards", missing="no such challenge"
)
CHALLENGES_ON: Final[OrderedSet[str]] = OrderedSet(
    "campaign/challenges-on", (BRAND, ("event", SLUG)), Slug, "open challenges that an event counts for"
)
CHALLENGES_OF: Final[OrderedSet[str]] = OrderedSet(
    "campaign/challenges-of", (BRAND,), Slug, "campaigns of a brand that reward a challenge"
)
PROGRESS: Final[Table[Progress]] = Table(
    "campaign/progress", (CAMPAIGN, ("member", ADDRESS)), Progress, "how far an address has come in a challenge"
)
PROGRESS_OF: Final[OrderedSet[str]] = OrderedSet(
    "campaign/progress-of", (("member", ADDRESS),), Slug, "challenges in which an address has done something"
)
