"""Challenges: a goal over several events, with progress that is seen (docs/campaign-pools.md).

A challenge belongs to a campaign on the event `challenge` (or `challenge-…`), which happens when a member reaches
the goal. Each record of an event that a step names leaves a mark: its local day and a number made of its reference.
The goal is reached when some window of so many days holds enough marks of every step. The marks then go; with
`repeat` the next round begins.

Marks are kept by address and put together over the group that is linked now, so nothing moves when accounts are
linked. What a challenge makes happen moves on no challenge: so there is no circle.

Invariants:
    1. A record leaves at most one mark per step, and a whole reversal takes it away again, if it still counts.
    2. Of a step at most MARKS_PER_COUNT times its count are kept, the newest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from msgspec.structs import replace

from contracts_py.calendar import local_day
from contracts_py.campaign import language
from contracts_py.campaign.challenge_records import (
    CHALLENGES,
    CHALLENGES_ON,
    MARKS_PER_COUNT,
    MAX_PER_EVENT,
    PROGRESS,
    PROGRESS_OF,
    Challenge,
    ChallengeDone,
    ChallengeProgress,
    ChallengeSet,
    ChallengeShown,
    Mark,
    Progress,
    ProgressShown,
    Step,
    StepArgs,
    StepShown,
    WindowDays,
)
from contracts_py.campaign.facts import BrandHost, Sight, Sources, event_of
from contracts_py.campaign.hooks import RecordMade, RecordUndone
from contracts_py.campaign.recorder import Recorder
from contracts_py.campaign.records import CAMPAIGNS
from contracts_py.campaign.terms import in_force
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Context,
    Contract,
    Cursor,
    Page,
    PageLimit,
    Refused,
    Slug,
    call,
    encode,
    refuse,
    sha256,
    view,
)
from vm.rules import units

EVENT: Final = "challenge"


class Challenges(Contract):
    """The room for challenges."""

    name = "campaign"

    def __init__(self, sources: Sources, recorder: Recorder) -> None:
        self._sources = sources
        self._recorder = recorder

    @call
    def challenge(
        self, ctx: Context, campaign: Slug, steps: StepArgs, window_days: WindowDays, repeat: bool = False
    ) -> ChallengeShown:
        """Give a campaign a goal: all steps within a window of days (marketer); it stays as it is."""
        authority = self._sources.authority
        brand, event = self._recorder.brand_and_event(ctx, campaign)
        authority.require_active(ctx, brand)
        authority.require_role(ctx, brand, "marketer")
        if not _is_challenge(event):
            raise Refused("NOT_ELIGIBLE", "the campaign's event is not challenge, nor challenge-…", event=event)
        CHALLENGES.require_absent(ctx, campaign)
        made = []
        for place, step in enumerate(steps):
            if _is_challenge(step.event):
                refuse(f"steps[{place}].event", "an event that no challenge makes happen")
            if step.when is not None:
                language.checked(step.when, f"steps[{place}].when", "bool")
            where = brand if step.at_brand is None else step.at_brand
            authority.brand_record(ctx, where)
            made.append(Step(where, step.event, step.count, step.when))
        for where, on in sorted({(step.brand, step.event) for step in made}):
            if sum(1 for _ in CHALLENGES_ON.iterate(ctx, where, on)) >= MAX_PER_EVENT:
                raise Refused(
                    "LIMIT_EXCEEDED", "too many challenges with this event", event=on, limit=MAX_PER_EVENT
                )
            CHALLENGES_ON.add(ctx, where, on, item=campaign)
        CHALLENGES.put(ctx, Challenge(brand, event, tuple(made), window_days, repeat), campaign)
        ctx.emit(ChallengeSet(campaign, brand))
        return _shown(ctx, campaign)

    @view
    def challenge_view(self, ctx: Context, campaign: Slug) -> ChallengeShown:
        """Return a campaign's challenge."""
        return _shown(ctx, campaign)

    @view
    def progress(
        self, ctx: Context, member: Address, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ProgressShown]:
        """Return how far a member has come in the challenges that it has begun, by campaign."""
        people = self._sources.authority.linked_addresses(ctx, member)

        def show(campaign: str) -> ProgressShown:
            challenge = CHALLENGES.require(ctx, campaign)
            today = self._day(ctx, challenge.brand, ctx.time)
            marks, completed = _together(ctx, campaign, challenge, people)
            done = _in_window(marks, today, challenge.window_days)
            steps = [
                StepShown(step.brand, step.event, min(count, step.count), step.count)
                for step, count in zip(challenge.steps, done, strict=True)
            ]
            return ProgressShown(campaign, challenge.brand, tuple(steps), completed)

        return PROGRESS_OF.page(ctx, member, cursor=cursor, limit=limit, show=show)

    # -- what the campaigns tell -------------------------------------------------------------------

    def on_record(self, ctx: Context, made: RecordMade) -> None:
        """Let a record count for the challenges that its event moves on."""
        for campaign in list(CHALLENGES_ON.iterate(ctx, made.brand, made.event)):
            self._count(ctx, campaign, CHALLENGES.require(ctx, campaign), made)

    def on_reversed(self, ctx: Context, undone: RecordUndone) -> None:
        """Take the marks of a record away that came back as a whole."""
        if undone.kept is not None:
            return
        gone = _mark_id(undone.brand, undone.event, undone.ref)
        for campaign in list(CHALLENGES_ON.iterate(ctx, undone.brand, undone.event)):
            progress = PROGRESS.get(ctx, campaign, undone.member)
            if progress is not None:
                left = tuple([tuple([mark for mark in marks if mark.id != gone]) for marks in progress.steps])
                PROGRESS.put(ctx, replace(progress, steps=left), campaign, undone.member)

    def _count(self, ctx: Context, campaign: str, challenge: Challenge, made: RecordMade) -> None:
        if not self._sources.authority.is_active(ctx, challenge.brand):
            return
        _, terms = in_force(CAMPAIGNS.require(ctx, campaign), ctx.time)
        if not terms.starts <= made.at < terms.ends:
            return
        people = self._sources.authority.linked_addresses(ctx, made.member)
        _, completed = _together(ctx, campaign, challenge, people)
        if completed and not challenge.repeat:
            return
        day = self._day(ctx, challenge.brand, made.at)
        mark = Mark(day, _mark_id(made.brand, made.event, made.ref))
        moved = list(self._moved(ctx, challenge, made))
        if not moved:
            return
        _leave(ctx, campaign, challenge, made.member, mark, moved)
        marks, _ = _together(ctx, campaign, challenge, people)
        done = _in_window(marks, day, challenge.window_days)
        for place in moved:
            step = challenge.steps[place]
            ctx.emit(
                ChallengeProgress(
                    campaign, challenge.brand, made.member, place, min(done[place], step.count), step.count
                )
            )
        if _is_reached(challenge, marks, day):
            self._complete(ctx, campaign, challenge, made.member, people, completed + 1)

    def _moved(self, ctx: Context, challenge: Challenge, made: RecordMade) -> Iterator[int]:
        """Yield the places of the steps for which a record counts; a condition that fails is not met."""
        for place, step in enumerate(challenge.steps):
            if (step.brand, step.event) != (made.brand, made.event):
                continue
            if step.when is None or self._holds(ctx, step.when, challenge.brand, made):
                yield place

    def _holds(self, ctx: Context, when: str, brand: str, made: RecordMade) -> bool:
        offsets = self._sources.authority.brand_record(ctx, brand).offsets
        event = event_of(made.attrs, made.event, made.ref, made.at)
        sight = Sight(ctx, self._sources, brand, made.member, event, local_day(offsets, made.at))
        rule = language.condition(when)
        sight.need(rule)
        outcome = rule.evaluate(sight.values, BrandHost(ctx, self._sources.lists, sight, offsets))
        ctx.charge(units(outcome.cost))
        return outcome.error is None and outcome.value is True

    def _complete(
        self,
        ctx: Context,
        campaign: str,
        challenge: Challenge,
        member: str,
        people: Iterable[str],
        completed: int,
    ) -> None:
        """Let the goal be reached: the marks go, and the campaign's event happens."""
        for one in people:
            progress = PROGRESS.get(ctx, campaign, one)
            if progress is not None:
                PROGRESS.put(ctx, replace(progress, steps=_no_marks(challenge)), campaign, one)
        own = PROGRESS.require(ctx, campaign, member)
        PROGRESS.put(ctx, replace(own, completed=own.completed + 1), campaign, member)
        ctx.emit(ChallengeDone(campaign, challenge.brand, member, completed))
        ref = f"{EVENT}:{sha256(encode([campaign, member, own.completed + 1])).hex()[:40]}"
        attrs: Mapping[str, Any] = {"challenge": campaign, "completed": completed}
        self._recorder.run(ctx, challenge.brand, challenge.event, member, ref, attrs)

    def _day(self, ctx: Context, brand: str, at: int) -> int:
        return local_day(self._sources.authority.brand_record(ctx, brand).offsets, at)


def _is_challenge(event: str) -> bool:
    return event == EVENT or event.startswith(f"{EVENT}-")


def _leave(
    ctx: Context, campaign: str, challenge: Challenge, member: str, mark: Mark, moved: Sequence[int]
) -> None:
    """Add a mark to some steps; of each the newest are kept."""
    before = PROGRESS.get(ctx, campaign, member)
    if before is None:
        before = Progress(_no_marks(challenge), 0)
        PROGRESS_OF.add(ctx, member, item=campaign)
    steps = list(before.steps)
    for place in moved:
        marks = sorted({*steps[place], mark}, key=_by_day)
        steps[place] = tuple(marks[-MARKS_PER_COUNT * challenge.steps[place].count :])
    PROGRESS.put(ctx, replace(before, steps=tuple(steps)), campaign, member)


def _together(
    ctx: Context, campaign: str, challenge: Challenge, people: Iterable[str]
) -> tuple[list[list[Mark]], int]:
    """Return the marks by step of all addresses of a shopper, and how often he has reached the goal."""
    marks: list[list[Mark]] = [[] for _ in challenge.steps]
    completed = 0
    for one in people:
        progress = PROGRESS.get(ctx, campaign, one)
        if progress is not None:
            completed += progress.completed
            for place, own in enumerate(progress.steps):
                marks[place] += own
    return marks, completed


def _is_reached(challenge: Challenge, marks: Sequence[Sequence[Mark]], day: int) -> bool:
    """Tell whether a window that holds a day, the newest mark's, has enough marks of every step.

    A record can be older than others that are there, so the window need not end with its day.
    """
    ends = sorted({mark.day for own in marks for mark in own if day <= mark.day < day + challenge.window_days})
    for end in ends:
        done = _in_window(marks, end, challenge.window_days)
        if all(count >= step.count for count, step in zip(done, challenge.steps, strict=True)):
            return True
    return False


def _in_window(marks: Sequence[Sequence[Mark]], end: int, days: int) -> list[int]:
    """Return how many marks each step has on the days up to `end`."""
    return [sum(end - days < mark.day <= end for mark in own) for own in marks]


def _no_marks(challenge: Challenge) -> tuple[tuple[Mark, ...], ...]:
    return tuple([() for _ in challenge.steps])


def _by_day(mark: Mark) -> tuple[int, int]:
    return mark.day, mark.id


def _mark_id(brand: str, event: str, ref: str) -> int:
    """Return a number of 52 bits for a record: two of one member's marks are not taken for one another."""
    return int.from_bytes(sha256(encode([brand, event, ref]))[:7], "big") >> 4


def _shown(ctx: Context, campaign: str) -> ChallengeShown:
    challenge = CHALLENGES.require(ctx, campaign)
    return ChallengeShown(campaign, challenge.brand, challenge.steps, challenge.window_days, challenge.repeat)
