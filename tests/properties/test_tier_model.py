"""Whatever happens, every view shows the level that follows from all dated points; see `naive_tiers`."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from contracts_py.tier.records import ALARMS, STANDINGS
from tests.contract_harness import account_of
from tests.properties.naive_tiers import NaiveTiers
from tests.support.tiers import DAY, Club

NAMES = ("ann", "bob", "eve")
ADDRESSES = {name: account_of(name) for name in NAMES}

LEVELS: list[list[dict[str, Any]]] = [
    [{"name": "bronze", "threshold": 0}, {"name": "silver", "threshold": 10}, {"name": "gold", "threshold": 30}],
    [{"name": "bronze", "threshold": 0}, {"name": "silver", "threshold": 15}, {"name": "gold", "threshold": 25}],
    [{"name": "bronze", "threshold": 0}, {"name": "gold", "threshold": 40}],
    [
        {"name": "bronze", "threshold": 0},
        {"name": "silver", "threshold": 8},
        {"name": "amber", "threshold": 20},
        {"name": "gold", "threshold": 30},
    ],
]

member = st.sampled_from(NAMES)
amount = st.integers(1, 35)
back = st.integers(0, 40)

steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), member, amount, back),
        st.tuples(st.just("add"), member, amount, st.just(0)),
        st.tuples(st.just("take"), member, amount, st.integers(0, 20)),
        st.tuples(st.just("wait"), st.integers(1, 30)),
        st.tuples(st.just("wait"), st.sampled_from([1, 9, 10, 19, 20])),
        st.tuples(st.just("link"), st.sampled_from([("ann", "bob"), ("ann", "eve"), ("bob", "eve")])),
        st.tuples(st.just("grant"), member, st.sampled_from(["silver", "gold", "amber"]), st.integers(1, 40)),
        st.tuples(st.just("define"), st.sampled_from(LEVELS)),
    ),
    min_size=1,
    max_size=14,
)
ladders = st.fixed_dictionaries(
    {
        "levels": st.sampled_from(LEVELS[:2]),
        "grace_days": st.integers(0, 12),
        "soft_landing": st.booleans(),
        "window": st.sampled_from(["sliding", "sliding", "calendar_year", "anniversary"]),
        "notice_days": st.integers(0, 6),
    }
)


class Twins:
    """The contract and its twin, to which the same happens."""

    def __init__(self, ladder: dict[str, Any], offset_minutes: int) -> None:
        self.club = Club(offsets=[{"from": 0, "minutes": offset_minutes}] if offset_minutes else None)
        sent = {**ladder, "window_days": 20 if ladder["window"] == "sliding" else None}
        self.ladder = sent
        self.club.define(**sent)
        self.naive = NaiveTiers(sent, offset_minutes * 60_000)
        self.told: dict[str, str] = {}

    @property
    def time(self) -> int:
        return self.club.chain.time

    def step(self, what: str, *args: Any) -> None:
        getattr(self, what)(*args)
        self._agree()
        self.club.later(ms=1)
        self._told_all()

    def add(self, name: str, points: int, days: int) -> None:
        at = self.time - days * DAY
        self.club.add(ADDRESSES[name], points, at=at)
        self.naive.add(name, points, at, self.time)

    def take(self, name: str, points: int, days: int) -> None:
        at = self.time - days * DAY
        self.club.take(ADDRESSES[name], points, at=at)
        self.naive.take(name, points, at, self.time)

    def wait(self, days: int) -> None:
        self.club.later(days=days)

    def link(self, pair: tuple[str, str]) -> None:
        call = "unlink" if pair in self.naive.links else "link"
        one, other = (ADDRESSES[name] for name in pair)
        self.club.send(pair[0], f"identity.{call}", [*pair], member=one, other=other)
        self.naive.links ^= {pair}

    def grant(self, name: str, level: str, days: int) -> None:
        names = [one["name"] for one in self.naive.in_force(self.naive.day(self.time + 200))["levels"]]
        if level not in names:
            return
        until = self.time + days * DAY + 12_345
        args = {"member": ADDRESSES[name], "level": level, "until": until, "reason": "goodwill"}
        self.club.send("aurora-issuer", "tier.grant", **args)
        self.naive.granted[name, level] = until
        self.naive.joined.setdefault(name, self.naive.day(self.time))

    def define(self, levels: list[dict[str, Any]]) -> None:
        if sum(1 for first, _ in self.naive.terms if first <= self.naive.day(self.time)) > 3:
            return
        done = self.club.define(**{**self.ladder, "levels": levels})
        today = self.naive.day(self.time)
        begun = [(first, terms) for first, terms in self.naive.terms if first <= today]
        terms = {**self.ladder, "levels": levels}
        if done["from"] == self.time:
            self.naive.terms = [*begun[:-1], (begun[-1][0], terms)]
        else:
            self.naive.terms = [*begun, (self.naive.day(done["from"]), terms)]

    def _agree(self) -> None:
        for name, address in ADDRESSES.items():
            status = self.club.status(address)
            shown = status["tier"], status["points"], status["until"]
            naive = self.naive
            assert shown == (
                naive.name(name, self.time),
                naive.total(name, self.time),
                naive.until(name, self.time),
            )

    def _told_all(self) -> None:
        """Look whether what was told is what is, and whether no level can fall unseen."""
        for change in self.club.changes:
            before = self.told.get(change["member"], change["from"])
            assert change["from"] == before
            assert change["to"] != change["from"]
            self.told[change["member"]] = change["to"]
        self.club.changes.clear()
        state = self.club.chain.state
        for address in ADDRESSES.values():
            standing = STANDINGS.get(state, "aurora", "main", address)
            if standing is None:
                continue
            status = self.club.status(address)
            assert standing.told == status["tier"] == self.told.get(address, standing.told)
            if status["until"] is not None:
                assert standing.alarm is not None
                # A redefinition that waits comes with a walk over all members, before anything else of that day.
                assert min(standing.alarm, self._next_walk()) <= status["until"]
                assert ALARMS.contains(state, "aurora", "main", item=(standing.alarm, address))

    def _next_walk(self) -> int:
        first = self.naive.terms[-1][0]
        return 2**53 if first <= self.naive.day(self.time) else first * DAY - self.naive.offset_ms


@settings(max_examples=60, deadline=None)
@given(ladders, steps, st.sampled_from([0, 60, -300]))
def test_levels_are_those_of_the_naive_twin(
    ladder: dict[str, Any], taken: list[tuple[Any, ...]], offset_minutes: int
) -> None:
    twins = Twins(ladder, offset_minutes)
    for step in taken:
        twins.step(*step)
