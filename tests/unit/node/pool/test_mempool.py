"""The pool's bounds, and what admission refuses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from node.pool.mempool import DENSE_FACTOR, Mempool, check_admissible, weight
from node.runtime.config import NodeConfig
from node.runtime.errors import TransactionRefused
from vm.params import Params
from vm.primitives.address import address_of_key
from vm.primitives.keys import SigningKey
from vm.transaction import Transaction, encode_body, parse_transaction, sign_body

CHAIN = "unit-0000000000000000"
KEYS = [SigningKey(bytes([number]) * 32) for number in range(1, 4)]
NOW = 1_000_000


def transaction(nonce: int, key: SigningKey = KEYS[0], expires: int = NOW + 1, chain: str = CHAIN) -> Transaction:
    """Return a signed transaction."""
    body = encode_body(chain, address_of_key(key.public_key), nonce, expires, [("a.b", {"n": nonce})])
    return parse_transaction(sign_body(body, [key]))


def pool(**limits: int) -> Mempool:
    """Return a pool with these limits."""
    return Mempool(msgspec.structs.replace(NodeConfig(), **limits))


def test_transactions_come_out_in_the_order_of_arrival() -> None:
    mempool = pool()
    made = [transaction(nonce) for nonce in (5, 3, 9)]
    assert [mempool.add(tx) for tx in made] == [True, True, True]
    assert list(mempool.in_order()) == made
    assert mempool.size_bytes == sum(len(tx.raw) for tx in made)
    assert mempool.by_id(made[1].id) is made[1]
    assert mempool.by_hash(made[2].hash) is made[2]


def test_an_id_is_kept_once() -> None:
    mempool = pool()
    tx = transaction(1)
    assert mempool.add(tx)
    assert not mempool.add(tx)
    assert len(mempool) == 1


def test_committed_and_expired_transactions_leave_without_a_trace() -> None:
    mempool = pool(mempool_per_sender=2)
    first, second = transaction(1), transaction(2, expires=NOW + 100)
    mempool.add(first)
    mempool.add(second)
    mempool.remove_committed([first.id, b"unknown"])
    assert mempool.remove_expired(NOW + 99) == 0
    assert mempool.remove_expired(NOW + 100) == 1
    assert len(mempool) == 0
    assert mempool.size_bytes == 0
    mempool.check_room(transaction(3))


@pytest.mark.parametrize(
    "limits", [{"mempool_transactions": 8}, {"mempool_per_sender": 2}, {"mempool_bytes": 1_500}]
)
def test_a_full_pool_refuses(limits: dict[str, int]) -> None:
    mempool = pool(**limits)
    for nonce in range(2):
        mempool.check_room(transaction(nonce))
        mempool.add(transaction(nonce))
    with pytest.raises(TransactionRefused) as refused:
        mempool.check_room(transaction(2))
    assert refused.value.reason == "POOL_FULL"


TRANSFER = ("token.transfer", {"program": "stars", "to": address_of_key(bytes(32)), "amount": 5})
SPEND = ("token.burn", {"program": "stars", "amount": 5})


def with_ops(*ops: tuple[str, dict[str, Any]]) -> Transaction:
    return parse_transaction(sign_body(encode_body(CHAIN, address_of_key(KEYS[0].public_key), 1, 1, ops), KEYS[:1]))


@pytest.mark.parametrize("ops", [[TRANSFER], [TRANSFER] * 1_000, [SPEND] * 1_000], ids=len)
def test_ordinary_transactions_count_as_their_bytes(ops: list[tuple[str, dict[str, Any]]]) -> None:
    tx = with_ops(*ops)
    assert weight(tx) == len(tx.raw)


@pytest.mark.parametrize(
    "ops",
    [
        [("a.b", {"x": [{}] * 50_000})],
        [("a.b", {"x": [[["a"] * 50_000]]})],
        [("a.b", {"x": [[{"x": []}] * 10_000] * 2})],
        [("", {})] * 1_000,
    ],
)
def test_what_takes_far_more_memory_than_bytes_counts_more(ops: list[tuple[str, dict[str, Any]]]) -> None:
    tx = with_ops(*ops)
    assert weight(tx) == DENSE_FACTOR * len(tx.raw)
    mempool = pool(mempool_bytes=2 * weight(tx))
    mempool.check_room(tx)
    mempool.add(tx)
    with pytest.raises(TransactionRefused):
        mempool.check_room(transaction(2))
    mempool.remove_committed([tx.id])
    assert mempool.size_bytes == 0


def test_one_sender_cannot_fill_the_pool_for_others() -> None:
    mempool = pool(mempool_per_sender=1)
    mempool.add(transaction(1))
    mempool.check_room(transaction(1, KEYS[1]))


@dataclass
class Head:
    """A chain view with fixed answers."""

    chain: str = CHAIN
    params: Params = field(default_factory=Params)
    head_time: int = NOW
    acts: bool = True

    def brands_of_sender(self, tx: Transaction) -> tuple[str, ...] | None:
        """No sender has one; whether the signers may act is as told."""
        return () if self.acts else None


TTL = Params().max_tx_ttl_ms


@pytest.mark.parametrize(
    ("tx", "head", "reason"),
    [
        (transaction(1), Head(), None),
        (transaction(1, expires=NOW + TTL), Head(), None),
        (transaction(1, chain="other-0000000000000000"), Head(), "WRONG_CHAIN"),
        (transaction(1, expires=NOW), Head(), "EXPIRED"),
        (transaction(1, expires=NOW + TTL + 1), Head(), "EXPIRES_TOO_FAR"),
        (transaction(1), Head(acts=False), "NOT_AUTHORISED"),
    ],
)
def test_admission(tx: Transaction, head: Head, reason: str | None) -> None:
    if reason is None:
        check_admissible(tx, head, NOW)
        return
    with pytest.raises(TransactionRefused) as refused:
        check_admissible(tx, head, NOW)
    assert refused.value.reason == reason
