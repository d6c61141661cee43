"""Whether this validator may sign: never a height for which its log may lack votes that it has sent.

The write-ahead log keeps a validator from signing twice. Four things can be wrong with a log:

*It may lack votes up to some height.* Rotation and recovery leave votes behind; the log's floor says up to where.
The validator signs above the floor only, where the log holds every vote.

*It may lack the last votes.* Where the log was lost, damaged, or is older than the validator's last life (a
restored backup), the validator *recovers*: it follows the chain without signing, until it is sure that it is past
everything that it can have signed. It is sure by a *marker*, a transaction that it makes in this life
(`node.validator.recovery_marker`). What signed for height M had seen block M − 1 final. The marker's block was
decided later, so its height is M or above, and the validator signs above it. Nothing that peers say of themselves
counts. It recovers when the log says so (`entente node recover`, a restored backup, a snapshot), when the store has
noted another log or a later vote, when the store is older than the log or knows of none, when the log is another
key's, and when a vote of our key turns up that the log should hold and does not: that is how a copied home folder
is found out.

*It may be new.* Then either the chain is, or the log was lost with everything else. On a head above 0 the validator
recovers. At height 1 it signs once q − 1 other validators have said, since this process began, that they hold no
block. A claim to hold blocks is no obstacle: blocks that exist are fetched, and end the wait by moving the head.

    Liveness: of the n − f ≥ q validators that are not faulty in a new chain, each hears q − 1 others say 0; f dead
    ones, or liars that claim any height, change nothing.
    Safety: let a former life have signed for M ≥ 3. Block 2 was decided, so q validators of the genesis set, Q, had
    sealed it with block 1 in their stores. Let Z be the q − 1 that say 0. With the wiped one in Q, Z and the others
    of Q share at least (q − 1) + (q − 1) − (n − 1) = 2q − n − 1 ≥ f validators, all of which lie or have lost their
    chain; with the wiped one itself that makes f + 1 faults. (Outside Q it makes 2q − n > f.) So while at most f
    validators are faulty, one that loses its whole disk counted among them, M ≤ 2.
    What remains is M ≤ 2: everything is lost in the first two heights of a chain, where no peer need hold a block.
    A vote of ours that a peer shows us in a certificate or justification makes us recover even then.

*It may not be the only one.* Once this life's marker is in block K, everything that former lives signed is for
heights up to K. A vote of our key above K that is not in our log was made by a process that runs now. Then this one
is *silenced*, durably, and announces it in a transaction; a process of the same key that reads it in a block falls
silent as well. A twin is thus found at its second foreign vote at the latest: the first one begins a recovery, and
with it a marker.

All this holds for full nodes too, which send their marker when they are new: one that is made a validator signs
from its first height on. Else a set of which more than n − q are newcomers could not begin.

Invariants:
    1. Unless the log's standing is SIGNS and the height is above its floor, no context names this validator, so
       that the core only observes.
    2. A standing is durable before it has an effect.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, Protocol

import msgspec

from consensus.messages import Message, VoteRecord
from consensus.types import Certificate, HeightContext, ValidatorSet, header_digest
from node.store import Head, LogMark
from node.votes.own_votes import OwnVotes, Statement, seals_of, statements_carried
from node.votes.write_ahead_format import LoggedVote, Standing
from node.votes.write_ahead_log import WriteAheadLog
from vm.transaction import Transaction, parse_transaction

_log = logging.getLogger(__name__)

MAX_MARKERS: Final = 16
"""Sent in the last minutes; older ones have expired."""


MAX_ANNOUNCEMENTS: Final = 6
"""The other process passes over those that it reads while it recovers, which takes a few blocks."""


class LogNotes(Protocol):
    """What the guard asks of the store."""

    @property
    def log_mark(self) -> LogMark | None:
        """The log that the store was last used with."""
        ...

    @property
    def head(self) -> Head:
        """The last committed height."""
        ...

    def note_log(self, mark: LogMark) -> None:
        """Note another log, durably."""
        ...


class SigningGuard:
    """Stands between the ledger's context of a height and the consensus core, and between the core and its log."""

    def __init__(self, wal: WriteAheadLog, own_key: bytes | None) -> None:
        self._wal = wal
        self._own_key = own_key
        self._own_votes = OwnVotes(wal)
        self._markers: deque[bytes] = deque(maxlen=MAX_MARKERS)
        self._marked: int | None = None
        self._without_blocks: set[bytes] = set()
        self._next: HeightContext | None = None
        self._announcements: list[bytes] = []

    # -- what it tells -----------------------------------------------------------------------------

    @property
    def own_key(self) -> bytes | None:
        """The public key that this node signs with."""
        return self._own_key

    @property
    def highest_vote(self) -> int:
        """The greatest height that this validator is known to have signed for."""
        return self._wal.highest

    @property
    def log_mark(self) -> LogMark:
        """How far the log is, for the store to note with each block."""
        return self._wal.mark

    @property
    def recovering(self) -> bool:
        """Whether this validator does not sign at present, at any height."""
        return self._wal.standing is not Standing.SIGNS

    @property
    def silenced(self) -> bool:
        """Whether another process signs with this key."""
        return self._wal.standing is Standing.SILENCED

    @property
    def reason(self) -> str | None:
        """Why a validator does not sign, for its operator; None where it may, or does not decide this height."""
        here = self._next
        if here is None or here.own_index is None:
            return None
        if self.silenced:
            return (
                "silenced: another process signs with this validator's key; end all but one, "
                "then run `entente node recover` on its home"
            )
        if self.waits_for_heads:
            heard = len(self._without_blocks_of(here.validators))
            return (
                f"waiting: the vote log is new; this validator signs once {here.validators.quorum - 1} other "
                f"validators have said that they hold no block ({heard} have)"
            )
        if self.recovering and self._marked is None:
            return "recovering: until a block holds a transaction that this validator has made since its start"
        floor = max(self._marked or 0, self._wal.highest) if self.recovering else self._wal.floor
        if self.recovering or here.height <= floor:
            return f"recovering: this validator signs again after block {floor}"
        return None

    @property
    def wants_marker(self) -> bool:
        """Whether a transaction of this life must be brought into a block to end the recovery."""
        waits = self.silenced or self.waits_for_heads
        return self.recovering and not waits and self._next is not None and self._marked is None

    @property
    def wants_announcement(self) -> bool:
        """Whether the others of this key are still to be told that they are several."""
        return self.silenced and len(self._announcements) < MAX_ANNOUNCEMENTS

    @property
    def waits_for_heads(self) -> bool:
        """Whether the log is new, and perhaps the chain too."""
        here = self._next
        is_new = self._wal.standing is Standing.NEW and not self._wal.holds_votes
        return is_new and here is not None and here.height == 1

    def votes_to_restore(self, height: int) -> Sequence[LoggedVote]:
        """Return the logged votes with which a life begins on a head: none where it will sign above them only."""
        return () if self.recovering else self._wal.votes_above(max(height, self._wal.floor))

    # -- what happens ------------------------------------------------------------------------------

    def bodies_to_restore(self, height: int) -> Iterator[tuple[bytes, list[Transaction]]]:
        """Yield digest and transactions of each block at `height + 1` that a logged vote binds."""
        for vote in self._wal.votes_above(height):
            block = vote.record.block
            if block is not None and vote.transactions is not None and block.header.height == height + 1:
                yield header_digest(block.header), [parse_transaction(raw) for raw in vote.transactions]

    def close(self) -> None:
        """Close the log."""
        self._wal.close()

    def log_vote(self, record: VoteRecord, transactions: Sequence[bytes] | None) -> None:
        """Write a vote to the log and sync it.

        Raises:
            WriteAheadLogError, SignedBefore: the vote must not be sent.
        """
        self._wal.append(record, transactions)
        self._own_votes.note(record.message)

    def marker_made(self, transaction_id: bytes) -> None:
        """A transaction that cannot have been known before this life is about to be sent."""
        self._markers.append(transaction_id)

    def announcement_made(self, transaction_id: bytes) -> None:
        """A transaction that tells of several processes with this key is about to be sent."""
        self._announcements.append(transaction_id)

    def block_final(self, height: int, transaction_ids: Iterable[bytes]) -> None:
        """A block is final: where it holds a marker, all that a former life signed is for heights up to its own."""
        if self._markers and self._marked is None and not set(self._markers).isdisjoint(transaction_ids):
            _log.info("block %d holds this validator's recovery marker", height)
            self._marked = height

    def announcement_final(self, transaction_id: bytes) -> None:
        """A block holds an announcement signed with our key: another process has proof that there are several.

        A validator that recovers may be reading the chain's past, where one of a former life may stand.

        Raises:
            WriteAheadLogError: the log cannot note it.
        """
        if not self.recovering and transaction_id not in self._announcements:
            self._silence("another process with this validator's key has announced that both sign")

    def peer_said(self, key: bytes, height: int) -> bool:
        """An authenticated peer says how high its head is; tell whether a new log may now be used.

        Raises:
            WriteAheadLogError: the log cannot note it.
        """
        here = self._next
        if not self.waits_for_heads or here is None:
            return False
        if height == 0 and here.validators.index_of(key) is not None:
            self._without_blocks.add(key)
        return self._begin_new_chain()

    def certificate_seen(self, certificate: Certificate | None, validators: ValidatorSet | None) -> bool:
        """A block's seals are known: one of ours that our log should hold shows another process.

        Returns:
            Whether this validator has ceased to sign because of it.

        Raises:
            WriteAheadLogError: the log cannot note it.
        """
        own = self._index_in(validators)
        if certificate is None or own is None:
            return False
        return self._compare(seals_of(certificate, own))

    def message_seen(self, message: Message, validators: ValidatorSet | None) -> bool:
        """A verified message may carry votes of ours; returns and raises as `certificate_seen`."""
        own = self._index_in(validators)
        return own is not None and self._compare(statements_carried(message, own))

    def _index_in(self, validators: ValidatorSet | None) -> int | None:
        return None if validators is None or self._own_key is None else validators.index_of(self._own_key)

    def _compare(self, statements: Iterable[Statement]) -> bool:
        for statement in statements:
            if self._own_votes.is_foreign(statement) and self._foreign_vote(statement):
                return True
        return False

    def _foreign_vote(self, statement: Statement) -> bool:
        height, round_, step, _ = statement
        place = f"{step} for height {height}, round {round_}"
        what = f"this validator has signed a {place}, of which its log knows nothing"
        if self.silenced:
            return False
        if self._marked is not None and height > self._marked:
            self._silence(f"{what}, after it had recovered by block {self._marked}: another process has its key")
            return True
        if self._wal.recovering or (self._wal.standing is Standing.NEW and not self.waits_for_heads):
            return False
        _log.error("%s: it recovers before it signs", what)
        self._begin_recovery(height)
        return True

    def _begin_recovery(self, floor: int) -> None:
        self._wal.begin_recovery(floor)
        self._own_votes.forget()
        # A marker of an earlier recovery would do as well, by the argument; a fresh one needs no thought.
        self._markers.clear()
        self._marked = None

    def _silence(self, what: str) -> None:
        _log.error("%s: this process signs no more until an operator has ended all but one (node recover)", what)
        self._wal.silence()
        self._own_votes.forget()

    # -- what it decides ---------------------------------------------------------------------------

    def context(self, context: HeightContext) -> HeightContext:
        """Return the context to give to the core; ends the recovery where that is safe.

        Raises:
            WriteAheadLogError: the log cannot note the end.
        """
        self._next = context
        self._begin_new_chain()
        waits = self._wal.standing in (Standing.RECOVERING, Standing.NEW)
        if waits and self._marked is not None and context.height > max(self._marked, self._wal.highest):
            _log.warning("recovered: this validator signs from height %d on", context.height)
            self._wal.begin_signing(self._marked)  # what former lives have signed up to there is not in this log
            self._own_votes.forget()
        if self._wal.standing is Standing.SIGNS and context.height > self._wal.floor:
            return context
        if context.own_index is None:
            return context
        return msgspec.structs.replace(context, own_index=None)

    def _without_blocks_of(self, validators: ValidatorSet) -> set[bytes]:
        """Return the other validators that have said that they hold no block."""
        return {
            key for key in self._without_blocks if validators.index_of(key) is not None and key != self._own_key
        }

    def _begin_new_chain(self) -> bool:
        here = self._next
        if here is None or not self.waits_for_heads:
            return False
        if len(self._without_blocks_of(here.validators)) < here.validators.quorum - 1:
            return False
        _log.info("the chain is new: a quorum of validators holds no block; this validator signs")
        self._wal.begin_signing()
        self._without_blocks.clear()
        return True


def compare_with_store(wal: WriteAheadLog, store: LogNotes, own_key: bytes | None = None) -> None:
    """Begin to recover where log and store do not fit, or the log is another key's; then note the log.

    A vote for height h is logged only when block h − 1 is durable in the store. So after any crash the store is at
    most one height below the log; where it is further below, or knows of no log, one of the two was put back.

    Raises:
        WriteAheadLogError, StoreError: the disk refuses.
    """
    height = store.head.height
    if own_key is not None and not wal.claim(own_key):
        _log.error("the write-ahead log is of another key: this one recovers before it signs")
        wal.give_to(own_key)
    fault = _misfit(wal, store.log_mark, height)
    if fault is not None and wal.standing in (Standing.SIGNS, Standing.NEW):
        _log.error("%s: recovering", fault)
        wal.begin_recovery(height + 1)
    if store.log_mark != wal.mark:
        store.note_log(wal.mark)


def _misfit(wal: WriteAheadLog, noted: LogMark | None, height: int) -> str | None:
    """Say what shows that the store or the log was lost, or is older than it was."""
    if noted is not None and noted.identity != wal.mark.identity:
        return f"the write-ahead log is another than the one used up to height {height}"
    if noted is not None and noted.sequence > wal.mark.sequence:
        return f"the write-ahead log lacks {noted.sequence - wal.mark.sequence} votes that the store knows of"
    if noted is None and wal.holds_votes:
        return f"the store at height {height} knows of no write-ahead log, and there is one of height {wal.highest}"
    if height + 1 < wal.highest:
        return f"the store is at height {height}, and its write-ahead log has votes for height {wal.highest}"
    return None
