"""Which level a shopper has, and until when: a function of dated points, terms, what was given, and the time.

A level holds on a local day where some window that ended on this day, or within the grace before it, has reached
its threshold. So for each rank there is one last day, beyond which it does not hold unless something is added: the
last day of such a window, plus the grace, and where the ladder lands softly, the days of the ranks above that it
lands from. No rank ends before a higher one.

Terms judge the days from theirs on. What days before have reached holds for the grace of the terms that judged
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from contracts_py.calendar import Offsets, local_day, start_of_day
from contracts_py.tier.records import Given, Ladder, Level, Standing, Terms
from contracts_py.tier.windows import NEVER, YEAR_DAYS, History, Window, joined
from vm.contract_api import MAX_INT


def ranked(terms: Terms) -> tuple[Level | None, ...]:
    """Return the levels by rank: rank 0 is the level with threshold 0, or none."""
    levels: tuple[Level | None, ...] = terms.levels
    return levels if terms.levels[0].threshold == 0 else (None, *levels)


def rank_named(terms: Terms, name: str) -> int | None:
    """Return the rank of a level by name, None where the terms have no such level."""
    for rank, level in enumerate(ranked(terms)):
        if level is not None and level.name == name:
            return rank
    return None


def name_of(terms: Terms, rank: int) -> str | None:
    """Return the name of a rank's level."""
    level = ranked(terms)[rank]
    return None if level is None else level.name


def in_place_of(rank: int, before: Terms, after: Terms) -> int:
    """Return the rank in place of one of other terms: of the same name, else of the nearest threshold below."""
    level = ranked(before)[rank]
    if level is None:
        return 0
    same = rank_named(after, level.name)
    if same is not None:
        return same
    return max((found for found, other in enumerate(ranked(after)) if _reaches(level, other)), default=0)


def _reaches(level: Level, other: Level | None) -> bool:
    return other is not None and other.threshold <= level.threshold


def landing_days(terms: Terms) -> int:
    """Return how many days each level lasts below one that was lost; 0 where the ladder does not land softly."""
    return max(terms.grace_days, 1) if terms.soft_landing else 0


def tail_days(terms: Terms) -> int:
    """Return how long a day may matter after the last window in which it lies."""
    return terms.grace_days + landing_days(terms) * (len(terms.levels) - 1)


def horizon_days(kind: str, terms: Terms) -> int:
    """Return how long a day may matter at most."""
    return (terms.window_days if kind == "sliding" else YEAR_DAYS) + tail_days(terms)


@dataclass(frozen=True, slots=True)
class Clock:
    """A block's time, and the brand's local day at it."""

    time: int
    offsets: Offsets
    today: int

    @classmethod
    def at(cls, time: int, offsets: Offsets) -> Clock:
        """Return what the brand's clock shows."""
        return cls(time, offsets, local_day(offsets, time))

    def end_of(self, day: int) -> int:
        """Return when a local day is over; 0 of NEVER."""
        return 0 if day == NEVER else min(start_of_day(self.offsets, day + 1), MAX_INT)


class Course:
    """A shopper's level now, and what becomes of it unless something is added.

    Attributes:
        terms: those in force.
        rank: the shopper's.
        points: what counts today.
    """

    def __init__(self, ladder: Ladder, clock: Clock, standings: Sequence[Standing], given: Iterable[Given]) -> None:
        self._ladder, self._clock = ladder, clock
        self._given = tuple(given)
        self._at = max(
            place for place, terms in enumerate(ladder.terms) if terms.from_day <= clock.today or not place
        )
        self.terms = ladder.terms[self._at]
        self._joined = min((one.joined for one in standings if one.joined is not None), default=0)
        self._history = _history(ladder, standings)
        self.points = self._history.within(self._window(self.terms), clock.today)
        self._ends = self._ends_under(self._at)
        self.rank = self._rank_now()

    @property
    def name(self) -> str | None:
        """The level's name."""
        return name_of(self.terms, self.rank)

    @property
    def level(self) -> Level | None:
        """The level."""
        return ranked(self.terms)[self.rank]

    @cached_property
    def until(self) -> int | None:
        """When the level ends unless something is added; None of rank 0, below which is nothing."""
        if self.rank == 0:
            return None
        return self._holds_until(self._at, self.rank, self._ends, self._given_until(self.rank))

    def reached_by_time(self) -> int:
        """Return when time has brought the shopper to this level, as the next higher one ended; 0: it did not."""
        if self.rank == len(self._ends):
            return 0
        ended = max(self._clock.end_of(self._ends[self.rank]), self._given_until(self.rank + 1))
        return ended if ended <= self._clock.time else 0

    def _window(self, terms: Terms) -> Window:
        return Window(self._ladder.window, terms.window_days, self._joined)

    def _rank_now(self) -> int:
        today, time = self._clock.today, self._clock.time
        earned = sum(1 for end in self._ends if end >= today)
        return max([earned, *(rank for rank, until in self._ranks_given() if until > time)])

    def _ranks_given(self) -> list[tuple[int, int]]:
        """Return (rank, until when) of what was given; what terms have no level for ends as they begin."""
        found = []
        for one in self._given:
            rank, until = rank_named(self.terms, one.level), one.until
            for terms in self._ladder.terms[self._at + 1 :]:
                if rank_named(terms, one.level) is None:
                    until = min(until, self._clock.end_of(terms.from_day - 1))
            if rank is not None:
                found.append((rank, until))
        return found

    def _given_until(self, least: int) -> int:
        return max((until for rank, until in self._ranks_given() if rank >= least), default=0)

    def _ends_under(self, place: int) -> list[int]:
        """Return the last day of each rank from 1 on, under terms and those before them; never ascending."""
        terms = self._ladder.terms[place]
        ends = [NEVER] * (len(ranked(terms)) - 1)
        for former in range(place + 1):
            for rank, last in self._reached(former):
                held = in_place_of(rank, self._ladder.terms[former], terms)
                if held and last != NEVER:
                    ends[held - 1] = max(ends[held - 1], last + self._ladder.terms[former].grace_days)
        landing = landing_days(terms)
        for below in range(len(ends) - 2, -1, -1):
            if ends[below + 1] != NEVER:
                ends[below] = max(ends[below], ends[below + 1] + landing)
        return ends

    def _reached(self, place: int) -> list[tuple[int, int]]:
        """Return (rank, last day on which it is reached) among the days that some terms judge."""
        terms = self._ladder.terms[place]
        history, cap = self._history, None
        if place + 1 < len(self._ladder.terms):
            cap = self._ladder.terms[place + 1].from_day - 1
            history = history.upto(cap)
        thresholds = [level.threshold for level in terms.levels if level.threshold]
        until = history.reached_until(self._window(terms), thresholds)
        if cap is not None:
            until = [min(last, cap) for last in until]
        # What ended before these terms began was judged by those before.
        return [(rank, last if last >= terms.from_day else NEVER) for rank, last in enumerate(until, 1)]

    def _holds_until(self, place: int, rank: int, ends: Sequence[int], given: int) -> int:
        """Return until when a rank's level is held, over what other terms are to come.

        Terms that begin while it is held, be it because it was given, may find it reached by points.
        """
        terms = self._ladder.terms
        held = max(self._clock.end_of(ends[rank - 1]), given)
        if place + 1 == len(terms):
            return held
        begins = self._clock.end_of(terms[place + 1].from_day - 1)
        if held < begins:
            return held
        after = in_place_of(rank, terms[place], terms[place + 1])
        if name_of(terms[place], rank) != name_of(terms[place + 1], after) or not after:
            return max(begins, given)
        return max(begins, self._holds_until(place + 1, after, self._ends_under(place + 1), given))


def _history(ladder: Ladder, standings: Sequence[Standing]) -> History:
    if not standings:
        return History((), ())
    history = joined([History(one.days, one.counts) for one in standings])
    if ladder.metric == "visits":
        return History(history.days, [1] * len(history.days))
    return history


def no_worse(after: Terms, before: Terms) -> bool:
    """Tell whether other terms take nothing from anybody."""
    lengths = ("window_days", "grace_days", "notice_days", "soft_landing")
    if any(getattr(after, name) < getattr(before, name) for name in lengths):
        return False
    levels = {level.name: level for level in after.levels}
    return all(_is_no_worse(levels.get(level.name), level) for level in before.levels) and _same_order(
        after, before
    )


def _is_no_worse(after: Level | None, before: Level) -> bool:
    return after is not None and after.threshold <= before.threshold and set(before.benefits) <= set(after.benefits)


def _same_order(after: Terms, before: Terms) -> bool:
    """Tell whether the levels that both have are in one order: a level that moves below another is worth less."""
    names = [level.name for level in before.levels]
    return [level.name for level in after.levels if level.name in names] == names
