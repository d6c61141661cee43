"""What the core asks of the shell, as data.

The shell performs the effects of one step in order and completes each `Persist` (fsync) before it
performs anything after it. Answers come back as inputs of later steps; nothing is answered
inside the step. After `Halt` no effect and no input is performed any more.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from consensus.messages import Message, VoteRecord
from consensus.types import Candidate, Certificate


class Persist(msgspec.Struct, frozen=True):
    """Append to the write-ahead log and fsync, with the transactions' bytes of `record.block`."""

    record: VoteRecord


class Broadcast(msgspec.Struct, frozen=True):
    """Send to every other validator (and full nodes that follow). Never back to ourselves."""

    message: Message


class Send(msgspec.Struct, frozen=True):
    """Send to the validator at index `to`."""

    to: int
    message: Message


class ScheduleTimeout(msgspec.Struct, frozen=True):
    """Start the one round timer, replacing any other; answer TimerExpired."""

    height: int
    round: int
    duration_ms: int


class ScheduleRebroadcast(msgspec.Struct, frozen=True):
    """Start the one rebroadcast timer, replacing any other; answer RebroadcastDue."""

    height: int
    duration_ms: int


class BuildBlock(msgspec.Struct, frozen=True):
    """Build a candidate on the parent; answer BlockBuilt.

    Attributes:
        parent_certificate: to embed: every valid seal held at this moment; None at height 1.
        required: an empty block is wanted too where there is no work (rounds above 0).
    """

    height: int
    round: int
    parent_certificate: Certificate | None
    required: bool


class CheckBlock(msgspec.Struct, frozen=True):
    """Get all transactions and judge the block against the parent's state; answer BlockChecked.

    Repeated for one digest, the later replaces the earlier.

    Attributes:
        source: the index of the validator that surely has the block.
        judge_time: hold the answer back while header.time is too far ahead of the clock; False for a
            block that a quorum has already prepared.
    """

    candidate: Candidate
    source: int
    judge_time: bool


class ExecuteBlock(msgspec.Struct, frozen=True):
    """Execute on an overlay of the parent's state; answer BlockExecuted.

    The shell first gets transactions that it misses, from the validators at `sources`.
    """

    candidate: Candidate
    sources: tuple[int, ...]


class CommitBlock(msgspec.Struct, frozen=True):
    """The block is final: write its overlay and the certificate in one synced batch, then NewHeight."""

    candidate: Candidate
    certificate: Certificate


class FetchCandidate(msgspec.Struct, frozen=True):
    """Ask the validators at `sources`, one after the other, for a candidate; answer CandidateFetched."""

    height: int
    digest: bytes
    sources: tuple[int, ...]


class PeerBehind(msgspec.Struct, frozen=True):
    """The sender is at a height that we have decided: send it block and certificate (rate-limited)."""

    sender: int
    height: int


class Behind(msgspec.Struct, frozen=True):
    """The sender is at a later height; where that lasts, sync from it. Normal for milliseconds."""

    sender: int
    height: int


class Evidence(msgspec.Struct, frozen=True):
    """Two conflicting signed messages of one validator for one (height, round, step)."""

    first: Message
    second: Message


class Misbehaved(msgspec.Struct, frozen=True):
    """The sender signed a message that no correct validator sends."""

    sender: int
    height: int
    reason: str


class Unready(msgspec.Struct, frozen=True):
    """The node must report itself not ready: f+1 validators seal other roots than ours."""

    height: int
    reason: str


class Halt(msgspec.Struct, frozen=True):
    """Stop taking part, loudly: going on could fork the chain. `details` belongs in the log."""

    reason: str
    details: dict[str, str]


Effect: TypeAlias = (
    Persist
    | Broadcast
    | Send
    | ScheduleTimeout
    | ScheduleRebroadcast
    | BuildBlock
    | CheckBlock
    | ExecuteBlock
    | CommitBlock
    | FetchCandidate
    | PeerBehind
    | Behind
    | Evidence
    | Misbehaved
    | Unready
    | Halt
)
