"""What a node takes from its peers, and what it tells them: nobody speaks for another, and HELLO tells the head."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from consensus.messages import Message, Prepare, Proposal, encode_message, vote_payload
from consensus.types import Candidate, header_digest
from network.answers import MAX_WAITING_BYTES
from network.kinds import Kind
from network.messages import GetBlocks
from network.scoring import Offence
from node.assembly.machine import Machine
from node.assembly.node import Node
from node.pool.mempool_lanes import OWN
from node.runtime.config import NodeConfig
from node.votes.write_ahead_log import WriteAheadLog
from tests.support.fake_peer import FakePeer
from tests.support.ledger import START_MS, LocalChain, ManualClock, key_of
from vm.primitives.codec import encode
from vm.primitives.hashing import sha256
from vm.primitives.keys import Domain
from vm.transaction import parse_transaction


class Local:
    """A node that observes, with one block in its chain."""

    def __init__(self, folder: Path) -> None:
        self.chain = LocalChain(folder / "data")
        self.chain.commit()
        self.wal = WriteAheadLog(folder / "wal")
        settings: Any = SimpleNamespace(
            config=NodeConfig(rpc_port=0, p2p_port=0),
            key=key_of("observer"),
            clock=ManualClock(START_MS),
            home=folder,
            disk=SimpleNamespace(check=lambda: None, free_bytes=0),
            machine=Machine(),
        )
        self.node = Node(self.chain.genesis, self.chain.runtime, self.chain.store, self.wal, settings)
        self.heard: list[Message] = []

    def begin(self) -> None:
        """Begin the height after the head, and note what reaches consensus."""
        self.node.driver.start()
        self.node.driver.message_received = self.heard.append  # type: ignore[method-assign]

    def hear(self, peer: FakePeer, message: Message) -> None:
        self.node.frames.on_frame(peer, Kind.CONSENSUS, encode_message(message))  # type: ignore[arg-type]

    def proposal(self) -> Proposal:
        """Return a proposal of validator 1 for round 1 of height 2; its justification is not judged here."""
        candidate = self.chain._candidate((), self.chain.ledger.head_time + 200)
        payload = vote_payload(self.chain.genesis.chain, 2, 1, header_digest(candidate.header))
        return Proposal(2, 1, 1, candidate, (), None, self.chain.validator_keys[1].sign(Domain.PROPOSAL, payload))


@pytest.fixture
async def local(tmp_path: Path) -> AsyncIterator[Local]:
    made = Local(tmp_path)
    yield made
    made.node.driver.stop()
    made.wal.close()
    made.chain.close()


async def test_a_message_counts_from_its_signer_only(local: Local) -> None:
    """A proposal's justification is not signed: whoever passes on a copy with another could spoil the round."""
    local.begin()
    signer = FakePeer(local.chain.validator_keys[1].public_key)
    another = FakePeer(local.chain.validator_keys[2].public_key)
    message = local.proposal()
    local.hear(another, msgspec.structs.replace(message, round_changes=()))
    assert local.heard == []
    assert another.offences == [Offence.BAD_SIGNATURE]
    assert signer.offences == []
    local.hear(signer, message)
    assert local.heard == [message]


async def test_a_vote_of_another_costs_no_signature_check(local: Local) -> None:
    local.begin()
    checked: list[object] = []
    local.node.verifier.signature_is_valid = checked.append  # type: ignore[assignment,method-assign]
    local.hear(FakePeer(local.chain.validator_keys[2].public_key), Prepare(2, 0, 1, bytes(32), bytes(64)))
    assert checked == []


async def test_the_first_hello_after_a_start_tells_the_head(local: Local, monkeypatch: pytest.MonkeyPatch) -> None:
    """With 0 there, nobody would ask this node for blocks until its first STATUS."""
    told: list[int] = []

    async def start(handlers: object) -> None:
        told.append(local.node.manager._status.height)
        raise OSError("the port is taken")

    monkeypatch.setattr(local.node.manager, "start", start)
    with pytest.raises(OSError, match="taken"):
        await local.node.start()
    assert told == [1]


async def test_evidence_of_large_proposals_keeps_only_what_was_signed(local: Local) -> None:
    """256 pairs of proposals of a megabyte each would be half a gigabyte; a liar can make them at any height."""
    local.node.driver.start()
    key = local.chain.validator_keys[1]
    hashes = tuple(sha256(i.to_bytes(4, "big")) for i in range(2_000))
    for time in (1, 2):
        header = msgspec.structs.replace(local.proposal().candidate.header, time=START_MS + time)
        payload = vote_payload(local.chain.genesis.chain, 2, 1, header_digest(header))
        signature = key.sign(Domain.PROPOSAL, payload)
        candidate = Candidate(header, None, hashes)
        local.node.driver.message_received(Proposal(2, 1, 1, candidate, (), None, signature))
    (kept,) = local.node.accusations.evidence
    assert len(encode_message(kept.first)) + len(encode_message(kept.second)) < 2_000
    (pending,) = local.node.reporter._pending.values()
    assert pending.place == (key.public_key.hex(), 2, 1, "proposal")


async def test_nothing_is_read_for_a_peer_that_does_not_take_its_answers(
    local: Local, monkeypatch: pytest.MonkeyPatch
) -> None:
    peer, read = FakePeer(key_of("aurora").public_key), []
    found = local.node.store.block_bytes
    monkeypatch.setattr(local.node.store, "block_bytes", lambda height: (read.append(height), found(height))[1])
    request = encode(GetBlocks(id=1, first=1, count=1))
    peer.waiting_reply_bytes = MAX_WAITING_BYTES
    local.node.frames.on_frame(peer, Kind.GET_BLOCKS, request)  # type: ignore[arg-type]
    assert (read, peer.sent) == ([], [])
    peer.waiting_reply_bytes = 0
    local.node.frames.on_frame(peer, Kind.GET_BLOCKS, request)  # type: ignore[arg-type]
    assert (read, peer.sent) == ([1], [Kind.BLOCKS])


async def test_what_a_peer_claims_counts_from_its_hello_until_it_is_gone(local: Local) -> None:
    local.begin()
    told: list[tuple[bytes, int]] = []
    local.node.driver.peer_said = lambda key, height: told.append((key, height))  # type: ignore[method-assign]
    peer: Any = FakePeer(local.chain.validator_keys[1].public_key)
    peer.height = 7
    local.node.frames.peer_connected(peer)
    assert local.node.sync.target == 7
    assert told == [(peer.key, 7)]
    local.node.frames.peer_disconnected(peer, "test")
    assert local.node.sync.target == 0


async def test_a_newcomer_is_offered_what_is_pending(local: Local) -> None:
    local.begin()
    raw = local.chain.sign("aurora-admin", [("a.b", {})])
    local.node.mempool.add(parse_transaction(raw), OWN, len(raw))
    offered: list[Iterable[tuple[bytes, bytes]]] = []
    local.node.gossiper.offer_again = offered.append  # type: ignore[assignment,method-assign]
    newcomer: Any = FakePeer(local.chain.validator_keys[2].public_key)
    local.node.frames.peer_connected(newcomer)
    assert list(map(list, offered)) == [[(parse_transaction(raw).hash, raw)]]
