"""Puts evidence on the chain: two conflicting signed messages that this node has seen become a `gov.report`.

A report proves itself, so any account may make it; this node signs with its own key, as the account that its key
makes. All who saw the evidence take turns by their place in the validator set, and look first whether it is
recorded already, so that one report is enough as a rule. A second one does no harm: it fails with ALREADY_EXISTS.
What the contract would refuse, as enough is known of a validator, is not sent.

What was not reported before the node ends is lost here; others have seen it, or see the next one.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from consensus.effects import Evidence
from consensus.messages import Commit, Message, RoundChange, digest_of, step_of
from contracts_py.gov.reports import is_recorded, is_wanted, report_count
from node.chain.ledger import Ledger
from node.pool.admission import Admission
from node.runtime.clock import BlockClock
from node.runtime.errors import NotReady, TransactionRefused
from node.validator.own_transactions import expiry_of_own
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import encode_body, sign_body

_log = logging.getLogger(__name__)

MAX_PENDING_PER_VALIDATOR: Final = 8
"""A validator that contradicts itself all the time must not crowd out what is known of others."""

MAX_TRIES: Final = 5
TURN_SECONDS: Final = 1.0
"""So much later does the next validator report: a block is final in less."""

RETRY_SECONDS: Final = 10.0

Place = tuple[str, int, int, Any]
"""Which contradiction: the validator's key, height, round, step."""

Submit = Callable[[Sequence[bytes]], Awaitable[Any]]


@dataclass(slots=True)
class _Pending:
    place: Place
    args: dict[str, Any]
    due: float
    tries: int = 0


class EvidenceReporter:
    """Reports what `found` is told of, from its task `run`."""

    def __init__(self, ledger: Ledger, key: SigningKey, clock: BlockClock, submit: Submit) -> None:
        self._ledger = ledger
        self._key = key
        self._clock = clock
        self._submit = submit
        self._pending: dict[Place, _Pending] = {}
        self._nonce = 0
        self._wake = asyncio.Event()

    def found(self, evidence: Evidence) -> None:
        """Take evidence in, to be reported when it is this node's turn."""
        args = report_args(self._ledger, evidence)
        place = (args["validator"], args["height"], args["round"], args["step"])
        of_same = sum(pending.args["validator"] == args["validator"] for pending in self._pending.values())
        if place not in self._pending and of_same < MAX_PENDING_PER_VALIDATOR:
            due = asyncio.get_running_loop().time() + self._turn() * TURN_SECONDS
            self._pending[place] = _Pending(place, args, due)
            self._wake.set()

    def _turn(self) -> int:
        validators = self._ledger.next_validators()
        own = validators.index_of(self._key.public_key)
        return validators.n if own is None else own

    async def run(self) -> None:
        """Report until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            self._wake.clear()
            pending = min(self._pending.values(), key=lambda each: each.due, default=None)
            if pending is None:
                await self._wake.wait()
            elif (wait := pending.due - loop.time()) > 0:
                await asyncio.sleep(min(wait, TURN_SECONDS))
            else:
                await self._report(pending)

    async def _report(self, pending: _Pending) -> None:
        if not self._is_wanted(pending) or pending.tries >= MAX_TRIES:
            del self._pending[pending.place]
            return
        pending.tries += 1
        pending.due = asyncio.get_running_loop().time() + RETRY_SECONDS
        try:
            (outcome,) = await self._submit([self._transaction(pending.args)])
        except NotReady as error:
            _log.info("evidence %s is not reported yet: %s", _named(pending.place), error)
        else:
            _log.warning("evidence %s %s", _named(pending.place), _told(outcome))

    def _is_wanted(self, pending: _Pending) -> bool:
        """Tell whether the chain has no such report, and would take it."""
        reader = self._ledger.store.reader
        count = report_count(reader, pending.args["validator"])
        return not is_recorded(reader, *pending.place) and is_wanted(count, pending.args["height"])

    def _transaction(self, args: dict[str, Any]) -> bytes:
        self._nonce += 1
        body = encode_body(
            self._ledger.chain,
            address_of_key(self._key.public_key),
            self._nonce,
            expiry_of_own(self._ledger, self._clock),
            [("gov.report", args)],
        )
        return sign_body(body, [self._key])


def _named(place: Place) -> str:
    """Return a contradiction as the log names it."""
    key, height, round_, step = place
    return f"that validator {key[:16]} signed two different messages at height {height}, round {round_}, {step}"


def _told(outcome: Admission | TransactionRefused) -> str:
    """Return what became of a report's transaction, as the log tells it."""
    if isinstance(outcome, Admission):
        return f"is reported in transaction {outcome.id.hex()}"
    return f"is not reported: {outcome.message} ({outcome.reason})"


def report_args(ledger: Ledger, evidence: Evidence) -> dict[str, Any]:
    """Return the arguments of `gov.report` for two conflicting messages."""
    first, second = evidence.first, evidence.second
    key = ledger.validators_at(second.height).key(second.sender)
    assert key is not None, "a verified message names a validator of its height"
    return {
        "validator": key.hex(),
        "height": second.height,
        "round": second.round,
        "step": step_of(second),
        "first": _statement(first),
        "second": _statement(second),
    }


def _statement(message: Message) -> dict[str, Any]:
    """Return what a message says beside chain, height and round, as `contracts_py.gov.records.Statement` has it."""
    told: dict[str, Any] = {"signature": message.signature.hex()}
    digest = digest_of(message)
    if isinstance(message, RoundChange):
        if message.prepared is not None and digest is not None:
            told |= {"prepared_round": message.prepared.round, "prepared_digest": digest.hex()}
        return told
    assert digest is not None
    told["digest"] = digest.hex()
    if isinstance(message, Commit):
        told |= {"state_root": message.state_root.hex(), "receipts_root": message.receipts_root.hex()}
    return told
