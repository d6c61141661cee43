"""The safety core of QBFT, abstracted: one height, a few rounds, two values, one Byzantine validator.

What is left out makes the adversary stronger, never weaker:

* Messages are a monotone set: what was sent may arrive at any time, in any order, or never. So a state is
  what the honest validators have sent, and their locks; there are no queues.
* The Byzantine validator has sent all that it can sign, from the beginning: every PREPARE and COMMIT of every
  round and value, every round-change.
* Whoever proposes is the adversary: any justified value of a round may be proposed to any honest validator.
  (Agreement must not depend on honest proposers.)
* A validator may enter any higher round at any time: timeouts, jumps and proposals are all allowed for.
* A crash forgets a lock on which nothing was signed. That is as if it had never locked, which is a state too.

Honest validators differ by nothing but what they sent, and the values by nothing but their names: states are equal
up to permuting the ones and swapping the others.

An honest validator is (round, lock, votes): `lock` is None or (round, value); `votes[r]` is what it sent for
round r. It sends at most one PREPARE and one COMMIT per round, but sets of values are kept so that a broken rule
can send more.

Rules is the protocol with every rule a switch, so that the check can be seen to find what a broken rule allows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import combinations
from typing import Final, NamedTuple, TypeAlias

VALUES: Final = (0, 1)

Lock: TypeAlias = tuple[int, int]
"""(round, value)."""

UNPREPARED: Final = (-1, -1)
"""What a round-change without a lock carries; lower than every lock."""


class Votes(NamedTuple):
    """What one validator has sent for one round."""

    round_change: Lock | None
    prepared: frozenset[int]
    committed: frozenset[int]


class Node(NamedTuple):
    """One honest validator."""

    round: int
    lock: Lock | None
    votes: tuple[Votes, ...]


@dataclass(frozen=True)
class Rules:
    """The protocol; each switch, turned off, breaks one rule."""

    quorum_is_whole: bool = True
    """A quorum is ceil(2n/3), not one less."""
    lock_is_carried: bool = True
    """A round-change carries the lock."""
    highest_wins: bool = True
    """Of the prepared rounds in the round-changes the highest binds, not the lowest."""
    justification_is_checked: bool = True
    """A proposal of a later round needs round-changes at all."""
    prepared_is_certified: bool = True
    """The highest prepared round is proven by a quorum of PREPAREs."""
    one_prepare: bool = True
    """One PREPARE per round."""
    commit_in_round: bool = True
    """COMMIT only for the round that one is in."""
    commit_when_prepared: bool = True
    """COMMIT only on a quorum of PREPAREs."""
    seals_bind_round: bool = True
    """Seals of different rounds never add up."""


RULE_NAMES: Final = tuple(field.name for field in fields(Rules))


@dataclass(frozen=True)
class Bounds:
    """How large the world is."""

    n: int = 4
    rounds: int = 2
    byzantine: int = 1

    @property
    def honest(self) -> int:
        """How many validators follow the protocol."""
        return self.n - self.byzantine

    @property
    def quorum(self) -> int:
        """ceil(2n/3), as in `consensus.types`."""
        return (2 * self.n - 1) // 3 + 1


class Public(NamedTuple):
    """What the messages sent so far allow for, whoever sent them."""

    justified: tuple[frozenset[int], ...]
    """Round -> the values that may be proposed in it."""
    certified: frozenset[Lock]
    """(round, value) for which a quorum of PREPAREs can be shown."""


class Protocol:
    """Who may do what next, and what must never be."""

    def __init__(self, bounds: Bounds, rules: Rules) -> None:
        self.bounds = bounds
        self.rules = rules
        quorum = bounds.quorum - (not rules.quorum_is_whole)
        self.honest_needed = max(1, quorum - bounds.byzantine)
        """Honest votes that make a quorum, the Byzantine ones being there already."""

    def initial(self) -> Node:
        """Nothing has been sent."""
        return Node(0, None, (Votes(None, frozenset(), frozenset()),) * self.bounds.rounds)

    def public(self, nodes: list[Node]) -> Public:
        """Return what may be proposed and locked, given what these have sent and the Byzantine ones can sign."""
        rounds = range(self.bounds.rounds)
        certified = frozenset(
            (round_, value)
            for round_ in rounds
            for value in VALUES
            if sum(1 for node in nodes if value in node.votes[round_].prepared) >= self.honest_needed
        )
        return Public(tuple(self._justified(nodes, round_, certified) for round_ in rounds), certified)

    def _justified(self, nodes: list[Node], round_: int, certified: frozenset[Lock]) -> frozenset[int]:
        """Return the values that may be proposed in a round: by some quorum of round-changes for exactly it."""
        if round_ == 0 or not self.rules.justification_is_checked:
            return frozenset(VALUES)
        sent = sorted(
            votes.round_change for node in nodes if (votes := node.votes[round_]).round_change is not None
        )
        if self.rules.prepared_is_certified:
            proven = {lock for lock in certified if lock[0] < round_}
        else:
            proven = {(lower, value) for lower in range(round_) for value in VALUES}
        allowed: set[int] = set()
        for chosen in set(combinations(sent, self.honest_needed)):
            # A Byzantine round-change says that nothing is prepared, or anything for which there is proof.
            for lie in (UNPREPARED, *proven):
                allowed |= self._bound_by((*chosen, lie), proven)
        return frozenset(allowed)

    def _bound_by(self, carried: tuple[Lock, ...], proven: set[Lock]) -> set[int]:
        """Return what may be proposed with these round-changes."""
        locks = [lock for lock in carried if lock != UNPREPARED]
        if not locks:
            return set(VALUES)
        binding = (max if self.rules.highest_wins else min)(locks)[0]
        return {value for round_, value in locks if round_ == binding and (round_, value) in proven}

    def steps(self, node: Node, public: Public) -> Iterator[tuple[str, Node]]:
        """Yield what an honest validator may do next."""
        for round_ in range(node.round + 1, self.bounds.rounds):
            carried = node.lock if node.lock is not None and self.rules.lock_is_carried else UNPREPARED
            votes = node.votes[round_]._replace(round_change=carried)
            said = "nothing" if carried == UNPREPARED else f"value {carried[1]} of round {carried[0]}"
            yield f"enters round {round_}, prepared: {said}", _voted(node._replace(round=round_), round_, votes)
        here = node.votes[node.round]
        for value in public.justified[node.round] - here.prepared:
            if not here.prepared or not self.rules.one_prepare:
                votes = here._replace(prepared=here.prepared | {value})
                yield f"PREPAREs value {value} in round {node.round}", _voted(node, node.round, votes)
        for value in here.prepared:
            lock = (node.round, value)
            if lock in public.certified and node.lock != lock:
                yield f"locks value {value} in round {node.round}", node._replace(lock=lock)
        yield from self._commits(node, public)

    def _commits(self, node: Node, public: Public) -> Iterator[tuple[str, Node]]:
        for round_ in (node.round,) if self.rules.commit_in_round else range(node.round + 1):
            votes = node.votes[round_]
            for value in votes.prepared if not votes.committed else ():
                lock = (round_, value)
                late = not self.rules.commit_in_round and lock in public.certified
                if node.lock == lock or late or not self.rules.commit_when_prepared:
                    sealed = votes._replace(committed=frozenset({value}))
                    yield f"COMMITs value {value} in round {round_}", _voted(node, round_, sealed)

    def decided(self, nodes: list[Node]) -> list[int]:
        """Return the values that a quorum of COMMITs can be shown for."""
        return [value for value in VALUES if self._seals(nodes, value) >= self.honest_needed]

    def _seals(self, nodes: list[Node], value: int) -> int:
        """Return how many honest seals for a value add up."""
        sealed = [[value in votes.committed for votes in node.votes] for node in nodes]
        if not self.rules.seals_bind_round:
            return sum(any(rounds) for rounds in sealed)
        return max(sum(rounds) for rounds in zip(*sealed, strict=True))


def _voted(node: Node, round_: int, votes: Votes) -> Node:
    return node._replace(votes=(*node.votes[:round_], votes, *node.votes[round_ + 1 :]))


def swapped(node: Node) -> Node:
    """Return the validator as if the two values had each other's names."""

    def lock(given: Lock | None) -> Lock | None:
        return given if given is None or given == UNPREPARED else (given[0], 1 - given[1])

    def values(given: frozenset[int]) -> frozenset[int]:
        return frozenset(1 - value for value in given)

    votes = (Votes(lock(v.round_change), values(v.prepared), values(v.committed)) for v in node.votes)
    return Node(node.round, lock(node.lock), tuple(votes))
