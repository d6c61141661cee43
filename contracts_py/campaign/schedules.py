"""Campaigns that run by themselves: birthdays, anniversaries, points about to expire, silence.

A scheduled campaign listens to an event of its kind's name (`birthday`, `anniversary`, `expiry`, `idle`, or one of
these and `-…`), which is recorded like any other; `event.schedule` says which, `event.program` and `event.date`
whose points end when.

* `anniversary`, `idle_days`: each member that the brand's campaigns have seen since the schedule, or that
  `schedule_enter` names, has one item on the agenda. When it comes, the state says whether it is time: if there
  has been a purchase or visit since, it is put off to `idle_days` after that. So a purchase writes nothing for it.
* `days_before_expiry`: every local day, the accounts of which a lot expires that many days later, a page per step.
* `birthday`: the chain knows a salted commitment to month and day. The brand opens it on that day, or at most
  GRACE_DAYS later; what it opens says no year.

What a suspended brand would have run is not made up for: `ctx.attempt` leaves it out.

Invariants:
    1. A campaign runs once for a member and occasion: the ref of the record is made of both.
    2. A member in TURNS is on the agenda at that time; an item of another time does nothing.
    3. Each step does one member, or one page of accounts.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Final

from contracts_py.calendar import Offsets, civil_from_days, days_from_civil, local_day, start_of_day
from contracts_py.campaign import profiles
from contracts_py.campaign.deeds import PROFILES
from contracts_py.campaign.hooks import RecordMade
from contracts_py.campaign.recorder import Recorder
from contracts_py.campaign.schedule_records import (
    BIRTHDAY_TAG,
    BIRTHDAYS,
    GRACE_DAYS,
    MAX_ENTRANTS,
    MAX_SCHEDULES,
    SWEEP_COMES,
    SWEEPS,
    TIMINGS,
    TURN_COMES,
    TURNS,
    BirthdayOpened,
    BirthdaySet,
    BirthdayShown,
    Day,
    EntrantsNow,
    Kind,
    Month,
    Scheduled,
    ScheduleShown,
    Sweep,
    Timing,
    When,
)
from contracts_py.identity import Authority, Erasure
from contracts_py.token import Ledger
from vm.contract_api import (
    MAX_INT,
    MS_PER_DAY,
    Address,
    Context,
    Contract,
    Hash,
    Meta,
    Refused,
    Slug,
    call,
    due,
    encode,
    refuse,
    sha256,
    view,
)

PAGE: Final = 8
"""Accounts of one step of the look for points that expire: each may run the brand's campaigns."""

_BY_MEMBER: Final = ("anniversary", "idle")

Entrants = Annotated[tuple[Address, ...], Meta(min_length=1, max_length=MAX_ENTRANTS)]


def birthday_commitment(brand: str, member: str, month: int, day: int, salt: str) -> str:
    """Return the commitment to a month and day of birth; 366 days need a salt that no one guesses."""
    return sha256(BIRTHDAY_TAG + encode([brand, member, month, day, bytes.fromhex(salt)])).hex()


class Schedules(Contract):
    """The room for campaigns that run by themselves."""

    name = "campaign"

    def __init__(self, authority: Authority, ledger: Ledger, recorder: Recorder) -> None:
        self._authority = authority
        self._ledger = ledger
        self._recorder = recorder

    @call
    def schedule(self, ctx: Context, campaign: Slug, at: When, program: Slug | None = None) -> ScheduleShown:
        """Let a campaign run by itself (marketer); `program` is whose points are about to expire."""
        brand, event = self._owned(ctx, campaign)
        kind, days = _kind_of(at)
        if event != kind and not event.startswith(f"{kind}-"):
            raise Refused("NOT_ELIGIBLE", f"the campaign's event is not {kind}, nor {kind}-…", event=event)
        if (kind == "expiry") != (program is not None):
            refuse("program", "a program with days_before_expiry, and only there")
        if program is not None and self._ledger.rules(ctx, program).brand != brand:
            raise Refused("NOT_AUTHORISED", "the program is another brand's", program=program)
        timings = TIMINGS.get(ctx, brand) or ()
        if any(timing.campaign == campaign for timing in timings):
            raise Refused("ALREADY_EXISTS", "the campaign is scheduled", campaign=campaign)
        if len(timings) >= MAX_SCHEDULES:
            raise Refused("LIMIT_EXCEEDED", "the brand has too many schedules", limit=MAX_SCHEDULES)
        timings = (*timings, Timing(campaign, event, kind, days, program))
        TIMINGS.put(ctx, timings, brand)
        if kind == "expiry":
            self._plan_sweep(ctx, campaign, days, ctx.time, self._offsets(ctx, brand))
        ctx.emit(Scheduled(campaign, brand, kind, days))
        return ScheduleShown(brand, timings)

    @call
    def unschedule(self, ctx: Context, campaign: Slug) -> ScheduleShown:
        """Let a campaign no longer run by itself (marketer)."""
        brand, _ = self._owned(ctx, campaign)
        timings = TIMINGS.get(ctx, brand) or ()
        left = tuple([timing for timing in timings if timing.campaign != campaign])
        if len(left) == len(timings):
            raise Refused("NOT_FOUND", "the campaign is not scheduled", campaign=campaign)
        if left:
            TIMINGS.put(ctx, left, brand)
        else:
            TIMINGS.delete(ctx, brand)
        sweep = SWEEPS.get(ctx, campaign)
        if sweep is not None:
            SWEEP_COMES.cancel(ctx, sweep.due, campaign)
            SWEEPS.delete(ctx, campaign)
        ctx.emit(Scheduled(campaign, brand))
        return ScheduleShown(brand, left)

    @call
    def schedule_enter(self, ctx: Context, campaign: Slug, members: Entrants) -> EntrantsNow:
        """Let members take part in a schedule whom no record has shown yet (marketer)."""
        brand, _ = self._owned(ctx, campaign)
        timing = self._timing(ctx, brand, campaign)
        if timing is None or timing.kind not in _BY_MEMBER:
            raise Refused("NOT_ELIGIBLE", "the campaign has no schedule by member", campaign=campaign)
        return EntrantsNow(campaign, sum([self._enter(ctx, brand, timing, member) for member in members]))

    @call
    def set_birthday(self, ctx: Context, brand: Slug, member: Address, commitment: Hash) -> BirthdayShown:
        """Commit to a member's month and day of birth (issuer); once, until the member is erased."""
        self._authority.require_role(ctx, brand, "issuer")
        if not self._authority.is_member(ctx, member, brand):
            raise Refused("NOT_ELIGIBLE", "the account is no member of the brand", account=member, brand=brand)
        if BIRTHDAYS.get(ctx, member, item=brand) is not None:
            raise Refused("ALREADY_EXISTS", "the member has a birthday here", member=member, brand=brand)
        BIRTHDAYS.put(ctx, commitment, member, item=brand)
        ctx.emit(BirthdaySet(brand, member, commitment))
        return BirthdayShown(brand, member, commitment)

    @call
    def open_birthday(
        self, ctx: Context, brand: Slug, member: Address, month: Month, day: Day, salt: Hash
    ) -> BirthdayShown:
        """Show that it is a member's birthday, or was in the last days: its campaigns run, once a year (issuer)."""
        offsets = self._authority.require_active(ctx, brand).offsets
        self._authority.require_role(ctx, brand, "issuer")
        commitment = self.birthday(ctx, brand, member).commitment
        if birthday_commitment(brand, member, month, day, salt) != commitment:
            raise Refused("NOT_ELIGIBLE", "the brand has committed to another day", member=member)
        year = _year_of_birthday(local_day(offsets, ctx.time), month, day)
        if year is None:
            raise Refused("NOT_DUE", "it is not the member's birthday", member=member)
        events = [timing.event for timing in TIMINGS.get(ctx, brand) or () if timing.kind == "birthday"]
        if not events:
            raise Refused("NOT_FOUND", "the brand has no campaign on birthdays", brand=brand)
        for event in dict.fromkeys(events):
            ref = _ref("birthday", brand, event, member, year)
            self._recorder.run(ctx, brand, event, member, ref, {"schedule": "birthday", "year": year})
        ctx.emit(BirthdayOpened(brand, member))
        return BirthdayShown(brand, member, commitment)

    @view
    def schedules(self, ctx: Context, brand: Slug) -> ScheduleShown:
        """Return a brand's campaigns that run by themselves."""
        self._authority.brand_record(ctx, brand)
        return ScheduleShown(brand, TIMINGS.get(ctx, brand) or ())

    @view
    def birthday(self, ctx: Context, brand: Slug, member: Address) -> BirthdayShown:
        """Return what the chain knows of a member's birthday."""
        commitment = BIRTHDAYS.get(ctx, member, item=brand)
        if commitment is None:
            raise Refused("NOT_FOUND", "the member has no birthday here", member=member, brand=brand)
        return BirthdayShown(brand, member, commitment)

    # -- what is told by others --------------------------------------------------------------------

    def on_record(self, ctx: Context, made: RecordMade) -> None:
        """Let a member take part in the schedules by member that it is not in yet."""
        for timing in TIMINGS.get(ctx, made.brand) or ():
            if timing.kind in _BY_MEMBER and made.event in profiles.EVENTS:
                self._enter(ctx, made.brand, timing, made.member)

    def erased(self, ctx: Context, erasure: Erasure) -> None:
        """Forget a member's birthdays."""
        for brand in list(BIRTHDAYS.iterate(ctx, erasure.member)):
            BIRTHDAYS.change(ctx, [(brand, None)], erasure.member)

    # -- what happens by itself --------------------------------------------------------------------

    @due(TURN_COMES)
    def turn(self, ctx: Context, at: int, campaign: str, member: str) -> bool:
        """Run a campaign for a member, if it is its time; put it off to when it is."""
        del at
        planned = TURNS.get(ctx, campaign, member)
        if planned is None or planned > ctx.time:
            return False
        brand, _ = self._recorder.brand_and_event(ctx, campaign)
        timing = self._timing(ctx, brand, campaign)
        account = self._authority.current_account(ctx, member)
        gone = account != member or self._authority.is_erased(ctx, account)
        if timing is None or gone or self._authority.has_left(ctx, brand):
            TURNS.delete(ctx, campaign, member)
            return False
        actual = self._next_turn(ctx, brand, timing, member, planned - 1)
        if actual is None or actual <= ctx.time:
            attrs: dict[str, Any] = {"schedule": timing.kind}
            ref = _ref(timing.kind, brand, campaign, member, planned)
            ctx.attempt(partial(self._run, ctx, brand, timing.event, member, ref, attrs))
            actual = None if timing.kind == "idle" else self._next_turn(ctx, brand, timing, member, ctx.time)
        if actual is None:
            TURNS.delete(ctx, campaign, member)
        else:
            self._plan(ctx, campaign, member, actual)
        return False

    @due(SWEEP_COMES)
    def sweep(self, ctx: Context, at: int, campaign: str) -> bool:
        """Run a campaign for a page of the accounts whose points are about to expire."""
        del at
        sweep = SWEEPS.get(ctx, campaign)
        if sweep is None or sweep.due > ctx.time:
            return False
        brand, _ = self._recorder.brand_and_event(ctx, campaign)
        timing = self._timing(ctx, brand, campaign)
        if timing is None or timing.program is None or self._authority.has_left(ctx, brand):
            SWEEPS.delete(ctx, campaign)
            return False
        program = timing.program
        page = self._ledger.expiring(ctx, program, sweep.first, sweep.last, sweep.cursor, PAGE)
        for lot in page.items:
            if not self._authority.is_pool(ctx, lot.account):
                attrs = {"schedule": "expiry", "program": program, "amount": lot.amount, "date": lot.expires}
                ref = _ref("expiry", brand, campaign, lot.account, lot.expires)
                ctx.attempt(partial(self._run, ctx, brand, timing.event, lot.account, ref, attrs))
        if page.next is None:
            self._plan_sweep(ctx, campaign, timing.days, sweep.last + 1, self._offsets(ctx, brand), sweep)
        else:
            SWEEPS.put(ctx, Sweep(sweep.first, sweep.last, sweep.due, page.next), campaign)
        return page.next is not None

    def _run(self, ctx: Context, brand: str, event: str, member: str, ref: str, attrs: dict[str, Any]) -> None:
        self._recorder.run(ctx, brand, event, member, ref, attrs)

    def _plan_sweep(
        self,
        ctx: Context,
        campaign: str,
        days: int,
        from_: int,
        offsets: Offsets,
        before: Sweep | None = None,
    ) -> None:
        """Plan the next look, at the start of the next local day: at what expires up to `days` after that day.

        Args:
            from_: where the look before ended, so that no date is left out; now, at first.
        """
        today = local_day(offsets, ctx.time)
        due_at = start_of_day(offsets, today + 1) if before is not None else ctx.time + 1
        looked = start_of_day(offsets, local_day(offsets, due_at) + days + 1) - 1
        first = from_ if before is not None else ctx.time + 1
        SWEEPS.put(ctx, Sweep(first, max(looked, first), due_at), campaign)
        SWEEP_COMES.put(ctx, due_at, campaign)

    def _enter(self, ctx: Context, brand: str, timing: Timing, member: str) -> bool:
        if TURNS.get(ctx, timing.campaign, member) is not None:
            return False
        at = self._next_turn(ctx, brand, timing, member, ctx.time)
        if at is None:
            return False
        self._plan(ctx, timing.campaign, member, max(at, ctx.time + 1))
        return True

    def _plan(self, ctx: Context, campaign: str, member: str, at: int) -> None:
        TURNS.put(ctx, min(at, MAX_INT), campaign, member)
        TURN_COMES.put(ctx, min(at, MAX_INT), campaign, member)

    def _next_turn(self, ctx: Context, brand: str, timing: Timing, member: str, after: int) -> int | None:
        """Return when a member's time comes: the first anniversary after a time, or the end of its silence."""
        if timing.kind == "idle":
            kept = [PROFILES.get(ctx, brand, one) for one in self._authority.accounts_of(ctx, member)]
            last = max([profile.last_at for profile in kept if profile is not None], default=0)
            return last + timing.days * MS_PER_DAY if last else None
        enrolled = self._authority.enrolled_at(ctx, member, brand)
        if enrolled is None:
            return None
        return next_anniversary(self._offsets(ctx, brand), enrolled, after)

    def _timing(self, ctx: Context, brand: str, campaign: str) -> Timing | None:
        return next((one for one in TIMINGS.get(ctx, brand) or () if one.campaign == campaign), None)

    def _offsets(self, ctx: Context, brand: str) -> Offsets:
        return self._authority.brand_record(ctx, brand).offsets

    def _owned(self, ctx: Context, campaign: str) -> tuple[str, str]:
        brand, event = self._recorder.brand_and_event(ctx, campaign)
        self._authority.require_active(ctx, brand)
        self._authority.require_role(ctx, brand, "marketer")
        return brand, event


def _kind_of(at: Any) -> tuple[Kind, int]:
    if at == "birthday":
        return "birthday", 0
    if at == "anniversary":
        return "anniversary", 0
    if "idle_days" in at:
        return "idle", at["idle_days"]
    return "expiry", at["days_before_expiry"]


def _ref(kind: str, *parts: str | int) -> str:
    """Return the reference of a record that happens by itself: 64 characters hold no address and campaign."""
    return f"{kind}:{sha256(encode([kind, *parts])).hex()[:40]}"


def _year_of_birthday(today: int, month: int, day: int) -> int | None:
    """Return the year of a birthday that is today, or was at most GRACE_DAYS ago; None where it is not.

    Where there is no 29 February, it is 1 March, which is what `days_from_civil` makes of it.
    """
    year, _, _ = civil_from_days(today)
    for candidate in (year, year - 1):
        if 0 <= today - days_from_civil(candidate, month, day) <= GRACE_DAYS:
            return candidate
    return None


def next_anniversary(offsets: Offsets, enrolled: int, after: int) -> int:
    """Return the start of the first local day after a time on which a member has been one for whole years."""
    first_year, month, day = civil_from_days(local_day(offsets, enrolled))
    year, _, _ = civil_from_days(local_day(offsets, after))
    for candidate in range(max(year, first_year + 1), year + 3):
        starts = start_of_day(offsets, days_from_civil(candidate, month, day))
        if starts > after:
            return starts
    return start_of_day(offsets, days_from_civil(first_year + 1, month, day))
