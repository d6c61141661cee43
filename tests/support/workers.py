"""Real verification workers in a test's event loop, and transactions with signatures of every kind."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
import psutil

from node.verification.verifier import TransactionVerifier
from node.verification.worker import COMMAND, VerificationWorker
from vm.batch_signatures import BatchPath
from vm.primitives.address import address_of_key
from vm.primitives.codec import decode, encode
from vm.primitives.keys import SigningKey
from vm.transaction import Transaction, encode_body, parse_transaction, sign_batch, sign_body

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493
KEY, OTHER, THIRD = (SigningKey(bytes([n]) * 32) for n in (1, 2, 3))
ADDRESS = address_of_key(KEY.public_key)
PATIENCE_SECONDS = 30.0


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something holds, which other processes bring about."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it has not come about"
        await asyncio.sleep(0.002)


@asynccontextmanager
async def running(worker: VerificationWorker, *, ready: bool = True) -> AsyncIterator[VerificationWorker]:
    """Run a worker, and wait until it can work."""
    task = asyncio.create_task(worker.run())
    try:
        if ready:
            await eventually(lambda: worker.is_running)
        yield worker
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@asynccontextmanager
async def verifier_with(workers: int, command: Sequence[str] = COMMAND) -> AsyncIterator[TransactionVerifier]:
    """Return a verifier whose workers can work."""
    made = [VerificationWorker(1 + index, command) for index in range(workers)]
    tasks = [asyncio.create_task(worker.run()) for worker in made]
    try:
        await eventually(lambda: all(worker.is_running for worker in made))
        yield TransactionVerifier(made)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def send_signal(worker: VerificationWorker, number: signal.Signals) -> None:
    """Send a signal to a worker's process."""
    assert worker.pid is not None
    os.kill(worker.pid, number)


def has_ended(process: psutil.Process) -> bool:
    """Tell whether a process runs no more; its parent, which may be a test's, need not have noticed."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def wait_ended(process: psutil.Process) -> None:
    """Wait until a process runs no more."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not has_ended(process):
        assert time.monotonic() < deadline, f"{process} still runs"
        time.sleep(0.01)


# -- transactions ---------------------------------------------------------------------------------


def bodies(count: int, first: int = 0, signers: Sequence[SigningKey] = ()) -> list[bytes]:
    """Return bodies of one sender."""
    ops = [("token.transfer", {"program": "miles", "to": ADDRESS, "amount": 1})]
    keys = [key.public_key for key in signers]
    return [encode_body("chain-1", ADDRESS, first + n, 10**12, ops, keys) for n in range(count)]


def good(count: int, first: int = 0) -> list[Transaction]:
    """Return transactions with one valid signature each."""
    return [parse_transaction(sign_body(body, [KEY])) for body in bodies(count, first)]


def batch(count: int, first: int = 0) -> list[Transaction]:
    """Return transactions under one valid signature."""
    return [parse_transaction(raw) for raw in sign_batch(bodies(count, first), KEY)]


def with_signature(tx: Transaction, change: Callable[[bytes], bytes], place: int = 0) -> Transaction:
    """Return a transaction with another signature at a place."""
    form = decode(tx.raw)
    form["sigs"][place][1] = change(form["sigs"][place][1])
    return parse_transaction(encode(form))


def flipped(signature: bytes) -> bytes:
    """Return another signature, which is not valid."""
    return bytes([signature[0] ^ 1]) + signature[1:]


def malleable(signature: bytes) -> bytes:
    """Return a signature for which the equation holds, but whose S is out of range."""
    larger = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    return signature[:32] + larger.to_bytes(32, "little")


def of_every_kind() -> list[tuple[Transaction, bool]]:
    """Return transactions, and whether their signatures are valid."""
    (one, two, three, four) = good(4, first=1_000)
    cosigned = [
        parse_transaction(sign_body(body, [KEY, OTHER, THIRD]))
        for body in bodies(4, first=2_000, signers=[KEY, OTHER, THIRD])
    ]
    under = batch(6, first=3_000)
    stranger = decode(under[3].raw)
    (stranger["body"],) = bodies(1, first=3_333)
    swapped = decode(one.raw)
    swapped["sigs"][0][1] = decode(two.raw)["sigs"][0][1]
    weak = bytes.fromhex("01" + "00" * 31)
    small_order = encode_body("chain-1", ADDRESS, 5, 9, [("a.b", {})], signers=[weak])
    return [
        (one, True),
        (with_signature(two, flipped), False),
        (with_signature(three, malleable), False),
        (parse_transaction(encode(swapped)), False),
        (with_signature(four, lambda _: bytes(64)), False),
        (parse_transaction(encode({"body": small_order, "sigs": [[weak, weak + bytes(32)]]})), False),
        (cosigned[0], True),
        (with_signature(cosigned[1], flipped, place=0), False),
        (with_signature(cosigned[2], malleable, place=2), False),
        (cosigned[3], True),
        (under[0], True),
        (with_signature(under[1], flipped), False),
        (under[2], True),
        (parse_transaction(encode(stranger)), False),
        (with_signature(under[4], malleable), False),
        (under[5], True),
        (msgspec.structs.replace(under[5], paths=(BatchPath(0, 2, ()),)), False),  # leads to no root at all
    ]
