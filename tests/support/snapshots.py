"""Peers that offer a snapshot, a chain that they offer it of, and a node that fetches it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from network.errors import RequestTimeout
from network.messages import (
    Blocks,
    GetBlocks,
    Reply,
    Request,
)
from network.peers import PeerManager
from network.scoring import Offence
from node.runtime.supervisor import Supervisor
from node.store import Store, StoreOptions
from node.sync import snapshot_driver
from node.sync.block_sync_driver import SyncDriver
from node.sync.snapshot_driver import SnapshotDriver
from node.sync.snapshot_folders import SnapshotFolders
from node.sync.snapshot_server import SnapshotServer
from tests.support.ledger import LocalChain, Op, address_of, key_of, program_op

HONEST, LIAR, OTHER = b"H" * 32, b"L" * 32, b"O" * 32
OPTIONS = StoreOptions(state_history_blocks=20, snapshot_interval=10)
Twist = Callable[[Request, Reply], Reply | None]


class SnapshotPeer:
    """A peer that answers from a chain, or as its test twists the answer; None is silence."""

    def __init__(self, key: bytes, chain: LocalChain, twist: Twist | None = None) -> None:
        self.key = key
        self._chain = chain
        self._twist = twist
        self._server = SnapshotServer(chain.ledger)
        self.asked: list[Request] = []

    async def request(self, message: Request, timeout: float) -> Reply:
        self.asked.append(message)
        await asyncio.sleep(0)
        reply: Reply | None = self._answer(message)
        if self._twist is not None and reply is not None:
            reply = self._twist(message, reply)
        if reply is None:
            raise RequestTimeout("silent")
        return reply

    def _answer(self, message: Request) -> Reply:
        if isinstance(message, GetBlocks):
            store = self._chain.store
            block, certificate = store.block_bytes(message.first), store.certificate_bytes(message.first)
            items = () if block is None or certificate is None else ((block, certificate),)
            return Blocks(id=0, items=items)
        return self._server.answer(message)


class SnapshotPeers:
    """The part of a PeerManager that the driver uses."""

    def __init__(self, *peers: SnapshotPeer) -> None:
        self.peers = {peer.key: peer for peer in peers}
        self.penalised: list[tuple[bytes, Offence]] = []

    def connected(self) -> list[SnapshotPeer]:
        return [self.peers[key] for key in sorted(self.peers)]

    def peer(self, key: bytes) -> SnapshotPeer | None:
        return self.peers.get(key)

    def penalise(self, key: bytes, offence: Offence) -> None:
        self.penalised.append((key, offence))


class FarBehind:
    """What the driver sees of block sync."""

    target = 10_000
    is_stuck = False

    def __init__(self) -> None:
        self.pauses: list[Callable[[], bool]] = []

    def pause_while(self, condition: Callable[[], bool]) -> None:
        self.pauses.append(condition)


def make_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a driver look, ask and try again in hundredths of a second."""
    monkeypatch.setattr(snapshot_driver, "TICK_SECONDS", 0.01)
    monkeypatch.setattr(snapshot_driver, "OFFERS_SECONDS", 0.05)
    monkeypatch.setattr(snapshot_driver, "RETRY_SECONDS", 0.05)


def source_chain(folder: Path, **document: Any) -> LocalChain:
    """Return a chain of 25 blocks that offers height 20, each with a program and 30 issues with references."""
    chain = LocalChain(folder, options=OPTIONS, **document)
    for number in range(25):
        grow(chain, number)
    return chain


def grow(chain: LocalChain, number: int) -> None:
    """Commit a block with a program and issues."""
    ops = [program_op(f"miles-{number}", "aurora"), *(issue(number * ISSUES + n) for n in range(ISSUES))]
    (receipt, *_) = chain.commit([chain.sign("aurora-admin", ops)])
    assert receipt.status == "ok", receipt.error


def redeem(chain: LocalChain) -> None:
    """Commit a block with the first record of another log."""
    args = {"program": "miles-0", "from": address_of("ann"), "amount": 1, "at_brand": "aurora", "ref": "late"}
    signed = chain.sign("ann", [("token.redeem", args)], cosigners=[key_of("aurora-admin")])
    (receipt, *_) = chain.commit([signed])
    assert receipt.status == "ok", receipt.error


ISSUES = 30
"""So that height 20 has two tiles of 256 records, and some behind."""


def issue(number: int) -> Op:
    """Return an issue with a reference of its own."""
    return "token.issue", {"program": "miles-0", "to": address_of("ann"), "amount": 1, "ref": f"order-{number}"}


def check_records(store: Store, source: LocalChain) -> None:
    """See that all references up to the head are there, and none that came later."""
    count = store.head.height * ISSUES
    for number in (*range(0, count, 17), count - 1):
        key = f"token/issue/miles-0/order-{number}"
        assert store.once_record(key) == source.store.once_record(key, store.head.height) is not None
    assert store.once_record(f"token/issue/miles-0/order-{count}") is None


def driver_of(home: Path, peers: SnapshotPeers, **document: Any) -> tuple[SnapshotDriver, LocalChain]:
    chain = LocalChain(home / "data", **document)
    driver = SnapshotDriver(
        chain.ledger,
        cast(PeerManager, peers),
        cast(SyncDriver, FarBehind()),
        SnapshotFolders(home),
        Supervisor(lambda: chain.ledger.height + 1),
        15,
    )
    return driver, chain


async def fetch(home: Path, peers: SnapshotPeers) -> Store:
    """Fetch and install; return the store."""
    driver, chain = driver_of(home, peers)
    async with asyncio.timeout(30):
        await driver.run()
    chain.close()
    assert SnapshotFolders(home).install_ready()
    assert not SnapshotFolders(home).install_ready()
    return Store.open(home / "data", OPTIONS)


def check(store: Store, source: LocalChain) -> None:
    assert store.head == source.store.head_at(20)
    assert store.genesis_bytes == source.store.genesis_bytes
    assert store.snapshots.heights() == []
    for number in range(20):
        key = f"token/program/miles-{number}"
        assert store.state_value(key) == source.store.state_value(key, 20) is not None
    assert store.state_value("token/program/miles-20") is None
    check_records(store, source)
    store.close()
