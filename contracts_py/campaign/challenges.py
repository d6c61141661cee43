"""Challenges: a goal over several events, whose reward is a campaign (docs/challenges.md).

A challenge listens to records of its brand and of partners. When a shopper has done all steps within the window,
what was done is used up, and an event of the campaign is recorded, whose rules pay.

Invariants:
    1. A record counts once for each step that it fits, on the local day of its `at`, until it comes back.
    2. What an address has done is kept under it; a shopper's progress is the sum over its linked addresses.
    3. A goal that was reached uses up all that was done for it, by whichever address.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from contracts_py.calendar import local_day
from contracts_py.campaign import language
from contracts_py.campaign.challenge_records import (
    CHALLENGES,
    CHALLENGES_OF,
    CHALLENGES_ON,
    MARK_CHARS,
    MAX_PER_EVENT,
    MAX_SEEN,
    PROGRESS,
    PROGRESS_OF,
    Challenge,
    ChallengeDone,
    ChallengeMoved,
    ChallengeSet,
    ChallengeShown,
    Progress,
    Step,
    StepArg,
    StepArgs,
    StepShown,
)
from contracts_py.campaign.facts import BrandHost, Sight, Sources, event_of
from contracts_py.campaign.hooks import RecordMade, RecordUndone
from contracts_py.campaign.recorder import Recorder
from contracts_py.campaign.records import CAMPAIGNS
from contracts_py.campaign.terms import in_force
from contracts_py.campaign.types import WindowDays
from contracts_py.identity import Authority, Erasure
from vm.contract_api import (
    DEFAULT_PAGE,
    Address,
    Context,
    Contract,
    Count,
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

KIND: Final = "challenge"
"""The event of a campaign that rewards a challenge: this name, or it with a dash and more."""

_FACTS: Final = frozenset({"event", "now"})
"""What the condition of a step may read: what happened, which is the same whoever asks, and whenever."""


class Challenges(Contract):
    """The room for challenges."""

    name = "campaign"

    def __init__(self, authority: Authority, recorder: Recorder, sources: Sources) -> None:
        self._authority = authority
        self._recorder = recorder
        self._sources = sources

    @call
    def challenge(
        self,
        ctx: Context,
        campaign: Slug,
        steps: StepArgs,
        window_days: WindowDays,
        repeat: bool | Count = False,
    ) -> ChallengeShown:
        """Let a campaign reward a goal (marketer; one of each other brand whose events count signs too)."""
        brand, event = self._owned(ctx, campaign)
        if event != KIND and not event.startswith(f"{KIND}-"):
            raise Refused("NOT_ELIGIBLE", f"the campaign's event is not {KIND}, nor {KIND}-…", event=event)
        former = CHALLENGES.get(ctx, campaign)
        if former is not None and not former.ended:
            raise Refused("ALREADY_EXISTS", "the campaign rewards a challenge", campaign=campaign)
        checked = tuple([self._step(ctx, brand, place, step) for place, step in enumerate(steps)])
        for on in _listened_to(checked):
            if sum(1 for _ in CHALLENGES_ON.iterate(ctx, *on)) >= MAX_PER_EVENT:
                raise Refused("LIMIT_EXCEEDED", "too many challenges listen to the event", limit=MAX_PER_EVENT)
            CHALLENGES_ON.add(ctx, *on, item=campaign)
        serial = 1 if former is None else former.serial + 1
        made = Challenge(brand, event, checked, window_days, _times(repeat), serial)
        CHALLENGES.put(ctx, made, campaign)
        CHALLENGES_OF.add(ctx, brand, item=campaign)
        ctx.emit(ChallengeSet(campaign, brand, True))
        return _shown(campaign, made)

    def _step(self, ctx: Context, brand: str, place: int, step: StepArg) -> Step:
        """Return a step as it is stored.

        Raises:
            Refused: INVALID_ARGS, NOT_FOUND; NOT_AUTHORISED, its brand has not signed.
        """
        where = f"steps[{place}]"
        if step.event == KIND or step.event.startswith(f"{KIND}-"):
            refuse(f"{where}.event", "an event that no challenge makes")
        if step.when is not None and not language.checked(ctx, step.when, f"{where}.when", "bool").roots <= _FACTS:
            refuse(f"{where}.when", "a condition on the event alone")
        at = step.brand or brand
        if at != brand:
            self._authority.require_active(ctx, at)
            self._authority.require_role(ctx, at, "marketer")
        return Step(at, step.event, step.count, step.when)

    @call
    def end_challenge(self, ctx: Context, campaign: Slug) -> ChallengeShown:
        """Let a campaign no longer reward its challenge (marketer); what was reached stays rewarded."""
        self._owned(ctx, campaign)
        challenge = CHALLENGES.require(ctx, campaign)
        if challenge.ended:
            raise Refused("EXPIRED", "the challenge has ended", campaign=campaign)
        for on in _listened_to(challenge.steps):
            CHALLENGES_ON.discard(ctx, *on, item=campaign)
        after = replace(challenge, ended=True)
        CHALLENGES.put(ctx, after, campaign)
        ctx.emit(ChallengeSet(campaign, challenge.brand))
        return _shown(campaign, after)

    def _owned(self, ctx: Context, campaign: str) -> tuple[str, str]:
        brand, event = self._recorder.brand_and_event(ctx, campaign)
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        return brand, event

    # -- what is told by others --------------------------------------------------------------------

    def on_record(self, ctx: Context, made: RecordMade) -> None:
        """Count a record for the open challenges that listen to it, and reward those whose goal is reached."""
        for campaign in list(CHALLENGES_ON.iterate(ctx, made.brand, made.event)):
            challenge = CHALLENGES.require(ctx, campaign)
            if not _is_open(ctx, campaign, made.at):
                continue
            fits = [self._fits(ctx, made, step, made.attrs) for step in challenge.steps]
            if any(fits):
                self._count(ctx, campaign, challenge, made, fits)

    def _fits(self, ctx: Context, record: RecordMade | RecordUndone, step: Step, attrs: Mapping[str, Any]) -> bool:
        """Tell whether a record counts for a step; one whose condition is an error does not."""
        if (record.brand, record.event) != (step.brand, step.event):
            return False
        if step.when is None:
            return True
        offsets = self._authority.brand_record(ctx, step.brand).offsets
        seen = event_of(attrs, record.event, record.ref, record.at)
        sight = Sight(ctx, self._sources, step.brand, record.member, seen, local_day(offsets, record.at))
        host = BrandHost(ctx, self._sources.lists, sight, offsets)
        outcome = language.condition(step.when).evaluate(sight.values, host)
        ctx.charge(units(outcome.cost))
        return outcome.error is None and outcome.value is True

    def _count(self, ctx: Context, campaign: str, challenge: Challenge, made: RecordMade, fits: list[bool]) -> None:
        group = self._group(ctx, campaign, challenge, made.member)
        if challenge.repeat and sum(one.done for one in group.values()) >= challenge.repeat:
            return
        entry = (self._day(ctx, challenge, made.at), _mark(made))
        own = group[made.member]
        seen = [
            tuple(sorted([*done, entry]))[-MAX_SEEN:] if fit else done
            for done, fit in zip(own.seen, fits, strict=True)
        ]
        group[made.member] = own = replace(own, seen=tuple(seen))
        PROGRESS.put(ctx, own, campaign, made.member)
        PROGRESS_OF.add(ctx, made.member, item=campaign)
        have = self._have(ctx, challenge, group)
        ctx.emit(ChallengeMoved(campaign, challenge.brand, made.member, have))
        if all(count >= step.count for count, step in zip(have, challenge.steps, strict=True)):
            # Where the reward is refused, the goal stays reached, and the next event that counts tries again.
            ctx.attempt(partial(self._reward, ctx, campaign, challenge, made, group))

    def _reward(
        self, ctx: Context, campaign: str, challenge: Challenge, made: RecordMade, group: dict[str, Progress]
    ) -> None:
        """Use up what was done, and record the event that the campaign rewards."""
        nothing = ((),) * len(challenge.steps)
        number = 1 + sum(one.done for one in group.values())
        for address, progress in group.items():
            done = progress.done + (address == made.member)
            if any(progress.seen):
                PROGRESS.put(ctx, Progress(challenge.serial, nothing, done), campaign, address)
        ref = f"{KIND}:{sha256(encode([campaign, made.member, number, made.ref])).hex()[:40]}"
        ctx.emit(ChallengeDone(campaign, challenge.brand, made.member, number, ref))
        attrs = {"challenge": campaign, "round": number}
        self._recorder.run(ctx, challenge.brand, challenge.event, made.member, ref, attrs)

    def on_undone(self, ctx: Context, undone: RecordUndone) -> None:
        """Take a record back for the challenges for which it has counted, unless what was kept of it still fits."""
        mark = _mark(undone)
        for campaign in list(CHALLENGES_ON.iterate(ctx, undone.brand, undone.event)):
            challenge = CHALLENGES.require(ctx, campaign)
            progress = PROGRESS.get(ctx, campaign, undone.member)
            if progress is None or progress.serial != challenge.serial:
                continue
            seen = []
            for step, done in zip(challenge.steps, progress.seen, strict=True):
                kept = undone.kept is not None and self._fits(ctx, undone, step, undone.kept)
                seen.append(done if kept else tuple([entry for entry in done if entry[1] != mark]))
            if tuple(seen) != progress.seen:
                PROGRESS.put(ctx, replace(progress, seen=tuple(seen)), campaign, undone.member)

    def erased(self, ctx: Context, erasure: Erasure) -> None:
        """Forget what a member has done."""
        for campaign in list(PROGRESS_OF.iterate(ctx, erasure.member)):
            PROGRESS.delete(ctx, campaign, erasure.member)
            PROGRESS_OF.discard(ctx, erasure.member, item=campaign)

    def _group(self, ctx: Context, campaign: str, challenge: Challenge, member: str) -> dict[str, Progress]:
        """Return the progress of all addresses of a shopper; what was done for an earlier challenge is none."""
        fresh = Progress(challenge.serial, ((),) * len(challenge.steps))
        found = {}
        for address in self._authority.linked_addresses(ctx, member):
            progress = PROGRESS.get(ctx, campaign, address)
            found[address] = fresh if progress is None or progress.serial != challenge.serial else progress
        return found

    def _have(self, ctx: Context, challenge: Challenge, group: Mapping[str, Progress]) -> tuple[int, ...]:
        """Return how much of each step counts today."""
        oldest = self._day(ctx, challenge, ctx.time) - challenge.window_days
        counts = []
        for place in range(len(challenge.steps)):
            days = [day for progress in group.values() for day, _ in progress.seen[place]]
            ctx.charge(len(days))
            counts.append(sum(1 for day in days if day > oldest))
        return tuple(counts)

    def _day(self, ctx: Context, challenge: Challenge, at: int) -> int:
        return max(local_day(self._authority.brand_record(ctx, challenge.brand).offsets, at), 0)

    # -- views -------------------------------------------------------------------------------------

    @view
    def challenges(
        self, ctx: Context, brand: Slug, cursor: Cursor | None = None, limit: PageLimit = DEFAULT_PAGE
    ) -> Page[ChallengeShown]:
        """Return a brand's challenges by campaign, those that have ended included."""
        self._authority.brand_record(ctx, brand)
        return CHALLENGES_OF.page(
            ctx,
            brand,
            cursor=cursor,
            limit=limit,
            show=lambda campaign: _shown(campaign, CHALLENGES.require(ctx, campaign)),
        )

    @view
    def progress(
        self,
        ctx: Context,
        member: Address,
        campaign: Slug | None = None,
        cursor: Cursor | None = None,
        limit: PageLimit = DEFAULT_PAGE,
    ) -> Page[ChallengeShown]:
        """Return how far a member, linked addresses together, has come, in one challenge or in all.

        The pages of all are by what this address has begun itself.
        """
        if campaign is not None:
            return Page([self._progress(ctx, campaign, member)], None)
        show = partial(self._progress, ctx, member=member)
        return PROGRESS_OF.page(ctx, member, cursor=cursor, limit=limit, show=show)

    def _progress(self, ctx: Context, campaign: str, member: str) -> ChallengeShown:
        challenge = CHALLENGES.require(ctx, campaign)
        group = self._group(ctx, campaign, challenge, member)
        done = sum(one.done for one in group.values())
        return _shown(campaign, challenge, self._have(ctx, challenge, group), done)


def _times(repeat: bool | int) -> int:
    """Return how often a goal may be reached; 0: as often as one can."""
    if isinstance(repeat, bool):
        return 0 if repeat else 1
    return repeat


def _listened_to(steps: tuple[Step, ...]) -> list[tuple[str, str]]:
    return sorted({(step.brand, step.event) for step in steps})


def _is_open(ctx: Context, campaign: str, at: int) -> bool:
    record = CAMPAIGNS.require(ctx, campaign)
    _, terms = in_force(record, ctx.time)
    return record.status == "active" and terms.starts <= at < terms.ends


def _mark(record: RecordMade | RecordUndone) -> str:
    return sha256(encode([record.brand, record.event, record.ref])).hex()[:MARK_CHARS]


def _shown(
    campaign: str, challenge: Challenge, have: tuple[int, ...] | None = None, done: int | None = None
) -> ChallengeShown:
    steps = [
        StepShown(step.brand, step.event, step.count, None if have is None else have[place], step.when)
        for place, step in enumerate(challenge.steps)
    ]
    return ChallengeShown(
        campaign,
        challenge.brand,
        challenge.event,
        tuple(steps),
        challenge.window_days,
        challenge.repeat,
        not challenge.ended,
        done,
    )
