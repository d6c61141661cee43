"""Catching up from peers that are slow, silent or lie."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from consensus.types import Candidate, Certificate, Roots, decode_block, decode_certificate
from consensus.verification import Verifier
from network.block_sync import BlockSync
from network.errors import RequestTimeout
from network.messages import Blocks, GetBlocks
from network.scoring import Offence
from node.chain.ledger import Executed
from node.sync import block_sync_driver as sync_driver
from node.sync.block_importer import BadBlock, BlockImporter
from node.sync.block_sync_driver import SyncDriver, believable_height
from node.validator.block_processor import BlockProcessor
from tests.support.driver import LocalDriver, until
from tests.support.ledger import LocalChain
from vm.params import Params
from vm.primitives.codec import encode
from vm.transaction import Transaction

SyncedBlock = tuple[bytes, bytes]
LIAR, HONEST = b"L" * 32, b"H" * 32


class BlockPeer:
    """Answers GET_BLOCKS with what the test wants."""

    def __init__(self, chain: LocalChain | None, answer: Sequence[SyncedBlock] | None = None) -> None:
        self._chain = chain
        self._answer = answer
        self.was_asked = asyncio.Event()

    async def request(self, message: GetBlocks, timeout: float) -> Blocks:
        self.was_asked.set()
        await asyncio.sleep(0)
        if self._answer is not None:
            return Blocks(id=0, items=tuple(self._answer))
        if self._chain is None:
            raise RequestTimeout("silent")
        last = min(self._chain.height, message.first + message.count - 1)
        return Blocks(id=0, items=tuple(stored(self._chain, h) for h in range(message.first, last + 1)))


class BlockPeers:
    """The part of a PeerManager that block sync uses."""

    def __init__(self, peers: dict[bytes, BlockPeer]) -> None:
        self._peers = peers
        self.penalised: list[tuple[bytes, Offence]] = []

    def peer(self, key: bytes) -> BlockPeer | None:
        return self._peers.get(key)

    def penalise(self, key: bytes, offence: Offence) -> None:
        self.penalised.append((key, offence))


def stored(chain: LocalChain, height: int) -> SyncedBlock:
    block, certificate = chain.store.block_bytes(height), chain.store.certificate_bytes(height)
    assert block is not None
    assert certificate is not None
    return block, certificate


@pytest.fixture
def source(tmp_path: Path) -> Iterator[LocalChain]:
    """A chain of 6 blocks."""
    chain = LocalChain(tmp_path / "source")
    for _ in range(6):
        chain.commit()
    yield chain
    chain.close()


@pytest.fixture
def chain(tmp_path: Path) -> Iterator[LocalChain]:
    chain = LocalChain(tmp_path / "data")
    yield chain
    chain.close()


class Behind:
    """A node that is behind, with its sync driver."""

    def __init__(self, chain: LocalChain, folder: Path, peers: dict[bytes, BlockPeer]) -> None:
        self.local = LocalDriver(chain, folder / "wal", None)
        self.local.driver.start()
        self.peers = BlockPeers(peers)
        local = self.local
        verifier = Verifier(chain.genesis.chain)
        importer = BlockImporter(local.ledger, verifier, local.processor, local.finalizer, local.supervisor)
        self.importer = importer
        self.claims = BlockSync(local.ledger.height)
        peers_: Any = self.peers
        self.sync = SyncDriver(local.ledger, importer, self.claims, peers_, local.supervisor)
        local.finalizer.on_final(self._committed)
        self.reached: dict[int, asyncio.Event] = {6: asyncio.Event()}

    def _committed(self, executed: Executed, certificate: Certificate) -> None:
        self.sync.head_moved()
        if self.local.ledger.height in self.reached:
            self.reached[self.local.ledger.height].set()


async def test_a_chain_is_imported_from_one_peer(chain: LocalChain, source: LocalChain, tmp_path: Path) -> None:
    node = Behind(chain, tmp_path, {HONEST: BlockPeer(source)})
    node.claims.peer_at(HONEST, 6)
    task = asyncio.create_task(node.sync.run())
    await asyncio.wait_for(node.reached[6].wait(), 10)
    task.cancel()
    assert node.local.ledger.store.head.state_root == source.store.head.state_root
    node.local.close()


async def test_the_log_tells_that_a_node_syncs_and_when_it_is_done(
    chain: LocalChain,
    source: LocalChain,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sync_driver, "TICK_SECONDS", 0.0)
    caplog.set_level(logging.INFO, "node.sync.block_sync_driver")
    node = Behind(chain, tmp_path, {HONEST: BlockPeer(source)})
    node.claims.peer_at(HONEST, 6)
    task = asyncio.create_task(node.sync.run())
    await until(lambda: "in step" in caplog.text, turns=10_000)
    task.cancel()
    assert caplog.messages == [
        f"syncing from peer {HONEST.hex()[:16]}: height 0 of 6",
        "in step with its peers at height 6",
    ]
    node.local.close()


def test_the_log_names_three_peers_at_most() -> None:
    peers = [bytes([number]) * 32 for number in range(5)]
    assert sync_driver._named(peers[:1]) == "peer 0000000000000000"
    assert sync_driver._named(peers[:3]) == "peers 0000000000000000, 0101010101010101, 0202020202020202"
    assert sync_driver._named(peers).endswith("0202020202020202 and 2 more")


async def test_old_blocks_in_place_of_those_asked_for_are_the_senders_fault(
    chain: LocalChain, source: LocalChain, tmp_path: Path
) -> None:
    node = Behind(chain, tmp_path, {LIAR: BlockPeer(None, [stored(source, 1)] * 5), HONEST: BlockPeer(source)})
    await node.importer.import_block(1, *stored(source, 1))
    node.claims.peer_at(LIAR, 6)
    assert not await node.sync._catch_up()
    assert node.peers.penalised == [(LIAR, Offence.BAD_DATA)]
    node.claims.peer_at(HONEST, 6)
    await node.sync._catch_up()  # the heights are asked for again, from someone else
    assert node.local.ledger.height == 6
    assert node.peers.penalised == [(LIAR, Offence.BAD_DATA)]
    node.local.close()


async def test_blocks_with_valid_certificates_of_another_chain_are_the_senders_fault(
    chain: LocalChain, source: LocalChain, tmp_path: Path
) -> None:
    """The same validators decide another chain too; its seals are good, but not for this one."""
    other = LocalChain(tmp_path / "other", params=Params(block_interval_ms=300))
    for _ in range(6):
        other.commit()
    assert other.genesis.chain != chain.genesis.chain
    node = Behind(chain, tmp_path, {LIAR: BlockPeer(other), HONEST: BlockPeer(source)})
    node.claims.peer_at(LIAR, 6)
    assert not await node.sync._catch_up()
    assert node.peers.penalised == [(LIAR, Offence.BAD_DATA)]
    node.claims.peer_at(HONEST, 6)
    await node.sync._catch_up()
    assert node.local.ledger.store.head == source.store.head
    node.local.close()
    other.close()


async def test_a_huge_claim_is_taken_back_and_the_work_goes_on(
    chain: LocalChain, source: LocalChain, tmp_path: Path
) -> None:
    node = Behind(chain, tmp_path, {LIAR: BlockPeer(None, []), HONEST: BlockPeer(source)})
    node.claims.peer_at(LIAR, 2**50)
    node.claims.peer_at(HONEST, 6)
    task = asyncio.create_task(node.sync.run())
    await asyncio.wait_for(node.reached[6].wait(), 10)
    task.cancel()
    assert node.sync.target == 6
    assert node.peers.penalised == []  # it may have restored a backup since it said so
    node.local.close()


async def test_a_silent_peer_that_claims_much_does_not_make_the_loop_spin(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Behind(chain, tmp_path, {LIAR: BlockPeer(None)})
    node.claims.peer_at(LIAR, 2**50)
    looked: list[bool] = []
    seconds_behind = node.sync._seconds_behind
    monkeypatch.setattr(node.sync, "_seconds_behind", lambda: looked.append(True) or seconds_behind())
    task = asyncio.create_task(node.sync.run())
    await asyncio.wait_for(node.peers.peer(LIAR).was_asked.wait(), 10)  # type: ignore[union-attr]
    looked.clear()
    for _ in range(500):
        await asyncio.sleep(0)
    task.cancel()
    assert len(looked) < 50
    assert node.sync.syncing
    node.local.close()


@pytest.mark.parametrize(("ahead", "syncing"), [(2, False), (3, True)])
async def test_a_node_that_has_just_heard_of_higher_heads_is_syncing_at_once(
    chain: LocalChain, tmp_path: Path, ahead: int, syncing: bool
) -> None:
    node = Behind(chain, tmp_path, {HONEST: BlockPeer(None)})
    node.claims.peer_at(HONEST, chain.height + ahead)
    assert node.sync.syncing is syncing
    node.local.close()


@pytest.mark.parametrize("executing", [False, True])
async def test_one_block_behind_is_asked_for_soon_unless_it_is_being_executed(
    chain: LocalChain, source: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, executing: bool
) -> None:
    monkeypatch.setattr(sync_driver, "TICK_SECONDS", 0)
    monkeypatch.setattr(sync_driver, "PATIENCE_SECONDS", 1_000)
    monkeypatch.setattr(sync_driver, "SHORT_PATIENCE_SECONDS", 0)
    monkeypatch.setattr(BlockProcessor, "is_executing", executing)
    node = Behind(chain, tmp_path, {HONEST: BlockPeer(source)})
    node.claims.peer_at(HONEST, 1)
    task = asyncio.create_task(node.sync.run())
    for _ in range(200):
        await asyncio.sleep(0)
    task.cancel()
    assert (chain.height >= 1) is not executing
    assert not node.sync.syncing
    node.local.close()


@pytest.mark.parametrize("fault", ["height", "certificate", "seals", "transactions", "garbage", "header", "bytes"])
async def test_a_block_that_is_not_the_certified_one_is_refused(
    chain: LocalChain, source: LocalChain, tmp_path: Path, fault: str
) -> None:
    node = Behind(chain, tmp_path, {})
    block_bytes, certificate_bytes = stored(source, 1)
    block, certificate = decode_block(block_bytes), decode_certificate(certificate_bytes)
    if fault == "height":
        block_bytes, certificate_bytes = stored(source, 2)
    elif fault == "certificate":
        certificate_bytes = stored(source, 2)[1]
    elif fault == "seals":
        few = type(certificate)(**{**fields(certificate), "seals": certificate.seals[:2]})
        certificate_bytes = encode(few)
    elif fault == "transactions":
        tx = source.sign("aurora-admin", [("token.issue", {})])
        block_bytes = encode(type(block)(**{**fields(block), "transactions": (tx,)}))
    elif fault == "garbage":
        block_bytes = encode(type(block)(**{**fields(block), "transactions": (b"\x00",)}))
    elif fault == "header":  # which a quorum has sealed all the same
        header = msgspec.structs.replace(block.header, parent_state_root=bytes(32))
        block_bytes = encode(msgspec.structs.replace(block, header=header))
        certificate_bytes = encode(source._certificate(header, certificate.roots))
    else:
        block_bytes = block_bytes[:-1]
    with pytest.raises(BadBlock):
        await node.importer.import_block(1, block_bytes, certificate_bytes)
    assert node.local.ledger.height == 0
    assert node.local.supervisor.halted is None
    await node.importer.import_block(1, *stored(source, 1))
    await node.importer.import_block(1, *stored(source, 1))  # idempotent
    assert node.local.ledger.height == 1
    node.local.close()


async def test_other_roots_than_a_quorums_halt_the_node_and_blame_nobody(
    chain: LocalChain, source: LocalChain, tmp_path: Path
) -> None:
    block, certificate = stored(source, 1)
    other = Roots(bytes(32), decode_certificate(certificate).receipts_root)
    sealed = encode(source._certificate(decode_block(block).header, other))
    node = Behind(chain, tmp_path, {HONEST: BlockPeer(None, [(block, sealed), stored(source, 2)])})
    node.claims.peer_at(HONEST, 2)
    await node.sync._catch_up()
    assert node.local.supervisor.halted == "a quorum has sealed other roots than ours"
    assert node.local.ledger.height == 0
    assert node.peers.penalised == []
    node.local.close()


async def test_what_was_imported_together_is_on_the_disk_afterwards(
    chain: LocalChain, source: LocalChain, tmp_path: Path
) -> None:
    node = Behind(chain, tmp_path, {HONEST: BlockPeer(source)})
    held: list[int] = []
    node.local.finalizer.on_final(lambda *_: held.append(len(chain.store._database._held)))
    node.claims.peer_at(HONEST, 6)
    await node.sync._catch_up()
    assert len(held) == 6
    assert all(held)
    assert not chain.store._database._held
    assert not chain.store._database._holding
    node.local.close()


async def test_blocks_are_not_asked_for_while_a_snapshot_is_fetched(
    chain: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_driver, "TICK_SECONDS", 0)
    peer = BlockPeer(None)
    node = Behind(chain, tmp_path, {HONEST: peer})
    paused = [True]
    node.sync.pause_while(lambda: bool(paused))
    node.claims.peer_at(HONEST, 6)
    task = asyncio.create_task(node.sync.run())
    await until(lambda: node.sync.syncing)
    for _ in range(50):
        await asyncio.sleep(0)
    assert not peer.was_asked.is_set()
    paused.clear()
    await until(peer.was_asked.is_set)
    task.cancel()
    node.local.close()


@pytest.mark.parametrize(
    ("claims", "f", "height"),
    [([], 1, 0), ([7], 1, 7), ([2**50, 7, 6, 5], 1, 7), ([3, 9, 2**50, 8, 2**50], 2, 9), ([7, 7], 0, 7)],
)
def test_a_height_is_believed_that_more_than_f_claim(claims: list[int], f: int, height: int) -> None:
    assert believable_height(claims, f) == height


def fields(struct: object) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}  # type: ignore[attr-defined]


async def test_a_height_that_consensus_decides_while_its_block_is_imported_is_left_to_it(
    chain: LocalChain, source: LocalChain, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = Behind(chain, tmp_path, {})
    processor = node.local.processor
    execute_body = processor.execute_body

    async def decided_meanwhile(candidate: Candidate, transactions: Sequence[Transaction]) -> Executed | None:
        executed = await execute_body(candidate, transactions)
        assert executed is not None
        node.local.finalizer.finalize(executed, decode_certificate(stored(source, 1)[1]))
        return executed

    monkeypatch.setattr(processor, "execute_body", decided_meanwhile)
    await node.importer.import_block(1, *stored(source, 1))
    assert node.local.ledger.height == 1
    assert node.local.supervisor.halted is None
    node.local.close()
