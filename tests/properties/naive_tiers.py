"""Levels by the sentence of docs/tiers.md alone: all dated points in a list, every day looked at, no code shared.

On a local day a shopper has the highest level for which the points of some window that ended on this day, or within
the grace before it, reach its threshold; or a higher one that was granted.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from functools import cache, partial
from typing import Any

DAY = 86_400_000
EPOCH = date(1970, 1, 1)


class NaiveTiers:
    """A ladder, and what all members have collected in it.

    Attributes:
        terms: [(first day, terms as they were sent)], ascending.
        points: [[member, day, amount]], never removed but by being taken back.
        granted: {(member, level): until}.
        links: pairs of members that are one shopper's.
    """

    def __init__(self, terms: dict[str, Any], offset_ms: int) -> None:
        self.terms: list[tuple[int, dict[str, Any]]] = [(0, terms)]
        self.offset_ms = offset_ms
        self.points: list[list[Any]] = []
        self.granted: dict[tuple[str, str], int] = {}
        self.links: set[tuple[str, str]] = set()
        self.joined: dict[str, int] = {}

    def day(self, time: int) -> int:
        return (time + self.offset_ms) // DAY

    def add(self, member: str, amount: int, at: int, now: int) -> None:
        self.joined.setdefault(member, self.day(now))
        self.points.append([member, min(self.day(at), self.day(now)), amount])

    def take(self, member: str, amount: int, at: int, now: int) -> None:
        """Take back: what the member has of that day first, then the others of its shopper by address."""
        day = min(self.day(at), self.day(now))
        others = sorted(self.shopper(member) - {member})
        for owner in (member, *others):
            for entry in self.points:
                if entry[0] == owner and entry[1] == day:
                    taken = min(entry[2], amount)
                    entry[2] -= taken
                    amount -= taken

    def shopper(self, member: str) -> set[str]:
        found = {member}
        for _ in self.links:
            for one, other in self.links:
                if one in found or other in found:
                    found |= {one, other}
        return found

    def in_force(self, day: int) -> dict[str, Any]:
        return [terms for first, terms in self.terms if first <= day][-1]

    def window(self, terms: dict[str, Any], day: int, member: str) -> tuple[int, int]:
        """Return first and last day of the window that ends on a day."""
        kind = terms.get("window", "sliding")
        if kind == "sliding":
            return day - terms["window_days"] + 1, day
        began = date(2000, 1, 1)
        if kind == "anniversary":
            known = [self.joined[one] for one in self.shopper(member) if one in self.joined]
            began = EPOCH + timedelta(days=min(known, default=0))
        today = EPOCH + timedelta(days=day)
        starts = [_in_year(began, year) for year in (today.year - 1, today.year)]
        return (max(one for one in starts if one <= today) - EPOCH).days, day

    def reached(self, day: int, member: str) -> int:
        """Return the rank that the window which ends on a day reaches, by the terms of that day."""
        terms = self.in_force(day)
        first, last = self.window(terms, day, member)
        shopper = self.shopper(member)
        total = sum(amount for owner, at, amount in self.points if owner in shopper and first <= at <= last)
        return max((rank for rank, level in enumerate(terms["levels"]) if total >= level["threshold"]), default=0)

    def rank(self, member: str, time: int, reached: Callable[[int], int] | None = None) -> int:
        """Return the member's rank at a time, if nothing is added after what is there.

        Args:
            reached: the ranks that the windows reach, where it is asked for many times.
        """
        reached = reached or partial(self.reached, member=member)
        today = self.day(time)
        present = self.in_force(today)
        landing = max(present["grace_days"], 1) if present["soft_landing"] else 0
        ranks = {
            id(terms): [self._translated(level, present) for level in terms["levels"]] for _, terms in self.terms
        }
        best = 0
        for day in range(today - 140, today + 1):
            highest = reached(day)
            if highest == 0:
                continue  # the lowest level, which everybody has anyway
            judged_by = self.in_force(day)
            for level in ranks[id(judged_by)][: highest + 1]:
                over = today - day - judged_by["grace_days"]
                steps = 0 if over <= 0 else (-(-over // landing) if landing else level)
                best = max(best, level - steps)
        names = [level["name"] for level in present["levels"]]
        given = [
            names.index(name)
            for (owner, name), until in self.granted.items()
            if owner in self.shopper(member) and until > time and name in names
        ]
        return max([best, *given])

    def _translated(self, level: dict[str, Any], terms: dict[str, Any]) -> int:
        names = [other["name"] for other in terms["levels"]]
        if level["name"] in names:
            return names.index(level["name"])
        return max(rank for rank, other in enumerate(terms["levels"]) if other["threshold"] <= level["threshold"])

    def name(self, member: str, time: int) -> str:
        return str(self.in_force(self.day(time))["levels"][self.rank(member, time)]["name"])

    def total(self, member: str, time: int) -> int:
        """Return what counts at a time."""
        today, shopper = self.day(time), self.shopper(member)
        first, last = self.window(self.in_force(today), today, member)
        return sum(amount for owner, at, amount in self.points if owner in shopper and first <= at <= last)

    def until(self, member: str, time: int) -> int | None:
        """Return the first time at which the member has neither its present level nor a higher one."""
        name = self.name(member, time)
        if self.rank(member, time) == 0:
            return None
        reached = cache(partial(self.reached, member=member))
        moments = {(self.day(time) + ahead) * DAY - self.offset_ms for ahead in range(1, 500)}
        moments |= {until for until in self.granted.values() if until > time}
        for moment in sorted(moments):
            names = [level["name"] for level in self.in_force(self.day(moment))["levels"]]
            if name not in names or self.rank(member, moment, reached) < names.index(name):
                return moment
        raise AssertionError("it never ends")


def _in_year(began: date, year: int) -> date:
    try:
        return began.replace(year=year)
    except ValueError:
        return date(year, 3, 1)
