"""The tx_* methods: submitting, waiting for finality, simulating, encoding.

Submissions and waits answer all their calls of a batch together (`table.AnswerAll`): one `submit`, one
`wait_committed` per distinct timeout, each block's receipts read once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from node.chain.pruning import MAY_BE_PRUNED
from node.gateway.backend import Backend
from node.gateway.errors import RpcFault, invalid_param, refused_transaction
from node.gateway.limits import past_reads
from node.gateway.method_table import Arguments, Method, described, rpc
from node.gateway.parameters import (
    DEFAULT_TIMEOUT_MS,
    HashBytes,
    Height,
    HexBytes,
    JsonObject,
    Signatures,
    TimeoutMs,
)
from node.gateway.query_faults import query_fault
from node.gateway.results import Hex, SubmittedTransaction, TransactionReceipt
from node.pool.admission import Admission
from node.runtime.errors import NotReady, TransactionRefused
from node.runtime.pauses import pause_point
from vm.block_execution import BlockContext, simulation_steps
from vm.expiry import Expiry, expiry_at
from vm.primitives.address import address_of_key
from vm.primitives.codec import CodecError, check_value, encode
from vm.primitives.hashing import sha256
from vm.primitives.keys import PUBLIC_KEY_BYTES, SIGNATURE_BYTES
from vm.primitives.units import is_lower_hex
from vm.receipt import Receipt
from vm.transaction import (
    MAX_TX_BYTES,
    Body,
    Transaction,
    TransactionError,
    parse_body,
    parse_transaction,
)

_ENCODE_MEMBERS: Final = frozenset({"chain", "sender", "nonce", "expires", "ops", "signers", "memo"})


class TransactionMethods:
    """Takes transactions and tells what became of them."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend
        self._queries = backend.queries
        self._closing: asyncio.Event = asyncio.Event()

    def close(self) -> None:
        """Answer every client that waits with SHUTTING_DOWN, now and from now on."""
        self._closing.set()

    def batched_methods(self) -> dict[str, Method]:
        """Return the methods that answer all their calls of a batch together, in the order they are run in."""
        answers = {"tx_submit": self._submit_all, "tx_send": self._send_all, "tx_wait": self._wait_all}
        return {method.name: replace(method, answer_all=answers[method.name]) for method in BATCHED}

    # -- submitting and waiting --------------------------------------------------------------------

    async def _submit_all(self, calls: Sequence[Arguments], client: str) -> list[Any]:
        outcomes = await self._backend.submit([call["tx"] for call in calls], client)
        return [self._submitted(outcome) for outcome in outcomes]

    def _submitted(self, outcome: Admission | TransactionRefused) -> Any:
        if isinstance(outcome, Admission):
            return SubmittedTransaction(outcome.id, "committed" if outcome.committed else "pending")
        return self._refused(outcome.reason, outcome.message)

    def _refused(self, reason: str, message: str) -> RpcFault:
        if reason == "BLOCK_PRUNED":
            return RpcFault(reason, message, oldest=self._queries.oldest_block, head=self._queries.height)
        return refused_transaction(reason, message)

    async def _send_all(self, calls: Sequence[Arguments], client: str) -> list[Any]:
        outcomes = await self._backend.submit([call["tx"] for call in calls], client)
        waits: list[tuple[bytes, int]] = []
        for outcome, call in zip(outcomes, calls, strict=True):
            if isinstance(outcome, Admission):
                waits.append((outcome.id, 0 if outcome.committed else _timeout(call)))
        receipts = iter(await self._receipts(waits))
        return [
            next(receipts) if isinstance(outcome, Admission) else self._refused(outcome.reason, outcome.message)
            for outcome in outcomes
        ]

    async def _wait_all(self, calls: Sequence[Arguments], client: str) -> list[Any]:
        return await self._receipts([(call["id_"], _timeout(call)) for call in calls])

    async def _receipts(self, waits: Sequence[tuple[bytes, int]]) -> list[Receipt | RpcFault]:
        """Return each id's receipt, waiting for it as long as is said, or TIMEOUT."""
        by_timeout: dict[int, list[bytes]] = {}
        for tx_id, timeout_ms in waits:
            if self._queries.find(tx_id) is None:
                by_timeout.setdefault(timeout_ms, []).append(tx_id)
        by_timeout.pop(0, None)
        halted = ""
        if by_timeout:
            try:
                await self._wait(by_timeout)
            except NotReady as error:
                halted = str(error)
        found = await self._found(tx_id for tx_id, _ in waits)
        return [found.get(tx_id) or self._no_receipt(tx_id, timeout_ms, halted) for tx_id, timeout_ms in waits]

    async def _found(self, tx_ids: Iterable[bytes]) -> dict[bytes, Receipt]:
        """Return the receipts of those that are committed; a batch may ask for those of a thousand full blocks."""
        found: dict[bytes, Receipt] = {}
        for height, indexes in self._queries.places_of(tx_ids).items():
            if found:
                await asyncio.sleep(0)
            found |= self._queries.receipts_at(height, indexes)
        return found

    async def _wait(self, by_timeout: dict[int, list[bytes]]) -> None:
        backend = self._backend
        waits = [backend.wait_committed(ids, timeout) for timeout, ids in by_timeout.items()]
        waiting: asyncio.Future[Any] = asyncio.gather(*waits)
        waiting.add_done_callback(_look_at)  # a client that hangs up is no error to be logged
        closing: asyncio.Future[Any] = asyncio.ensure_future(self._closing.wait())
        try:
            await asyncio.wait({waiting, closing}, return_when=asyncio.FIRST_COMPLETED)
            if waiting.done():
                await waiting
        finally:
            closing.cancel()
            waiting.cancel()

    def _no_receipt(self, tx_id: bytes, timeout_ms: int, halted: str) -> RpcFault:
        if halted:
            return RpcFault("NOT_READY", f"{halted}; the transaction may still commit", id=tx_id.hex())
        if self._closing.is_set():
            return RpcFault("SHUTTING_DOWN", "the node is shutting down; the transaction may still commit")
        pruned = self._queries.pruned(tx_id)
        if pruned is not None:
            return query_fault(pruned)
        message = f"not final after {timeout_ms} ms; it may still commit"
        return RpcFault("TIMEOUT", message, id=tx_id.hex(), pending=self._backend.is_pending(tx_id))

    # -- simulating and encoding -------------------------------------------------------------------

    @rpc("tx_simulate", "the receipt that the transaction would get; nothing is written", TransactionReceipt)
    def simulate(self, body: HexBytes, height: Height | None = None) -> Receipt:
        """The receipt that a body would get now if its signers signed.

        With `height`, on the state after that height instead of the head's, and without judging `expires`. A
        body that is committed answers the receipt that it got.
        """
        tx = _as_if_signed(body)
        queries = self._queries
        if height is None:
            for at, indexes in queries.places_of([tx.id]).items():
                return queries.receipts_at(at, indexes)[tx.id]
        base = queries.height if height is None else height
        reader = queries.states.at(base, past_reads())
        parent_time = queries.time_of(base)
        time, chain = parent_time + 1, queries.genesis.chain
        if tx.body.chain != chain:
            raise refused_transaction("WRONG_CHAIN", f"this chain is {chain}")
        if height is None:
            time = max(time, self._backend.clock.now_ms())
            self._check_expiry(tx.body, time)
        context = BlockContext(chain, base + 1, time, parent_time)
        return _in_slices(simulation_steps(self._backend.runtime, reader, context, tx))

    def _check_expiry(self, body: Body, now: int) -> None:
        max_tx_ttl_ms = self._queries.params().max_tx_ttl_ms
        expiry = expiry_at(body.expires, now, max_tx_ttl_ms)
        if expiry is Expiry.EXPIRED:
            if self._queries.may_be_pruned(body.expires):
                raise self._refused("BLOCK_PRUNED", MAY_BE_PRUNED)
            raise refused_transaction(expiry.value, f"expires {body.expires} is not after {now}")
        if expiry is Expiry.TOO_FAR:
            raise refused_transaction(expiry.value, f"expires {body.expires} is after {now + max_tx_ttl_ms}")

    @rpc("tx_encode", "the canonical bytes in hex")
    def encode(self, body: JsonObject, sigs: Signatures | None = None) -> Hex:
        """The canonical bytes of a transaction body, for clients without MessagePack.

        `body` is {chain, sender, nonce, expires, ops, signers?, memo?} with `signers` in hex. A client signs
        "entente/tx/1\\0" followed by these bytes. With `sigs`, [[public_key, signature], …], the answer is the
        whole transaction, ready for tx_submit. An entry under a batch signature is
        [public_key, signature, index, size, [hash, …]]: the signature is over "entente/batch/1\\0" followed by the
        root of the RFC 6962 tree over the ids of `size` transactions (an id is SHA-256 of these bytes), and the
        hashes lead from this one's id to that root. `body` and `sigs` may be those that `chain_transaction` shows.
        Check what you sign, or use a node that you trust.
        """
        canonical = _encode_body(body)
        if sigs is None:
            return canonical.hex()
        raw = encode({"body": canonical, "sigs": sigs})
        try:
            parse_transaction(raw)
        except TransactionError as error:
            raise refused_transaction(error.reason, str(error)) from None
        return raw.hex()


def tx_submit(tx: HexBytes) -> None:
    """Hand a signed transaction to the node, and do not wait.

    Sending the same bytes again is safe and answers the same id. A committed id is answered as committed, also
    after its expiry.
    """


def tx_send(tx: HexBytes, timeout_ms: TimeoutMs = DEFAULT_TIMEOUT_MS) -> None:
    """Hand a signed transaction to the node and wait until it is final.

    After a TIMEOUT, or a lost connection, send the same bytes again: it is charged once. A committed id answers its
    receipt at once, also after its expiry.
    """


def tx_wait(id_: HashBytes, timeout_ms: TimeoutMs = DEFAULT_TIMEOUT_MS) -> None:
    """Wait until a transaction is final.

    The id need not be known to this node yet: it may come from another one.
    """


BATCHED: Final = (
    described("tx_submit", tx_submit, '{id, status: "pending" or "committed"}', SubmittedTransaction, writes=True),
    described("tx_send", tx_send, "the receipt", TransactionReceipt, writes=True),
    described("tx_wait", tx_wait, "the receipt", TransactionReceipt),
)
"""Methods that answer all their calls of a batch together, in the order in which a batch runs them."""


def _in_slices(steps: Generator[None, None, Receipt]) -> Receipt:
    """Return the receipt that a simulation comes to, with a pause point after each step."""
    try:
        while True:
            next(steps)
            pause_point()
    except StopIteration as done:
        receipt: Receipt = done.value
        return receipt


def _timeout(call: Arguments) -> int:
    timeout_ms: int = call.get("timeout_ms", DEFAULT_TIMEOUT_MS)
    return timeout_ms


def _as_if_signed(body_bytes: bytes) -> Transaction:
    """Return the transaction that these body bytes would be, with blank signatures of the right number and size."""
    try:
        body = parse_body(body_bytes)
    except TransactionError as error:
        raise refused_transaction(error.reason, str(error)) from None
    if isinstance(body.signers, list):
        keys = body.signers
        addresses = tuple([address_of_key(key) for key in keys])
    else:
        keys, addresses = [bytes(PUBLIC_KEY_BYTES)], (body.sender,)  # The sender's own key, which nothing names.
    sigs = [(key, bytes(SIGNATURE_BYTES)) for key in keys]
    raw = encode({"body": body_bytes, "sigs": sigs})
    if len(raw) > MAX_TX_BYTES:
        raise refused_transaction("TOO_LARGE", f"{len(raw)} bytes; at most {MAX_TX_BYTES}")
    return Transaction(raw, body_bytes, body, sigs, sha256(body_bytes), sha256(raw), addresses)


def _encode_body(body: dict[str, Any]) -> bytes:
    for name in body:
        if name not in _ENCODE_MEMBERS:
            raise invalid_param(f"body.{name[:64]}", f"body.{name[:64]}: no such member")
    value = dict(body)
    if "signers" in value:
        value["signers"] = _keys(value["signers"])
    try:
        check_value(value)
        canonical = encode(value)
        parse_body(canonical)
    except (CodecError, TransactionError) as error:
        raise invalid_param("body", str(error)) from None
    return canonical


def _keys(signers: Any) -> list[bytes]:
    if not isinstance(signers, list) or not all(isinstance(key, str) and is_lower_hex(key) for key in signers):
        raise invalid_param("body.signers", "body.signers: a list of public keys in hex")
    return [bytes.fromhex(key) for key in signers]


def _look_at(done: asyncio.Future[Any]) -> None:
    """Take the outcome of a cancelled wait: asyncio logs exceptions that were never looked at."""
    if not done.cancelled():
        done.exception()
