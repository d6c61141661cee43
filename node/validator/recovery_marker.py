"""A recovering validator's own transaction, which cannot be older than its present life.

It holds 16 random bytes that did not exist before. The block in which it becomes final was therefore not decided
before this life began, while everything that a former life signed, it signed on blocks decided by then. So that
block is past all of it, independent of what peers report (docs/operations-recovery.md). No contract knows the
transaction's one call: it fails, and changes nothing. It also wakes an idle chain, so that recovery need not wait
for heartbeats.

A validator that has found another process with its key is silenced, and announces it in the same way, with another
call: the other process reads that in a block and falls silent as well (node/votes/signing_guard.py)."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from node.chain.ledger import Ledger
from node.pool.admission import Admission
from node.runtime.clock import BlockClock
from node.runtime.errors import NotReady, TransactionRefused
from node.validator.own_transactions import expiry_of_own
from node.votes.signing_guard import SigningGuard
from vm.primitives.address import address_of_key
from vm.primitives.hashing import sha256
from vm.primitives.keys import SigningKey
from vm.primitives.units import MAX_INT
from vm.transaction import Transaction, encode_body, sign_body

_log = logging.getLogger(__name__)

CALL: Final = "recovery.mark"
ANNOUNCEMENT: Final = "recovery.silenced"
LOOK_SECONDS: Final = 0.5
AGAIN_SECONDS: Final = 20.0
"""A marker that is not final by then may have been lost, or censored: another one is sent."""

NONCE_BYTES: Final = 8
MEMO_BYTES: Final = 16
"""The memo alone makes a marker that cannot have been known before; the nonce is as any other's."""

Submit = Callable[[Sequence[bytes]], Awaitable[Sequence[Admission | TransactionRefused]]]


class RecoveryMarker:
    """Sends markers, from its task `run`, while this validator recovers, and announcements when it is silenced."""

    def __init__(
        self,
        ledger: Ledger,
        key: SigningKey,
        clock: BlockClock,
        guard: SigningGuard,
        submit: Submit,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self._guard = guard
        self._submit = submit
        self._entropy = entropy

    async def run(self) -> None:
        """Send a marker whenever one is needed, until cancelled."""
        again_at = announce_at = 0.0
        while True:
            now = asyncio.get_running_loop().time()
            if self._guard.wants_announcement and now >= announce_at:
                announce_at = now + AGAIN_SECONDS
                await self._announce()
            if not self._guard.wants_marker:
                again_at = 0.0
            elif now >= again_at:
                again_at = now + AGAIN_SECONDS
                await self._mark()
            await asyncio.sleep(LOOK_SECONDS)

    async def _mark(self) -> None:
        body = self._body(CALL)
        # Known before it leaves: it may be final before the submission is answered.
        self._guard.marker_made(sha256(body))
        await self._send(body, "recovery marker")

    async def _announce(self) -> None:
        body = self._body(ANNOUNCEMENT)
        if await self._send(body, "announcement of another process"):
            self._guard.announcement_made(sha256(body))

    def _body(self, call: str) -> bytes:
        return encode_body(
            self._ledger.chain,
            address_of_key(self._key.public_key),
            int.from_bytes(self._entropy(NONCE_BYTES)) & MAX_INT,
            expiry_of_own(self._ledger, self._clock),
            [(call, {})],
            memo=self._entropy(MEMO_BYTES).hex(),
        )

    async def _send(self, body: bytes, what: str) -> bool:
        """Submit a transaction; tell whether it is on its way."""
        try:
            (outcome,) = await self._submit([sign_body(body, [self._key])])
        except NotReady as error:
            _log.info("no %s yet: %s", what, error)
            return False
        if isinstance(outcome, TransactionRefused):
            _log.info("the %s was refused: %s", what, outcome)
            return False
        _log.info("the %s %s is sent", what, sha256(body).hex())
        return True


def is_announcement(transaction: Transaction, own_key: bytes | None) -> bool:
    """Tell whether a transaction, signed with this key, announces that several processes sign with it."""
    return transaction.body.ops == [(ANNOUNCEMENT, {})] and any(key == own_key for key, _ in transaction.sigs)
