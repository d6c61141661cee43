"""What this validator's own process has signed lately, to tell a vote that another process made with its key.

Ed25519 signs one statement in one way, so a vote is told by what it says. A vote of our key for a height that the
log holds whole, and which the log does not hold, was signed by another process: by a former life whose log is lost,
or by one that runs now.

Invariant: of every height from `known_from` on, all statements of this log are here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from consensus.messages import (
    STEP_COMMIT,
    STEP_PREPARE,
    STEP_ROUND_CHANGE,
    Commit,
    Message,
    PreparedCertificate,
    Proposal,
    RoundChange,
    digest_of,
    step_of,
)
from consensus.types import Certificate, Roots
from node.votes.write_ahead_log import WriteAheadLog

HEIGHTS_KEPT: Final = 8
"""What arrives is of the height in progress or of the one before; the rest is margin."""

Statement = tuple[int, int, str, object]
"""Height, round, step, and what was said."""


class OwnVotes:
    """The statements of the last heights, read from the log and noted as they are logged."""

    def __init__(self, wal: WriteAheadLog) -> None:
        self._wal = wal
        self.forget()

    def forget(self) -> None:
        """Begin anew with what the log holds now: after its floor was set."""
        self.known_from = self._wal.floor + 1
        self._statements: dict[int, set[Statement]] = {}
        for vote in self._wal.votes_above(self._wal.floor):
            self.note(vote.record.message)

    def note(self, message: Message) -> None:
        """Remember a vote that is in the log."""
        self._statements.setdefault(message.height, set()).add(statement_of_vote(message))
        while len(self._statements) > HEIGHTS_KEPT:
            oldest = min(self._statements)
            del self._statements[oldest]
            self.known_from = max(self.known_from, oldest + 1)

    def is_foreign(self, statement: Statement) -> bool:
        """Tell whether a statement that carries our signature is surely not from this log."""
        height = statement[0]
        return height >= self.known_from and statement not in self._statements.get(height, ())


def statement_of_vote(message: Message) -> Statement:
    """Return what a message says, without its signature and justification."""
    said: object
    if isinstance(message, Commit):
        said = (message.digest, message.roots)
    elif isinstance(message, RoundChange):
        said = (message.vote.prepared_round, message.vote.prepared_digest)
    else:
        said = digest_of(message)
    return (message.height, message.round, step_of(message), said)


def seals_of(certificate: Certificate, own: int) -> Iterator[Statement]:
    """Yield what a validator said in a certificate."""
    if any(seal.index == own for seal in certificate.seals):
        roots = Roots(certificate.state_root, certificate.receipts_root)
        yield (certificate.height, certificate.round, STEP_COMMIT, (certificate.digest, roots))


def statements_carried(message: Message, own: int) -> Iterator[Statement]:
    """Yield what a validator said, by a message or by the justification that it carries."""
    if message.sender == own:
        yield statement_of_vote(message)
    if isinstance(message, RoundChange):
        yield from _prepares_of(message.height, message.prepared, own)
    elif isinstance(message, Proposal):
        yield from _prepares_of(message.height, message.prepared, own)
        for vote in message.round_changes:
            if vote.sender == own:
                said = (vote.prepared_round, vote.prepared_digest)
                yield (message.height, message.round, STEP_ROUND_CHANGE, said)


def _prepares_of(height: int, prepared: PreparedCertificate | None, own: int) -> Iterator[Statement]:
    if prepared is not None and any(seal.index == own for seal in prepared.prepares):
        yield (height, prepared.round, STEP_PREPARE, prepared.digest)
