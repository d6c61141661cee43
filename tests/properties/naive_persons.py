"""A naive model of persons: links, referrals, merges, erasures and household pools as plain sets and dicts.

It shares no code with the contract: groups are found by joining sets until nothing changes, circles by following
every referral, and each rule is written down as docs/ledger.md states it.
"""

from __future__ import annotations

from itertools import combinations

MONTH = 30 * 86_400_000


class Refusal(Exception):
    """The model's reason why an operation is refused."""


class Persons:
    """What is known of a fixed number of members, all custodial at one brand.

    Attributes:
        parted: unordered pairs that were in one group and are no more.
        pools: name → its members, in order.
        spenders: pool → who spends, where its members have agreed on that.
    """

    def __init__(self, members: list[str], max_group: int, max_pool: int) -> None:
        self.members = members
        self.max_group = max_group
        self.max_pool = max_pool
        self.edges: set[frozenset[str]] = set()
        self.parted: set[frozenset[str]] = set()
        self.referrer: dict[str, tuple[str, int]] = {}
        self.merged: dict[str, tuple[str, int, bool]] = {}
        self.erased: set[str] = set()
        self.pools: dict[tuple[str, str], list[str]] = {}
        self.spenders: dict[tuple[str, str], list[str]] = {}

    # What is asked

    def groups(self) -> list[set[str]]:
        """Return all groups, by joining the ends of each edge."""
        found = [{member} for member in self.members]
        for edge in self.edges:
            touched = [group for group in found if group & edge]
            found = [group for group in found if not group & edge] + [set().union(*touched)]
        return found

    def group(self, member: str) -> set[str]:
        """Return the member's group."""
        return next(group for group in self.groups() if member in group)

    def current(self, member: str) -> str:
        """Return the account that stands in a member's place."""
        return self.current(self.merged[member][0]) if member in self.merged else member

    def sources(self, member: str) -> list[str]:
        """Return all accounts in whose place a member stands, itself included."""
        return [other for other in self.members if member in self._places(other)]

    def _places(self, member: str) -> list[str]:
        return [member, *(self._places(self.merged[member][0]) if member in self.merged else [])]

    def in_force(self, member: str) -> set[str]:
        """Return who has referred a member or what stands in its place, oneself left out."""
        return {
            self.current(referrer)
            for one in self.sources(member)
            for referrer, at in [self.referrer.get(one, (one, 0))]
            if not self._one(one, referrer) and not self._above(referrer, at) & self.group(one)
        }

    def pool_of(self, member: str) -> tuple[str, str] | None:
        """Return the pool that a member is in."""
        return next((pool for pool, members in self.pools.items() if member in members), None)

    def may_spend(self, pool: tuple[str, str]) -> list[str]:
        """Return who spends."""
        return self.spenders.get(pool, self.pools[pool])

    # What happens

    def link(self, member: str, other: str) -> None:
        """Link two accounts."""
        self._require(member != other, "INVALID_ARGS")
        self._require_person(member, other)
        self._require(frozenset((member, other)) not in self.edges, "ALREADY_EXISTS")
        self._add_edge(member, other)

    def unlink(self, member: str, other: str) -> None:
        """End a link."""
        self._require(frozenset((member, other)) in self.edges, "NOT_FOUND")
        for a, b in ((member, other), (other, member)):
            self._require(self.merged.get(a, ("",))[0] != b, "NOT_ELIGIBLE")
        before = self.group(member)
        self.edges.remove(frozenset((member, other)))
        self._note_parted(before)

    def refer(self, member: str, referrer: str, now: int) -> None:
        """Note who has referred a member."""
        self._require_person(member)
        referrer = self.current(referrer)
        self._require_person(referrer)
        self._require(not any(one in self.referrer for one in self.sources(member)), "ALREADY_EXISTS")
        self._require(not self._one(member, referrer), "NOT_ELIGIBLE")
        self._require(not self._above(referrer, now) & self.group(member), "NOT_ELIGIBLE")
        self.referrer[member] = referrer, now

    def merge(self, source: str, into: str, now: int) -> None:
        """Merge an account into another."""
        self._require(source != into, "INVALID_ARGS")
        self._require_person(source, into)
        pool = self.pool_of(source)
        linked = frozenset((source, into)) in self.edges
        if not linked:
            self._add_edge(source, into)
        if pool is not None:
            self._leave(source, pool)
        self.merged[source] = into, now, linked

    def unmerge(self, source: str, now: int) -> None:
        """Undo a merge."""
        self._require(source in self.merged, "NOT_FOUND")
        into, since, linked = self.merged[source]
        self._require(now < since + MONTH, "EXPIRED")
        self._require_person(into)
        if not linked:
            self.edges.remove(frozenset((source, into)))
        del self.merged[source]

    def erase(self, member: str) -> None:
        """Erase what is known of a member and of what was merged into it."""
        self._require_person(member)
        for account in self.sources(member):
            pool = self.pool_of(account)
            if pool is not None:
                self._leave(account, pool)
            before = self.group(account) - {account}
            self.edges = {edge for edge in self.edges if account not in edge}
            self._note_parted(before)
            self.parted = {pair for pair in self.parted if account not in pair}
            self.referrer.pop(account, None)
            self.erased.add(account)

    def open(self, member: str, name: str) -> None:
        """Open a pool."""
        self._require_person(member)
        self._require((member, name) not in self.pools, "ALREADY_EXISTS")
        self._require(self.pool_of(member) is None, "ALREADY_EXISTS")
        self.pools[member, name] = [member]

    def join(self, pool: tuple[str, str], member: str) -> None:
        """Join a pool."""
        self._require(pool in self.pools, "NOT_FOUND")
        self._require_person(member)
        self._require(self.pool_of(member) is None, "ALREADY_EXISTS")
        self._require(len(self.pools[pool]) < self.max_pool, "LIMIT_EXCEEDED")
        self.pools[pool].append(member)

    def leave(self, member: str) -> None:
        """Leave the pool that a member is in."""
        pool = self.pool_of(member)
        if pool is None:
            raise Refusal("NOT_FOUND")
        self._leave(member, pool)

    def rules(self, pool: tuple[str, str], spenders: list[str]) -> None:
        """Agree on who spends."""
        self._require(pool in self.pools, "NOT_FOUND")
        different = len(set(spenders)) == len(spenders)
        self._require(different and set(spenders) <= set(self.pools[pool]), "INVALID_ARGS")
        self.spenders[pool] = list(spenders)

    # Parts of it

    def _leave(self, member: str, pool: tuple[str, str]) -> None:
        self.pools[pool].remove(member)
        if pool in self.spenders:
            self.spenders[pool] = [spender for spender in self.spenders[pool] if spender != member]
        if not self.pools[pool]:
            del self.pools[pool]
            self.spenders.pop(pool, None)

    def _add_edge(self, a: str, b: str) -> None:
        self._require(len(self.group(a) | self.group(b)) <= self.max_group, "LIMIT_EXCEEDED")
        self.edges.add(frozenset((a, b)))

    def _note_parted(self, before: set[str]) -> None:
        self.parted |= {frozenset(pair) for pair in combinations(before, 2) if pair[1] not in self.group(pair[0])}

    def _above(self, member: str, at: int) -> set[str]:
        """Return all who stand above a member by referrals up to a time, its own group included."""
        above, size = set(self.group(member)), 0
        while len(above) != size:
            size = len(above)
            for referrer, since in [self.referrer[one] for one in above if one in self.referrer]:
                if since <= at:
                    above |= self.group(referrer)
        return above

    def _one(self, a: str, b: str) -> bool:
        first, second = self.group(a), self.group(b)
        return first == second or any(frozenset((x, y)) in self.parted for x in first for y in second)

    def _require_person(self, *members: str) -> None:
        for member in members:
            self._require(member not in self.merged and member not in self.erased, "NOT_ELIGIBLE")

    def _require(self, holds: bool, code: str) -> None:
        if not holds:
            raise Refusal(code)
