"""What the shell tells the core. Time, disk and network reach it in this form only.

The order at a start: `Restored` once (also with no records), then `NewHeight` for head + 1, then
anything. Inputs that name another height, round or digest than the core is at are ignored, so a late
answer to an abandoned question is harmless.
"""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from consensus.messages import Message, VoteRecord
from consensus.types import Candidate, HeightContext, Roots


class Restored(msgspec.Struct, frozen=True):
    """The write-ahead log's records, oldest first, of every height above the stored head."""

    records: tuple[VoteRecord, ...]


class NewHeight(msgspec.Struct, frozen=True):
    """A height begins: after CommitBlock was performed, or after sync imported blocks.

    A larger height simply abandons the old one; a height that is not larger is ignored.
    """

    context: HeightContext


class MessageReceived(msgspec.Struct, frozen=True):
    """A message whose every signature `Verifier` has checked."""

    message: Message


class TimerExpired(msgspec.Struct, frozen=True):
    """The round timer that ScheduleTimeout asked for ran out."""

    height: int
    round: int


class RebroadcastDue(msgspec.Struct, frozen=True):
    """The timer that ScheduleRebroadcast asked for ran out."""

    height: int


class WorkAvailable(msgspec.Struct, frozen=True):
    """There is something to propose and the block interval has passed. Repeating it is harmless."""

    height: int


class BlockBuilt(msgspec.Struct, frozen=True):
    """The answer to BuildBlock. None: there is nothing to propose after all (round 0 only).

    The shell vouches for the candidate, and holds its transactions, as if it had answered CheckBlock
    with valid.
    """

    height: int
    round: int
    candidate: Candidate | None


class BlockChecked(msgspec.Struct, frozen=True):
    """The answer to CheckBlock. `reason` is for the log; empty where valid.

    Valid means, too, that the transactions' bytes are here until the height ends: a vote that binds us
    to the block logs them. Invalid means invalid at every time and for every validator; a block too far in the
    future, or one whose transactions are still missing, is answered later or never.
    """

    height: int
    digest: bytes
    valid: bool
    reason: str = ""


class BlockExecuted(msgspec.Struct, frozen=True):
    """The answer to ExecuteBlock; its changes wait on an overlay for CommitBlock."""

    height: int
    digest: bytes
    roots: Roots


class CandidateFetched(msgspec.Struct, frozen=True):
    """The answer to FetchCandidate; `verification.candidate_is_whole` holds for it."""

    candidate: Candidate


Input: TypeAlias = (
    Restored
    | NewHeight
    | MessageReceived
    | TimerExpired
    | RebroadcastDue
    | WorkAvailable
    | BlockBuilt
    | BlockChecked
    | BlockExecuted
    | CandidateFetched
)
