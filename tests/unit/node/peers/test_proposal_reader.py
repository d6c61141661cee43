"""A compact proposal is looked up at once, waited for, asked for, refused; what liars can cost is bounded."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from consensus.compact import Batch, CompactProposal, batch_digest, compact
from consensus.errors import MalformedMessage, PeerError
from consensus.messages import Message, Proposal, encode_message
from consensus.types import Candidate, Header
from consensus.verification import ValidatorsAt
from network.gossip_streams import GossipStreams
from node.peers.proposal_reader import LOOKED_UP_AT_ONCE, ProposalReader, Sender
from vm.primitives import merkle
from vm.primitives.codec import encode
from vm.primitives.hashing import ZERO_HASH, sha256

ORIGIN = sha256(b"origin")
HASHES = tuple(sha256(b"tx %d" % i) for i in range(30))


def proposal_of(tx_hashes: Sequence[bytes], *, round_: int = 0, sender: int = 1, time: int = 1) -> Proposal:
    header = Header(
        chain="chain",
        version=1,
        height=5,
        time=time,
        parent=ZERO_HASH,
        parent_state_root=ZERO_HASH,
        parent_commit=ZERO_HASH,
        proposer=sha256(b"key 1"),
        tx_root=merkle.root(tx_hashes),
        tx_count=len(tx_hashes),
        validators_hash=ZERO_HASH,
        next_validators_hash=ZERO_HASH,
    )
    # The reader's verifier is a stand-in here, so that the certificate need not be the one that the header names.
    header = msgspec.structs.replace(header, parent_commit=sha256(encode(None)))
    return Proposal(5, round_, sender, Candidate(header, None, tuple(tx_hashes)), (), None, bytes(64))


def in_short(proposal: Proposal) -> CompactProposal:
    """The compact form in which everything is one batch of ORIGIN."""
    places = {tx_hash: (ORIGIN, i) for i, tx_hash in enumerate(proposal.candidate.tx_hashes)}
    return compact(proposal, places.get)


class Trusting:
    """A verifier that trusts every signature."""

    def decode_and_verify(self, data: bytes, validators_at: ValidatorsAt, source: bytes) -> Any:
        return msgspec.msgpack.decode(data, type=CompactProposal | Proposal)


class Reading:
    """A reader at height 5, round 0, of which validator 1 of 4 is the proposer and validator 0 is we."""

    def __init__(self) -> None:
        self.streams = GossipStreams()
        self.candidates: dict[bytes, Candidate] = {}
        self.served: dict[int, Candidate] = {}
        self.silent: set[int] = set()
        self.asked: list[int] = []
        self.was_asked = asyncio.Event()
        self.taken: list[Message] = []
        self.refused: list[PeerError] = []
        validators = SimpleNamespace(n=4)
        self.context = SimpleNamespace(height=5, validators=validators, own_index=0, proposer=lambda r: (r + 1) % 4)
        self.round = 0
        state = SimpleNamespace(candidate=self.candidates.get)
        self.state: Any = state
        verifier: Any = Trusting()
        self.reader = ProposalReader(verifier, self.streams, self, self.now)
        self.sender = Sender(b"key", self.taken.append, self.refused.append)

    def now(self) -> Any:
        self.state.context, self.state.round = self.context, self.round
        return self.state

    async def candidate(self, source: int, digest: bytes) -> Candidate | None:
        self.asked.append(source)
        self.was_asked.set()
        if source in self.silent:
            await asyncio.Event().wait()
        await asyncio.sleep(0)
        return self.served.get(source)

    def tell(self, tx_hashes: Sequence[bytes]) -> None:
        """Let gossip bring what ORIGIN told."""
        self.streams.told(ORIGIN, tx_hashes, asyncio.get_running_loop().time())

    def read(self, message: Message | CompactProposal) -> Message | None:
        return self.reader.read(encode(message), lambda height: None, self.sender)

    async def ended(self) -> None:
        """Wait until nothing is looked for."""
        tasks = [task for _, task in self.reader._looking.values()]
        async with asyncio.timeout(10):
            await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.sleep(0)


@pytest.fixture
async def reading() -> AsyncIterator[Reading]:
    made = Reading()
    yield made
    made.reader.close()


async def test_what_gossip_has_brought_is_read_at_once(reading: Reading) -> None:
    reading.tell(HASHES)
    whole = proposal_of(HASHES)
    assert reading.read(in_short(whole)) == whole
    assert reading.read(whole) == whole
    assert (reading.asked, reading.reader._looking) == ([], {})


async def test_gossip_that_comes_a_moment_later_is_waited_for(reading: Reading) -> None:
    whole = proposal_of(HASHES)
    assert reading.read(in_short(whole)) is None
    reading.tell(HASHES)
    await reading.ended()
    assert (reading.taken, reading.asked) == ([whole], [])


async def test_the_proposer_is_asked_for_what_does_not_come(reading: Reading) -> None:
    whole = proposal_of(HASHES)
    reading.served[1] = whole.candidate
    assert reading.read(in_short(whole)) is None
    await reading.ended()
    assert (reading.taken, reading.asked) == ([whole], [1])


async def test_the_others_are_asked_where_the_proposer_withholds_it(reading: Reading) -> None:
    whole = proposal_of(HASHES)
    reading.served[3] = whole.candidate
    assert reading.read(in_short(whole)) is None
    await reading.ended()
    assert (reading.taken, reading.asked) == ([whole], [1, 2, 3])


async def test_a_candidate_that_has_come_by_other_means_is_not_asked_for(reading: Reading) -> None:
    whole = proposal_of(HASHES)
    reading.served[2] = reading.served[3] = whole.candidate
    message = in_short(whole)
    assert reading.read(message) is None
    reading.candidates[sha256(encode(whole.candidate.header))] = whole.candidate
    await reading.ended()
    assert (reading.taken, reading.asked) == ([whole], [1])
    assert reading.read(message) == whole


async def test_a_known_candidate_needs_no_batch(reading: Reading) -> None:
    """A block that is proposed again in a later round, or a proposal that is repeated."""
    whole = proposal_of(HASHES, round_=1, sender=2)
    reading.candidates[sha256(encode(whole.candidate.header))] = whole.candidate
    for _ in range(LOOKED_UP_AT_ONCE // len(HASHES) + 1):
        assert reading.read(in_short(whole)) == whole


@pytest.mark.parametrize("late", [False, True])
async def test_a_proposer_whose_batches_are_another_block_is_refused(reading: Reading, late: bool) -> None:
    lie = msgspec.structs.replace(
        in_short(proposal_of(HASHES)),
        entries=(Batch(ORIGIN, HASHES[0], 15, batch_digest(HASHES[:15])),) * 2,
    )
    if late:
        assert reading.read(lie) is None
        reading.tell(HASHES)
        await reading.ended()
        (error,) = reading.refused
    else:
        reading.tell(HASHES)
        with pytest.raises(MalformedMessage) as caught:
            reading.read(lie)
        error = caught.value
    assert "does not bind" in str(error)
    assert (reading.taken, reading.asked) == ([], [])


async def test_where_nobody_has_it_nothing_is_taken_and_its_repetition_begins_anew(reading: Reading) -> None:
    message = in_short(proposal_of(HASHES))
    for _ in range(2):
        assert reading.read(message) is None
        await reading.ended()
    assert reading.taken == reading.refused == []
    assert reading.asked == [1, 2, 3, 1]  # the others once a round


@pytest.mark.parametrize(
    ("round_", "sender", "ours"), [(0, 2, 0), (4, 1, 0), (0, 1, 1)], ids=["out of turn", "ahead", "left behind"]
)
async def test_others_are_asked_for_the_proposal_of_our_round_only(
    reading: Reading, round_: int, sender: int, ours: int
) -> None:
    """Else a liar could have every validator ask every other one as often as it likes."""
    reading.round = ours
    assert reading.read(in_short(proposal_of(HASHES, round_=round_, sender=sender))) is None
    await reading.ended()
    assert reading.asked == [sender]


async def test_a_liar_with_many_proposals_has_one_looked_for(reading: Reading) -> None:
    reading.silent = {1}
    for time in range(1, 20):
        assert reading.read(in_short(proposal_of(HASHES, time=time))) is None
    assert len(reading.reader._looking) == 1
    async with asyncio.timeout(10):
        await reading.was_asked.wait()
    assert reading.asked == [1]
    reading.silent = set()
    last = proposal_of(HASHES, time=20)
    reading.served[1] = last.candidate
    assert reading.read(in_short(last)) is None
    await reading.ended()
    assert reading.taken == [last]


async def test_a_repetition_does_not_begin_anew_while_it_is_looked_for(reading: Reading) -> None:
    message = in_short(proposal_of(HASHES))
    assert reading.read(message) is None
    (looking,) = reading.reader._looking.values()
    assert reading.read(message) is None
    assert list(reading.reader._looking.values()) == [looking]


async def test_the_same_block_proposed_in_a_later_round_is_looked_for_anew(reading: Reading) -> None:
    """Else what was found would be delivered as a message of the round that is over."""
    reading.silent.add(1)
    assert reading.read(in_short(proposal_of(HASHES))) is None
    (before,) = reading.reader._looking.values()
    later = proposal_of(HASHES, round_=4)
    reading.round = 4
    assert reading.read(in_short(later)) is None
    (after,) = reading.reader._looking.values()
    assert after is not before
    reading.tell(HASHES)
    await reading.ended()
    assert reading.taken == [later]


async def test_a_peer_has_no_more_looked_up_than_it_could_send(
    reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some hundred bytes name thousands of hashes, each of which costs a hash of the Merkle tree."""
    now = 1_000.0
    monkeypatch.setattr(asyncio.get_running_loop(), "time", lambda: now)
    many = tuple(sha256(b"many %d" % i) for i in range(8_000))
    reading.tell(many)
    proposals = [proposal_of(many, time=time) for time in range(10)]
    for whole in proposals[: LOOKED_UP_AT_ONCE // len(many)]:
        assert reading.read(in_short(whole)) == whole
    last = in_short(proposals[-1])
    for _ in range(2):
        with pytest.raises(MalformedMessage, match="too many"):
            reading.read(last)
    other = Sender(b"another", reading.taken.append, reading.refused.append)
    assert reading.reader.read(encode(last), lambda height: None, other) == proposals[-1]
    now += 1
    assert reading.read(last) == proposals[-1]


async def test_nothing_is_looked_for_after_the_end(reading: Reading) -> None:
    assert reading.read(in_short(proposal_of(HASHES))) is None
    reading.reader.close()
    await reading.ended()
    assert reading.asked == reading.taken == []
    assert reading.reader._looking == {}


async def test_whole_messages_are_handed_on(reading: Reading) -> None:
    whole = proposal_of(())
    assert reading.reader.read(encode_message(whole), lambda height: None, reading.sender) == whole
