"""What the campaign contract keeps of challenges, and what it tells and answers of them."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from contracts_py.campaign.types import Source
from vm.contract_api import ADDRESS, SLUG, Address, BrandId, Count, Meta, OrderedSet, Slug, Table, event

MAX_STEPS: Final = 8
MAX_STEP_COUNT: Final = 50
"""Events of one step: more than one a week for a year is no challenge but a tier."""

MAX_WINDOW_DAYS: Final = 366

MAX_PER_EVENT: Final = 16
"""Challenges that one kind of event of a brand moves on: each record of it looks at all of them."""

MARKS_PER_COUNT: Final = 2
"""Marks of a step that are kept, per event that it needs: a record may be older than others that are there."""

StepCount = Annotated[int, Meta(ge=1, le=MAX_STEP_COUNT)]
WindowDays = Annotated[int, Meta(ge=1, le=MAX_WINDOW_DAYS)]


class StepArg(msgspec.Struct, frozen=True):
    """So many events, at a partner where `at_brand` names one, for which a condition holds."""

    event: Slug
    count: StepCount
    when: Source | None = None
    at_brand: Slug | None = None


class Step(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """See `StepArg`; `brand` is at which it counts."""

    brand: Slug
    event: Slug
    count: StepCount
    when: Source | None = None


StepArgs = Annotated[tuple[StepArg, ...], Meta(min_length=1, max_length=MAX_STEPS)]
Steps = Annotated[tuple[Step, ...], Meta(max_length=MAX_STEPS)]


class Challenge(msgspec.Struct, frozen=True, gc=False):
    """A goal: all steps within so many local days of the brand; the campaign's event happens when it is reached."""

    brand: Slug
    event: Slug
    steps: Steps
    window_days: WindowDays
    repeat: bool


class Mark(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """An event that counts: its local day, and a number made of its reference."""

    day: Count
    id: Count


Marks = Annotated[tuple[Mark, ...], Meta(max_length=MARKS_PER_COUNT * MAX_STEP_COUNT)]


class Progress(msgspec.Struct, frozen=True, gc=False):
    """How far an account has come: the marks of each step, and how often it has reached the goal."""

    steps: Annotated[tuple[Marks, ...], Meta(max_length=MAX_STEPS)]
    completed: Count


class StepShown(msgspec.Struct, frozen=True, gc=False):
    """A step: `done` of `count` events in the present window."""

    brand: Slug
    event: Slug
    done: Count
    count: Count


class ProgressShown(msgspec.Struct, frozen=True, gc=False):
    """How far a shopper has come in a challenge, linked addresses together."""

    campaign: Slug
    brand: Slug
    steps: tuple[StepShown, ...]
    completed: Count


class ChallengeShown(msgspec.Struct, frozen=True, gc=False):
    """A challenge."""

    campaign: Slug
    brand: Slug
    steps: Steps
    window_days: WindowDays
    repeat: bool


@event("campaign.challenge_set")
class ChallengeSet(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A campaign has a goal."""

    campaign: Slug
    brand: BrandId


@event("campaign.challenge_progress")
class ChallengeProgress(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An event counts for a step (from 0 on) of a member's challenge."""

    campaign: Slug
    brand: BrandId
    member: Address
    step: Count
    done: Count
    count: Count


@event("campaign.challenge_done")
class ChallengeDone(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A member has reached a goal, for the so-many-th time."""

    campaign: Slug
    brand: BrandId
    member: Address
    completed: Count


_CAMPAIGN: Final = ("campaign", SLUG)
_MEMBER: Final = ("member", ADDRESS)

CHALLENGES: Final[Table[Challenge]] = Table(
    "campaign/challenge",
    (_CAMPAIGN,),
    Challenge,
    "a goal over several events",
    missing="the campaign has no challenge",
    present="the campaign has a challenge",
)
CHALLENGES_ON: Final[OrderedSet[str]] = OrderedSet(
    "campaign/challenges-on", (("brand", SLUG), ("event", SLUG)), Slug, "challenges that an event moves on"
)
PROGRESS: Final[Table[Progress]] = Table(
    "campaign/progress", (_CAMPAIGN, _MEMBER), Progress, "how far an account has come in a challenge"
)
PROGRESS_OF: Final[OrderedSet[str]] = OrderedSet(
    "campaign/progress-of", (_MEMBER,), Slug, "challenges in which an account has made progress"
)
