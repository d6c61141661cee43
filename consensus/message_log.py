"""The votes seen at one height, bounded for each sender.

Every sender has slots of its own, so that no one crowds out another: the latest round-change, the
latest proposal, and the PREPAREs and COMMITs of its ROUNDS_KEPT highest rounds. A correct sender only
moves upwards, so what falls out of its slots is what it has left behind.

Invariants:
    1. At most one vote counts per (sender, round, step): the first; a different second is evidence.
    2. Memory is at most n · (2 · ROUNDS_KEPT + 2) messages, for any input.
"""

from __future__ import annotations

from enum import Enum
from typing import Final, NamedTuple

from consensus.messages import Commit, Message, Prepare, Proposal, RoundChange, digest_of
from consensus.types import Roots, Seal

ROUNDS_KEPT: Final = 8
"""Rounds of PREPAREs and COMMITs kept per sender. A quorum meets within a round or two of one another."""


class Outcome(Enum):
    """What adding a message did."""

    ADDED = "added"
    DUPLICATE = "duplicate"
    STALE = "stale"
    CONFLICT = "conflict"


class Added(NamedTuple):
    """The outcome, and for CONFLICT the message that was there first."""

    outcome: Outcome
    prior: Message | None = None


class Votes:
    """One kind of vote: round -> sender -> message."""

    __slots__ = ("_by_sender", "rounds")

    def __init__(self) -> None:
        self.rounds: dict[int, dict[int, Prepare | Commit]] = {}
        self._by_sender: dict[int, list[int]] = {}

    def add(self, vote: Prepare | Commit) -> Added:
        """Keep a vote if it is the sender's first of its round and not older than all its slots."""
        senders = self.rounds.get(vote.round)
        prior = senders.get(vote.sender) if senders is not None else None
        if prior is not None:
            return Added(Outcome.CONFLICT, prior) if _differ(prior, vote) else Added(Outcome.DUPLICATE)
        rounds = self._by_sender.setdefault(vote.sender, [])
        if len(rounds) >= ROUNDS_KEPT:
            lowest = min(rounds)
            if vote.round < lowest:
                return Added(Outcome.STALE)
            rounds.remove(lowest)
            self._remove(lowest, vote.sender)
        rounds.append(vote.round)
        self.rounds.setdefault(vote.round, {})[vote.sender] = vote
        return Added(Outcome.ADDED)

    def _remove(self, round_: int, sender: int) -> None:
        senders = self.rounds[round_]
        del senders[sender]
        if not senders:
            del self.rounds[round_]


def _differ(prior: Message, message: Message) -> bool:
    """Tell whether two messages of one (sender, round, step) are different votes."""
    if isinstance(prior, RoundChange) and isinstance(message, RoundChange):
        first, second = prior.vote, message.vote
        return (first.prepared_round, first.prepared_digest) != (
            second.prepared_round,
            second.prepared_digest,
        )
    if isinstance(prior, Commit) and isinstance(message, Commit):
        return (prior.digest, prior.roots) != (message.digest, message.roots)
    return digest_of(prior) != digest_of(message)


class MessageLog:
    """All votes of one height."""

    __slots__ = ("commits", "prepares", "proposals", "round_changes")

    def __init__(self) -> None:
        self.prepares = Votes()
        self.commits = Votes()
        self.round_changes: dict[int, RoundChange] = {}
        self.proposals: dict[int, Proposal] = {}

    def add(self, message: Message) -> Added:
        """Keep a verified message within the sender's bounds. Source: Dafny `messagesReceived`, without bounds."""
        if isinstance(message, Prepare):
            return self.prepares.add(message)
        if isinstance(message, Commit):
            return self.commits.add(message)
        slot: dict[int, RoundChange] | dict[int, Proposal]
        slot = self.proposals if isinstance(message, Proposal) else self.round_changes
        prior = slot.get(message.sender)
        if prior is not None and prior.round >= message.round:
            if prior.round > message.round:
                return Added(Outcome.STALE)
            return Added(Outcome.CONFLICT, prior) if _differ(prior, message) else Added(Outcome.DUPLICATE)
        slot[message.sender] = message  # type: ignore[assignment]
        return Added(Outcome.ADDED)

    def prepare_seals(self, round_: int, digest: bytes) -> list[Seal]:
        """Return the PREPAREs for a digest in a round, sorted by sender.

        Source: Dafny `validPreparesForHeightRoundAndDigest`.
        """
        votes = self.prepares.rounds.get(round_, {})
        return [Seal(i, votes[i].signature) for i in sorted(votes) if votes[i].digest == digest]

    def commit_seals(self, round_: int, digest: bytes, roots: Roots) -> list[Seal]:
        """Return the seals of one round for a digest and its roots, sorted by sender.

        Source: Dafny `validCommitsForHeightRoundAndDigest`, `validateCommit`; here the roots must be equal too.
        """
        votes = self.commits.rounds.get(round_, {})
        return [
            Seal(i, vote.signature)
            for i, vote in sorted(votes.items())
            if isinstance(vote, Commit) and vote.digest == digest and vote.roots == roots
        ]

    def senders_of_other_roots(self, digest: bytes, roots: Roots) -> list[int]:
        """Return who, in any round, sealed other roots for a digest than these, sorted."""
        found: dict[int, None] = {}
        for votes in self.commits.rounds.values():
            for sender, vote in votes.items():
                if isinstance(vote, Commit) and vote.digest == digest and vote.roots != roots:
                    found[sender] = None
        return sorted(found)

    def round_changes_for(self, round_: int) -> list[RoundChange]:
        """Return the round-changes for exactly this round, by sender. Source: Dafny `receivedRoundChanges`."""
        return [rc for _, rc in sorted(self.round_changes.items()) if rc.round == round_]

    def reached(self, round_: int) -> int:
        """Return how many senders have reached this round or a higher one."""
        return sum(1 for rc in self.round_changes.values() if rc.round >= round_)

    def highest_round_reached_by(self, count: int) -> int:
        """Return the highest round that `count` senders have reached; 0 if there are fewer senders.

        Source: Dafny `receivedSignedRoundChangesForCurrentHeightAndFutureRounds`, `minSet`, for the highest.
        """
        rounds = sorted((rc.round for rc in self.round_changes.values()), reverse=True)
        return rounds[count - 1] if len(rounds) >= count else 0
