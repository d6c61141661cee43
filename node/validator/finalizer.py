"""The one way by which a block becomes final here: from consensus and from block sync alike.

    executed block + certificate → the guard sees the seals → ledger and store → listeners, in order → the block
    feed

Listeners are the parts of this node that must know before anything else happens: the pool, gossip, the schedule,
the pruner, and last of all consensus, which begins the next height. They are called within the same step of the
event loop, so that none of them ever sees a head that another has not heard of. What may take longer, or belongs
to no part of the node, reads the feed (`node.chain.feed`).

Invariants:
    1. A listener hears of each height once, in order, after it is on the disk or in the batch that is on its way
       there.
    2. After `close`, or a halt, nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable

from consensus.types import Certificate
from node.chain.feed import BlockFeed, FinalBlock
from node.chain.ledger import Executed, Ledger
from node.runtime.supervisor import Supervisor
from node.validator.recovery_marker import is_announcement
from node.votes.signing_guard import SigningGuard

Listener = Callable[[Executed, Certificate], None]


class Finalizer:
    """Makes blocks final, and tells those who registered with `on_final`."""

    def __init__(self, ledger: Ledger, guard: SigningGuard, feed: BlockFeed, supervisor: Supervisor) -> None:
        self._ledger = ledger
        self._guard = guard
        self._feed = feed
        self._supervisor = supervisor
        self._listeners: list[Listener] = []
        self._closed = False

    def on_final(self, *listeners: Listener) -> None:
        """Call functions after each final block, in the order in which they are given."""
        self._listeners += listeners

    def close(self) -> None:
        """Write nothing any more: the store is about to be closed."""
        self._closed = True

    def finalize(self, executed: Executed, certificate: Certificate) -> None:
        """Write a final block, and tell of it.

        After a halt or a stop nothing is written: it may have come while block sync was executing.

        Raises:
            StoreError: nothing was written.
            InvariantBroken: the block was executed on another head, or the certificate proves other roots.
        """
        if self._closed or self._supervisor.halted is not None:
            return
        self._show_seals(executed, certificate)
        self._ledger.commit(executed, certificate, self._guard.log_mark)
        self._show_transactions(executed)
        for listener in self._listeners:
            listener(executed, certificate)
        self._feed.publish(FinalBlock.of(executed, certificate))

    def _show_seals(self, executed: Executed, certificate: Certificate) -> None:
        """Show the guard every seal that this block brings: one of ours that our log lacks is another process's."""
        context = self._ledger.height_context()
        self._guard.certificate_seen(context.parent_certificate, context.parent_validators)
        self._guard.certificate_seen(executed.candidate.parent_certificate, context.parent_validators)
        self._guard.certificate_seen(certificate, context.validators)

    def _show_transactions(self, executed: Executed) -> None:
        """Show the guard what a block holds: its own marker, or an announcement of another process."""
        guard = self._guard
        guard.block_final(executed.candidate.header.height, (tx.id for tx in executed.transactions))
        for tx in executed.transactions:
            if is_announcement(tx, guard.own_key):
                guard.announcement_final(tx.id)
