"""A proposal leaves in the form that each peer reads, and its block stands so that the form is short."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from consensus.compact import COMPACT_FROM, CompactProposal, decode_wire_message, expand
from consensus.messages import Proposal
from consensus.types import Candidate, Header
from network.gossip_streams import GossipStreams
from network.kinds import Kind
from node.peers.proposals import SPREAD_SECONDS, ProposalLink
from vm.primitives import merkle
from vm.primitives.hashing import ZERO_HASH, sha256

ALICE, BOB = sha256(b"alice"), sha256(b"bob")


def hashes(tag: str, count: int) -> tuple[bytes, ...]:
    return tuple(sha256(f"{tag} {i}".encode()) for i in range(count))


def transactions(tx_hashes: Iterable[bytes]) -> list[Any]:
    return [sent_by(tx_hash.hex(), tx_hash) for tx_hash in tx_hashes]


def sent_by(sender: str, tx_hash: bytes) -> Any:
    return SimpleNamespace(hash=tx_hash, body=SimpleNamespace(sender=sender))


def proposal_of(tx_hashes: tuple[bytes, ...]) -> Proposal:
    header = Header(
        chain="chain",
        version=1,
        height=5,
        time=1,
        parent=ZERO_HASH,
        parent_state_root=ZERO_HASH,
        parent_commit=ZERO_HASH,
        proposer=ZERO_HASH,
        tx_root=merkle.root(tx_hashes),
        tx_count=len(tx_hashes),
        validators_hash=ZERO_HASH,
        next_validators_hash=ZERO_HASH,
    )
    return Proposal(5, 0, 1, Candidate(header, None, tx_hashes), (), None, bytes(64))


class Sending:
    """A link of a validator with peers of which some are of an older release."""

    def __init__(self, n: int, *reads: bool, wanted: bool = True) -> None:
        ledger: Any = SimpleNamespace(next_validators=lambda: SimpleNamespace(n=n))
        self.peers = [SimpleNamespace(key=i, reads_compact_proposals=each) for i, each in enumerate(reads)]
        self.sent: list[tuple[int, Any]] = []
        self.streams = GossipStreams(lambda: wanted)
        manager: Any = SimpleNamespace(connected=lambda: self.peers, send_to=self.send_to)
        self.link = ProposalLink(ledger, manager, self.streams)

    def send_to(self, keys: list[int], kind: Kind, payload: bytes) -> list[bytes]:
        assert kind is Kind.CONSENSUS
        message = decode_wire_message(payload)
        self.sent += [(key, message) for key in keys]
        return []

    def tell(self, origin: bytes, tx_hashes: Iterable[bytes], seconds_ago: float) -> None:
        self.streams.told(origin, list(tx_hashes), asyncio.get_running_loop().time() - seconds_ago)


async def test_each_peer_gets_the_form_that_it_reads() -> None:
    sending = Sending(COMPACT_FROM, True, False, True)
    told = hashes("a", 20)
    sending.tell(ALICE, told, 1.0)
    whole = proposal_of(told)
    sending.link.propose(whole)
    by_peer = dict(sending.sent)
    assert len(sending.sent) == 3
    assert by_peer[1] == whole
    assert by_peer[0] == by_peer[2]
    assert isinstance(by_peer[0], CompactProposal)
    assert len(by_peer[0].entries) == 1
    assert expand(by_peer[0], sending.streams.run) == told


@pytest.mark.parametrize("n", [4, COMPACT_FROM - 1])
async def test_in_a_small_alliance_all_get_the_list_of_hashes(n: int) -> None:
    sending = Sending(n, True, True)
    sending.tell(ALICE, hashes("a", 20), 1.0)
    whole = proposal_of(hashes("a", 20))
    sending.link.propose(whole)
    assert sending.sent == [(0, whole), (1, whole)]


async def test_what_may_not_have_reached_everyone_goes_by_its_hash() -> None:
    sending = Sending(COMPACT_FROM, True)
    spread, fresh = hashes("a", 10), hashes("new", 10)
    sending.tell(ALICE, spread, 2 * SPREAD_SECONDS)
    sending.tell(ALICE, fresh, SPREAD_SECONDS / 1_000)
    sending.link.propose(proposal_of(spread + fresh))
    ((_, message),) = sending.sent
    assert message.entries[1:] == fresh
    assert message.entries[0].count == len(spread)


async def test_a_block_holds_what_an_origin_told_together_and_in_its_order() -> None:
    sending = Sending(COMPACT_FROM)
    a, b, unheard = hashes("a", 3), hashes("b", 3), hashes("unheard", 2)
    sending.tell(ALICE, a, 1.0)
    sending.tell(BOB, b, 0.0)
    mixed = transactions((unheard[0], b[0], a[2], b[2], unheard[1], a[0], b[1]))
    assert [tx.hash for tx in sending.link.arranged(mixed)] == [unheard[0], *b, a[0], a[2], unheard[1]]


async def test_what_one_sender_sent_keeps_its_order_though_an_origin_told_only_some_of_it() -> None:
    sending = Sending(COMPACT_FROM)
    a, forgotten = hashes("a", 4), hashes("forgotten", 2)
    sending.tell(ALICE, a, 1.0)
    mixed = [
        sent_by("one", forgotten[0]),  # the oldest, of which the stream knows nothing any more
        sent_by("one", a[1]),
        sent_by("two", a[0]),
        sent_by("three", forgotten[1]),
        sent_by("three", a[3]),
        sent_by("two", a[2]),
    ]
    arranged = sending.link.arranged(mixed)
    assert [tx.hash for tx in arranged] == [forgotten[0], a[0], a[1], a[2], forgotten[1], a[3]]
    assert sorted(map(id, arranged)) == sorted(map(id, mixed))


async def test_a_small_alliances_block_keeps_the_order_of_arrival() -> None:
    sending = Sending(4, wanted=False)
    mixed = transactions((*hashes("b", 2), *hashes("a", 2)))
    assert sending.link.arranged(mixed) == mixed
