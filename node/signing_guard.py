"""Whether this validator may sign: it must never sign a height again for which a lost log may hold its votes.

The write-ahead log is what keeps a validator from signing twice. Where the log was lost, damaged, or is older than
the validator's last life (a restored backup), the validator *recovers*: it follows the chain without signing, until
it is sure that it is past everything that it can have signed. docs/operations-recovery.md has the arguments for
two ways to know; either will do.

    by reports   Whoever signed for height M had seen block M − 1 final, so of any quorum of other validators one
                 honest has reached M − 2 since. Let X be the greatest height that a quorum of others report after
                 our start; then M ≤ X + 2, and once block X + 2 is decided and imported, the validator signs again.
    by a marker  A block with a transaction that we made in this life (node/recovery_marker.py) was decided in this
                 life, and M − 1 before: so the block's height is M or above. No peer can hold this up alone.

It recovers when the log says so (`entente node recover`, a restored backup), when the store has noted another log
or a later vote than the log holds, and when a certificate holds a seal of ours for a height above all that
the log knows of: that is how a copied home folder is found out.

Invariants:
    1. While `recovering`, no height's context names this validator, so that the core only observes.
    2. `recovering` is durable before it has an effect, and so is its end.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterable

import msgspec

from consensus.types import Certificate, HeightContext, ValidatorSet
from node.store import Store
from node.write_ahead_log import WriteAheadLog

_log = logging.getLogger(__name__)

MAX_MARKERS = 16
"""Sent in the last minutes; older ones have expired."""

BLOCKS_IN_DOUBT = 2
"""A quorum of others may be so far behind the height that this validator last signed for."""


class SigningGuard:
    """Stands between the ledger's context of a height and the consensus core."""

    def __init__(self, wal: WriteAheadLog, own_key: bytes | None) -> None:
        self._wal = wal
        self._own_key = own_key
        self._reports: dict[bytes, int] = {}
        self._markers: deque[bytes] = deque(maxlen=MAX_MARKERS)
        self._marked: int | None = None
        self._votes_here = False
        self._quorum = 0
        self._heard = 0

    @property
    def recovering(self) -> bool:
        """Whether this validator does not sign at present."""
        return self._wal.recovering

    @property
    def reason(self) -> str | None:
        """What a recovering validator waits for, for its operator; None where it may sign."""
        if not self.recovering or not self._votes_here:
            return None
        if self._heard < self._quorum:
            heard = f"heard from {self._heard} other validators, {self._quorum} are needed"
            return f"recovering: {heard}, or its own marker in a block"
        return f"recovering: this validator signs again after block {self.barrier}"

    @property
    def barrier(self) -> int:
        """The height that must be decided before this validator signs, as far as is known now."""
        return max([height + BLOCKS_IN_DOUBT for height in self._reports.values()] + [self._wal.highest])

    @property
    def wants_marker(self) -> bool:
        """Whether a transaction of this life in a block would end the recovery sooner."""
        return self.recovering and self._votes_here and self._marked is None

    # -- what happens ------------------------------------------------------------------------------

    def marker_made(self, transaction_id: bytes) -> None:
        """A transaction that nobody can have known before this life is about to be sent."""
        self._markers.append(transaction_id)

    def block_final(self, height: int, transaction_ids: Iterable[bytes]) -> None:
        """A block is final: where it holds a marker, all that a former life signed is for heights up to its own."""
        if self._markers and self._marked is None and not set(self._markers).isdisjoint(transaction_ids):
            _log.info("block %d holds this validator's recovery marker", height)
            self._marked = height

    def heard(self, key: bytes, height: int) -> None:
        """A peer says where it stands: its first word since our start counts."""
        self._reports.setdefault(key, height)

    def disproved(self, key: bytes, height: int) -> None:
        """A peer has not got the block after `height`, whatever it claimed."""
        if key in self._reports:
            self._reports[key] = min(self._reports[key], height)

    def certificate_seen(self, certificate: Certificate | None, validators: ValidatorSet | None) -> None:
        """A block's seals are known: one of ours that our log does not know shows another life.

        Raises:
            WriteAheadLogError: the log cannot note it.
        """
        if certificate is None or validators is None or self._own_key is None or self._wal.recovering:
            return
        own = validators.index_of(self._own_key)
        if own is None or certificate.height <= self._wal.highest:
            return
        if any(seal.index == own for seal in certificate.seals):
            _log.error(
                "this validator has sealed height %d, of which its log knows nothing: it recovers before it signs",
                certificate.height,
            )
            self._begin_recovery(certificate.height)

    def _begin_recovery(self, floor: int) -> None:
        self._wal.begin_recovery(floor)
        # A marker of an earlier recovery would do as well, by the argument; a fresh one needs no thought.
        self._markers.clear()
        self._marked = None

    def context(self, context: HeightContext) -> HeightContext:
        """Return the context to give to the core; ends the recovery where that is safe.

        Raises:
            WriteAheadLogError: the log cannot note the end.
        """
        self._votes_here = context.own_index is not None
        if not self.recovering or not self._votes_here:
            return context
        validators = context.validators
        self._quorum = validators.quorum
        self._heard = sum(
            validator.public_key in self._reports and validator.public_key != self._own_key
            for validator in validators.validators
        )
        if self._is_past_by_reports(context.height) or self._is_past_by_marker(context.height):
            _log.warning("recovered: this validator signs from height %d on", context.height)
            self._wal.end_recovery()
            return context
        return msgspec.structs.replace(context, own_index=None)

    def _is_past_by_reports(self, height: int) -> bool:
        return self._heard >= self._quorum and height > self.barrier

    def _is_past_by_marker(self, height: int) -> bool:
        return self._marked is not None and height > max(self._marked, self._wal.highest)


def compare_with_store(wal: WriteAheadLog, store: Store) -> None:
    """Begin to recover where the log is not the one that this store last saw, or lacks votes; then note the log.

    Raises:
        WriteAheadLogError, StoreError: the disk refuses.
    """
    noted = store.log_mark
    height = store.head.height
    if noted is not None and not wal.recovering:
        if noted.identity != wal.mark.identity:
            _log.error("the write-ahead log is another than the one used up to height %d: recovering", height)
            wal.begin_recovery(height + 1)
        elif noted.sequence > wal.mark.sequence:
            missing = noted.sequence - wal.mark.sequence
            _log.error("the write-ahead log lacks %d votes that the store knows of: recovering", missing)
            wal.begin_recovery(height + 1)
    if store.log_mark != wal.mark:
        store.note_log(wal.mark)
