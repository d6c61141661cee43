"""Whether this validator may sign: it must never sign a height again for which a lost log may hold its votes.

The write-ahead log is what keeps a validator from signing twice. Where the log was lost, damaged, or is older than
the validator's last life (a restored backup), the validator *recovers*: it follows the chain without signing, until
it is sure that it is past everything that it can have signed. It is sure by a *marker*, a transaction that it
makes in this life (node/recovery_marker.py). Whoever signed for height M had seen block M − 1 final. The marker's
block was decided later, so its height is M or above, and the validator signs above it. Nothing that peers say of
themselves counts: what they report may be too low, where they have lost blocks themselves
(docs/operations-recovery.md).

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


class SigningGuard:
    """Stands between the ledger's context of a height and the consensus core."""

    def __init__(self, wal: WriteAheadLog, own_key: bytes | None) -> None:
        self._wal = wal
        self._own_key = own_key
        self._markers: deque[bytes] = deque(maxlen=MAX_MARKERS)
        self._marked: int | None = None
        self._votes_here = False

    @property
    def recovering(self) -> bool:
        """Whether this validator does not sign at present."""
        return self._wal.recovering

    @property
    def reason(self) -> str | None:
        """What a recovering validator waits for, for its operator; None where it may sign."""
        if not self.recovering or not self._votes_here:
            return None
        if self._marked is None:
            return "recovering: until a block holds a transaction that this validator has made since its start"
        return f"recovering: this validator signs again after block {max(self._marked, self._wal.highest)}"

    @property
    def wants_marker(self) -> bool:
        """Whether a transaction of this life must be brought into a block to end the recovery."""
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
        if self._marked is not None and context.height > max(self._marked, self._wal.highest):
            _log.warning("recovered: this validator signs from height %d on", context.height)
            self._wal.end_recovery()
            return context
        return msgspec.structs.replace(context, own_index=None)


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
